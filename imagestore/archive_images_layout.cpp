// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <unordered_set>

#include "base/encoding.hpp"
#include "imagestore/archive_images.hpp"
#include "oci/docker_archive.hpp"
#include "oci/image_layout.hpp"
#include "oci/manifest.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kMaxDocuments = 10'000;  // of one archive

[[noreturn]] void throw_missing(const oci::Digest& digest) {
  throw Error(ErrorCode::kInvalidArgument, "content digest " + digest.to_string() + ": not found");
}

// The documents below one entry of index.json.
class LayoutImage {
 public:
  LayoutImage(ArchiveContent& content, const WantedPlatforms& wanted, ReadingLimits& limits, std::string name,
              std::size_t& documents_left)
      : content_(content), wanted_(wanted), limits_(limits), name_(std::move(name)), documents_left_(documents_left) {}

  std::vector<ParsedManifest> read(const oci::Descriptor& target) {
    if (add(target, 0)) return std::move(manifests_);
    if (missing_wanted_)
      throw Error(ErrorCode::kNotFound,
                  "requested platform(s) (" + wanted_.text() + ") found, but some content is missing");
    if (!wanted_.is_all() && !missing_) throw_platform_missing(name_, wanted_);
    throw_missing(missing_.value_or(target.digest));
  }

 private:
  // Whether something of it is whole: an index may lack platforms.
  bool add(const oci::Descriptor& descriptor, int depth) {
    if (depth > oci::kMaxIndexDepth) throw Error(ErrorCode::kInvalidArgument, "index is nested too deeply");
    if (!visited_.insert(descriptor.digest).second) return false;
    const auto text = content_.find_text(descriptor, oci::kMaxManifestBytes);
    if (!text) return miss(descriptor.digest, descriptor.platform);
    limits_.add_document(text->size());
    if (documents_left_-- == 0)
      throw Error(ErrorCode::kInvalidArgument, "archive has more than " + std::to_string(kMaxDocuments) + " documents");
    oci::Document document = oci::parse_document(*text, descriptor.media_type, name_);
    oci::Descriptor described = descriptor;
    described.media_type = oci::media_type_of(document);
    if (const auto* index = std::get_if<oci::Index>(&document)) return add_index(described, *index, depth);
    return add_manifest(described, std::get<oci::Manifest>(document));
  }

  bool add_index(const oci::Descriptor& descriptor, const oci::Index& index, int depth) {
    bool any = index.manifests.empty() && wanted_.is_all();
    for (const oci::Descriptor& entry : index.manifests) {
      if (oci::is_attestation(entry)) {
        add_extra(entry, depth + 1);
      } else if (is_wanted(entry) && add_entry(entry, depth + 1)) {
        any = true;
      }
    }
    keep_document(descriptor);
    manifests_.push_back({.descriptor = descriptor, .document = index});
    return any;
  }

  bool add_entry(const oci::Descriptor& entry, int depth) {
    const std::string& type = entry.media_type;
    if (type.empty() || oci::media_type::is_index(type) || oci::media_type::is_manifest(type)) return add(entry, depth);
    return keep_if_found(entry, BlobKind::kPlain);  // what is no document
  }

  // What is about an image is not missed.
  void add_extra(const oci::Descriptor& entry, int depth) {
    const auto missing = missing_;
    const bool missing_wanted = missing_wanted_;
    add_entry(entry, depth);
    missing_ = missing;
    missing_wanted_ = missing_wanted;
  }

  bool is_wanted(const oci::Descriptor& entry) const { return !entry.platform || wanted_.matches(*entry.platform); }

  bool add_manifest(const oci::Descriptor& descriptor, const oci::Manifest& manifest) {
    const bool is_image = manifest.is_image() && !manifest.is_pseudo_image();
    const auto config_text =
        is_image ? content_.find_text(manifest.config, oci::kMaxConfigBytes) : std::optional<std::string>();
    std::optional<oci::ImageConfig> config;
    if (config_text) {
      limits_.add_document(config_text->size());
      config = oci::parse_image_config(*config_text);
    }
    if (config && !wanted_.matches(config->platform)) return false;
    // Also of a platform that is not here: an index names it.
    keep_document(descriptor);
    if (is_image && !config) return miss(manifest.config.digest, descriptor.platform);
    const auto layers = find_blobs(descriptor, manifest, config);
    if (!layers) return false;
    for (const BlobInfo& info : *layers) content_.keep(info);
    manifests_.push_back({.descriptor = descriptor, .document = manifest, .config = {}});
    if (config) manifests_.back().config = published_part(*std::move(config));
    return true;
  }

