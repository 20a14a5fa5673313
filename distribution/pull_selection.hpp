// SPDX-License-Identifier: Apache-2.0
// What a pull is about: what its name stands for, the manifests chosen below that or the one of schema 1 that is to be
// converted, and whether they are here.
#pragma once

#include <optional>
#include <stop_token>

#include "distribution/document_fetch.hpp"
#include "distribution/platform_selection.hpp"
#include "distribution/puller.hpp"

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

  // What the name stands for, where that is of schema 1: there is nothing else to select then.
  const FetchedManifest* find_schema1() const { return schema1_ ? &*schema1_ : nullptr; }
  // The name stands for what that was converted to.
  bool is_converted() const;

  // Of any other image:
  const oci::Descriptor& target() const { return *target_; }
  const SelectedManifests& manifests() const { return selected_; }
  // Whether the name stands for the target and nothing is missing that the images need: what is only about them is not
  // asked for again.
  bool is_complete() const;

 private:
  oci::Descriptor find_target();
  void select(const oci::Descriptor& target, const PlatformChoice& platforms);
  bool has_content(const oci::Manifest& manifest) const;

  DistributionServices& services_;
  SharedRequests& shared_;
  RegistryClient& client_;
  const imagestore::Lease& lease_;
  DocumentFetch& documents_;
  const oci::Reference reference_;
  const std::stop_token stop_;
  std::optional<FetchedManifest> schema1_;
  std::optional<oci::Descriptor> target_;
  SelectedManifests selected_;
};

}  // namespace lighterd::distribution
