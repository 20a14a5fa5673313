// SPDX-License-Identifier: Apache-2.0
#include "distribution/registry_client.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/blob_upload.hpp"
#include "distribution/body_source.hpp"
#include "distribution/referrers_index.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/registry_session.hpp"
#include "oci/manifest.hpp"
#include "oci/schema1.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kAccept =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, ";
constexpr std::string_view kAcceptSchema1 =
    "application/vnd.docker.distribution.manifest.v1+prettyjws, application/vnd.docker.distribution.manifest.v1+json, ";
constexpr std::string_view kAcceptAnything = "*/*";
constexpr std::size_t kMaxTagPageBytes = 16 * 1024 * 1024;
constexpr std::size_t kMaxTags = 1'000'000;
// A registry looks for everything that a manifest names before it answers.
constexpr int kStorePatience = 6;
constexpr int kMaxTagPages = 10'000;
// Clients are many in a cache, and so are their manifests.
constexpr std::size_t kMaxKeptBytes = 256 * 1024;
constexpr int kWholeTimeouts = 12;  // stall timeouts

bool is_ok(const Answer& answer, std::initializer_list<int> statuses) {
  return std::find(statuses.begin(), statuses.end(), answer.response.status) != statuses.end();
}

std::optional<oci::Digest> digest_header(const HttpResponse& response) {
  const std::string* value = response.find_header("Docker-Content-Digest");
  return value == nullptr ? std::nullopt : oci::find_digest(*value);
}

std::string content_type(const HttpResponse& response) {
  const std::string* value = response.find_header("Content-Type");
  return value == nullptr ? std::string() : oci::media_type::strip_parameters(*value);
}

std::string accepted_types(Schema1Images schema1) {
  return std::string(kAccept) + std::string(schema1 == Schema1Images::kTaken ? kAcceptSchema1 : "") +
         std::string(kAcceptAnything);
}

// What of an answer its digest is of, and its type.
struct HashedManifest {
  std::string media_type;
  std::string bytes;
  std::int64_t body_bytes;

  // By the header's algorithm if that is another one; it must be the hash in any case.
  void require_digest(const oci::Digest& digest) const {
    if (oci::digest_of(base::as_bytes(bytes), digest.algorithm()) == digest) return;
    const char* what = oci::media_type::is_schema1(media_type) ? "image" : "manifest";
    throw Error(ErrorCode::kDataLoss, std::string(what) + " verification failed for digest " + digest.to_string());
  }
  FetchedManifest named(const oci::Digest& digest) && {
    return {{std::move(media_type), digest, body_bytes, {}, {}, {}, {}}, std::move(bytes)};
  }
};

HashedManifest take_manifest(HttpResponse& response) {
  std::string type = content_type(response);
  const auto size = static_cast<std::int64_t>(response.body.size());
  const std::string_view schema1 = oci::find_schema1_type(response.body, type);
  if (schema1.empty()) return {std::move(type), std::move(response.body), size};
  std::string payload = oci::schema1_payload(response.body);
  return {std::string(schema1), std::move(payload), size};
}

std::string short_read(const imagestore::ByteRange& expected, std::int64_t received) {
  return "short read: expected " + std::to_string(expected.size_bytes()) + " bytes but got " +
         std::to_string(received) + ": unexpected EOF";
}

// Counts, and ends a body that is longer than it may be before the surplus is written.
class CountedSink final : public base::Sink {
 public:
  CountedSink(BlobSink& sink, const oci::Descriptor& descriptor) : sink_(sink), descriptor_(descriptor) {}

  void begin(const imagestore::ByteRange& expected, BlobSink::Answer answer) {
    expected_ = expected;
    started_ = true;
    sink_.begin(answer);
  }
  void write(base::Bytes data) override {
    received_bytes_ += static_cast<std::int64_t>(data.size());
    if (received_bytes_ > expected_.size_bytes()) {
      throw Error(ErrorCode::kDataLoss, "blob " + descriptor_.digest.to_string() + " is larger than the " +
                                            std::to_string(descriptor_.size_bytes) + " bytes of its descriptor");
    }
    sink_.write(data);
  }
  bool has_started() const { return started_; }
  bool is_complete() const { return received_bytes_ == expected_.size_bytes(); }
  std::string short_read() const { return distribution::short_read(expected_, received_bytes_); }

