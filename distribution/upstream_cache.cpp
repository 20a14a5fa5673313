// SPDX-License-Identifier: Apache-2.0
#include "distribution/upstream_cache.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "distribution/blob_stream.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/single_flight.hpp"
#include "distribution/time_limit.hpp"
#include "distribution/upstream_clients.hpp"
#include "distribution/upstream_health.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::RepositoryKind;

namespace {

constexpr std::string_view kAnyHost = "*";
// As much is fetched in one go, so that no config waits behind the layers of others; of layers only what is next to
// nothing, since others may be fetching them.
constexpr std::int64_t kSmallBytes = 1024 * 1024;
constexpr std::int64_t kSmallLayerBytes = 64 * 1024;
constexpr std::string_view kViaStart = "1.1 lighterd-";
constexpr std::size_t kViaIdBytes = 16;
constexpr std::size_t kMaxDaemons = 16;
// For the first byte: then who asked gets an answer that tells the size alone, and learns of a failure by its end.
constexpr std::chrono::seconds kStartPatience{5};

bool is_small(const oci::Descriptor& blob) {
  return blob.size_bytes <= (oci::media_type::is_layer(blob.media_type) ? kSmallLayerBytes : kSmallBytes);
}

bool is_not_found(const Error& error) {
  const auto* refusal = dynamic_cast<const RegistryError*>(&error);
  return refusal != nullptr && refusal->status() == 404;
}

std::string registry_name(const oci::RepositoryName& name) {
  auto repository = imagestore::find_registry_name(name);
  if (!repository)
    throw Error(ErrorCode::kInvalidArgument, "nothing of " + name.domain() + " can be cached: it has an IPv6 address");
  return *std::move(repository);
}

// Values of make_via() in a Via header, in its order; the first ones.
std::vector<std::string> find_daemons(std::string_view via) {
  std::vector<std::string> daemons;
  while (!via.empty() && daemons.size() < kMaxDaemons) {
    const std::string_view hop = base::trim(via.substr(0, via.find(',')));
    via.remove_prefix(std::min(via.size(), via.find(',') == std::string_view::npos ? via.size() : via.find(',') + 1));
    if (hop.size() != kViaStart.size() + 2 * kViaIdBytes || !hop.starts_with(kViaStart)) continue;
    if (hop.find_first_not_of("0123456789abcdef", kViaStart.size()) == std::string_view::npos)
      daemons.emplace_back(hop);
  }
  return daemons;
}

std::string join_daemons(const std::vector<std::string>& daemons) {
  std::string via;
  for (const std::string& each : daemons) via += (via.empty() ? "" : ", ") + each;
  return via;
}

// For what something cached can be served instead of. `action` is given the token that it stops by.
template <typename Action>
auto run_within(std::chrono::milliseconds patience, const std::stop_token& stop, const Action& action) {
  const TimeLimit limit(patience, stop);
  try {
    return action(limit.token());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled || stop.stop_requested() || !limit.has_passed()) throw;
    throw Error(ErrorCode::kDeadlineExceeded, "no answer within " + std::to_string(patience.count()) + " ms");
  }
}

}  // namespace

std::string make_via() {
  return std::string(kViaStart) + oci::random_hex(kViaIdBytes);
}

struct UpstreamCache::State {
  State(DistributionServices the_services, imagestore::RegistryStore& the_registry, UpstreamOptions the_options)
      : services(the_services),
        registry(the_registry),
        options(std::move(the_options)),
        via(services.registries.via.empty() ? make_via() : services.registries.via),
        clients(services, via, options.user_agent),
        health(options.down_pause) {}

  // One repository that is asked for.
  struct Target {
    const oci::RepositoryName& name;
    std::string repository;  // its name here
    std::string via;         // of the daemons that ask for others

    // Who asks for another daemon does not wait for what may wait for that daemon.
    std::string key(const std::string& of) const { return name.to_string() + " " + of + " " + via; }
  };
  static Target target(const UpstreamCall& call) {
    return {call.name, registry_name(call.name), join_daemons(find_daemons(call.via))};
  }

