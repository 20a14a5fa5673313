// SPDX-License-Identifier: Apache-2.0
#include "imagestore/image_store.hpp"

#include <algorithm>
#include <set>

#include "base/error.hpp"
#include "imagestore/image_table.hpp"
#include "imagestore/manifest_table.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kMinPrefixDigits = 4;

// The hex digits of a truncated ID, with "sha256:" or without.
std::optional<std::string> find_id_prefix(std::string_view argument) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (argument.starts_with(kAlgorithm)) argument.remove_prefix(kAlgorithm.size());
  const bool is_hex = argument.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (!is_hex || argument.size() < kMinPrefixDigits || argument.size() > 64) return std::nullopt;
  return std::string(kAlgorithm) + std::string(argument);
}

std::optional<oci::Digest> find_by_id(Database& database, const std::string& prefix) {
  const auto images = image_table::find_images_by_content(database, prefix);
  if (images.size() > 1) throw Error(ErrorCode::kNotFound, "ambiguous reference");
  if (images.empty()) return std::nullopt;
  return images.front();
}

std::optional<oci::Digest> find_digest_of(Database& database, const oci::Reference& reference) {
  if (!reference.digest()) return image_table::find_tag(database, reference.with_default_tag());
  const auto is_there = [&](const oci::Digest& image) {
    return image_table::has_repository(database, reference.repository(), image);
  };
  if (is_there(*reference.digest())) return reference.digest();
  const auto converted = image_table::find_converted(database, *reference.digest());
  return converted && is_there(*converted) ? converted : std::nullopt;
}

std::optional<oci::Digest> resolve(Database& database, std::string_view argument) {
  const oci::ImageArgument parsed = oci::parse_image_argument(argument);
  if (parsed.id) {
    if (image_table::find(database, *parsed.id)) return parsed.id;
    // Of several that share a platform's manifest or config the one with a name is meant.
    const auto images = image_table::find_images_by_content(database, parsed.id->to_string());
    return images.empty() ? std::nullopt : std::optional(images.front());
  }
  if (auto digest = find_digest_of(database, *parsed.reference)) return digest;
  if (const auto prefix = find_id_prefix(argument)) return find_by_id(database, *prefix);
  return std::nullopt;
}

std::string not_found_text(std::string_view argument) {
  return "No such image: " + oci::parse_image_argument(argument).familiar();
}

// With all its names.
Removal removal_of(const ImageRecord& image) {
  Removal removal{.image = image.target.digest, .names = image.tags};
  for (const auto& repository : image.digest_references)
    removal.names.emplace_back(repository, std::nullopt, image.target.digest);
  return removal;
}

}  // namespace

