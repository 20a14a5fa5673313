// SPDX-License-Identifier: Apache-2.0
#include "api/registry/accept_types.hpp"

#include "api/registry/header_items.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::api::registry {
namespace {

constexpr AcceptTypes kEverything{true, true, true, true};

void add_type(AcceptTypes& types, std::string_view text) {
  namespace media_type = oci::media_type;
  const std::string type = media_type::strip_parameters(text);
  if (type == "*/*" || type == "application/*") types = kEverything;
  if (type == media_type::kDockerManifest) types.schema2 = true;
  if (type == media_type::kDockerList) types.docker_list = true;
  if (type == media_type::kOciManifest) types.oci_manifest = true;
  if (type == media_type::kOciIndex) types.oci_index = true;
}

}  // namespace

bool AcceptTypes::takes(std::string_view type) const {
  if (type == oci::media_type::kDockerManifest) return schema2;
  if (type == oci::media_type::kDockerList) return docker_list;
  if (type == oci::media_type::kOciManifest) return oci_manifest;
  return type == oci::media_type::kOciIndex && oci_index;
}

AcceptTypes parse_accept(const Headers& headers) {
  const auto items = header_items(headers, "Accept");
  if (items.empty()) return kEverything;
  AcceptTypes types;
  for (const std::string_view item : items) add_type(types, item);
  return types;
}

}  // namespace lighterd::api::registry