 private:
  BlobSink& sink_;
  const oci::Descriptor& descriptor_;
  imagestore::ByteRange expected_;
  std::int64_t received_bytes_ = 0;
  bool started_ = false;
};

// For answers of which the head is all that is wanted.
base::Sink* end_at_head(const HttpResponse&) {
  throw RefusalSink::Full();
}

struct ContentRange {
  imagestore::ByteRange range;
  std::optional<std::int64_t> size_bytes;
};

// "bytes 0-99/1000" or "bytes 0-99/*" (RFC 9110 14.4).
std::optional<ContentRange> parse_content_range(const std::string* value) {
  constexpr std::string_view kUnit = "bytes ";
  if (value == nullptr || !base::to_lower(*value).starts_with(kUnit)) return std::nullopt;
  const std::string_view text = base::trim(std::string_view(*value).substr(kUnit.size()));
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = base::parse_unsigned(text.substr(0, dash));
  const auto last = base::parse_unsigned(text.substr(dash + 1, slash - dash - 1));
  const auto size = base::parse_unsigned(text.substr(slash + 1));
  constexpr unsigned long long kMost = std::numeric_limits<std::int64_t>::max() / 2;
  if (!first || !last || *first > *last || *last > kMost || (size && *size > kMost)) return std::nullopt;
  if (!size && text.substr(slash + 1) != "*") return std::nullopt;
  ContentRange result{{static_cast<std::int64_t>(*first), static_cast<std::int64_t>(*last) + 1}, std::nullopt};
  if (size) result.size_bytes = static_cast<std::int64_t>(*size);
  return result;
}

// Of the whole blob, of which a part or all would follow.
std::optional<std::int64_t> find_size(const HttpResponse& head) {
  constexpr unsigned long long kMost = std::numeric_limits<std::int64_t>::max() / 2;
  if (head.status == 206) {
    const auto range = parse_content_range(head.find_header("Content-Range"));
    return range ? range->size_bytes : std::nullopt;
  }
  const std::string* length = head.find_header("Content-Length");
  const auto size = length == nullptr ? std::nullopt : base::parse_unsigned(*length);
  return size && *size <= kMost ? std::optional(static_cast<std::int64_t>(*size)) : std::nullopt;
}

// The target of `<url>; rel="next"` (RFC 8288), as far as registries write it.
std::optional<std::string> next_link(const HttpResponse& response) {
  for (const std::string& value : response.all_headers("Link")) {
    const std::size_t begin = value.find('<');
    const std::size_t end = value.find('>', begin == std::string::npos ? 0 : begin);
    if (begin == std::string::npos || end == std::string::npos) continue;
    const std::string parameters = base::to_lower(value.substr(end + 1));
    if (parameters.find("rel=\"next\"") == std::string::npos && parameters.find("rel=next") == std::string::npos) {
      continue;
    }
    return value.substr(begin + 1, end - begin - 1);
  }
  return std::nullopt;
}

void append_tags(const std::string& body, std::vector<std::string>& tags) {
  const base::Json json =
      base::parse_json(body, "tag list", {.max_bytes = kMaxTagPageBytes, .max_values = kMaxTags + 16});
  if (!json.is_object()) throw Error(ErrorCode::kInvalidArgument, "tag list: not an object");
  const base::Json* list = base::find_array(json, "tags");
  if (list == nullptr) return;
  if (list->size() > kMaxTags - tags.size()) throw Error(ErrorCode::kInvalidArgument, "more than 1000000 tags");
  for (const base::Json& tag : *list) {
    // A name that cannot be asked for is of no use to anybody.
    if (tag.is_string() && oci::is_valid_tag(tag.get_ref<const std::string&>())) tags.push_back(tag.get<std::string>());
  }
}