  std::optional<imagestore::TagRecord> find_cached(const Target& target, const std::string& tag);
  bool is_fresh(const imagestore::TagRecord& record) const;
  CachedManifest revalidate(const Target& target, const std::string& tag, const std::stop_token& stop);
  CachedManifest ask_for_tag(const Target& target, const std::string& tag, const imagestore::TagRecord* cached,
                             const std::stop_token& stop);
  StaleReason bring_referrers(const Target& target, const oci::Digest& subject, const std::stop_token& stop);
  void fetch_new_referrers(const Target& target, const oci::Digest& subject, const std::stop_token& stop);
  std::optional<oci::Descriptor> find_manifest(const Target& target, const oci::Digest& digest);
  std::optional<std::string> find_stored(const oci::Digest& digest);
  oci::Descriptor keep(const Target& target, const oci::Descriptor& named, const std::string& bytes,
                       std::vector<std::string> tags);
  CachedManifest serve_cached(const Target& target, const std::string& tag, const imagestore::TagRecord& record,
                              StaleReason reason);
  std::string note_list_failure(const Target& target, const Error& error);
  std::optional<std::int64_t> ask_for_size(const Target& target, const oci::Digest& digest,
                                           const std::stop_token& stop);
  bool link(const Target& target, const oci::Digest& digest);
  bool link_if_copied(const Target& target, const oci::Digest& digest);
  bool link_if_same(const Target& target, const oci::Digest& digest, std::int64_t upstream_bytes);
  void fetch_small(const Target& target, const oci::Descriptor& blob, const std::stop_token& stop);
  std::shared_ptr<CachedDownload> join(const Target& target, const oci::Descriptor& blob, const std::stop_token& stop);

  DistributionServices services;
  imagestore::RegistryStore& registry;
  const UpstreamOptions options;
  const std::string via;
  UpstreamClients clients;
  UpstreamHealth health;
  SingleFlight<CachedManifest> manifests;
  SingleFlight<StaleReason> referrers;
  SingleFlight<std::optional<std::int64_t>> sizes;
  SingleFlight<bool> small_blobs;
  SingleFlight<std::shared_ptr<CachedDownload>> joins;
  base::Synchronized<std::map<std::string, std::weak_ptr<CachedDownload>>> downloads;
};

UpstreamCache::UpstreamCache(DistributionServices services, imagestore::RegistryStore& registry,
                             UpstreamOptions options)
    : state_(std::make_unique<State>(services, registry, std::move(options))) {}

UpstreamCache::~UpstreamCache() = default;

bool UpstreamCache::serves(const std::string& host) const {
  return std::ranges::any_of(state_->options.hosts, [&](const std::string& each) {
    return each == kAnyHost || base::equals_ignoring_case(each, host);
  });
}

bool UpstreamCache::is_own_request(std::string_view via) const {
  const auto daemons = find_daemons(via);
  return daemons.size() >= kMaxDaemons || std::ranges::find(daemons, state_->via) != daemons.end();
}

// Manifests.

// Nothing also where the manifest's file is lost.
std::optional<imagestore::TagRecord> UpstreamCache::State::find_cached(const Target& target, const std::string& tag) {
  auto record = registry.find_tag(target.repository, tag);
  if (record && !find_manifest(target, record->target.digest)) return std::nullopt;
  return record;
}

std::optional<oci::Descriptor> UpstreamCache::State::find_manifest(const Target& target, const oci::Digest& digest) {
  auto manifest = registry.find_manifest(target.repository, digest);
  if (manifest && !services.content.find_blob(digest)) return std::nullopt;
  return manifest;
}

// What was pushed here is nobody's copy.
bool UpstreamCache::State::is_fresh(const imagestore::TagRecord& record) const {
  if (record.kind == RepositoryKind::kPushed) return true;
  const auto age = base::now() - record.updated_at;
  return age >= std::chrono::nanoseconds(0) && age < options.tag_lifetime;
}

CachedManifest UpstreamCache::get_by_tag(const UpstreamCall& call, const std::string& tag, std::stop_token stop) {
  const auto target = State::target(call);
  const auto cached = state_->find_cached(target, tag);
  if (cached && state_->is_fresh(*cached)) return state_->serve_cached(target, tag, *cached, std::nullopt);
  return state_->manifests.run(
      target.key(tag), [&] { return state_->revalidate(target, tag, stop); }, stop);
}

