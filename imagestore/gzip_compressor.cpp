// SPDX-License-Identifier: Apache-2.0
#include "imagestore/gzip_compressor.hpp"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <vector>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

// Level 1 is about as fast as the hash beside it; what level 3 saves is a few percent. It is also what keeps a layer of
// zeros below the ratio from which readers take it for a bomb.
constexpr std::uint32_t kLevel = 1;
constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;

}  // namespace

struct GzipCompressor::State {
  explicit State(base::Sink& output) : sink(output) {
    isal_deflate_init(&stream);
    stream.level = kLevel;
    stream.level_buf = level_buffer.data();
    stream.level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
    stream.gzip_flag = IGZIP_GZIP;
  }

  // What the compressor makes of its input depends on how it is cut: it is fed whole blocks only.
  void compress() {
    stream.next_in = input.data();
    stream.avail_in = static_cast<std::uint32_t>(filled);
    do {
      stream.next_out = output_block.data();
      stream.avail_out = static_cast<std::uint32_t>(output_block.size());
      if (isal_deflate(&stream) != COMP_OK)
        throw base::Error(base::ErrorCode::kInternal, "gzip: the compressor failed");
      sink.write(std::as_bytes(std::span(output_block)).first(output_block.size() - stream.avail_out));
    } while (stream.avail_out == 0);
    filled = 0;
  }

  base::Sink& sink;
  isal_zstream stream{};
  std::vector<std::uint8_t> level_buffer = std::vector<std::uint8_t>(ISAL_DEF_LVL1_DEFAULT);
  std::vector<std::uint8_t> input = std::vector<std::uint8_t>(kBlockBytes);
  std::vector<std::uint8_t> output_block = std::vector<std::uint8_t>(kBlockBytes);
  std::size_t filled = 0;  // of input
};

GzipCompressor::GzipCompressor(base::Sink& sink) : state_(std::make_unique<State>(sink)) {}

GzipCompressor::~GzipCompressor() = default;

void GzipCompressor::write(base::Bytes data) {
  while (!data.empty()) {
    const auto space = std::as_writable_bytes(std::span(state_->input)).subspan(state_->filled);
    const std::size_t count = std::min(space.size(), data.size());
    std::copy_n(data.begin(), count, space.begin());
    state_->filled += count;
    data = data.subspan(count);
    if (count == space.size()) state_->compress();
  }
}

void GzipCompressor::finish() {
  state_->stream.end_of_stream = 1;
  state_->compress();
}

}  // namespace lighterd::imagestore
