// SPDX-License-Identifier: Apache-2.0
#include "imagestore/export_plan.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "imagestore/archive_names.hpp"
#include "oci/image_layout.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr const char* kImageName = "io.containerd.image.name";
constexpr const char* kReferenceName = "org.opencontainers.image.ref.name";
constexpr const char* kSourcePrefix = "containerd.io/distribution.source.";

// An image, and the names that it is saved under: none for one that was asked for by its ID.
struct NamedImage {
  ImageRecord image;
  std::string argument;
  std::vector<oci::Reference> names = {};
};

std::string host_of(const std::string& domain) {
  return domain.substr(0, domain.find(':', domain.starts_with('[') ? domain.find(']') : 0));
}

// The names of a request, each image and each name once.
class NameList {
 public:
  explicit NameList(ImageStore& images) : images_(images) {}

  void add(const std::string& argument) {
    const oci::ImageArgument parsed = oci::parse_image_argument(argument);
    if (parsed.reference && parsed.reference->is_name_only() && add_tags(*parsed.reference, argument)) return;
    ImageRecord image = images_.get_image(argument);
    const bool is_tag = parsed.reference && !parsed.reference->digest() && is_named(*parsed.reference, image);
    NamedImage& named = insert(std::move(image), argument);
    if (is_tag) add_name(named, *parsed.reference);
  }

  const std::vector<NamedImage>& all() const { return list_; }

 private:
  bool is_named(const oci::Reference& reference, const ImageRecord& image) {
    const auto found = images_.find_by_reference(reference);
    return found && found->target.digest == image.target.digest;
  }

  bool add_tags(const oci::Reference& repository, const std::string& argument) {
    bool found_any = false;
    for (const oci::Reference& tag : images_.list_tags(repository.repository())) {
      auto image = images_.find_by_reference(tag);
      if (!image) continue;
      add_name(insert(*std::move(image), argument), tag);
      found_any = true;
    }
    return found_any;
  }

  NamedImage& insert(ImageRecord image, const std::string& argument) {
    const auto [position, is_new] = positions_.emplace(image.target.digest, list_.size());
    if (is_new) list_.push_back({std::move(image), argument});
    return list_[position->second];
  }

  static void add_name(NamedImage& named, const oci::Reference& name) {
    if (std::ranges::find(named.names, name) == named.names.end()) named.names.push_back(name);
  }

  ImageStore& images_;
  std::vector<NamedImage> list_;
  std::unordered_map<oci::Digest, std::size_t> positions_;  // in list_
};

// Collects the blobs of images.
class PlanBuilder {
 public:
  PlanBuilder(ContentStore& content, ImageStore& images, const std::vector<oci::Platform>& platforms)
      : content_(content), images_(images), platforms_(platforms), lease_(content.make_lease("save")) {}

  void add(const NamedImage& named) {
    selected_.clear();
    visited_.clear();
    attestations_.clear();
    whole_manifests_ = 0;
    if (platforms_.empty()) return add_whole(named);
    const std::vector<ImageVariant> variants = get_variants(named);
    if (platforms_.size() == 1) return add_single(named, variants.front());
    add_several(named, variants);
  }

  ExportPlan take() {
    std::vector<ExportedBlob> blobs;
    for (const auto& [digest, size_bytes] : blobs_) blobs.push_back({digest, size_bytes});
    std::string index = index_json();
    std::string manifest = manifests_.empty() ? std::string() : base::to_text(manifests_);
    return {std::move(lease_), std::move(blobs), std::move(index), std::move(manifest), std::move(saved_)};
  }

 private:
  void add_whole(const NamedImage& named) {
    const ImageRecord& image = named.image;
    selected_.insert(image.manifest.value_or(image.target.digest));
    add_document(image.target, 0);
    if (whole_manifests_ == 0) throw_no_platform(named, "any platform");
    add_entries(named, image.target);
    if (image.manifest) add_docker_manifest(named, *image.manifest);
  }

