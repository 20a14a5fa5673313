// SPDX-License-Identifier: Apache-2.0
#include "api/registry/manifest_reference.hpp"

#include "api/registry/registry_call.hpp"
#include "api/registry/registry_fault.hpp"
#include "oci/reference.hpp"

namespace lighterd::api::registry {

ManifestReference parse_manifest_reference(const std::string& text) {
  if (text.find(':') != std::string::npos) return parse_digest_parameter(text);
  if (!oci::is_valid_tag(text))
    throw RegistryFault(FaultCode::kTagInvalid, "invalid tag", "{\"tag\":" + json_string(text) + "}");
  return text;
}

}  // namespace lighterd::api::registry