  // The config and all layers; nothing if something is missing.
  std::optional<std::vector<BlobInfo>> find_blobs(const oci::Descriptor& descriptor, const oci::Manifest& manifest,
                                                  const std::optional<oci::ImageConfig>& config) {
    std::vector<BlobInfo> blobs;
    auto info = content_.find(manifest.config, BlobKind::kPlain);
    if (!info) return miss_blob(manifest.config, descriptor);
    blobs.push_back(*std::move(info));
    if (config) check_layer_count(manifest.layers.size(), *config);
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      limits_.check_stop();
      const oci::Descriptor& layer = manifest.layers[i];
      auto found = content_.find(layer, config ? BlobKind::kLayer : BlobKind::kPlain);
      // What may not be distributed is not in an archive.
      if (!found && oci::media_type::is_foreign_layer(layer.media_type)) continue;
      if (!found) return miss_blob(layer, descriptor);
      if (config) check_diff_id(i, config->diff_ids[i], *found);
      blobs.push_back(*std::move(found));
    }
    return blobs;
  }

  std::optional<std::vector<BlobInfo>> miss_blob(const oci::Descriptor& blob, const oci::Descriptor& manifest) {
    miss(blob.digest, manifest.platform);
    return std::nullopt;
  }

  bool miss(const oci::Digest& digest, const std::optional<oci::Platform>& platform) {
    if (!missing_) missing_ = digest;
    if (!wanted_.is_all() && platform && wanted_.matches(*platform)) missing_wanted_ = true;
    return false;
  }

  bool keep_if_found(const oci::Descriptor& descriptor, BlobKind kind) {
    const auto info = content_.find(descriptor, kind);
    if (info) content_.keep(*info);
    return info.has_value();
  }

  void keep_document(const oci::Descriptor& descriptor) { keep_if_found(descriptor, BlobKind::kPlain); }

  ArchiveContent& content_;
  const WantedPlatforms& wanted_;
  ReadingLimits& limits_;
  std::string name_;
  std::size_t& documents_left_;
  std::unordered_set<oci::Digest> visited_;
  std::vector<ParsedManifest> manifests_;
  std::optional<oci::Digest> missing_;
  bool missing_wanted_ = false;
};

// Descriptors of an image differ in their annotations from one name to the next; what is published has none.
oci::Descriptor bare(const oci::Descriptor& entry, const std::vector<ParsedManifest>& manifests) {
  const auto own = std::ranges::find_if(
      manifests, [&](const ParsedManifest& each) { return each.descriptor.digest == entry.digest; });
  return {.media_type = own->descriptor.media_type, .digest = entry.digest, .size_bytes = entry.size_bytes};
}

}  // namespace

std::vector<Publication> read_layout_images(ArchiveMembers& members, ArchiveContent& content,
                                            const WantedPlatforms& wanted, ReadingLimits& limits) {
  const auto read = [&](const char* name, std::size_t limit) {
    return members.read_text(*members.find(name), limit, name);
  };
  oci::check_layout_version(read("oci-layout", std::size_t{64} * 1024));
  if (members.find("index.json") == nullptr)
    throw Error(ErrorCode::kInvalidArgument, "missing index.json in OCI layout 1.0.0");
  std::size_t documents_left = kMaxDocuments;
  std::map<oci::Digest, oci::Descriptor> targets;
  std::vector<Publication> publications;
  for (const oci::Descriptor& entry : oci::parse_layout_index(read("index.json", oci::kMaxArchiveDocumentBytes))) {
    const auto name = oci::find_layout_name(entry);
    if (!name && oci::is_about_another(entry)) continue;  // what is wanted of it comes with its index
    const auto known = targets.find(entry.digest);
    if (known != targets.end()) {
      publications.push_back({.target = known->second, .manifests = {}, .name = name});
      continue;
    }
    const std::string called = name ? name->familiar() : entry.digest.to_string();
    auto manifests = LayoutImage(content, wanted, limits, called, documents_left).read(entry);
    const oci::Descriptor target = bare(entry, manifests);
    targets.emplace(entry.digest, target);
    publications.push_back({.target = target, .manifests = std::move(manifests), .name = name});
  }
  return publications;
}

}  // namespace lighterd::imagestore