  void add_single(const NamedImage& named, const ImageVariant& variant) {
    selected_.insert(variant.descriptor.digest);
    add_document(variant.descriptor, 0);
    oci::Descriptor descriptor = variant.descriptor;
    if (!descriptor.platform) descriptor.platform = variant.platform;
    add_entries(named, std::move(descriptor));
    add_docker_manifest(named, variant.descriptor.digest);
    if (variant.descriptor.digest == named.image.target.digest) return;
    find_attestations(named.image.target, 0);
    for (oci::Descriptor& attestation : attestations_) {
      whole_manifests_ = 0;
      add_document(attestation, 0);
      if (whole_manifests_ == 0) continue;
      attestation.annotations = {{oci::kManifestSubject, variant.descriptor.digest.to_string()}};
      entries_.push_back(oci::to_json(attestation));
    }
  }

  void add_several(const NamedImage& named, const std::vector<ImageVariant>& variants) {
    const ImageRecord& image = named.image;
    for (const ImageVariant& variant : variants) selected_.insert(variant.descriptor.digest);
    add_document(image.target, 0);
    add_entries(named, image.target);
    const bool has_shown = image.manifest && selected_.contains(*image.manifest);
    add_docker_manifest(named, has_shown ? *image.manifest : variants.front().descriptor.digest);
  }

  // Those of the request's platforms, best first.
  std::vector<ImageVariant> get_variants(const NamedImage& named) {
    std::vector<ImageVariant> found = images_.list_variants(named.image.target.digest);
    std::erase_if(found, [&](const ImageVariant& variant) {
      return oci::is_attestation(variant.descriptor) ||
             std::ranges::none_of(platforms_, [&](const oci::Platform& wanted) {
               return oci::PlatformMatcher::only_strict(wanted).matches(variant.platform);
             });
    });
    if (!found.empty()) return found;
    std::string wanted;
    for (const oci::Platform& platform : platforms_) wanted += (wanted.empty() ? "" : " ") + oci::to_string(platform);
    throw_no_platform(named, platforms_.size() == 1 ? "the specified platform (" + wanted + ")"
                                                    : "any of the specified platforms ([" + wanted + "])");
  }

  [[noreturn]] static void throw_no_platform(const NamedImage& named, const std::string& what) {
    throw Error(ErrorCode::kNotFound, "no suitable export target found: image with reference " +
                                          oci::parse_image_argument(named.argument).familiar() +
                                          " was found but does not provide " + what);
  }

  // Depth 0 must be here; what it points to may be absent.
  void add_document(const oci::Descriptor& descriptor, int depth) {
    if (depth > oci::kMaxIndexDepth + 1 || !visited_.insert(descriptor.digest).second) return;
    const auto blob = content_.find_blob(descriptor.digest, lease_);
    if (!blob && depth == 0) throw_missing(descriptor.digest);
    if (!blob) return;
    blobs_.insert_or_assign(blob->digest, blob->size_bytes);
    if (!oci::media_type::is_index(descriptor.media_type) && !oci::media_type::is_manifest(descriptor.media_type))
      return;
    const oci::Document document = read_document(descriptor);
    if (const auto* index = std::get_if<oci::Index>(&document)) {
      for (const oci::Descriptor& entry : index->manifests)
        if (is_wanted(entry)) add_document(entry, depth + 1);
      return;
    }
    add_content(descriptor.digest, std::get<oci::Manifest>(document));
  }

  bool is_wanted(const oci::Descriptor& entry) const {
    if (platforms_.empty() || oci::media_type::is_index(entry.media_type)) return true;
    return selected_.contains(oci::find_digest(oci::described_digest(entry)).value_or(entry.digest));
  }

  // All of it or, unless it was selected, nothing: of another platform not everything may be here.
  void add_content(const oci::Digest& manifest, const oci::Manifest& document) {
    std::map<oci::Digest, std::int64_t> found;
    std::vector<oci::Descriptor> needed = document.layers;
    std::erase_if(needed, [](const auto& layer) { return oci::media_type::is_foreign_layer(layer.media_type); });
    needed.push_back(document.config);
    for (const oci::Descriptor& descriptor : needed) {
      const auto blob = content_.find_blob(descriptor.digest, lease_);
      if (!blob && selected_.contains(manifest)) throw_missing(descriptor.digest);
      if (!blob) return;
      found.insert_or_assign(blob->digest, blob->size_bytes);
    }
    blobs_.merge(found);
    ++whole_manifests_;
  }

  [[noreturn]] static void throw_missing(const oci::Digest& digest) {
    throw Error(ErrorCode::kDataLoss, "content " + digest.to_string() + " of the image is missing or damaged");
  }