std::vector<oci::RepositoryName> ImageRecord::repositories() const {
  std::vector<oci::RepositoryName> names = digest_references;
  for (const auto& tag : tags) names.push_back(tag.repository());
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

ImageStore::ImageStore(ContentStore& content, MetadataDb& database, const oci::Platform& host)
    : content_(content), database_(database), host_(oci::PlatformMatcher::only(host)) {}

std::vector<ImageRecord> ImageStore::list_images() {
  return image_table::list(*database_.read());
}

std::int64_t ImageStore::count_images() {
  return image_table::count(*database_.read());
}

std::optional<ImageRecord> ImageStore::find_image(std::string_view argument) {
  auto read = database_.read();
  const auto digest = resolve(*read, argument);
  return digest ? image_table::find(*read, *digest) : std::nullopt;
}

ImageRecord ImageStore::get_image(std::string_view argument) {
  auto record = find_image(argument);
  if (!record) throw Error(ErrorCode::kNotFound, not_found_text(argument));
  return *std::move(record);
}

std::optional<ImageRecord> ImageStore::find_by_reference(const oci::Reference& reference) {
  auto read = database_.read();
  const auto digest = find_digest_of(*read, reference);
  return digest ? image_table::find(*read, *digest) : std::nullopt;
}

std::vector<oci::Reference> ImageStore::list_tags(const oci::RepositoryName& repository) {
  return image_table::list_tags(*database_.read(), repository);
}

std::vector<ImageVariant> ImageStore::list_variants(const oci::Digest& image) {
  return manifest_table::list_variants(*database_.read(), image);
}

std::vector<std::vector<ManifestEntry>> ImageStore::list_entries(const std::vector<oci::Digest>& images) {
  std::vector<std::vector<ManifestEntry>> entries;
  entries.reserve(images.size());
  auto read = database_.read();
  for (const oci::Digest& image : images) entries.push_back(manifest_table::list_entries(*read, image));
  return entries;
}

std::vector<ManifestEntry> ImageStore::list_entries(const oci::Digest& image) {
  return manifest_table::list_entries(*database_.read(), image);
}

std::map<oci::Digest, std::int64_t> ImageStore::shared_bytes() {
  return manifest_table::shared_bytes(*database_.read());
}

NameChange ImageStore::publish(const Publication& publication) {
  auto write = database_.write();
  const base::Timestamp now = base::now();
  image_table::refresh_images_with(*write, publish_content(*write, publication, now), host_);
  const NameResult result = publish_name(*write, publication, now);
  write.commit();
  return result.change;
}

std::vector<NameResult> ImageStore::publish(const std::vector<Publication>& publications, std::vector<NewBlob> blobs) {
  BlobAdoption adoption(content_, std::move(blobs));
  const base::Timestamp now = base::now();
  std::vector<NameResult> results;
  auto write = database_.write();
  adoption.record(*write, now);
  std::set<oci::Digest> published;
  std::set<oci::Digest> documents;
  for (const Publication& publication : publications) {
    if (published.insert(publication.target.digest).second) {
      const auto added = publish_content(*write, publication, now);
      documents.insert(added.begin(), added.end());
    }
    results.push_back(publish_name(*write, publication, now));
  }
  // Each once: many may be below the same index.
  image_table::refresh_images_with(*write, {documents.begin(), documents.end()}, host_);
  write.commit();
  adoption.keep();
  return results;
}

std::vector<oci::Digest> ImageStore::publish_content(Database& database, const Publication& publication,
                                                     base::Timestamp now) {
  std::vector<oci::Digest> documents;
  for (const auto& manifest : publication.manifests) {
    manifest_table::insert(database, manifest, manifest_table::Face::kDocker);
    documents.push_back(manifest.descriptor.digest);
  }
  image_table::insert_image(database, publication.target, now);
  documents.push_back(publication.target.digest);
  if (publication.converted_from)
    image_table::set_converted(database, *publication.converted_from, publication.target.digest);
  if (publication.source)
    for (const auto& digest : publication.blobs) blob_table::add_source(database, digest, *publication.source, now);
  return documents;
}

NameResult ImageStore::publish_name(Database& database, const Publication& publication, base::Timestamp now) {
  NameResult result;
  if (publication.name && publication.name->tag()) {
    result.previous = image_table::find_tag(database, *publication.name);
    result.change = image_table::set_tag(database, *publication.name, publication.target.digest, now);
  } else if (publication.name) {
    result.change =
        image_table::add_digest_reference(database, publication.name->repository(), publication.target.digest);
  }
  return result;
}

NameChange ImageStore::tag(const oci::Digest& image, const oci::Reference& name) {
  auto write = database_.write();
  if (!image_table::find(*write, image)) throw Error(ErrorCode::kNotFound, "No such image: " + image.to_string());
  const NameChange change = image_table::set_tag(*write, name, image, base::now());
  write.commit();
  return change;
}

// In one transaction; adds to `freed` the blobs whose files are to go now.
std::vector<RemovalResult> ImageStore::remove_rows(const std::vector<Removal>& removals,
                                                   std::vector<oci::Digest>& freed) {
  std::vector<RemovalResult> results;
  auto write = database_.write();
  for (const Removal& removal : removals) {
    RemovalResult& result = results.emplace_back();
    for (const auto& name : removal.names)
      if (image_table::remove_name(*write, removal.image, name)) result.removed_names.push_back(name);
    if (!removal.even_if_named && image_table::has_names(*write, removal.image)) continue;
    result.image_removed = image_table::remove_image(*write, removal.image);
    for (auto& digest : blob_table::remove_unreferenced(*write, removal.image, result.freed_bytes))
      freed.push_back(std::move(digest));
  }
  write.commit();
  return results;
}

RemovalResult ImageStore::remove(const Removal& removal) {
  std::vector<oci::Digest> freed;
  auto results = remove_rows({removal}, freed);
  content_.remove_files(freed);
  return std::move(results.front());
}

std::int64_t ImageStore::prune(const PruneRequest& request, const std::stop_token& stop) {
  constexpr std::size_t kBatch = 64;  // of images, so that nobody waits long for the write lock
  const std::unique_lock running(prune_mutex_, std::try_to_lock);
  if (!running) throw Error(ErrorCode::kConflict, "a prune operation is already running");
  std::int64_t freed_bytes = 0;
  std::vector<Removal> batch;
  const auto remove_batch = [&] {
    std::vector<oci::Digest> freed;
    const auto results = remove_rows(batch, freed);
    for (std::size_t i = 0; i < batch.size(); ++i) request.on_removed(batch[i], results[i]);
    batch.clear();
    freed_bytes += content_.remove_files(freed);
  };
  for (ImageRecord& image : list_images()) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "prune cancelled");
    if (!request.selects(image)) continue;
    batch.push_back(removal_of(image));
    if (batch.size() == kBatch) remove_batch();
  }
  remove_batch();
  return freed_bytes + content_.remove_unneeded();
}

std::vector<oci::Digest> ImageStore::remove_variants(const std::vector<oci::Digest>& manifests) {
  std::vector<oci::Digest> removed;
  std::vector<oci::Digest> freed;
  {
    auto write = database_.write();
    for (const oci::Digest& manifest : manifests) {
      if (!blob_table::has_content(*write, manifest)) continue;
      removed.push_back(manifest);
      for (const oci::Digest& attestation : manifest_table::list_attestations(*write, manifest))
        blob_table::remove_content(*write, attestation, freed);
      blob_table::remove_content(*write, manifest, freed);
    }
    image_table::refresh_images_with(*write, removed, host_);
    write.commit();
  }
  content_.remove_files(freed);
  return removed;
}

}  // namespace lighterd::imagestore
