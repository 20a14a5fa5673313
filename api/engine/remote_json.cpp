// SPDX-License-Identifier: Apache-2.0
#include "api/engine/remote_json.hpp"

#include <nlohmann/json.hpp>

#include "api/engine/json_text.hpp"
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
    if (!layer.annotations.empty()) item["Annotations"] = base::Json(layer.annotations);
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

// An object whose members are text already: what a config has in it is passed on and not taken apart, since a tree of
// it takes a hundred times the memory.
class ObjectText {
 public:
  // `json`: any value.
  void add(std::string_view name, std::string_view json) {
    text_ += text_.empty() ? "{" : ",";
    append_json_string(text_, name);
    text_ += ':';
    text_ += json;
  }
  void add(std::string_view name, const Ordered& value) { add(name, std::string_view(base::to_text(value))); }
  // All of another object's.
  void add_all(const std::string& object) {
    text_ += text_.empty() ? "{" : ",";
    text_ += std::string_view(object).substr(1, object.size() - 2);
  }
  std::string take() { return text_.empty() ? "{}" : std::move(text_) + "}"; }

 private:
  std::string text_;
};

// As the config has it; null if it has none of that kind.
std::string member_text(const base::Json& runtime, const char* name, base::Json::value_t kind) {
  const auto member = runtime.find(name);
  return member != runtime.end() && member->type() == kind ? base::to_text(*member) : "null";
}

Ordered digest_json(const std::optional<oci::Descriptor>& descriptor) {
  return descriptor ? Ordered(descriptor->digest.to_string()) : Ordered(nullptr);
}

void add_config(ObjectText& object, const oci::ImageConfig& config) {
  if (config.created) object.add("Created", Ordered(base::format_rfc3339(*config.created)));
  object.add("DockerVersion", Ordered(config.docker_version));
  object.add("Author", Ordered(config.author));
  object.add("Architecture", Ordered(config.platform.architecture));
  object.add("Os", Ordered(config.platform.os));
  object.add("Variant", Ordered(config.platform.variant));
  const std::string text = config.runtime_json.empty() ? "{}" : config.runtime_json;
  const base::Json runtime = base::Json::parse(text);
  object.add("Labels", std::string_view(member_text(runtime, "Labels", base::Json::value_t::object)));
  object.add("Env", std::string_view(member_text(runtime, "Env", base::Json::value_t::array)));
  object.add("Config", std::string_view(text));
  object.add("History", history_json(config.history));
}

// The members that an image has by itself.
std::string image_text(const RemoteManifest& image) {
  ObjectText object;
  add_config(object, image.config.value_or(oci::ImageConfig{}));
  object.add("Layers", layers_json(image.layers));
  object.add("LayersTotalSize", Ordered(total_bytes(image.layers)));
  object.add("ManifestDigest", digest_json(image.manifest));
  object.add("ConfigDigest", digest_json(image.config_descriptor));
  object.add("ArtifactType", Ordered(image.artifact_type));
  return object.take();
}

std::string entry_text(const distribution::RemoteEntry& entry) {
  ObjectText object;
  object.add("Platform", Ordered(entry.descriptor.platform ? oci::to_string(*entry.descriptor.platform) : ""));
  object.add_all(base::to_text(blob_json(entry.descriptor)));
  if (entry.image) object.add("Image", std::string_view(image_text(*entry.image)));
  return object.take();
}

std::string entries_text(const RemoteDescription& description) {
  std::string text = "[";
  for (const distribution::RemoteEntry& entry : description.entries)
    text += (text.size() == 1 ? "" : ",") + entry_text(entry);
  return text + "]";
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
  const auto& target = description.target;
  ObjectText object;
  object.add("Name", Ordered(description.repository.to_string()));
  object.add("Tag", Ordered(description.tag));
  if (!description.image.v1_id.empty()) object.add("Id", Ordered(description.image.v1_id));
  object.add("Digest", digest_json(target));
  object.add("MediaType", target ? Ordered(target->media_type) : Ordered(nullptr));
  object.add("Size", target ? Ordered(target->size_bytes) : Ordered(nullptr));
  object.add("RepoTags", description.tags ? Ordered(*description.tags) : Ordered(nullptr));
  object.add_all(image_text(description.image));
  object.add("Platforms", std::string_view(entries_text(description)));
  object.add("Referrers", referrers_json(description));
  return object.take();
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
