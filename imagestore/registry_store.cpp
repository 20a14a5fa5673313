// SPDX-License-Identifier: Apache-2.0
#include "imagestore/registry_store.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "imagestore/manifest_table.hpp"
#include "imagestore/pulled_table.hpp"
#include "imagestore/registry_table.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

void require_same_kind(const std::string& repository, RepositoryKind wanted, RepositoryKind kind) {
  if (wanted == kind) return;
  const std::string why = kind == RepositoryKind::kPushed   ? " was pushed here"
                          : kind == RepositoryKind::kCached ? " is kept for another registry"
                                                            : " holds what was pulled";
  throw Error(ErrorCode::kPermissionDenied, "repository " + repository + why + " and cannot be written to");
}

void check(const ManifestUpload& upload) {
  const oci::Digest digest = oci::digest_of(base::as_bytes(upload.bytes), upload.descriptor.digest.algorithm());
  if (digest != upload.descriptor.digest)
    throw Error(ErrorCode::kDataLoss, "manifest " + upload.descriptor.digest.to_string() + " is " + digest.to_string());
  require_size(upload.descriptor, static_cast<std::int64_t>(upload.bytes.size()));
  for (const std::string& tag : upload.tags)
    if (!oci::is_valid_tag(tag)) throw Error(ErrorCode::kInvalidArgument, "invalid tag format");
}

std::optional<oci::Document> find_document(ContentStore& content, const oci::Descriptor& descriptor) {
  try {
    return oci::parse_document(content.read_blob(descriptor.digest, oci::kMaxManifestBytes), descriptor.media_type,
                               descriptor.digest.to_string());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss && error.code() != ErrorCode::kNotFound) throw;
    return std::nullopt;
  }
}

}  // namespace

RegistryStore::RegistryStore(ContentStore& content, MetadataDb& database, std::chrono::milliseconds grace)
    : content_(content),
      database_(database),
      grace_(grace),
      time_step_(std::min<std::chrono::milliseconds>(std::chrono::minutes(1), grace / 10)) {}

std::optional<RepositoryKind> RegistryStore::find_repository(const std::string& repository) {
  auto read = database_.read();
  if (const auto row = registry_table::find(*read, repository)) return row->kind;
  if (pulled_table::has_repository(*read, repository)) return RepositoryKind::kPulled;
  return std::nullopt;
}

NamePage RegistryStore::list_repositories(const PageRequest& page) {
  return pulled_table::list_repositories(*database_.read(), page);
}

NamePage RegistryStore::list_tags(const std::string& repository, const PageRequest& page) {
  return pulled_table::list_tags(*database_.read(), repository, page);
}

std::optional<TagRecord> RegistryStore::find_tag(const std::string& repository, const std::string& tag) {
  auto read = database_.read();
  std::optional<TagRecord> own;
  if (const auto row = registry_table::find(*read, repository)) own = registry_table::find_tag(*read, *row, tag);
  if (own && own->kind == RepositoryKind::kPushed) return own;
  auto pulled = pulled_table::find_tag(*read, repository, tag);
  return own && (!pulled || own->updated_at >= pulled->updated_at) ? own : pulled;
}

std::optional<oci::Descriptor> RegistryStore::find_manifest(const std::string& repository, const oci::Digest& digest) {
  std::optional<registry_table::RepositoryRow> row;
  std::optional<registry_table::ManifestLink> link;
  {
    auto read = database_.read();
    row = registry_table::find(*read, repository);
    if (row) link = registry_table::find_manifest(*read, row->id, digest);
    if (!link) return pulled_table::find_manifest(*read, repository, digest);
  }
  const auto now = base::now();
  if (now - link->added_at > grace_ / 2) {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    if (!registry_table::touch_manifest(*write, row->id, digest, now)) return std::nullopt;
    write.commit();
  }
  return std::move(link->descriptor);
}

std::optional<BlobInfo> RegistryStore::find_blob(const std::string& repository, const oci::Digest& digest) {
  std::optional<registry_table::RepositoryRow> row;
  std::optional<registry_table::BlobLink> link;
  {
    auto read = database_.read();
    row = registry_table::find(*read, repository);
    if (row) link = registry_table::find_blob(*read, row->id, digest);
    if (!link && !pulled_table::has_blob(*read, repository, digest)) return std::nullopt;
  }
  const auto now = base::now();
  // Only then, so that asking costs no write as a rule.
  if (link && link->is_waiting && now - link->touched_at > grace_ / 2) {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    if (!registry_table::touch_blob(*write, row->id, digest, now)) return std::nullopt;
    write.commit();
  }
  return content_.find_blob(digest);
}

