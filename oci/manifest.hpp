// SPDX-License-Identifier: Apache-2.0
// Manifests and indexes, parsed from the exact bytes that a registry or an archive gave, with the confusion checks
// of CVE-2021-41190 and the caps of security-reliability.md A.1 (1, 7, 8, 9). They are never re-serialised.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "oci/descriptor.hpp"

namespace lighterd::oci {

inline constexpr std::size_t kMaxManifestBytes = 4 * 1024 * 1024;
inline constexpr std::size_t kMaxConfigBytes = 8 * 1024 * 1024;
inline constexpr std::size_t kMaxDescriptors = 1000;  // per document
inline constexpr std::size_t kMaxLayers = 127;
inline constexpr int kMaxIndexDepth = 4;

struct Manifest {
  std::string media_type;
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations = {};  // those that are strings

  // Whether it is a container image: the config's type says so. Otherwise it is an artifact.
  bool is_image() const;
  // It has layers and none is an image layer, such as an attestation's: never unpacked, whatever its config says.
  bool is_pseudo_image() const;
};

struct Index {
  std::string media_type;
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations = {};  // those that are strings
};

using Document = std::variant<Manifest, Index>;

// media_type is what the descriptor or the Content-Type said, parameters stripped; types that say nothing
// (empty, application/json, text/*, application/octet-stream) leave the choice to the body's mediaType and then to
// its members. kInvalidArgument for whatever is wrong, with schema 1 getting Docker's deprecation text that names
// `reference_for_errors` (kInvalidArgument, HTTP 400).
Document parse_document(std::string_view bytes, std::string_view media_type, std::string_view reference_for_errors);

// The type that the document turned out to have.
const std::string& media_type_of(const Document& document);
// What it is about, here or not; null for most.
const Descriptor* find_subject(const Document& document);
// How a list of referrers describes the document (registry-protocol.md B1): with its annotations, and as artifact type
// its own, else of a manifest the config's media type.
Descriptor referrer_descriptor(const Document& document, Descriptor descriptor);

// The entry of an index to use: the best rank; entries without platform match last; ties keep file order;
// attestations never. Nested indexes are the caller's: an entry whose media type is an index is a candidate as any.
const Descriptor* find_platform(const Index& index, const PlatformMatcher& matcher);

}  // namespace lighterd::oci
