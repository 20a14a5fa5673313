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
  return "1.1 lighterd-" + oci::random_hex(16);
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

    std::string key(const std::string& of) const { return name.to_string() + " " + of; }
  };
  static Target target(const oci::RepositoryName& name) { return {name, registry_name(name)}; }

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
  bool link_if_here(const Target& target, const oci::Digest& digest);
  oci::Descriptor get_descriptor(const Target& target, const oci::Digest& digest, const std::stop_token& stop);
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
  return via.find(std::string_view(state_->via).substr(state_->via.find(' ') + 1)) != std::string_view::npos;
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

CachedManifest UpstreamCache::get_by_tag(const oci::RepositoryName& name, const std::string& tag,
                                         std::stop_token stop) {
  const auto target = State::target(name);
  const auto cached = state_->find_cached(target, tag);
  if (cached && state_->is_fresh(*cached)) return {cached->target, std::nullopt};
  return state_->manifests.run(
      target.key(tag), [&] { return state_->revalidate(target, tag, stop); }, stop);
}

CachedManifest UpstreamCache::State::revalidate(const Target& target, const std::string& tag,
                                                const std::stop_token& stop) {
  const auto cached = find_cached(target, tag);
  // Somebody else may have asked since it was looked at.
  if (cached && is_fresh(*cached)) return {cached->target, std::nullopt};
  if (cached)
    if (auto reason = health.find_reason(target.name)) return {cached->target, std::move(reason)};
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
    return {cached->target, std::move(reason)};
  }
}

CachedManifest UpstreamCache::State::ask_for_tag(const Target& target, const std::string& tag,
                                                 const imagestore::TagRecord* cached, const std::stop_token& stop) {
  const auto client = clients.get(target.name, cached == nullptr ? Patience::kUsual : Patience::kShort);
  const oci::Descriptor named = client->resolve(tag, stop);
  if (cached != nullptr && cached->target.digest == named.digest &&
      registry.confirm_tag(target.repository, tag, named.digest))
    return {cached->target, std::nullopt};
  // By the tag upstream says that this repository has it, wherever it was fetched from before.
  if (const auto bytes = find_stored(named.digest)) return {keep(target, named, *bytes, {tag}), std::nullopt};
  const FetchedManifest fetched = client->get_manifest(named.digest, stop);
  return {keep(target, fetched.descriptor, fetched.bytes, {tag}), std::nullopt};
}

std::optional<std::string> UpstreamCache::State::find_stored(const oci::Digest& digest) {
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

CachedManifest UpstreamCache::get_by_digest(const oci::RepositoryName& name, const oci::Digest& digest,
                                            std::stop_token stop) {
  const auto target = State::target(name);
  const auto fetch = [&]() -> CachedManifest {
    if (auto manifest = state_->find_manifest(target, digest)) return {*std::move(manifest), std::nullopt};
    const auto client = state_->clients.get(name, Patience::kUsual);
    const FetchedManifest fetched = client->get_manifest(digest, stop);
    return {state_->keep(target, fetched.descriptor, fetched.bytes, {}), std::nullopt};
  };
  if (auto manifest = state_->find_manifest(target, digest)) return {*std::move(manifest), std::nullopt};
  return state_->manifests.run(target.key(digest.to_string()), fetch, stop);
}

UpstreamTags UpstreamCache::list_tags(const oci::RepositoryName& name, std::stop_token stop) {
  const auto target = State::target(name);
  if (auto reason = state_->health.find_reason(target.name)) return {{}, std::move(reason)};
  try {
    UpstreamTags tags;
    run_within(state_->options.patience, stop, [&](const std::stop_token& limited) {
      tags.names = state_->clients.get(target.name, Patience::kShort)->list_tags(limited);
    });
    state_->health.note_success(target.name);
    std::ranges::sort(tags.names);
    tags.names.erase(std::unique(tags.names.begin(), tags.names.end()), tags.names.end());
    return tags;
  } catch (const Error& error) {
    if (!is_upstream_failure(error)) throw;
    return {{}, state_->health.note_failure(target.name, error)};
  }
}

StaleReason UpstreamCache::fetch_referrers(const oci::RepositoryName& name, const oci::Digest& subject,
                                           std::stop_token stop) {
  const auto target = State::target(name);
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
    return health.note_failure(target.name, error);
  }
}

void UpstreamCache::State::fetch_new_referrers(const Target& target, const oci::Digest& subject,
                                               const std::stop_token& stop) {
  constexpr int kMaxFetched = 100;
  const auto client = clients.get(target.name, Patience::kShort);
  int fetched = 0;
  for (const oci::Descriptor& referrer : client->list_referrers(subject, stop)) {
    if (find_manifest(target, referrer.digest)) continue;
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

// Whether the store has it, by whomever it was brought; it is visible in the repository then.
bool UpstreamCache::State::link_if_here(const Target& target, const oci::Digest& digest) {
  return services.content.find_blob(digest) && registry.link_blob(target.repository, RepositoryKind::kCached, digest);
}

std::optional<std::int64_t> UpstreamCache::find_blob_size(const oci::RepositoryName& name, const oci::Digest& digest,
                                                          std::stop_token stop) {
  const auto target = State::target(name);
  if (const auto known = state_->registry.find_described(target.repository, digest)) return known->size_bytes;
  return state_->sizes.run(
      target.key(digest.to_string()),
      [&] { return state_->clients.get(name, Patience::kUsual)->find_blob_size(digest, stop); }, stop);
}

std::unique_ptr<BlobDownload> UpstreamCache::open_blob(const oci::RepositoryName& name, const oci::Digest& digest,
                                                       std::int64_t begin, std::stop_token stop) {
  const auto target = State::target(name);
  auto blob = state_->registry.find_described(target.repository, digest);
  if (blob && state_->link_if_here(target, digest)) return nullptr;
  if (!blob) {
    const auto size = find_blob_size(name, digest, stop);
    if (!size) throw Error(ErrorCode::kNotFound, "blob unknown to registry");
    // Upstream has it in this repository: it may be seen here too.
    if (state_->link_if_here(target, digest)) return nullptr;
    blob = oci::Descriptor{.media_type = "application/octet-stream", .digest = digest, .size_bytes = *size};
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
    if (link_if_here(target, blob.digest)) return true;
    const auto client = clients.get(target.name, Patience::kUsual);
    const std::string bytes = client->read_blob(blob, static_cast<std::size_t>(kSmallBytes), stop);
    const auto lease = services.content.make_lease("cache " + blob.digest.to_string());
    services.content.put_blob(
        {.media_type = blob.media_type, .digest = blob.digest, .size_bytes = static_cast<std::int64_t>(bytes.size())},
        bytes, lease);
    return registry.link_blob(target.repository, RepositoryKind::kCached, blob.digest);
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
    const auto client = clients.get(target.name, Patience::kUsual);
    auto download = std::make_shared<CachedDownload>(services, registry, target.repository, blob, client);
    auto all = downloads.lock();
    std::erase_if(*all, [](const auto& each) { return each.second.expired(); });
    all->insert_or_assign(key, download);
    return download;
  };
  if (auto running = find(); running && !running->has_ended()) return running;
  return joins.run(key, start, stop);
}

}  // namespace lighterd::distribution
