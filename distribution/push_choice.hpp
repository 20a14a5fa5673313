// SPDX-License-Identifier: Apache-2.0
// What a push of an image sends: all of it, one platform, or an index of some (engine-api.md sections 2.3 and 5).
#pragma once

#include <optional>

#include "distribution/puller.hpp"
#include "distribution/push_plan.hpp"

namespace lighterd::distribution {

struct ChosenPush {
  PushPlan plan;
  // Of an index that is here in part: the platform that is pushed in its place.
  std::optional<oci::Descriptor> substitute = {};
};

// kNotFound: what `descriptor` points to is neither here nor there.
class ContentMissing : public base::Error {
 public:
  ContentMissing(oci::Descriptor descriptor, std::string text)
      : Error(base::ErrorCode::kNotFound, std::move(text)), descriptor_(std::move(descriptor)) {}
  const oci::Descriptor& descriptor() const noexcept { return descriptor_; }

 private:
  oci::Descriptor descriptor_;
};

// For one operation and one thread; what it is made of outlives it.
class PushChoice {
 public:
  PushChoice(DistributionServices& services, const imagestore::Lease& lease, PushPlanOptions options)
      : services_(services), lease_(lease), options_(std::move(options)) {}

  // By default the whole image, of which the repository may have what is not here, else a substitute: the host's
  // platform, or the only one that is here. One platform is its manifest; several are an index of them and of their
  // attestations, as the image's index has them; all of them are the image, whole. `name` is for error texts.
  // ContentMissing, PlatformMissing, kConflict when a platform or a substitute is not one manifest; throws as
  // make_push_plan.
  ChosenPush choose(const imagestore::ImageRecord& image, const oci::Reference& name, const PlatformChoice& platforms);

 private:
  ChosenPush choose_default(const imagestore::ImageRecord& image);
  ChosenPush choose_all(const imagestore::ImageRecord& image, const oci::Reference& name);
  ChosenPush choose_these(const imagestore::ImageRecord& image, const oci::Reference& name,
                          const std::vector<oci::Platform>& platforms);
  oci::Descriptor put_index(const imagestore::ImageRecord& image, const std::vector<oci::Descriptor>& manifests);
  std::optional<PushPlan> find_plan(const oci::Descriptor& descriptor);
  PushPlan get_plan(const oci::Descriptor& descriptor);

  DistributionServices& services_;
  const imagestore::Lease& lease_;
  PushPlanOptions options_;
};

}  // namespace lighterd::distribution