// Unconfirmed.
CachedManifest UpstreamCache::State::serve_cached(const Target& target, const std::string& tag,
                                                  const imagestore::TagRecord& record, StaleReason reason) {
  registry.touch_tag(target.repository, tag, record);
  return {record.target, std::move(reason)};
}

CachedManifest UpstreamCache::State::revalidate(const Target& target, const std::string& tag,
                                                const std::stop_token& stop) {
  const auto cached = find_cached(target, tag);
  // Somebody else may have asked since it was looked at.
  if (cached && is_fresh(*cached)) return serve_cached(target, tag, *cached, std::nullopt);
  if (cached)
    if (auto reason = health.find_reason(target.name)) return serve_cached(target, tag, *cached, std::move(reason));
  try {
    auto manifest =
        cached ? run_within(options.patience, stop,
                            [&](const std::stop_token& limited) { return ask_for_tag(target, tag, &*cached, limited); })
               : ask_for_tag(target, tag, nullptr, stop);
    health.note_success(target.name);
    return manifest;
  } catch (const Error& error) {
    // The publisher has removed it.
    if (is_not_found(error) && cached && cached->kind == RepositoryKind::kCached)
      registry.remove_tag(target.repository, tag);
    if (!is_upstream_failure(error)) throw;
    auto reason = health.note_failure(target.name, error);
    if (!cached) throw;
    services.logger.warn("upstream did not confirm a tag, what is cached is served",
                         {{"repository", target.repository}, {"tag", tag}, {"reason", reason}});
    return serve_cached(target, tag, *cached, std::move(reason));
  }
}

CachedManifest UpstreamCache::State::ask_for_tag(const Target& target, const std::string& tag,
                                                 const imagestore::TagRecord* cached, const std::stop_token& stop) {
  const auto client = clients.get(target.name, cached == nullptr ? Patience::kUsual : Patience::kShort, target.via);
  const oci::Descriptor named = client->resolve(tag, stop);
  if (cached != nullptr && cached->target.digest == named.digest &&
      registry.confirm_tag(target.repository, tag, named.digest))
    return {cached->target, std::nullopt};
  // What is shown as a copy already upstream's word is enough for; what was only pushed here it has to have.
  if (const auto bytes = find_stored(named.digest)) return {keep(target, named, *bytes, {tag}), std::nullopt};
  const FetchedManifest fetched = client->get_manifest(named.digest, stop);
  return {keep(target, fetched.descriptor, fetched.bytes, {tag}), std::nullopt};
}

std::optional<std::string> UpstreamCache::State::find_stored(const oci::Digest& digest) {
  if (!registry.is_copied_manifest(digest)) return std::nullopt;
  const auto lease = services.content.make_lease("cache " + digest.to_string());
  if (!services.content.find_blob(digest, lease)) return std::nullopt;
  try {
    return services.content.read_blob(digest, oci::kMaxManifestBytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss) throw;
    services.logger.warn("stored content is damaged and fetched anew", {{"digest", digest.to_string()}});
    return std::nullopt;
  }
}

oci::Descriptor UpstreamCache::State::keep(const Target& target, const oci::Descriptor& named, const std::string& bytes,
                                           std::vector<std::string> tags) {
  const oci::Document document = oci::parse_document(bytes, named.media_type, target.name.familiar());
  oci::Descriptor descriptor{.media_type = oci::media_type_of(document),
                             .digest = named.digest,
                             .size_bytes = static_cast<std::int64_t>(bytes.size())};
  registry.put_manifest({.repository = target.repository,
                         .kind = RepositoryKind::kCached,
                         .descriptor = descriptor,
                         .bytes = bytes,
                         .document = document,
                         .tags = std::move(tags)});
  return descriptor;
}

