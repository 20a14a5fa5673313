// SPDX-License-Identifier: Apache-2.0
#include "imagestore/metadata_db.hpp"

#include <array>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

constexpr std::size_t kMaxIdleReaders = 4;

// Times are nanoseconds since the epoch; digests are "sha256:<hex>"; sizes are bytes.
constexpr const char* kVersion1 = R"sql(
-- A row says: the file is there, has this size and was verified.
CREATE TABLE blob(
  digest TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a verified layer uncompresses to.
CREATE TABLE layer(
  digest TEXT PRIMARY KEY REFERENCES blob(digest) ON DELETE CASCADE,
  diff_id TEXT NOT NULL,
  uncompressed_size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX layer_by_diff_id ON layer(diff_id);

-- Where a blob is known to be: the registry that gave or took it, and the repository there.
CREATE TABLE blob_source(
  digest TEXT NOT NULL REFERENCES blob(digest) ON DELETE CASCADE,
  registry TEXT NOT NULL,
  repository TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY(digest, registry, repository)
) STRICT, WITHOUT ROWID;

-- Documents that were parsed. The platform and the labels are those of the image's config.
CREATE TABLE manifest(
  digest TEXT PRIMARY KEY REFERENCES blob(digest) ON DELETE CASCADE,
  media_type TEXT NOT NULL,
  kind TEXT NOT NULL CHECK(kind IN ('index', 'image', 'artifact')),
  platform TEXT,
  created_at INTEGER,
  labels TEXT
) STRICT, WITHOUT ROWID;

-- What a document points to, present or not, in its order.
CREATE TABLE link(
  parent TEXT NOT NULL REFERENCES manifest(digest) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK(role IN ('manifest', 'config', 'layer')),
  position INTEGER NOT NULL,
  child TEXT NOT NULL,
  descriptor TEXT NOT NULL,
  PRIMARY KEY(parent, role, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_by_child ON link(child);

-- The roots. manifest, created_at, labels and content_size are of what is present, kept current by publishing.
CREATE TABLE image(
  digest TEXT PRIMARY KEY REFERENCES manifest(digest),
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  manifest TEXT,
  created_at INTEGER,
  labels TEXT,
  content_size INTEGER NOT NULL,
  added_at INTEGER NOT NULL,
  tagged_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE tag(
  repository TEXT NOT NULL,
  tag TEXT NOT NULL,
  image TEXT NOT NULL REFERENCES image(digest),
  PRIMARY KEY(repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_image ON tag(image);

-- Pulled as name@digest.
CREATE TABLE digest_reference(
  repository TEXT NOT NULL,
  image TEXT NOT NULL REFERENCES image(digest),
  PRIMARY KEY(repository, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX digest_reference_by_image ON digest_reference(image);

-- A running operation and what it must not lose.
CREATE TABLE lease(
  id TEXT PRIMARY KEY,
  operation TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lease_blob(
  lease TEXT NOT NULL REFERENCES lease(id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY(lease, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_blob_by_digest ON lease_blob(digest);
)sql";

// What lists and removals of platforms ask of every manifest, without reading a document.
constexpr const char* kVersion2 = R"sql(
-- A layer that may not be passed on: the image is whole without it.
ALTER TABLE link ADD COLUMN is_foreign INTEGER NOT NULL DEFAULT 0;
UPDATE link SET is_foreign=1 WHERE role='layer'
  AND (json_extract(descriptor, '$.mediaType') LIKE 'application/vnd.docker.image.rootfs.foreign.diff.tar%'
    OR json_extract(descriptor, '$.mediaType') LIKE 'application/vnd.oci.image.layer.nondistributable.v1.tar%');

-- Of a manifest: bytes of it, its config and its layers as far as they are here, each once, and how many that it needs
-- are not here.
ALTER TABLE manifest ADD COLUMN content_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE manifest ADD COLUMN missing INTEGER NOT NULL DEFAULT 0;
UPDATE manifest SET
  content_size=(SELECT size FROM blob WHERE blob.digest=manifest.digest)
    +(SELECT coalesce(sum(size), 0) FROM blob WHERE blob.digest IN
        (SELECT child FROM link WHERE parent=manifest.digest AND role<>'manifest')),
  missing=(SELECT count(DISTINCT child) FROM link WHERE parent=manifest.digest AND role<>'manifest'
    AND NOT is_foreign AND NOT EXISTS(SELECT 1 FROM blob WHERE blob.digest=link.child));
CREATE TRIGGER blob_arrives AFTER INSERT ON blob BEGIN
  UPDATE manifest SET content_size=content_size+NEW.size, missing=missing
      -(digest IN (SELECT parent FROM link WHERE child=NEW.digest AND role<>'manifest' AND NOT is_foreign))
    WHERE digest IN (SELECT parent FROM link WHERE child=NEW.digest AND role<>'manifest');
END;
CREATE TRIGGER blob_goes AFTER DELETE ON blob BEGIN
  UPDATE manifest SET content_size=content_size-OLD.size, missing=missing
      +(digest IN (SELECT parent FROM link WHERE child=OLD.digest AND role<>'manifest' AND NOT is_foreign))
    WHERE digest IN (SELECT parent FROM link WHERE child=OLD.digest AND role<>'manifest');
END;

-- Of an index's entry: what it says to be, the platform that it names, and the digest that an attestation is about.
ALTER TABLE link ADD COLUMN entry TEXT CHECK(entry IN ('image', 'index', 'attestation', 'other'));
ALTER TABLE link ADD COLUMN platform TEXT;
ALTER TABLE link ADD COLUMN described TEXT;
UPDATE link SET
  entry=CASE
    WHEN json_extract(descriptor, '$.annotations."vnd.docker.reference.type"')='attestation-manifest' THEN 'attestation'
    WHEN json_extract(descriptor, '$.annotations."vnd.docker.reference.type"') IS NOT NULL THEN 'other'
    WHEN json_extract(descriptor, '$.platform.os')='unknown'
      AND json_extract(descriptor, '$.platform.architecture')='unknown' THEN 'other'
    WHEN json_extract(descriptor, '$.mediaType') IN ('application/vnd.oci.image.index.v1+json',
      'application/vnd.docker.distribution.manifest.list.v2+json') THEN 'index'
    ELSE 'image' END,
  platform=json_extract(descriptor, '$.platform'),
  described=json_extract(descriptor, '$.annotations."vnd.docker.reference.digest"')
WHERE role='manifest';
CREATE INDEX link_by_described ON link(described) WHERE described IS NOT NULL;
)sql";

// The store as a registry has it, beside what the Docker face has.
constexpr const char* kVersion3 = R"sql(
-- Whether the Docker face has it, with every diff ID verified; otherwise it was only pushed to a repository here.
ALTER TABLE manifest ADD COLUMN is_published INTEGER NOT NULL DEFAULT 1;

ALTER TABLE tag ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE tag SET updated_at=coalesce((SELECT tagged_at FROM image WHERE image.digest=tag.image), 0);
-- The names under which a registry's clients see them.
CREATE INDEX tag_by_registry_name ON tag(replace(lower(repository), ':', '_'), tag);
CREATE INDEX digest_reference_by_registry_name ON digest_reference(replace(lower(repository), ':', '_'));

CREATE TABLE repository(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK(kind IN ('pushed', 'cached')),
  active_at INTEGER NOT NULL
) STRICT;

-- Blobs that are visible there. is_waiting: no manifest of the repository was seen to need it since touched_at.
CREATE TABLE repository_blob(
  repository INTEGER NOT NULL REFERENCES repository(id),
  digest TEXT NOT NULL REFERENCES blob(digest),
  touched_at INTEGER NOT NULL,
  is_waiting INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY(repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_blob_by_digest ON repository_blob(digest);
CREATE INDEX repository_blob_waiting ON repository_blob(touched_at) WHERE is_waiting;

-- The media type is the one that it was pushed as. referrer: the descriptor by which a list of referrers names it.
CREATE TABLE repository_manifest(
  repository INTEGER NOT NULL REFERENCES repository(id),
  digest TEXT NOT NULL REFERENCES manifest(digest),
  media_type TEXT NOT NULL,
  added_at INTEGER NOT NULL,
  subject TEXT,
  artifact_type TEXT,
  referrer TEXT,
  PRIMARY KEY(repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_manifest_by_digest ON repository_manifest(digest);
CREATE INDEX repository_manifest_by_subject ON repository_manifest(repository, subject, digest)
  WHERE subject IS NOT NULL;

-- asked_at: when a cached one was last asked for and served unconfirmed.
CREATE TABLE repository_tag(
  repository INTEGER NOT NULL,
  tag TEXT NOT NULL,
  digest TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  asked_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(repository, tag),
  FOREIGN KEY(repository, digest) REFERENCES repository_manifest(repository, digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX repository_tag_by_digest ON repository_tag(repository, digest);

-- Sessions; what arrived is ingest/upload-<id>.
CREATE TABLE upload(
  id TEXT PRIMARY KEY,
  repository TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// What a registry has by one digest and is here, converted, by another.
constexpr const char* kVersion4 = R"sql(
CREATE TABLE converted_image(
  source TEXT PRIMARY KEY,
  image TEXT NOT NULL REFERENCES image(digest) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX converted_image_by_image ON converted_image(image);
)sql";

// The script at position n takes a database from user_version n to n + 1; released ones never change.
constexpr std::array<const char*, 4> kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4};

void migrate(Database& database) {
  const auto version = [&] {
    Query query(database, "PRAGMA user_version");
    query.step();
    return static_cast<std::size_t>(query.integer(0));
  }();
  if (version > kMigrations.size())
    throw base::Error(base::ErrorCode::kConflict, "the image index was written by a newer version of lighterd");
  for (std::size_t i = version; i < kMigrations.size(); ++i) {
    Transaction transaction(database, Transaction::Kind::kWrite);
    database.execute(kMigrations[i]);
    database.execute("PRAGMA user_version=" + std::to_string(i + 1));
    transaction.commit();
  }
}

}  // namespace

MetadataDb::MetadataDb(std::filesystem::path path) : path_(std::move(path)), writer_(path_, Database::Mode::kWriter) {
  migrate(writer_);
  writer_.execute("DELETE FROM lease");
}

MetadataDb::~MetadataDb() {
  idle_readers_.lock()->clear();  // before the writer, whose close checkpoints
}

MetadataDb::Write::Synchronous::Synchronous(Database& database, Durability durability)
    : database_(database), durability_(durability) {
  if (durability_ == Durability::kThisRun) Query(database_, "PRAGMA synchronous=NORMAL").run();
}

MetadataDb::Write::Synchronous::~Synchronous() {
  // Cannot fail: nothing is read or written for it.
  if (durability_ == Durability::kThisRun) Query(database_, "PRAGMA synchronous=FULL").run();
}

MetadataDb::Write::Write(std::mutex& mutex, Database& database, Durability durability)
    : lock_(mutex),
      database_(database),
      synchronous_(database, durability),
      transaction_(database, Transaction::Kind::kWrite) {}

MetadataDb::Write MetadataDb::write(Durability durability) {
  return {write_mutex_, writer_, durability};
}

MetadataDb::Read::Read(MetadataDb& owner, std::unique_ptr<Database> database)
    : owner_(owner),
      database_(std::move(database)),
      transaction_(std::make_unique<Transaction>(*database_, Transaction::Kind::kRead)) {}

MetadataDb::Read::~Read() {
  if (!database_) return;
  transaction_.reset();
  auto idle = owner_.idle_readers_.lock();
  if (idle->size() < kMaxIdleReaders) idle->push_back(std::move(database_));
}

MetadataDb::Read MetadataDb::read() {
  {
    auto idle = idle_readers_.lock();
    if (!idle->empty()) {
      auto database = std::move(idle->back());
      idle->pop_back();
      return {*this, std::move(database)};
    }
  }
  return {*this, std::make_unique<Database>(path_, Database::Mode::kReader)};
}

}  // namespace lighterd::imagestore