  oci::Document read_document(const oci::Descriptor& descriptor) {
    const std::string bytes = content_.read_blob(descriptor.digest, oci::kMaxManifestBytes);
    return oci::parse_document(bytes, descriptor.media_type, descriptor.digest.to_string());
  }

  // Of the selected manifest, wherever an index below `descriptor` has them.
  void find_attestations(const oci::Descriptor& descriptor, int depth) {
    if (depth > oci::kMaxIndexDepth || !visited_.insert(descriptor.digest).second) return;
    if (!content_.find_blob(descriptor.digest, lease_)) return;
    const oci::Document document = read_document(descriptor);
    const auto* index = std::get_if<oci::Index>(&document);
    if (index == nullptr) return;
    for (const oci::Descriptor& entry : index->manifests) {
      if (oci::media_type::is_index(entry.media_type)) find_attestations(entry, depth + 1);
      const auto attested = oci::find_digest(oci::described_digest(entry));
      if (attested && selected_.contains(*attested) && content_.find_blob(entry.digest, lease_))
        attestations_.push_back(entry);
    }
  }

  void add_entries(const NamedImage& named, oci::Descriptor descriptor) {
    add_sources(named.image.target.digest, descriptor);
    descriptor.annotations.erase(kImageName);
    descriptor.annotations.erase(kReferenceName);
    if (named.names.empty()) {
      entries_.push_back(oci::to_json(descriptor));
      saved_.push_back(named.image.target.digest);
    }
    for (const oci::Reference& name : named.names) {
      descriptor.annotations[kImageName] = name.with_default_tag().to_string();
      descriptor.annotations[kReferenceName] = *name.with_default_tag().tag();
      entries_.push_back(oci::to_json(descriptor));
      saved_.push_back(named.image.target.digest);
    }
  }

  void add_sources(const oci::Digest& image, oci::Descriptor& descriptor) {
    std::map<std::string, std::set<std::string>> paths;
    for (const BlobSource& source : content_.list_sources(image))
      paths[kSourcePrefix + host_of(source.registry)].insert(source.repository);
    for (const auto& [key, repositories] : paths) {
      std::string list;
      for (const std::string& repository : repositories) list += (list.empty() ? "" : ",") + repository;
      descriptor.annotations[key] = list;
    }
  }

  // What readers of docker-archives go by; an artifact is nothing to them.
  void add_docker_manifest(const NamedImage& named, const oci::Digest& digest) {
    const auto variants = images_.list_variants(named.image.target.digest);
    const auto variant =
        std::ranges::find_if(variants, [&](const auto& each) { return each.descriptor.digest == digest; });
    if (variant == variants.end()) return;
    const oci::Document document = read_document(variant->descriptor);
    const auto& manifest = std::get<oci::Manifest>(document);
    Json item = {{"Config", blob_member(manifest.config.digest)}, {"RepoTags", nullptr}, {"Layers", Json::array()}};
    for (const oci::Descriptor& layer : manifest.layers) item["Layers"].push_back(blob_member(layer.digest));
    for (const oci::Reference& name : named.names) item["RepoTags"].push_back(name.with_default_tag().familiar());
    manifests_.push_back(std::move(item));
  }

  std::string index_json() const {
    const Json index = {{"schemaVersion", 2},
                        {"mediaType", oci::media_type::kOciIndex},
                        {"manifests", entries_.empty() ? Json() : entries_}};
    return base::to_text(index);
  }

  ContentStore& content_;
  ImageStore& images_;
  const std::vector<oci::Platform>& platforms_;
  Lease lease_;
  std::map<oci::Digest, std::int64_t> blobs_;
  Json entries_ = Json::array();
  Json manifests_ = Json::array();
  std::vector<oci::Digest> saved_;
  // Of the image at hand.
  std::unordered_set<oci::Digest> selected_;  // manifests that must be whole
  std::unordered_set<oci::Digest> visited_;
  std::vector<oci::Descriptor> attestations_;
  int whole_manifests_ = 0;
};

}  // namespace

ExportPlan make_export_plan(ContentStore& content, ImageStore& images, const ExportRequest& request) {
  NameList names(images);
  for (const std::string& name : request.names) names.add(name);
  PlanBuilder builder(content, images, request.platforms);
  for (const NamedImage& named : names.all()) builder.add(named);
  return builder.take();
}

}  // namespace lighterd::imagestore