CachedManifest UpstreamCache::get_by_digest(const UpstreamCall& call, const oci::Digest& digest, std::stop_token stop) {
  const auto target = State::target(call);
  const auto fetch = [&]() -> CachedManifest {
    if (auto manifest = state_->find_manifest(target, digest)) return {*std::move(manifest), std::nullopt};
    const auto client = state_->clients.get(target.name, Patience::kUsual, target.via);
    const FetchedManifest fetched = client->get_manifest(digest, stop);
    return {state_->keep(target, fetched.descriptor, fetched.bytes, {}), std::nullopt};
  };
  if (auto manifest = state_->find_manifest(target, digest)) return {*std::move(manifest), std::nullopt};
  return state_->manifests.run(target.key(digest.to_string()), fetch, stop);
}

UpstreamTags UpstreamCache::list_tags(const UpstreamCall& call, std::stop_token stop) {
  const auto target = State::target(call);
  if (auto reason = state_->health.find_reason(target.name)) return {{}, std::move(reason)};
  try {
    UpstreamTags tags;
    run_within(state_->options.patience, stop, [&](const std::stop_token& limited) {
      tags.names = state_->clients.get(target.name, Patience::kShort, target.via)->list_tags(limited);
    });
    state_->health.note_success(target.name);
    std::ranges::sort(tags.names);
    tags.names.erase(std::unique(tags.names.begin(), tags.names.end()), tags.names.end());
    return tags;
  } catch (const Error& error) {
    if (!is_upstream_failure(error)) throw;
    return {{}, state_->note_list_failure(target, error)};
  }
}

StaleReason UpstreamCache::fetch_referrers(const UpstreamCall& call, const oci::Digest& subject, std::stop_token stop) {
  const auto target = State::target(call);
  return state_->referrers.run(
      target.key(subject.to_string()), [&] { return state_->bring_referrers(target, subject, stop); }, stop);
}

StaleReason UpstreamCache::State::bring_referrers(const Target& target, const oci::Digest& subject,
                                                  const std::stop_token& stop) {
  if (auto reason = health.find_reason(target.name)) return reason;
  try {
    run_within(options.patience, stop,
               [&](const std::stop_token& limited) { fetch_new_referrers(target, subject, limited); });
    health.note_success(target.name);
    return std::nullopt;
  } catch (const Error& error) {
    // What is no list is none.
    if (error.code() == ErrorCode::kInvalidArgument) return std::nullopt;
    if (!is_upstream_failure(error)) throw;
    return note_list_failure(target, error);
  }
}

// That a list takes long says nothing of tags.
std::string UpstreamCache::State::note_list_failure(const Target& target, const Error& error) {
  if (error.code() == ErrorCode::kDeadlineExceeded) return describe_failure(target.name, error);
  return health.note_failure(target.name, error);
}

void UpstreamCache::State::fetch_new_referrers(const Target& target, const oci::Digest& subject,
                                               const std::stop_token& stop) {
  constexpr int kMaxFetched = 100;
  const auto client = clients.get(target.name, Patience::kShort, target.via);
  int fetched = 0;
  for (const oci::Descriptor& referrer : client->list_referrers(subject, stop)) {
    if (find_manifest(target, referrer.digest) && registry.confirm_manifest(target.repository, referrer.digest))
      continue;
    if (++fetched > kMaxFetched) return;
    try {
      const FetchedManifest manifest = client->get_manifest(referrer.digest, stop);
      keep(target, manifest.descriptor, manifest.bytes, {});
    } catch (const Error& error) {
      // A list may name what is gone, or what is no document: nobody misses it.
      if (!is_not_found(error) && error.code() != ErrorCode::kInvalidArgument) throw;
    }
  }
}

// Blobs.

bool UpstreamCache::State::link(const Target& target, const oci::Digest& digest) {
  return registry.link_blob(target.repository, RepositoryKind::kCached, digest);
}

// Nobody's secret: that a manifest names it is enough.
bool UpstreamCache::State::link_if_copied(const Target& target, const oci::Digest& digest) {
  return registry.is_copied_blob(digest) && link(target, digest);
}

// Upstream has it in this repository: what the store has of it, by whomever it was brought, may be seen here too.
bool UpstreamCache::State::link_if_same(const Target& target, const oci::Digest& digest, std::int64_t upstream_bytes) {
  const auto known = services.content.find_blob(digest);
  if (!known) return false;
  require_same_size(digest, *known, upstream_bytes);
  return link(target, digest);
}

