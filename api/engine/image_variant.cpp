// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_variant.hpp"

#include "base/error.hpp"

namespace lighterd::api {

using imagestore::ImageVariant;

std::optional<ImageVariant> find_shown_variant(imagestore::ImageStore& images, const imagestore::ImageRecord& image) {
  if (!image.manifest) return std::nullopt;
  for (ImageVariant& variant : images.list_variants(image.target.digest))
    if (variant.descriptor.digest == *image.manifest) return std::move(variant);
  return std::nullopt;
}

ImageVariant get_variant(imagestore::ImageStore& images, const imagestore::ImageRecord& image,
                         const oci::PlatformMatcher& matcher, const oci::Platform& wanted,
                         const std::string& argument) {
  auto variants = images.list_variants(image.target.digest);
  ImageVariant* best = nullptr;
  std::size_t best_rank = 0;
  for (ImageVariant& variant : variants) {
    const auto rank = oci::is_attestation(variant.descriptor) ? std::nullopt : matcher.rank(variant.platform);
    if (!rank || (best != nullptr && *rank >= best_rank)) continue;
    best = &variant;
    best_rank = *rank;
  }
  if (best == nullptr)
    throw base::Error(base::ErrorCode::kNotFound,
                      "image with reference " + oci::parse_image_argument(argument).familiar() +
                          " was found but does not provide the specified platform (" + oci::to_string(wanted) + ")");
  return std::move(*best);
}

}  // namespace lighterd::api
