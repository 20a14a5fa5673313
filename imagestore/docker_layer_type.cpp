// SPDX-License-Identifier: Apache-2.0
#include "imagestore/docker_layer_type.hpp"

#include <array>

#include "base/error.hpp"
#include "base/file.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::string_view kPlainLayer = "application/vnd.docker.image.rootfs.diff.tar";

}  // namespace

std::string docker_layer_type(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return std::string(oci::media_type::kDockerLayerGzip);
    case Compression::kZstd:
      return std::string(kPlainLayer) + ".zstd";
    case Compression::kNone:
      return std::string(kPlainLayer);
    case Compression::kBzip2:
    case Compression::kXz:
      break;
  }
  throw base::Error(base::ErrorCode::kNotImplemented,
                    "a layer that is named by its digest cannot be compressed with bzip2 or xz");
}

Compression stored_compression(const ContentStore& content, const oci::Digest& digest) {
  std::array<std::byte, kMagicBytes> magic;
  const base::UniqueFd file = content.open_blob(digest);
  const std::size_t count = base::read_at(file.get(), magic, 0, content.blob_path(digest));
  return compression_of(base::as_text(base::Bytes(magic).first(count)));
}

}  // namespace lighterd::imagestore
