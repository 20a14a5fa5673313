// SPDX-License-Identifier: Apache-2.0
// The OCI distribution protocol towards one repository: what the endpoints mean, no policy (what to fetch and in which
// order is Puller's and Pusher's). One object serves one operation: it owns the credentials, the token cache, the
// chosen scheme and the endpoint, and dies with them. Thread-safe: layers are fetched through it in parallel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "distribution/auth_config.hpp"
#include "distribution/http_client.hpp"
#include "distribution/retry.hpp"
#include "distribution/upload.hpp"
#include "imagestore/byte_ranges.hpp"
#include "oci/descriptor.hpp"
#include "oci/reference.hpp"

namespace lighterd::distribution {

// Manifests of schema 1, which nothing writes any more.
enum class Schema1Images {
  kTaken,    // and converted
  kRefused,  // with Docker's text, and not asked for
};

struct RegistryOptions {
  // "host[:port]" or CIDR; 127.0.0.0/8 and ::1/128 are always insecure: TLS unverified, then plain http.
  std::vector<std::string> insecure_registries;
  // "host[:port]" of registries that foreign layers, where they are here, may be pushed to.
  std::vector<std::string> foreign_layer_registries = {};
  // Of Docker Hub, pull only: "http(s)://host[:port][/path]". Tried first, never with the client's credentials.
  std::vector<std::string> mirrors;
  RetryPolicy retry = {};
  std::chrono::milliseconds stall_timeout{10'000};  // as in HttpRequest
  // Folders as /etc/docker/certs.d, read by each operation; the first that knows a host counts.
  std::vector<std::filesystem::path> certs_roots = {};
  // Credentials of the daemon's own (auth_file.hpp), for mirrors, and for registries to which the client sent none.
  // Over plain http only those whose entry says so, and those of insecure hosts. Empty: none.
  std::filesystem::path auth_file = {};
  UploadOptions uploads = {};
  Schema1Images schema1_images = Schema1Images::kTaken;
  // Value of a Via header with every request to a registry or a mirror, by which a daemon that serves one knows what it
  // asked itself; empty: none.
  std::string via = {};
  // Before a token that was issued less than a second ago and not accepted is tried again, twice at most.
  std::chrono::milliseconds fresh_token_pause{450};
};

struct OperationContext {
  AuthConfig auth;
  std::string user_agent;       // "lighterd/0.1 UpstreamClient(docker/28...)"
  HeaderList extra_headers;     // X-Meta-* of the client
  RetryListener on_retry = {};  // told of every wait of a request; empty: nobody
};

enum class Access { kPull, kPush, kLogin };

// Of schema 1 the bytes are the payload, which the digest is of, the size is the body's, and the type says so whatever
// the Content-Type was.
struct FetchedManifest {
  oci::Descriptor descriptor;  // media_type: the Content-Type, parameters stripped, "" if it said nothing
  std::string bytes;
};

// What GET /v2/ tells of a registry (A14).
enum class V2Presence {
  kConfirmed,
  kLikely,  // it answers, without the header that old registries say it by, or is too busy to
  kAbsent,
};

// What to do about a manifest that the registry has already under the name.
enum class IfThere {
  kLeave,
  kPutAgain,  // the answer is what is wanted; a refusal leaves it
};

enum class ManifestPut {
  kExisted,  // and was not put
  kStored,
  kStoredWithSubject,  // and the registry keeps account of what refers to what
};

// From there on a blob is asked for as a range at first: the answer tells whether parts of it can be had.
inline constexpr std::int64_t kLargeBlobBytes = 32 * 1024 * 1024;

// Where the bytes of a blob go, in as many tries as it takes.
class BlobSink : public base::Sink {
 public:
  // What is to be asked for now; asked before each try. Never empty.
  virtual imagestore::ByteRange wanted() const = 0;
  // The answer's body follows: a part that begins at wanted().begin, or the whole blob from a server that does not
  // serve parts. What it throws ends the try.
  enum class Answer { kWhole, kPart };
  virtual void begin(Answer answer) = 0;
};

class RegistryClient {
 public:
  RegistryClient(HttpClient& http, const RegistryOptions& options, oci::RepositoryName repository, Access access,
                 OperationContext context, base::Logger& logger);
  ~RegistryClient();

