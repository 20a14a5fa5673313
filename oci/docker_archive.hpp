// SPDX-License-Identifier: Apache-2.0
// The documents of what `docker save` wrote before OCI layouts, and many other tools still write: manifest.json names
// a config, layers and tags for each image, and there is no manifest with a digest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/descriptor.hpp"

namespace lighterd::oci {

inline constexpr std::size_t kMaxArchiveDocumentBytes = std::size_t{20} * 1024 * 1024;
inline constexpr std::size_t kMaxArchiveImages = 10'000;

struct DockerArchiveImage {
  std::string config;                  // a member's name
  std::vector<std::string> repo_tags;  // as written
  std::vector<std::string> layers;     // members' names, bottom first
};

// Of manifest.json. kInvalidArgument with Docker's texts: "invalid manifest, manifest cannot be null (but can be [])".
std::vector<DockerArchiveImage> parse_docker_archive(std::string_view bytes);

// The schema 2 manifest of such an image, the same bytes for the same image always: containerd makes these too, so that
// the image has one ID on either.
std::string make_docker_manifest(const Descriptor& config, const std::vector<Descriptor>& layers);

}  // namespace lighterd::oci
