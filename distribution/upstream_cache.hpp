// SPDX-License-Identifier: Apache-2.0
// The pull-through cache: what a registry here serves for another one. Manifests and blobs are fetched when they are
// asked for, verified, and kept in the cached repository of the store; blobs go through the daemon's transfer queue, so
// that a thousand clients make one download, and are handed on while they arrive.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/stream.hpp"
#include "distribution/puller.hpp"
#include "imagestore/registry_store.hpp"

namespace lighterd::distribution {

struct UpstreamOptions {
  // Hosts as references name them ("docker.io", "registry.example:5000"); "*": any that a client names.
  std::vector<std::string> hosts;
  // So long a tag is served without asking upstream.
  std::chrono::milliseconds tag_lifetime{0};
  // After upstream could not be reached or was rate-limited it is not asked again for so long where something cached
  // can be served instead.
  std::chrono::milliseconds down_pause{10'000};
  // So long upstream may take to confirm what is cached before that is served without.
  std::chrono::milliseconds patience{5'000};
  std::string user_agent = "lighterd";
};

// A value for RegistryOptions::via that no other daemon has.
std::string make_via();

// What is asked for, and the Via header of the request that asks: what goes upstream for it names the daemons that are
// named there, so that daemons that are each other's mirrors find out.
struct UpstreamCall {
  // Implicit: a name is a call of nobody else's.
  UpstreamCall(oci::RepositoryName the_name, std::string the_via = {})  // NOLINT(google-explicit-constructor)
      : name(std::move(the_name)), via(std::move(the_via)) {}

  oci::RepositoryName name;
  std::string via;
};

// Why cached content is served although upstream could not confirm it: "docker.io: 503 Service Unavailable".
using StaleReason = std::optional<std::string>;

struct CachedManifest {
  oci::Descriptor descriptor;  // visible in the repository's cached name, and here
  StaleReason stale;
};

struct UpstreamTags {
  std::vector<std::string> names;  // sorted by byte, each once
  StaleReason stale;               // upstream could not be asked: there are none then
};

// A blob on its way in. read() gives its bytes in order as they arrive and are on disk; the last block only once the
// digest of the whole is right. Throws what the transfer threw. Letting it go leaves the transfer, which ends with its
// last watcher.
class BlobDownload : public base::Source {
 public:
  virtual std::int64_t size_bytes() const = 0;  // of the whole blob
};

// Thread-safe.
class UpstreamCache {
 public:
  UpstreamCache(DistributionServices services, imagestore::RegistryStore& registry, UpstreamOptions options);
  ~UpstreamCache();

  bool serves(const std::string& host) const;
  // Whether the value of a request's Via header says that this daemon sent it (RegistryOptions::via), or asked for what
  // it was sent for, or that it went through 16 daemons: such a request is answered from what is here.
  bool is_own_request(std::string_view via) const;

  // What the tag stands for upstream (HEAD), after its lifetime only; its manifest is here when this returns. kNotFound
  // if upstream says so; what is cached is served, with the reason, when upstream is down, slow to answer, refuses us
  // (401, 403, 429) or fails; without anything cached that error is thrown (RegistryError, TransportError). Blocks.
  CachedManifest get_by_tag(const UpstreamCall& call, const std::string& tag, std::stop_token stop);
  // From the store, or else from upstream. kNotFound.
  CachedManifest get_by_digest(const UpstreamCall& call, const oci::Digest& digest, std::stop_token stop);
  // What upstream has in the repository: at most what RegistryClient::list_tags takes. kNotFound if upstream says so.
  // Blocks.
  UpstreamTags list_tags(const UpstreamCall& call, std::stop_token stop);
  // Brings what upstream says to refer to the manifest, so that RegistryStore::list_referrers has it; at most 100 that
  // are new. The reason if upstream could not be asked, and what is cached has to do. Blocks.
  StaleReason fetch_referrers(const UpstreamCall& call, const oci::Digest& subject, std::stop_token stop);
  // The size of a blob that is not visible in the repository yet: as a cached manifest says, else by HEAD. Nothing if
  // upstream has not got it.
  std::optional<std::int64_t> find_blob_size(const UpstreamCall& call, const oci::Digest& digest, std::stop_token stop);
  // For a blob that is not visible in the repository yet; from `begin` on. What the store has already, and a cached
  // manifest of the repository names, is linked without a request, and what is small is fetched at once (nothing
  // returned: it is visible now). Returns when something has arrived, or after some seconds. kNotFound;
  // kInvalidArgument for a place behind the end.
  std::unique_ptr<BlobDownload> open_blob(const UpstreamCall& call, const oci::Digest& digest, std::int64_t begin,
                                          std::stop_token stop);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::distribution
