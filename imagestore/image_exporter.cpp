// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_exporter.hpp"

#include <algorithm>
#include <thread>

#include "base/block_queue.hpp"
#include "base/error.hpp"
#include "imagestore/archive_names.hpp"
#include "imagestore/tar_writer.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kBlocks = 4;
constexpr std::size_t kBlockBytes = std::size_t{256} * 1024;
constexpr unsigned kFolderMode = 0755;
constexpr unsigned kContentMode = 0444;
constexpr unsigned kListMode = 0644;

// A block never holds bytes of two blobs.
void read_blob(const ExportedBlob& blob, const ContentStore& content, base::BlockQueue& queue,
               const std::stop_token& stop) {
  const base::UniqueFd fd = content.open_blob(blob.digest);
  const auto path = content.blob_path(blob.digest);
  oci::DigestHasher hasher(blob.digest.algorithm());
  for (std::int64_t offset = 0; offset < blob.size_bytes;) {
    std::span<std::byte> space = queue.get_space(stop);
    const auto left = static_cast<std::size_t>(blob.size_bytes - offset);
    const std::size_t count = base::read_at(fd.get(), space.first(std::min(left, space.size())), offset, path);
    hasher.update(space.first(count));
    offset += static_cast<std::int64_t>(count);
    if (count == 0 || (offset == blob.size_bytes && hasher.finish() != blob.digest))
      throw Error(ErrorCode::kDataLoss, "stored content of " + blob.digest.to_string() + " is damaged");
    queue.put(count);
  }
}

class ReadAhead {
 public:
  ReadAhead(const ExportPlan& plan, const ContentStore& content)
      : queue_(kBlocks, kBlockBytes), reader_([&](const std::stop_token& stop) { run(plan, content, stop); }) {}

  base::Bytes next_block() { return queue_.next_block(); }

 private:
  void run(const ExportPlan& plan, const ContentStore& content, const std::stop_token& stop) noexcept {
    try {
      for (const ExportedBlob& blob : plan.blobs) read_blob(blob, content, queue_, stop);
      queue_.close();
    } catch (...) {
      queue_.fail(std::current_exception());
    }
  }

  base::BlockQueue queue_;
  std::jthread reader_;
};

void write_blob(const ExportedBlob& blob, ReadAhead& blocks, TarWriter& tar, const std::stop_token& stop) {
  tar.start_file(blob_member(blob.digest), kContentMode, blob.size_bytes);
  for (std::int64_t left = blob.size_bytes; left > 0;) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    const base::Bytes block = blocks.next_block();
    tar.write(block);
    left -= static_cast<std::int64_t>(block.size());
  }
}

void write_blobs(const ExportPlan& plan, const ContentStore& content, TarWriter& tar, const std::stop_token& stop) {
  if (plan.blobs.empty()) return;
  tar.add_directory("blobs", kFolderMode);
  ReadAhead blocks(plan, content);
  std::string folder;
  for (const ExportedBlob& blob : plan.blobs) {
    const std::string algorithm = blob_folder(blob.digest.algorithm());
    if (folder != algorithm) tar.add_directory(folder = algorithm, kFolderMode);
    write_blob(blob, blocks, tar, stop);
  }
}

}  // namespace

void write_archive(const ExportPlan& plan, const ContentStore& content, base::Sink& sink, const std::stop_token& stop) {
  TarWriter tar(sink);
  write_blobs(plan, content, tar, stop);
  tar.add_file("index.json", kListMode, plan.index_json);
  if (!plan.manifest_json.empty()) tar.add_file("manifest.json", kListMode, plan.manifest_json);
  tar.add_file("oci-layout", kContentMode, R"({"imageLayoutVersion":"1.0.0"})");
  tar.finish();
}

}  // namespace lighterd::imagestore