std::optional<oci::Descriptor> RegistryStore::find_described(const std::string& repository, const oci::Digest& digest) {
  auto read = database_.read();
  if (const auto row = registry_table::find(*read, repository))
    if (auto descriptor = registry_table::find_described(*read, row->id, digest)) return descriptor;
  return pulled_table::find_described(*read, repository, digest);
}

std::vector<std::string> RegistryStore::list_holders(const oci::Digest& digest, std::size_t limit) {
  return pulled_table::list_holders(*database_.read(), digest, limit);
}

bool RegistryStore::is_copied_blob(const oci::Digest& digest) {
  return pulled_table::is_copied_blob(*database_.read(), digest);
}

bool RegistryStore::is_copied_manifest(const oci::Digest& digest) {
  return pulled_table::is_copied_manifest(*database_.read(), digest);
}

ReferrerPage RegistryStore::list_referrers(const std::string& repository, const oci::Digest& subject,
                                           const std::string& artifact_type, const PageRequest& page) {
  auto read = database_.read();
  const auto row = registry_table::find(*read, repository);
  return row ? registry_table::list_referrers(*read, row->id, subject, artifact_type, page) : ReferrerPage{};
}

std::vector<oci::Digest> RegistryStore::put_manifest(const ManifestUpload& upload) {
  check(upload);
  // Looked for twice: here to spare the disk, and once more where it counts.
  if (auto missing = list_missing(*database_.read(), upload); !missing.empty()) return missing;
  std::vector<NewBlob> blobs;
  blobs.push_back({{upload.descriptor.digest, upload.descriptor.size_bytes, std::nullopt}, content_.start_file()});
  blobs.front().file->write(base::as_bytes(upload.bytes));
  BlobAdoption adoption(content_, std::move(blobs));
  const auto now = base::now();
  auto write = database_.write();
  if (auto missing = list_missing(*write, upload); !missing.empty()) return missing;
  adoption.record(*write, now);
  record(*write, upload, now);
  write.commit();
  adoption.keep();
  return {};
}

void RegistryStore::record(Database& database, const ManifestUpload& upload, base::Timestamp now) const {
  const std::int64_t repository = get_for_writing(database, upload.repository, upload.kind, now);
  const oci::Digest& digest = upload.descriptor.digest;
  manifest_table::insert(database, {upload.descriptor, upload.document}, manifest_table::Face::kRegistry);
  registry_table::put_manifest(database, repository, upload.descriptor, upload.document, now);
  // What is visible only because it was pulled would go with the pulled image.
  for (const oci::Digest& child : upload.required_manifests)
    if (!registry_table::find_manifest(database, repository, child)) adopt(database, repository, child, now);
  for (const oci::Digest& blob : upload.required_blobs)
    if (!registry_table::find_blob(database, repository, blob))
      registry_table::link_blob(database, repository, blob, now);
  registry_table::keep_content(database, repository, digest);
  for (const std::string& tag : upload.tags) registry_table::set_tag(database, repository, tag, digest, now);
}

bool RegistryStore::link_blob(const std::string& repository, RepositoryKind kind, const oci::Digest& digest) {
  if (!content_.find_blob(digest)) return false;
  const auto now = base::now();
  auto write = database_.write();
  if (!blob_table::find(*write, digest)) return false;
  registry_table::link_blob(*write, get_for_writing(*write, repository, kind, now), digest, now);
  write.commit();
  return true;
}

bool RegistryStore::confirm_tag(const std::string& repository, const std::string& tag, const oci::Digest& digest) {
  const auto now = base::now();
  const auto known = find_tag(repository, tag);
  const bool is_new = !known || known->target.digest != digest || known->kind != RepositoryKind::kCached;
  // When a tag was last confirmed may be forgotten in a power cut.
  auto write = database_.write(is_new ? MetadataDb::Durability::kPowerLoss : MetadataDb::Durability::kThisRun);
  if (!is_manifest_visible(*write, repository, digest)) return false;
  const std::int64_t id = get_for_writing(*write, repository, RepositoryKind::kCached, now);
  if (!registry_table::find_manifest(*write, id, digest)) adopt(*write, id, digest, now);
  registry_table::set_tag(*write, id, tag, digest, now);
  write.commit();
  return true;
}

