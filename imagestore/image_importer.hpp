// SPDX-License-Identifier: Apache-2.0
// Makes an image of one layer out of a root file system's tar (docker import).
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "imagestore/image_store.hpp"

namespace lighterd::imagestore {

struct ImportRequest {
  std::optional<oci::Reference> name = {};  // with a tag
  oci::Platform platform;
  std::string config_json = "{}";  // the "config" member of the image config
  std::string comment = {};        // of its one history entry
};

// Reads `rootfs` to its end, in any compression, and holds none of it: gzip and zstd are kept as they came, anything
// else becomes gzip on the way. The image's ID. Nothing is visible, and nothing stays, unless all of it is there.
// kDataLoss: no tar, damaged compression, or a limit of DecompressionLimits; kCancelled; what `rootfs` throws.
oci::Digest import_image(ContentStore& content, ImageStore& images, base::Source& rootfs, const ImportRequest& request,
                         const std::stop_token& stop);

}  // namespace lighterd::imagestore
