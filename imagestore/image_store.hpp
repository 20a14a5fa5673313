// SPDX-License-Identifier: Apache-2.0
// Names and images. An image is the descriptor that a name points to (design decision 1): its digest is the image's ID;
// the digests of its config and of its platforms' manifests are accepted as other names for it.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "imagestore/content_store.hpp"
#include "oci/image_config.hpp"
#include "oci/manifest.hpp"
#include "oci/reference.hpp"

namespace lighterd::imagestore {

struct ImageRecord {
  oci::Descriptor target;                                   // media type, digest, size of the manifest or index
  std::vector<oci::Reference> tags = {};                    // repository and tag, sorted
  std::vector<oci::RepositoryName> digest_references = {};  // pulled as repository@target
  std::optional<oci::Digest> manifest = {};                 // of the platform shown: the host's, else the first present
  std::optional<base::Timestamp> created = {};              // of that platform's config
  std::string labels_json = {};                             // of that platform's config; "{}" if none
  std::int64_t content_bytes = 0;                           // of all blobs present, each once
  std::optional<base::Timestamp> tagged_at = {};
  base::Timestamp added_at = {};  // when it was first published here

  // Repositories of tags and digest references, each once, sorted: RepoDigests is each of them @target.
  std::vector<oci::RepositoryName> repositories() const;
};

// A platform's manifest of an image, with its config and all layers here.
struct ImageVariant {
  oci::Descriptor descriptor;  // of the manifest
  oci::Platform platform;
  oci::Digest config;
};

// What an image consists of, here or not: an entry of its index (or of an index in that), or its only manifest.
struct ManifestEntry {
  enum class Kind {
    kImage,
    kAttestation,
    kOther,  // an artifact, or what nobody knows while it is not here
  };
  Kind kind = Kind::kOther;
  oci::Digest digest;
  std::string descriptor_json;     // the index's, or of the three members that a name's target is known by
  std::string platform_json = {};  // of an image: its config's, else the index's
  std::string described = {};      // of an attestation: the digest of the manifest that it is about
  bool is_complete = false;        // it and all that it points to are here
  std::int64_t content_bytes = 0;  // of that as far as it is here, each blob once
};

struct ParsedManifest {
  oci::Descriptor descriptor;
  oci::Document document;
  std::optional<oci::ImageConfig> config = {};  // of an image manifest
};

// What an operation has verified and wants to be seen, all at once.
struct Publication {
  oci::Descriptor target;
  std::vector<ParsedManifest> manifests = {};  // documents fetched, the target's among them
  std::optional<oci::Reference> name = {};     // with a tag: the tag is set; else with a digest: the reference is kept
  std::vector<oci::Digest> blobs = {};         // now known to be at `source` as well
  std::optional<BlobSource> source = {};
  // The digest that the registry has for what the target was made of: another name for it.
  std::optional<oci::Digest> converted_from = {};
};

enum class NameChange { kUnchanged, kCreated, kMoved };

// What became of a publication's name.
struct NameResult {
  NameChange change = NameChange::kUnchanged;
  std::optional<oci::Digest> previous = {};  // the image that a tag stood for before, if it stood for one
};

struct Removal {
  oci::Digest image;
  std::vector<oci::Reference> names = {};  // tags, and digest references (no tag)
  // Removes the image with them, names or not; otherwise it goes only with its last name.
  bool even_if_named = false;
};

struct RemovalResult {
  // Of those asked for, the ones that were still there.
  std::vector<oci::Reference> removed_names = {};
  bool image_removed = false;
  std::int64_t freed_bytes = 0;
};

struct PruneRequest {
  // Of the images there are, which are to go; asked of each once. One that gets another name meanwhile stays.
  std::function<bool(ImageRecord&)> selects;
  // Told of each after the transaction that removed it, also when the prune is cancelled later.
  std::function<void(const Removal&, const RemovalResult&)> on_removed;
};

// Thread-safe; every change is one transaction.
class ImageStore {
 public:
  ImageStore(ContentStore& content, MetadataDb& database, const oci::Platform& host);

  // Newest first.
  std::vector<ImageRecord> list_images();
  std::int64_t count_images();

  // Look-up order of engine-api.md section 3: ID; name@digest; name:tag; unique prefix of 4 to 64 hex digits of an ID.
  // What an image was converted from is an ID and a digest of it as well.
  // kInvalidArgument for what is no reference, kNotFound "ambiguous reference" for a prefix of several.
  std::optional<ImageRecord> find_image(std::string_view argument);
  // kNotFound "No such image: <familiar reference>".
  ImageRecord get_image(std::string_view argument);
  std::optional<ImageRecord> find_by_reference(const oci::Reference& reference);
  std::vector<oci::Reference> list_tags(const oci::RepositoryName& repository);

  // In the order of the index; one for an image without index.
  std::vector<ImageVariant> list_variants(const oci::Digest& image);
  // Of each image, in the order of its index, at most oci::kMaxDescriptors; empty for one that is not here. One read
  // transaction, no documents: for lists, some hundred images at once.
  std::vector<std::vector<ManifestEntry>> list_entries(const std::vector<oci::Digest>& images);
  std::vector<ManifestEntry> list_entries(const oci::Digest& image);
  // By image: bytes below it that another image has as well; without those that share nothing.
  std::map<oci::Digest, std::int64_t> shared_bytes();

  // Every blob that the publication's manifests need must be leased and present. Returns what became of the name; an
  // image that loses its last name to this stays, without one.
  NameChange publish(const Publication& publication);
  // All of them or none, with the blobs that are new: those become visible in the same transaction, and files of what
  // could not be published go. Of those with the same target the first says what it consists of, the others are names
  // of it. A result for each publication.
  std::vector<NameResult> publish(const std::vector<Publication>& publications, std::vector<NewBlob> blobs);
  // The image must exist: kNotFound.
  NameChange tag(const oci::Digest& image, const oci::Reference& name);
  RemovalResult remove(const Removal& removal);
  // Takes configs, layers and attestations of platforms' manifests out of every image that has them, as far as nothing
  // else needs them, and the manifests themselves unless they are images of their own; indexes and names stay. Returns
  // the manifests that were here. What an operation holds by a lease stays until it has ended.
  std::vector<oci::Digest> remove_variants(const std::vector<oci::Digest>& manifests);
  // Removes images, some in each transaction, and then what nothing needs any more, unfinished downloads too. What
  // running operations use stays. Returns the bytes of the files that went. kConflict while another one runs;
  // kCancelled.
  std::int64_t prune(const PruneRequest& request, const std::stop_token& stop);

 private:
  // The documents that are new; images above them are to be refreshed.
  std::vector<oci::Digest> publish_content(Database& database, const Publication& publication, base::Timestamp now);
  NameResult publish_name(Database& database, const Publication& publication, base::Timestamp now);
  std::vector<RemovalResult> remove_rows(const std::vector<Removal>& removals, std::vector<oci::Digest>& freed);

  ContentStore& content_;
  MetadataDb& database_;
  oci::PlatformMatcher host_;
  std::mutex prune_mutex_;
};

}  // namespace lighterd::imagestore