  const oci::RepositoryName& repository() const;
  // Alike for two clients of one repository with the same credentials.
  std::string identity() const;
  const RetryPolicy& retry_policy() const;
  // Of the registry, those that were not taken before, each once (registry-protocol.md A10).
  std::vector<std::string> take_warnings();

  // "host[:port]" of the references, for the record of where a blob is known to be ("docker.io" for Hub and whatever
  // stands in for it).
  std::string registry() const;

  // One request to the registry itself. Throws TransportError.
  V2Presence probe(std::stop_token stop);
  // A page of list_tags() has come.
  bool has_shown_tags() const;

  // HEAD, and GET where HEAD does not tell all or fails (A5): what that brings is kept for the next get_manifest() of
  // its digest, once, until another one comes. The size is of the manifest. Throws RegistryError, TransportError,
  // kDataLoss.
  oci::Descriptor resolve(const std::string& tag, std::stop_token stop);

  // By digest: verified against the digest asked for. By tag: hashed. At most oci::kMaxManifestBytes (kDataLoss).
  // kInvalidArgument for schema 1 signatures that do not tell what they are of.
  FetchedManifest get_manifest(const oci::Digest& digest, std::stop_token stop);
  FetchedManifest get_manifest_by_tag(const std::string& tag, std::stop_token stop);

  // One round: from the first endpoint that has it; a mirror that fails, at whatever byte, leads to the next endpoint,
  // which is asked for what is wanted then. No waits and no other tries: those are the caller's (RetryLoop). Hashing is
  // the sink's. Returns when all that was asked for has come, or the whole blob. kDataLoss: the registry's blob has
  // another size; TransportError: it ended early ("short read: expected N bytes but got M: unexpected EOF"), or a part
  // other than the one asked for came; RegistryError.
  // A host that asked for a pause is waited for; on_wait, if not empty, is told.
  void get_blob(const oci::Descriptor& descriptor, BlobSink& sink, const RetryListener& on_wait, std::stop_token stop);
  // The blob came damaged: mirrors are not asked for it again.
  void skip_mirrors_for(const oci::Digest& digest);
  // That the blob may be had from here: HEAD. RegistryError if not.
  void require_blob(const oci::Digest& digest, std::stop_token stop);
  // How large it is: HEAD, and where that is not served or does not say the head of a GET; nothing if the registry has
  // not got it. kDataLoss if neither says.
  std::optional<std::int64_t> find_blob_size(const oci::Digest& digest, std::stop_token stop);
  // A small blob, verified; for configs.
  std::string read_blob(const oci::Descriptor& descriptor, std::size_t limit_bytes, std::stop_token stop);

  // What is said to refer to the subject, as far as one answer has room for it; nothing of it was looked at.
  std::vector<oci::Descriptor> list_referrers(const oci::Digest& subject, std::stop_token stop);

  // Follows Link; at most 10,000 pages' worth of bounded memory: 1,000,000 tags.
  std::vector<std::string> list_tags(std::stop_token stop);

  bool has_blob(const oci::Digest& digest, std::stop_token stop);
  // Mounts from one of `mount_candidates` (paths on this registry, best first; the larger the blob, the more of them
  // are tried) or uploads. What may pass is tried again (RegistryOptions::retry); a large blob goes on where the
  // registry has it. Blocks until the blob is there.
  UploadResult push_blob(const oci::Descriptor& descriptor, const UploadContent& content,
                         const std::vector<std::string>& mount_candidates, const UploadWatcher& watcher,
                         std::stop_token stop);
  // HEAD, tried again for what may pass; a refusal that stays (also 401 and 403) means no.
  bool has_manifest(const oci::Digest& digest, std::stop_token stop);
  // reference is a tag or a digest. kDataLoss if the registry stored something else.
  ManifestPut put_manifest(const std::string& reference, const std::string& media_type, const std::string& bytes,
                           const oci::Digest& digest, IfThere if_there, std::stop_token stop);
  // Puts the document, stored already, into the list of what refers to `subject`, where the registry has no such list
  // of its own.
  void add_referrer(const oci::Digest& subject, const oci::Descriptor& descriptor, const std::string& document,
                    std::stop_token stop);

 private:
  class Repository;
  std::unique_ptr<Repository> repository_;
};

}  // namespace lighterd::distribution