// Tells credentials apart without showing them.
std::string fingerprint(const AuthConfig& auth) {
  oci::DigestHasher hasher(oci::DigestAlgorithm::kSha256);
  const auto add = [&](const std::string& part) {
    hasher.update(base::as_bytes(std::to_string(part.size()) + ":"));
    hasher.update(base::as_bytes(part));
  };
  add(auth.username);
  add(auth.password.reveal());
  add(auth.identity_token.reveal());
  add(auth.registry_token.reveal());
  add(auth.server_address);
  return hasher.finish().hex();
}

Scope repository_scope(const std::string& path, std::initializer_list<const char*> actions) {
  return {"repository:" + path, {actions.begin(), actions.end()}};
}

std::vector<Scope> scopes_of(const oci::RepositoryName& repository, Access access) {
  if (access == Access::kPush) return {repository_scope(repository.path(), {"pull", "push"})};
  return {repository_scope(repository.path(), {"pull"})};
}

}  // namespace

// Kept apart from RegistrySession, which knows of no repository.
class RegistryClient::Repository {
 public:
  Repository(HttpClient& http, const RegistryOptions& options, oci::RepositoryName name, Access access,
             OperationContext context, base::Logger& logger)
      : name_(std::move(name)),
        identity_(name_.to_string() + " " + fingerprint(context.auth)),
        stall_timeout_(options.stall_timeout),
        accept_(accepted_types(options.schema1_images)),
        session_(http, options, name_.domain(), access, scopes_of(name_, access), std::move(context), logger),
        uploader_(session_, name_.path(), options.uploads) {}

  const oci::RepositoryName& name() const { return name_; }
  const std::string& identity() const { return identity_; }
  RegistrySession& session() { return session_; }
  BlobUploader& uploader() { return uploader_; }

  Call call(const char* method, const std::string& path) const {
    Call result;
    result.method = method;
    result.path = name_.path() + "/" + path;
    return result;
  }
  // For a body that is collected: many wait for one, so it may not come in drops.
  std::chrono::milliseconds whole_timeout() const { return kWholeTimeouts * stall_timeout_; }
  Call manifest_call(const char* method, const std::string& reference) const {
    Call result = call(method, "manifests/" + reference);
    result.headers = {{"Accept", accept_}};
    result.max_body_bytes = oci::kMaxManifestBytes;
    result.total_timeout = whole_timeout();
    return result;
  }

  std::int64_t get_blob_size(Endpoint& endpoint, const oci::Digest& digest, const std::stop_token& stop);
  FetchedManifest fetch_by_tag(Endpoint& endpoint, const std::string& tag, const std::stop_token& stop);
  FetchedManifest fetch_by_digest(const oci::Digest& digest, const Call& call, const std::stop_token& stop);
  void get_blob_from(Endpoint& endpoint, const oci::Descriptor& descriptor, BlobSink& sink,
                     const RetryListener& on_wait, const std::stop_token& stop);
  bool has_bad_mirrors(const oci::Digest& digest) { return without_mirrors_.lock()->contains(digest.to_string()); }
  void note_tags() { has_shown_tags_ = true; }
  bool has_shown_tags() const { return has_shown_tags_; }
  void skip_mirrors_for(const oci::Digest& digest) { without_mirrors_.lock()->insert(digest.to_string()); }
  // One manifest at most, if it is no larger than kMaxKeptBytes, for who wants it next.
  oci::Descriptor keep(FetchedManifest manifest);
  std::optional<FetchedManifest> take_kept(const oci::Digest& digest);

 private:
  Call blob_call(const Endpoint& endpoint, const oci::Descriptor& descriptor, const imagestore::ByteRange& wanted);
  imagestore::ByteRange check_blob_head(const Endpoint& endpoint, const HttpResponse& head,
                                        const oci::Descriptor& descriptor, const imagestore::ByteRange& wanted);
  [[noreturn]] void refuse_part(const Endpoint& endpoint, const oci::Digest& digest, const std::string& why);
  std::string etag_of(const Endpoint& endpoint, const oci::Digest& digest);
  void remember_etag(const Endpoint& endpoint, const oci::Digest& digest, const HttpResponse& head);

