// SPDX-License-Identifier: Apache-2.0
#include "api/engine/remote_json.hpp"

#include <nlohmann/json.hpp>

#include "base/json.hpp"
#include "base/time.hpp"

namespace lighterd::api {
namespace {

using distribution::PlannedBlob;
using distribution::PullPlan;
using distribution::RemoteDescription;
using distribution::RemoteManifest;
using Ordered = nlohmann::ordered_json;

Ordered blob_json(const oci::Descriptor& descriptor) {
  return {
      {"Digest", descriptor.digest.to_string()}, {"MediaType", descriptor.media_type}, {"Size", descriptor.size_bytes}};
}

Ordered layers_json(const std::vector<oci::Descriptor>& layers) {
  Ordered array = Ordered::array();
  for (const oci::Descriptor& layer : layers) {
    Ordered item = blob_json(layer);
    if (!layer.annotations.empty()) item["Annotations"] = layer.annotations;
    array.push_back(std::move(item));
  }
  return array;
}

// -1 as soon as the manifest does not say it of one.
std::int64_t total_bytes(const std::vector<oci::Descriptor>& layers) {
  std::int64_t total = 0;
  for (const oci::Descriptor& layer : layers) {
    if (layer.size_bytes < 0) return -1;
    // The sum of what a manifest claims may be more than there is room for.
    if (__builtin_add_overflow(total, layer.size_bytes, &total)) return -1;
  }
  return total;
}

Ordered history_json(const std::vector<oci::HistoryEntry>& history) {
  Ordered array = Ordered::array();
  for (const oci::HistoryEntry& entry : history) {
    Ordered item = Ordered::object();
    if (entry.created) item["Created"] = base::format_rfc3339(*entry.created);
    item["CreatedBy"] = entry.created_by;
    item["Comment"] = entry.comment;
    item["Author"] = entry.author;
    item["EmptyLayer"] = entry.empty_layer;
    array.push_back(std::move(item));
  }
  return array;
}

// As the config has it; null if it has none of that kind.
Ordered member_of(const Ordered& runtime, const char* name, Ordered::value_t kind) {
  const auto member = runtime.find(name);
  return member != runtime.end() && member->type() == kind ? *member : Ordered(nullptr);
}

// The members from Created to ConfigDigest.
void add_image(Ordered& object, const RemoteManifest& image) {
  const oci::ImageConfig config = image.config.value_or(oci::ImageConfig{});
  const Ordered runtime = config.runtime_json.empty() ? Ordered::object() : Ordered::parse(config.runtime_json);
  if (config.created) object["Created"] = base::format_rfc3339(*config.created);
  object["DockerVersion"] = config.docker_version;
  object["Author"] = config.author;
  object["Labels"] = member_of(runtime, "Labels", Ordered::value_t::object);
  object["Architecture"] = config.platform.architecture;
  object["Os"] = config.platform.os;
  object["Variant"] = config.platform.variant;
  object["Layers"] = layers_json(image.layers);
  object["LayersTotalSize"] = total_bytes(image.layers);
  object["Env"] = member_of(runtime, "Env", Ordered::value_t::array);
  object["Config"] = runtime;
  object["History"] = history_json(config.history);
  object["ManifestDigest"] = image.manifest ? Ordered(image.manifest->digest.to_string()) : Ordered(nullptr);
  object["ConfigDigest"] =
      image.config_descriptor ? Ordered(image.config_descriptor->digest.to_string()) : Ordered(nullptr);
  object["ArtifactType"] = image.artifact_type;
}

Ordered entries_json(const RemoteDescription& description) {
  if (!description.target || description.entries.empty()) return Ordered::array();
  Ordered array = Ordered::array();
  for (const distribution::RemoteEntry& entry : description.entries) {
    const oci::Platform platform = entry.descriptor.platform.value_or(oci::Platform{});
    Ordered item = {{"Platform", entry.descriptor.platform ? oci::to_string(platform) : ""}};
    item.update(blob_json(entry.descriptor));
    if (entry.image) {
      Ordered image = Ordered::object();
      add_image(image, *entry.image);
      item["Image"] = std::move(image);
    }
    array.push_back(std::move(item));
  }
  return array;
}

Ordered referrers_json(const RemoteDescription& description) {
  if (!description.referrers) return nullptr;
  Ordered array = Ordered::array();
  for (const oci::Descriptor& referrer : *description.referrers) array.push_back(oci::to_ordered_json(referrer));
  return array;
}

const char* kind_name(PlannedBlob::Kind kind) {
  switch (kind) {
    case PlannedBlob::Kind::kIndex:
      return "index";
    case PlannedBlob::Kind::kManifest:
      return "manifest";
    case PlannedBlob::Kind::kConfig:
      return "config";
    case PlannedBlob::Kind::kLayer:
      return "layer";
    case PlannedBlob::Kind::kAttestation:
      return "attestation";
  }
  return "";
}

}  // namespace

std::string remote_tags_json(const oci::RepositoryName& repository, const std::vector<std::string>& tags) {
  return base::to_text(Ordered{{"Name", repository.to_string()}, {"Tags", tags}});
}

std::string remote_image_json(const RemoteDescription& description) {
  Ordered object = {{"Name", description.repository.to_string()}, {"Tag", description.tag}};
  if (!description.image.v1_id.empty()) object["Id"] = description.image.v1_id;
  object["Digest"] = description.target ? Ordered(description.target->digest.to_string()) : Ordered(nullptr);
  object["MediaType"] = description.target ? Ordered(description.target->media_type) : Ordered(nullptr);
  object["Size"] = description.target ? Ordered(description.target->size_bytes) : Ordered(nullptr);
  object["RepoTags"] = description.tags ? Ordered(*description.tags) : Ordered(nullptr);
  add_image(object, description.image);
  object["Platforms"] = entries_json(description);
  object["Referrers"] = referrers_json(description);
  return base::to_text(object);
}

std::string pull_plan_json(const PullPlan& plan) {
  Ordered blobs = Ordered::array();
  for (const PlannedBlob& blob : plan.blobs) {
    Ordered item = blob_json(blob.descriptor);
    item["Kind"] = kind_name(blob.kind);
    item["Fetch"] = blob.fetch_bytes;
    item["Reuse"] = blob.reuse_bytes;
    blobs.push_back(std::move(item));
  }
  const oci::Reference& reference = plan.reference;
  const Ordered object = {{"Name", reference.repository().to_string()},
                          {"Tag", reference.digest() ? "" : reference.tag().value_or("")},
                          {"Digest", plan.target.to_string()},
                          {"UpToDate", plan.is_up_to_date},
                          {"Fetch", plan.fetch_bytes()},
                          {"Reuse", plan.reuse_bytes()},
                          {"DiskNeeded", plan.disk_needed_bytes()},
                          {"DiskFree", plan.disk_free_bytes},
                          {"Blobs", std::move(blobs)}};
  return base::to_text(object);
}

}  // namespace lighterd::api
