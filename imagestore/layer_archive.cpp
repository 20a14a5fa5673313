// SPDX-License-Identifier: Apache-2.0
#include "imagestore/layer_archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <vector>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kBlockBytes = 256 * 1024;

struct Closer {
  void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};

void check(archive* reader, la_ssize_t result) {
  if (result < ARCHIVE_OK) throw Error(ErrorCode::kDataLoss, std::string("layer: ") + archive_error_string(reader));
}

}  // namespace

LayerContent diff_id_of_file(const std::filesystem::path& path, const DecompressionLimits& limits,
                             const std::stop_token& stop) {
  const std::unique_ptr<archive, Closer> reader(archive_read_new());
  if (!reader) throw std::bad_alloc();
  check(reader.get(), archive_read_support_filter_bzip2(reader.get()));
  check(reader.get(), archive_read_support_filter_xz(reader.get()));
  check(reader.get(), archive_read_support_format_raw(reader.get()));
  check(reader.get(), archive_read_open_filename(reader.get(), path.c_str(), kBlockBytes));
  archive_entry* entry = nullptr;
  check(reader.get(), archive_read_next_header(reader.get(), &entry));

  oci::DigestHasher hasher(oci::DigestAlgorithm::kSha256);
  std::vector<std::byte> buffer(kBlockBytes);
  std::int64_t total = 0;
  for (;;) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "layer verification cancelled");
    const la_ssize_t count = archive_read_data(reader.get(), buffer.data(), buffer.size());
    check(reader.get(), count);
    if (count == 0) return {hasher.finish(), total};
    total += count;
    const std::int64_t compressed = archive_filter_bytes(reader.get(), -1);
    if (total > limits.max_uncompressed_bytes ||
        (total > limits.check_ratio_from_bytes && total / limits.max_ratio > compressed))
      throw Error(ErrorCode::kDataLoss, "layer is too large uncompressed");
    hasher.update(base::Bytes(buffer).first(static_cast<std::size_t>(count)));
  }
}

}  // namespace lighterd::imagestore
