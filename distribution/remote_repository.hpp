// SPDX-License-Identifier: Apache-2.0
// One repository to look into, whichever protocol its registry speaks (registry-protocol.md A14).
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "distribution/puller.hpp"
#include "distribution/remote_document.hpp"
#include "distribution/remote_failure.hpp"
#include "distribution/v1_registry.hpp"

namespace lighterd::distribution {

// For one operation and one thread. V1 is spoken when /v2/ turns out not to be there, and never after it has been.
// What is missing is a RemoteError; refusals are RegistryErrors, broken content is kDataLoss or kInvalidArgument.
class RemoteRepository {
 public:
  RemoteRepository(DistributionServices& services, const oci::RepositoryName& name, const OperationContext& context,
                   std::stop_token stop);

  const oci::RepositoryName& name() const { return client_.repository(); }

  // In the registry's order.
  std::vector<std::string> list_tags();

  using Found = std::variant<RemoteDocument, V1Image>;
  Found get_by_tag(const std::string& tag, TagChoice choice);
  // A digest, or the 64 hex digits of one, or of a V1 image.
  Found get_by_id(const std::string& id);

  // These have no counterpart in V1.
  // `entry` is an index's; kDataLoss if it says another size.
  RemoteDocument get_document(const oci::Descriptor& entry);
  RemoteManifest read_manifest(const RemoteDocument& document);
  std::vector<oci::Descriptor> list_referrers(const oci::Digest& subject);

 private:
  template <typename ByV2, typename ByV1>
  auto ask(const RemoteQuestion& question, const ByV2& by_v2, const ByV1& by_v1);
  template <typename ByV1>
  auto ask_v1(const RemoteQuestion& question, const ByV1& by_v1, const std::exception_ptr& v2_failure);
  V2Presence judge(const base::Error& error, Missing what);
  V2Presence probe();
  using Fetched = std::variant<FetchedManifest, V1Image>;
  Found parse(Fetched fetched) const;

  DistributionServices& services_;
  OperationContext context_;
  RegistryClient client_;
  std::stop_token stop_;
  bool is_v2_confirmed_ = false;
  std::unique_ptr<V1Registry> v1_;  // once it is known that V1 is to be spoken
};

}  // namespace lighterd::distribution
