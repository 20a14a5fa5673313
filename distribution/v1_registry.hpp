// SPDX-License-Identifier: Apache-2.0
// The protocol of registries from before /v2/ (registry-protocol.md A14): tags and images of one repository, to look
// at. Images themselves are not fetched by it.
#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "base/log.hpp"
#include "distribution/registry_client.hpp"
#include "distribution/remote_error.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

// What a V1 registry has of an image: one JSON document for each layer, named by an ID that is no digest.
struct V1Image {
  std::string id;    // 64 hex digits
  std::string json;  // an image config without rootfs and history
};

// For one operation and one thread: it has the operation's token, cookies, and the host that the registry named.
class V1Registry {
 public:
  // What hosts.toml says of the registry itself counts, its mirrors do not. Throws as make_endpoints.
  V1Registry(HttpClient& http, const RegistryOptions& options, const oci::RepositoryName& repository,
             const OperationContext& context, base::Logger& logger);
  ~V1Registry();

  // Block; what may pass is tried again. All throw RemoteError for what is not there, a registry that refuses the
  // connection included; RegistryError for other refusals; TransportError; kPermissionDenied for a redirect or an
  // endpoint that must not be followed; kInvalidArgument for documents, tags and IDs that are none; kDataLoss for a
  // body of more than 4 MiB; kCancelled.

  // Tag and image ID as the registry has it, which need not be whole; at most 100,000.
  std::map<std::string, std::string> list_tags(std::stop_token stop);
  V1Image get_image_by_tag(const std::string& tag, TagChoice choice, std::stop_token stop);
  V1Image get_image(const std::string& id, std::stop_token stop);

 private:
  class Session;
  std::unique_ptr<Session> session_;
};

}  // namespace lighterd::distribution
