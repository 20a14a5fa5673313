// SPDX-License-Identifier: Apache-2.0
// What a pull is about: what its name stands for, the manifests chosen below that, and whether they are here. For a
// manifest of schema 1 nothing is chosen: the image is made of what is below it (schema1_pull.hpp).
#pragma once

#include <optional>
#include <stop_token>

#include "distribution/document_fetch.hpp"
#include "distribution/platform_selection.hpp"
#include "distribution/puller.hpp"
#include "oci/schema1.hpp"

namespace lighterd::distribution {

// For one operation and one thread. What it is made of outlives it.
class PullSelection {
 public:
  // `reference` has a tag or a digest.
  PullSelection(DistributionServices& services, SharedRequests& shared, RegistryClient& client,
                const imagestore::Lease& lease, DocumentFetch& documents, oci::Reference reference,
                std::stop_token stop);

  // First and once. Throws as Puller::pull before its first report.
  void find(const PlatformChoice& platforms);

  const oci::Reference& reference() const { return reference_; }
  const oci::Descriptor& target() const { return *target_; }
  const SelectedManifests& manifests() const { return selected_; }
  // Of a target of schema 1, else null.
  const oci::Schema1Manifest* schema1() const { return schema1_ ? &*schema1_ : nullptr; }

  // Whether the name stands for this already.
  bool is_named() const;
  // Whether it does, and nothing is missing that the images need: what is only about them is not asked for again.
  bool is_complete() const;

 private:
  oci::Descriptor find_target();
  void check_schema1(const FetchedManifest& source);
  bool has_layers(const oci::Schema1Manifest& manifest) const;
  bool has_content(const oci::Manifest& manifest) const;

  DistributionServices& services_;
  SharedRequests& shared_;
  RegistryClient& client_;
  const imagestore::Lease& lease_;
  DocumentFetch& documents_;
  const oci::Reference reference_;
  const std::stop_token stop_;
  std::optional<oci::Descriptor> target_;
  SelectedManifests selected_;
  std::optional<oci::Schema1Manifest> schema1_;
};

}  // namespace lighterd::distribution