  oci::RepositoryName name_;
  const std::string identity_;
  const std::chrono::milliseconds stall_timeout_;
  const std::string accept_;
  RegistrySession session_;
  base::Synchronized<std::set<std::pair<const Endpoint*, std::string>>> without_ranges_;
  base::Synchronized<std::set<std::string>> without_mirrors_;  // digests
  base::Synchronized<std::map<std::pair<const Endpoint*, std::string>, std::string>> etags_;
  base::Synchronized<std::optional<FetchedManifest>> kept_;
  std::atomic<bool> has_shown_tags_ = false;
  BlobUploader uploader_;
};

RegistryClient::RegistryClient(HttpClient& http, const RegistryOptions& options, oci::RepositoryName repository,
                               Access access, OperationContext context, base::Logger& logger)
    : repository_(
          std::make_unique<Repository>(http, options, std::move(repository), access, std::move(context), logger)) {}

RegistryClient::~RegistryClient() = default;

const oci::RepositoryName& RegistryClient::repository() const {
  return repository_->name();
}

std::string RegistryClient::identity() const {
  return repository_->identity();
}

const RetryPolicy& RegistryClient::retry_policy() const {
  return repository_->session().retry_policy();
}

std::vector<std::string> RegistryClient::take_warnings() {
  return repository_->session().take_warnings();
}

std::string RegistryClient::registry() const {
  return repository_->name().domain();
}

FetchedManifest RegistryClient::Repository::fetch_by_tag(Endpoint& endpoint, const std::string& tag,
                                                         const std::stop_token& stop) {
  Answer answer = session_.call(endpoint, manifest_call("GET", tag), stop);
  if (!is_ok(answer, {200})) throw answer.error();
  HashedManifest manifest = take_manifest(answer.response);
  const auto claimed = digest_header(answer.response);
  if (claimed) manifest.require_digest(*claimed);
  const oci::Digest digest = claimed ? *claimed : oci::digest_of(base::as_bytes(manifest.bytes));
  return std::move(manifest).named(digest);
}

oci::Descriptor RegistryClient::resolve(const std::string& tag, std::stop_token stop) {
  return repository_->session().try_endpoints(
      Capability::kResolve,
      [&](Endpoint& endpoint) {
        const Answer answer = repository_->session().call(endpoint, repository_->manifest_call("HEAD", tag), stop);
        const std::string* length = answer.response.find_header("Content-Length");
        const auto size = base::parse_unsigned(length == nullptr ? "" : *length).value_or(oci::kMaxManifestBytes + 1);
        const auto digest = digest_header(answer.response);
        std::string type = content_type(answer.response);
        if (answer.is_success() && digest && size <= oci::kMaxManifestBytes && !type.empty()) {
          return oci::Descriptor{std::move(type), *digest, static_cast<std::int64_t>(size), {}, {}, {}, {}};
        }
        // A refused HEAD has no body to say why.
        return repository_->keep(repository_->fetch_by_tag(endpoint, tag, stop));
      },
      stop);
}

oci::Descriptor RegistryClient::Repository::keep(FetchedManifest manifest) {
  oci::Descriptor descriptor = manifest.descriptor;
  const bool is_small = manifest.bytes.size() <= kMaxKeptBytes;
  *kept_.lock() = is_small ? std::optional(std::move(manifest)) : std::nullopt;
  return descriptor;
}

std::optional<FetchedManifest> RegistryClient::Repository::take_kept(const oci::Digest& digest) {
  auto kept = kept_.lock();
  if (!*kept || (*kept)->descriptor.digest != digest) return std::nullopt;
  return std::exchange(*kept, std::nullopt);
}

FetchedManifest RegistryClient::get_manifest_by_tag(const std::string& tag, std::stop_token stop) {
  return repository_->session().try_endpoints(
      Capability::kResolve, [&](Endpoint& endpoint) { return repository_->fetch_by_tag(endpoint, tag, stop); }, stop);
}

