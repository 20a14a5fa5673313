// SPDX-License-Identifier: Apache-2.0
// Manifests as they are looked at: of every kind that registries have, old ones included.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "distribution/registry_client.hpp"
#include "oci/image_config.hpp"
#include "oci/manifest.hpp"
#include "oci/schema1.hpp"

namespace lighterd::distribution {

struct RemoteDocument {
  oci::Descriptor descriptor;  // media type that it turned out to have; digest; size as it came
  std::variant<oci::Manifest, oci::Index, oci::Schema1Manifest> content;
};

// One image: a manifest and what its config says.
struct RemoteManifest {
  std::optional<oci::Descriptor> manifest = {};           // none: a registry of the V1 protocol has no such thing ...
  std::string v1_id = {};                                 // ... but 64 hex digits that are no digest
  std::optional<oci::Descriptor> config_descriptor = {};  // none: its config was made by us
  std::string artifact_type = {};                         // of what is no image: its own, or its config's type
  std::optional<oci::ImageConfig> config = {};            // none: no image
  std::vector<oci::Descriptor> layers = {};               // base first; size -1: the manifest does not say
};

// kInvalidArgument as oci::parse_document and oci::parse_schema1.
RemoteDocument parse_remote_document(const FetchedManifest& fetched, Schema1Images schema1_images,
                                     const std::string& reference);

// Of a manifest; reads the config of an image, at most one request. Throws as RegistryClient::read_blob and
// oci::parse_image_config.
RemoteManifest read_remote_manifest(RegistryClient& client, const RemoteDocument& document, std::stop_token stop);

}  // namespace lighterd::distribution
