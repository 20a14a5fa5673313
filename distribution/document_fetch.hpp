// SPDX-License-Identifier: Apache-2.0
// The documents of one pull: each from the store if it is there, else from the registry by one request of all pulls
// that want it at the time; verified, and kept where that is wanted.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

// Of one operation, whose documents are all kept until it ends.
struct DocumentLimits {
  std::size_t count = 10'000;
  std::size_t bytes = std::size_t{64} * 1024 * 1024;
};

// For one operation and one thread. What it is made of outlives it.
class DocumentFetch {
 public:
  enum class Keeping {
    kStore,   // what was fetched becomes a blob, leased
    kForget,  // it is only looked at
  };
  // `reference` is what error texts name.
  DocumentFetch(DistributionServices& services, SharedRequests& shared, RegistryClient& client,
                const imagestore::Lease& lease, std::string reference, DocumentLimits limits, Keeping keeping,
                std::stop_token stop);

  // A manifest or an index, once however often it is asked for; valid as long as this. A descriptor without type and
  // with a size below zero is of a digest alone. Blocks. kInvalidArgument for what is no document and for what is
  // beyond the limits; kDataLoss for a wrong size; kCancelled; throws as
  // RegistryClient.
  imagestore::ParsedManifest& load(const oci::Descriptor& descriptor);
  // What the registry has by that digest, if it is a manifest of schema 1 and such are taken; it is not kept, and
  // load() refuses it. Valid until load(), which does not fetch again what is of another kind. Throws as load().
  const FetchedManifest* find_schema1(const oci::Descriptor& descriptor);
  // The bytes of a config; as load().
  std::string read_config(const oci::Descriptor& config);

 private:
  FetchedManifest fetch_document(const oci::Descriptor& descriptor);
  std::string fetch_config(const oci::Descriptor& config);
  bool is_taken_schema1(const FetchedManifest& fetched) const;
  void throw_if_stopped() const;
  void keep(const oci::Descriptor& descriptor, const std::string& bytes);
  std::optional<std::string> find_stored(const oci::Digest& digest, std::size_t limit_bytes);

  DistributionServices& services_;
  SharedRequests& shared_;
  RegistryClient& client_;
  const imagestore::Lease& lease_;
  std::string reference_;
  DocumentLimits limits_;
  Keeping keeping_;
  std::stop_token stop_;
  std::unordered_map<oci::Digest, std::unique_ptr<imagestore::ParsedManifest>> documents_;
  std::size_t document_bytes_ = 0;          // of those
  std::optional<FetchedManifest> fetched_;  // by find_schema1
};

}  // namespace lighterd::distribution