FetchedManifest RegistryClient::Repository::fetch_by_digest(const oci::Digest& digest, const Call& call,
                                                            const std::stop_token& stop) {
  return session_.try_endpoints(
      [&](Endpoint& endpoint) {
        Answer answer = session_.call(endpoint, call, stop);
        if (!is_ok(answer, {200})) throw answer.error();
        HashedManifest manifest = take_manifest(answer.response);
        manifest.require_digest(digest);
        if (const auto claimed = digest_header(answer.response)) manifest.require_digest(*claimed);
        return std::move(manifest).named(digest);
      },
      stop);
}

FetchedManifest RegistryClient::get_manifest(const oci::Digest& digest, std::stop_token stop) {
  if (auto kept = repository_->take_kept(digest)) return *std::move(kept);
  try {
    return repository_->fetch_by_digest(digest, repository_->manifest_call("GET", digest.to_string()), stop);
  } catch (const RegistryError& not_found) {
    if (not_found.status() != 404) throw;
    // Some registries keep the children of an index among the blobs.
    Call call = repository_->call("GET", "blobs/" + digest.to_string());
    call.max_body_bytes = oci::kMaxManifestBytes;
    try {
      return repository_->fetch_by_digest(digest, call, stop);
    } catch (const RegistryError&) {
      throw not_found;
    }
  }
}

// A 206 that is not what was asked for: that endpoint is not asked for parts of that blob any more.
void RegistryClient::Repository::refuse_part(const Endpoint& endpoint, const oci::Digest& digest,
                                             const std::string& why) {
  without_ranges_.lock()->insert({&endpoint, digest.to_string()});
  throw TransportError(TransportFailure::kBroken, ErrorCode::kUnavailable,
                       endpoint.base().authority() + " answered a range request wrongly: " + why);
}

// What the body of a 2xx answer is, after all that its head says was checked.
imagestore::ByteRange RegistryClient::Repository::check_blob_head(const Endpoint& endpoint, const HttpResponse& head,
                                                                  const oci::Descriptor& descriptor,
                                                                  const imagestore::ByteRange& wanted) {
  const std::string name = "blob " + descriptor.digest.to_string();
  const std::string* encoding = head.find_header("Content-Encoding");
  if (encoding != nullptr && !encoding->empty() && !base::equals_ignoring_case(*encoding, "identity")) {
    throw Error(ErrorCode::kDataLoss, name + " comes with content encoding " + base::printable(*encoding, 40));
  }
  const auto wrong_size = [&](const std::string& size) {
    throw Error(ErrorCode::kDataLoss, name + " has " + base::printable(size, 40) + " bytes, its descriptor says " +
                                          std::to_string(descriptor.size_bytes));
  };
  if (head.status == 206) {
    const std::string* value = head.find_header("Content-Range");
    const auto range = parse_content_range(value);
    if (!range) refuse_part(endpoint, descriptor.digest, "no Content-Range");
    if (range->size_bytes && *range->size_bytes != descriptor.size_bytes)
      wrong_size(std::to_string(*range->size_bytes));
    if (range->range.begin != wanted.begin || range->range.end > wanted.end)
      refuse_part(endpoint, descriptor.digest, *value);
    return range->range;
  }
  if (head.status != 200)
    throw Error(ErrorCode::kInternal, name + ": received unexpected HTTP status: " + std::to_string(head.status));
  const std::string* length = head.find_header("Content-Length");
  const auto claimed = length == nullptr ? std::nullopt : base::parse_unsigned(*length);
  if (claimed && *claimed > static_cast<unsigned long long>(std::max<std::int64_t>(descriptor.size_bytes, 0))) {
    wrong_size(*length);
  }
  return {0, descriptor.size_bytes};
}

