// SPDX-License-Identifier: Apache-2.0
// Load: an archive of images as docker save, podman, skopeo, buildah, umoci and others write it, in any compression.
// Nothing of it is visible before everything in it that is needed has been verified; then all of it is at once.
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "imagestore/archive_members.hpp"
#include "imagestore/image_store.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"

namespace lighterd::imagestore {

struct LoadOptions {
  // Of each image only these, one of which it must provide; empty for all that is there.
  std::vector<oci::Platform> platforms = {};
  // Called from the thread that loads.
  MemberListener on_progress = {};
  // Manifests and configs of all images together, which stay in memory until they are published.
  std::size_t max_document_bytes = std::size_t{128} * 1024 * 1024;
};

// One for each name in the archive, and one for an image without.
struct LoadedImage {
  oci::Digest id;
  std::optional<oci::Reference> name = {};
  std::optional<oci::Digest> replaced = {};  // another image that had the name before
};

// Thread-safe.
class ImageLoader {
 public:
  ImageLoader(ContentStore& content, ImageStore& images) : content_(content), images_(images) {}

  // Reads the archive to its end; blocks. In the order of the archive's index. On any error nothing has changed and
  // nothing is left: kDataLoss ("unexpected EOF", digests, sizes, diff IDs), kInvalidArgument (documents, names, what
  // is missing), kNotFound (platforms), kNoSpace, kCancelled on stop, and what the source throws.
  std::vector<LoadedImage> load(base::Source& archive, const LoadOptions& options, const std::stop_token& stop);

 private:
  ContentStore& content_;
  ImageStore& images_;
};

}  // namespace lighterd::imagestore