bool RegistryStore::confirm_manifest(const std::string& repository, const oci::Digest& digest) {
  {
    auto read = database_.read();
    const auto row = registry_table::find(*read, repository);
    if (row && registry_table::find_manifest(*read, row->id, digest)) return true;
    if (!pulled_table::find_manifest(*read, repository, digest)) return false;
  }
  const auto now = base::now();
  auto write = database_.write();
  if (!is_manifest_visible(*write, repository, digest)) return false;
  adopt(*write, get_for_writing(*write, repository, RepositoryKind::kCached, now), digest, now);
  write.commit();
  return true;
}

void RegistryStore::touch_tag(const std::string& repository, const std::string& tag, const TagRecord& record) {
  const auto now = base::now();
  if (record.kind != RepositoryKind::kCached || now - std::max(record.updated_at, record.asked_at) <= time_step_)
    return;
  auto write = database_.write(MetadataDb::Durability::kThisRun);
  const auto row = registry_table::find(*write, repository);
  if (row && registry_table::touch_tag(*write, row->id, tag, now)) write.commit();
}

// What the Docker face has, with all that is below it, now in the repository as well.
void RegistryStore::adopt(Database& database, std::int64_t repository, const oci::Digest& manifest,
                          base::Timestamp now) const {
  for (const oci::Descriptor& published : registry_table::list_published(database, manifest)) {
    if (registry_table::find_manifest(database, repository, published.digest)) continue;
    const auto document = find_document(content_, published);
    if (!document) continue;
    registry_table::put_manifest(database, repository, published, *document, now);
    registry_table::link_content(database, repository, published.digest, now);
  }
}

bool RegistryStore::remove_tag(const std::string& repository, const std::string& tag) {
  auto write = database_.write();
  const auto row = registry_table::find(*write, repository);
  if (!row || !registry_table::remove_tag(*write, row->id, tag, base::now())) return false;
  write.commit();
  return true;
}

bool RegistryStore::remove_manifest(const std::string& repository, const oci::Digest& digest) {
  auto write = database_.write();
  const auto row = registry_table::find(*write, repository);
  if (!row || !registry_table::remove_manifest(*write, row->id, digest, base::now())) return false;
  write.commit();
  return true;
}

bool RegistryStore::unlink_blob(const std::string& repository, const oci::Digest& digest) {
  auto write = database_.write();
  const auto row = registry_table::find(*write, repository);
  if (!row || !registry_table::find_blob(*write, row->id, digest)) return false;
  if (registry_table::is_blob_needed(*write, row->id, digest))
    throw Error(ErrorCode::kConflict, "blob " + digest.to_string() + " is needed by a manifest of " + repository);
  registry_table::unlink_blob(*write, row->id, digest);
  write.commit();
  return true;
}

std::int64_t RegistryStore::get_for_writing(Database& database, const std::string& repository, RepositoryKind kind,
                                            base::Timestamp now) const {
  require_writable(database, repository, kind);
  if (const auto row = registry_table::find(database, repository)) {
    if (now - row->active_at > time_step_) registry_table::set_active(database, row->id, now);
    return row->id;
  }
  return registry_table::insert(database, repository, kind, now);
}

void RegistryStore::require_writable(Database& database, const std::string& repository, RepositoryKind kind) const {
  if (const auto row = registry_table::find(database, repository)) {
    require_same_kind(repository, kind, row->kind);
  } else if (kind == RepositoryKind::kPushed && pulled_table::has_repository(database, repository)) {
    require_same_kind(repository, kind, RepositoryKind::kPulled);
  }
}

bool RegistryStore::is_manifest_visible(Database& database, const std::string& repository,
                                        const oci::Digest& digest) const {
  const auto row = registry_table::find(database, repository);
  return (row && registry_table::find_manifest(database, row->id, digest)) ||
         pulled_table::find_manifest(database, repository, digest);
}

bool RegistryStore::is_blob_visible(Database& database, const std::string& repository,
                                    const oci::Digest& digest) const {
  const auto row = registry_table::find(database, repository);
  return (row && registry_table::find_blob(database, row->id, digest)) ||
         pulled_table::has_blob(database, repository, digest);
}

std::vector<oci::Digest> RegistryStore::list_missing(Database& database, const ManifestUpload& upload) const {
  std::vector<oci::Digest> missing;
  for (const oci::Digest& blob : upload.required_blobs)
    if (!is_blob_visible(database, upload.repository, blob)) missing.push_back(blob);
  for (const oci::Digest& manifest : upload.required_manifests)
    if (!is_manifest_visible(database, upload.repository, manifest)) missing.push_back(manifest);
  return missing;
}

}  // namespace lighterd::imagestore