Call RegistryClient::Repository::blob_call(const Endpoint& endpoint, const oci::Descriptor& descriptor,
                                           const imagestore::ByteRange& wanted) {
  Call call = this->call("GET", "blobs/" + descriptor.digest.to_string());
  const bool is_whole = wanted.begin == 0 && wanted.end == descriptor.size_bytes;
  if ((is_whole && descriptor.size_bytes < kLargeBlobBytes) ||
      without_ranges_.lock()->contains({&endpoint, descriptor.digest.to_string()}))
    return call;
  call.headers.emplace_back("Range", "bytes=" + std::to_string(wanted.begin) + "-" + std::to_string(wanted.end - 1));
  const std::string etag = etag_of(endpoint, descriptor.digest);
  if (!is_whole && !etag.empty()) call.headers.emplace_back("If-Range", etag);
  return call;
}

std::string RegistryClient::Repository::etag_of(const Endpoint& endpoint, const oci::Digest& digest) {
  auto etags = etags_.lock();
  const auto found = etags->find({&endpoint, digest.to_string()});
  return found == etags->end() ? std::string() : found->second;
}

// Only strong ones may stand in If-Range (RFC 9110 13.1.5).
void RegistryClient::Repository::remember_etag(const Endpoint& endpoint, const oci::Digest& digest,
                                               const HttpResponse& head) {
  constexpr std::size_t kMaxEtags = 1000;
  constexpr std::size_t kMaxEtagBytes = 256;
  const std::string* etag = head.find_header("ETag");
  if (etag == nullptr || !etag->starts_with('"') || !etag->ends_with('"') || etag->size() > kMaxEtagBytes) return;
  auto etags = etags_.lock();
  if (etags->size() < kMaxEtags) etags->insert_or_assign({&endpoint, digest.to_string()}, *etag);
}

void RegistryClient::Repository::get_blob_from(Endpoint& endpoint, const oci::Descriptor& descriptor, BlobSink& sink,
                                               const RetryListener& on_wait, const std::stop_token& stop) {
  const imagestore::ByteRange wanted = sink.wanted();
  CountedSink counted(sink, descriptor);
  Call call = blob_call(endpoint, descriptor, wanted);
  call.on_wait = on_wait;
  call.on_success = [&](const HttpResponse& head) -> base::Sink* {
    const auto coming = check_blob_head(endpoint, head, descriptor, wanted);
    remember_etag(endpoint, descriptor.digest, head);
    counted.begin(coming, head.status == 206 ? BlobSink::Answer::kPart : BlobSink::Answer::kWhole);
    return &counted;
  };
  const auto broke_off = [&](TransportFailure kind, ErrorCode code) {
    return TransportError(kind, code, counted.short_read());
  };
  try {
    const Answer answer = session_.call(endpoint, call, stop);
    if (answer.response.status == 416) refuse_part(endpoint, descriptor.digest, "416 Requested Range Not Satisfiable");
    if (!answer.is_success()) throw answer.error();
  } catch (const TransportError& error) {
    if (!counted.has_started() || error.kind() != TransportFailure::kBroken) throw;
    throw broke_off(error.kind(), error.code());
  }
  if (!counted.is_complete()) throw broke_off(TransportFailure::kBroken, ErrorCode::kUnavailable);
}

void RegistryClient::get_blob(const oci::Descriptor& descriptor, BlobSink& sink, const RetryListener& on_wait,
                              std::stop_token stop) {
  const auto get = [&](Endpoint& endpoint) { repository_->get_blob_from(endpoint, descriptor, sink, on_wait, stop); };
  if (repository_->has_bad_mirrors(descriptor.digest)) {
    get(repository_->session().last_that_can(Capability::kPull));
  } else {
    repository_->session().try_each(Capability::kPull, get);
  }
}

void RegistryClient::skip_mirrors_for(const oci::Digest& digest) {
  repository_->skip_mirrors_for(digest);
}

void RegistryClient::require_blob(const oci::Digest& digest, std::stop_token stop) {
  const Call call = repository_->call("HEAD", "blobs/" + digest.to_string());
  const auto require = [&](Endpoint& endpoint) {
    const Answer answer = repository_->session().call(endpoint, call, stop);
    if (!answer.is_success()) throw answer.error();
  };
  repository_->session().try_endpoints(require, stop);
}

