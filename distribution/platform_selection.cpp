// SPDX-License-Identifier: Apache-2.0
#include "distribution/platform_selection.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/encoding.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::ParsedManifest;

namespace {

// BuildKit makes one, with a layer for each statement.
constexpr std::size_t kMaxExtras = 16;

template <typename T>
void add_once(std::vector<T>& values, const T& value) {
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

class Selection {
 public:
  Selection(DocumentFetch& documents, const oci::Descriptor& target) : documents_(documents), target_(target) {}

  void add_platform(const oci::Platform& platform) {
    const auto matcher = oci::PlatformMatcher::only(platform);
    std::vector<const oci::Index*> path;
    oci::Descriptor next = target_;
    for (;;) {
      ParsedManifest& manifest = documents_.load(next);
      const auto* index = std::get_if<oci::Index>(&manifest.document);
      if (index == nullptr) return add_image(manifest, path);
      add_once(selected_.indexes, &manifest);
      if (path.size() > static_cast<std::size_t>(oci::kMaxIndexDepth) - 1) refuse_depth();
      path.push_back(index);
      const oci::Descriptor* entry = oci::find_platform(*index, matcher);
      if (entry == nullptr) throw_missing(platform, *index);
      next = *entry;
    }
  }

  void add_all(const oci::Descriptor& descriptor, int depth = 0) {
    if (depth > oci::kMaxIndexDepth) refuse_depth();
    if (!visited_.insert(descriptor.digest).second) return;
    ParsedManifest& manifest = documents_.load(descriptor);
    const auto* index = std::get_if<oci::Index>(&manifest.document);
    if (index == nullptr) return add_once(selected_.images, &manifest);
    add_once(selected_.indexes, &manifest);
    for (const oci::Descriptor& entry : index->manifests) {
      if (oci::is_attestation(entry)) {
        add_extra(entry);
      } else {
        add_all(entry, depth + 1);
      }
    }
  }

  bool has_index() const { return !selected_.indexes.empty(); }
  SelectedManifests take() { return std::move(selected_); }

 private:
  [[noreturn]] static void refuse_depth() { throw Error(ErrorCode::kInvalidArgument, "index is nested too deeply"); }

  [[noreturn]] static void throw_missing(const oci::Platform& platform, const oci::Index& index) {
    std::vector<std::string> there;
    for (const oci::Descriptor& entry : index.manifests)
      if (entry.platform && !oci::is_attestation(entry)) add_once(there, oci::to_string(*entry.platform));
    const std::string wanted = oci::to_string(platform);
    throw PlatformMissing("no matching manifest for " + wanted +
                              " in the manifest list entries: no match for platform in manifest: not found",
                          wanted, std::move(there));
  }

  void add_image(ParsedManifest& image, const std::vector<const oci::Index*>& path) {
    add_once(selected_.images, &image);
    const std::string digest = image.descriptor.digest.to_string();
    for (const oci::Index* index : path)
      for (const oci::Descriptor& entry : index->manifests)
        if (oci::entry_kind(entry) == oci::EntryKind::kAttestation && oci::described_digest(entry) == digest)
          add_extra(entry);
  }

  void add_extra(const oci::Descriptor& entry) {
    if (!extras_.insert(entry.digest).second) return;
    const std::string described = oci::described_digest(entry);
    if (!described.empty() && ++described_[described] > kMaxExtras)
      throw Error(ErrorCode::kInvalidArgument,
                  described + " has more than " + std::to_string(kMaxExtras) + " attestations");
    selected_.extras.push_back(entry);
  }

  DocumentFetch& documents_;
  const oci::Descriptor& target_;
  SelectedManifests selected_;
  std::unordered_set<oci::Digest> visited_;
  std::unordered_set<oci::Digest> extras_;
  std::unordered_map<std::string, std::size_t> described_;  // how many of them are about that digest
};

}  // namespace

void require_single_platform(const PlatformChoice& choice) {
  if (choice.kind() == PlatformChoice::Kind::kThese && choice.platforms().size() > 1)
    throw Error(ErrorCode::kNotFound, "several platforms are wanted of an image that has only one: it has no index");
}

SelectedManifests select_manifests(DocumentFetch& documents, const oci::Descriptor& target,
                                   const PlatformChoice& choice, const oci::Platform& host) {
  Selection selection(documents, target);
  if (choice.kind() == PlatformChoice::Kind::kAll) {
    selection.add_all(target);
  } else if (choice.kind() == PlatformChoice::Kind::kDefault) {
    selection.add_platform(host);
  } else {
    for (const oci::Platform& platform : choice.platforms()) selection.add_platform(platform);
    if (!selection.has_index()) require_single_platform(choice);
  }
  return selection.take();
}

}  // namespace lighterd::distribution
