// SPDX-License-Identifier: Apache-2.0
// Descriptors and media types (image-spec, distribution schema2; registry-protocol.md A6).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "oci/platform.hpp"

namespace lighterd::oci {

namespace media_type {
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr std::string_view kDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";

bool is_index(std::string_view type);     // Docker list or OCI index
bool is_manifest(std::string_view type);  // schema 2 or OCI manifest
bool is_schema1(std::string_view type);
bool is_image_config(std::string_view type);
// Any image layer type, foreign ones included; "+encrypted" is none.
bool is_layer(std::string_view type);
// Docker foreign and OCI nondistributable layers: never pushed, fetched from nowhere by default.
bool is_foreign_layer(std::string_view type);
// Parameters cut off, trimmed, lower case: of a Content-Type header.
std::string strip_parameters(std::string_view content_type);
}  // namespace media_type

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::int64_t size_bytes = 0;
  std::map<std::string, std::string> annotations = {};
  std::optional<Platform> platform = {};
  std::vector<std::string> urls = {};
  std::string artifact_type = {};

  bool operator==(const Descriptor&) const = default;
};

// kInvalidArgument: digest not valid, size absent, negative, fractional or out of range, wrong types.
Descriptor descriptor_from_json(const nlohmann::json& object);
// mediaType, digest and size always; other members only if they are not empty.
nlohmann::json to_json(const Descriptor& descriptor);
// The same with the members in the order of the OCI structures, as Docker's clients see them.
nlohmann::ordered_json to_ordered_json(const Descriptor& descriptor);

// An entry that describes another one instead of being an image: annotated vnd.docker.reference.type, or platform
// unknown/unknown. Never selected as an image.
bool is_attestation(const Descriptor& descriptor);

// What an index says that an entry is, whatever it turns out to be.
enum class EntryKind {
  kImage,
  kIndex,
  kAttestation,  // what BuildKit adds for an image, annotated "attestation-manifest"
  kOther,        // otherwise no image: is_attestation()
};
EntryKind entry_kind(const Descriptor& entry);
// The digest, as text, of what the entry describes (vnd.docker.reference.digest); empty if it does not say.
std::string described_digest(const Descriptor& entry);

}  // namespace lighterd::oci