std::int64_t RegistryClient::Repository::get_blob_size(Endpoint& endpoint, const oci::Digest& digest,
                                                       const std::stop_token& stop) {
  Call call = this->call("HEAD", "blobs/" + digest.to_string());
  const Answer head = session_.call(endpoint, call, stop);
  const bool is_served = !is_ok(head, {405, 501});
  if (is_served && !head.is_success()) throw head.error();
  if (const auto size = is_served ? find_size(head.response) : std::nullopt) return *size;
  call.method = "GET";
  call.headers = {{"Range", "bytes=0-0"}};
  call.on_success = end_at_head;
  const Answer answer = session_.call(endpoint, call, stop);
  if (!answer.is_success()) throw answer.error();
  if (const auto size = find_size(answer.response)) return *size;
  throw Error(ErrorCode::kDataLoss, answer.request + ": the answer does not say how large the blob is");
}

std::optional<std::int64_t> RegistryClient::find_blob_size(const oci::Digest& digest, std::stop_token stop) {
  try {
    return repository_->session().try_endpoints(
        [&](Endpoint& endpoint) { return repository_->get_blob_size(endpoint, digest, stop); }, stop);
  } catch (const RegistryError& error) {
    if (error.status() != 404) throw;
    return std::nullopt;
  }
}

std::string RegistryClient::read_blob(const oci::Descriptor& descriptor, std::size_t limit_bytes,
                                      std::stop_token stop) {
  const std::string name = "blob " + descriptor.digest.to_string();
  if (descriptor.size_bytes < 0 || static_cast<unsigned long long>(descriptor.size_bytes) > limit_bytes) {
    throw Error(ErrorCode::kDataLoss, name + " is larger than " + std::to_string(limit_bytes) + " bytes");
  }
  return repository_->session().try_endpoints(
      [&](Endpoint& endpoint) {
        Call call = repository_->call("GET", "blobs/" + descriptor.digest.to_string());
        call.max_body_bytes = static_cast<std::size_t>(descriptor.size_bytes);
        call.total_timeout = repository_->whole_timeout();
        Answer answer = repository_->session().call(endpoint, call, stop);
        if (!is_ok(answer, {200})) throw answer.error();
        std::string& bytes = answer.response.body;
        if (oci::digest_of(base::as_bytes(bytes), descriptor.digest.algorithm()) != descriptor.digest) {
          throw Error(ErrorCode::kDataLoss, "verification failed for digest " + descriptor.digest.to_string());
        }
        return std::move(bytes);
      },
      stop);
}

std::vector<std::string> RegistryClient::list_tags(std::stop_token stop) {
  return repository_->session().try_endpoints(
      [&](Endpoint& endpoint) {
        std::vector<std::string> tags;
        std::set<std::size_t> read;  // hashes of the pages' URLs
        Call call = repository_->call("GET", "tags/list");
        call.query = "n=1000";
        call.max_body_bytes = kMaxTagPageBytes;
        call.total_timeout = repository_->whole_timeout();
        for (int page = 0; page < kMaxTagPages; ++page) {
          const Answer answer = repository_->session().call(endpoint, call, stop);
          if (!is_ok(answer, {200})) throw answer.error();
          append_tags(answer.response.body, tags);
          repository_->note_tags();
          const auto link = next_link(answer.response);
          if (!link) return tags;
          const Url next = resolve_url(answer.url, *link);
          if (!is_same_origin(next, endpoint.base())) {
            throw Error(ErrorCode::kPermissionDenied,
                        "refusing tag list on another host: " + redact_url(next.to_string()));
          }
          // A list that leads in a circle has been read.
          read.insert(std::hash<std::string>()(answer.url.to_string()));
          if (read.contains(std::hash<std::string>()(next.to_string()))) return tags;
          call.at = next;
        }
        throw Error(ErrorCode::kInvalidArgument, "more than " + std::to_string(kMaxTagPages) + " pages of tags");
      },
      stop);
}