std::optional<std::int64_t> UpstreamCache::State::ask_for_size(const Target& target, const oci::Digest& digest,
                                                               const std::stop_token& stop) {
  const auto ask = [&] { return clients.get(target.name, Patience::kUsual, target.via)->find_blob_size(digest, stop); };
  return sizes.run(target.key(digest.to_string()), ask, stop);
}

std::optional<std::int64_t> UpstreamCache::find_blob_size(const UpstreamCall& call, const oci::Digest& digest,
                                                          std::stop_token stop) {
  const auto target = State::target(call);
  if (const auto known = state_->registry.find_described(target.repository, digest)) return known->size_bytes;
  return state_->ask_for_size(target, digest, stop);
}

std::unique_ptr<BlobDownload> UpstreamCache::open_blob(const UpstreamCall& call, const oci::Digest& digest,
                                                       std::int64_t begin, std::stop_token stop) {
  const auto target = State::target(call);
  auto blob = state_->registry.find_described(target.repository, digest);
  if (blob && state_->link_if_copied(target, digest)) return nullptr;
  // A small one is fetched as fast as it is asked for.
  if (!blob || (!is_small(*blob) && state_->services.content.find_blob(digest))) {
    const auto size = state_->ask_for_size(target, digest, stop);
    if (!size) throw Error(ErrorCode::kNotFound, "blob unknown to registry");
    if (state_->link_if_same(target, digest, *size)) return nullptr;
    if (!blob) blob = oci::Descriptor{.media_type = "application/octet-stream", .digest = digest, .size_bytes = *size};
  }
  if (begin < 0 || begin > std::max<std::int64_t>(blob->size_bytes - 1, 0))
    throw Error(ErrorCode::kInvalidArgument, "the blob has " + std::to_string(blob->size_bytes) + " bytes");
  if (is_small(*blob)) {
    state_->fetch_small(target, *blob, stop);
    return nullptr;
  }
  auto download = state_->join(target, *blob, stop);
  if (download->wait_for_start(std::chrono::steady_clock::now() + kStartPatience, stop)) return nullptr;
  return make_blob_stream(std::move(download), begin, stop);
}

void UpstreamCache::State::fetch_small(const Target& target, const oci::Descriptor& blob, const std::stop_token& stop) {
  const auto fetch = [&] {
    // Another one's flight may have landed.
    if (registry.find_blob(target.repository, blob.digest)) return true;
    const auto client = clients.get(target.name, Patience::kUsual, target.via);
    const std::string bytes = client->read_blob(blob, static_cast<std::size_t>(kSmallBytes), stop);
    const auto lease = services.content.make_lease("cache " + blob.digest.to_string());
    services.content.put_blob(
        {.media_type = blob.media_type, .digest = blob.digest, .size_bytes = static_cast<std::int64_t>(bytes.size())},
        bytes, lease);
    return link(target, blob.digest);
  };
  (void)small_blobs.run(target.key(blob.digest.to_string()), fetch, stop);
}

// One for all who want it of this repository.
std::shared_ptr<CachedDownload> UpstreamCache::State::join(const Target& target, const oci::Descriptor& blob,
                                                           const std::stop_token& stop) {
  const std::string key = target.key(blob.digest.to_string());
  const auto find = [&]() -> std::shared_ptr<CachedDownload> {
    auto all = downloads.lock();
    const auto found = all->find(key);
    return found == all->end() ? nullptr : found->second.lock();
  };
  const auto start = [&] {
    if (auto running = find(); running && !running->has_ended()) return running;
    const auto client = clients.get(target.name, Patience::kUsual, target.via);
    auto download = std::make_shared<CachedDownload>(services, registry, target.repository, blob, client, stop);
    auto all = downloads.lock();
    std::erase_if(*all, [](const auto& each) { return each.second.expired(); });
    all->insert_or_assign(key, download);
    return download;
  };
  if (auto running = find(); running && !running->has_ended()) return running;
  return joins.run(key, start, stop);
}

}  // namespace lighterd::distribution