std::vector<oci::Descriptor> RegistryClient::list_referrers(const oci::Digest& subject, std::stop_token stop) {
  return distribution::list_referrers(repository_->session(), repository_->name().path(), subject, stop);
}

V2Presence RegistryClient::probe(std::stop_token stop) {
  RegistrySession& session = repository_->session();
  Call call;
  call.total_timeout = repository_->whole_timeout();
  call.on_success = end_at_head;
  try {
    const Answer answer = session.call(session.registry(), call, stop);
    if (answer.response.status == 401) return V2Presence::kConfirmed;
    const bool is_busy = !answer.is_success() && classify_failure(answer.error()) == FailureKind::kTemporary;
    if (!answer.is_success()) return is_busy ? V2Presence::kLikely : V2Presence::kAbsent;
    const bool says_so = answer.response.find_header("Docker-Distribution-API-Version") != nullptr;
    return says_so ? V2Presence::kConfirmed : V2Presence::kLikely;
  } catch (const RegistryError&) {
    return V2Presence::kConfirmed;  // it asked for a token
  }
}

bool RegistryClient::has_shown_tags() const {
  return repository_->has_shown_tags();
}

bool RegistryClient::has_blob(const oci::Digest& digest, std::stop_token stop) {
  return repository_->uploader().has_blob(digest, stop);
}

UploadResult RegistryClient::push_blob(const oci::Descriptor& descriptor, const UploadContent& content,
                                       const std::vector<std::string>& mount_candidates, const UploadWatcher& watcher,
                                       std::stop_token stop) {
  return repository_->uploader().push(descriptor, content, mount_candidates, watcher, stop);
}

bool RegistryClient::has_manifest(const oci::Digest& digest, std::stop_token stop) {
  RegistrySession& session = repository_->session();
  const auto ask = [&] {
    const Answer answer =
        session.call(session.registry(), repository_->manifest_call("HEAD", digest.to_string()), stop);
    if (answer.response.status == 429 || answer.response.status >= 500) throw answer.error();
    return answer.is_success();
  };
  return session.retry(ask, stop);
}

void RegistryClient::add_referrer(const oci::Digest& subject, const oci::Descriptor& descriptor,
                                  const std::string& document, std::stop_token stop) {
  distribution::add_referrer(repository_->session(), repository_->name().path(), subject, descriptor, document, stop);
}

ManifestPut RegistryClient::put_manifest(const std::string& reference, const std::string& media_type,
                                         const std::string& bytes, const oci::Digest& digest, IfThere if_there,
                                         std::stop_token stop) {
  RegistrySession& session = repository_->session();
  Call call = repository_->call("PUT", "manifests/" + reference);
  call.body = make_body(media_type, bytes);
  call.answer_patience = kStorePatience;
  // Looked for before every try: the answer to one that worked may have been lost.
  const auto put = [&]() -> std::optional<Answer> {
    const Answer known = session.call(session.registry(), repository_->manifest_call("HEAD", reference), stop);
    const bool is_there = known.is_success() && digest_header(known.response) == digest;
    if (is_there && if_there == IfThere::kLeave) return std::nullopt;
    Answer answer = session.call(session.registry(), call, stop);
    // Where tags cannot be put twice.
    if (is_there && is_ok(answer, {400, 403, 405, 409, 412})) return std::nullopt;
    if (!is_ok(answer, {200, 201, 202, 204})) throw answer.error();
    return answer;
  };
  const std::optional<Answer> answer = session.retry(put, stop);
  if (!answer) return ManifestPut::kExisted;
  const auto stored = digest_header(answer->response);
  if (stored && *stored != digest && oci::digest_of(base::as_bytes(bytes), stored->algorithm()) != *stored) {
    throw Error(ErrorCode::kDataLoss,
                "the registry stored manifest " + digest.to_string() + " as " + stored->to_string());
  }
  return answer->response.find_header("OCI-Subject") == nullptr ? ManifestPut::kStored
                                                                : ManifestPut::kStoredWithSubject;
}

}  // namespace lighterd::distribution
