// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_repository.hpp"

#include <utility>

#include "base/error.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry.hpp"
#include "imagestore/content_verifier.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kHexDigits = 64;

oci::Digest parse_id(const std::string& id) {
  return oci::parse_digest(id.size() == kHexDigits ? "sha256:" + id : id);
}

}  // namespace

RemoteRepository::RemoteRepository(DistributionServices& services, const oci::RepositoryName& name,
                                   const OperationContext& context, std::stop_token stop)
    : services_(services),
      context_(context),
      client_(services.http, services.registries, name, Access::kPull, context, services.logger),
      stop_(std::move(stop)) {}

// kConfirmed: `error`, of a request to /v2/, is the answer. Otherwise V1 may know better; of a registry that has not
// shown /v2/ yet, and refuses in a way in which one that has it would not. One that is down is not asked by V1.
V2Presence RemoteRepository::judge(const Error& error, Missing what) {
  if (is_v2_confirmed_ || client_.has_shown_tags()) return V2Presence::kConfirmed;
  if (const auto* refusal = dynamic_cast<const RegistryError*>(&error)) {
    const int status = refusal->status();
    const bool is_busy = classify_failure(error) == FailureKind::kTemporary;
    if (status == 401 || status == 403 || is_busy || !refusal->realm().empty()) return V2Presence::kConfirmed;
  } else if (error.code() != ErrorCode::kInvalidArgument || what != Missing::kRepository) {
    return V2Presence::kConfirmed;  // not even a list of tags that is a web page
  }
  const V2Presence presence = probe();
  is_v2_confirmed_ = presence == V2Presence::kConfirmed;
  return presence;
}

V2Presence RemoteRepository::probe() {
  RetryLoop loop(client_.retry_policy(), context_.on_retry);
  try {
    for (;;) {
      try {
        return client_.probe(stop_);
      } catch (const Error& error) {
        loop.wait_or_rethrow(error, stop_);
      }
    }
  } catch (const TransportError& error) {
    const std::string url = registry_url(name());
    if (error.kind() != TransportFailure::kConnect)
      throw Error(error.code(), "error checking for V2 registry at " + url + ": " + error.text());
    throw RemoteError(Missing::kRegistry, registry_not_found(url).text() + ": " + error.text());
  }
}

template <typename ByV2, typename ByV1>
auto RemoteRepository::ask(const RemoteQuestion& question, const ByV2& by_v2, const ByV1& by_v1) {
  if (v1_) return by_v1(*v1_);
  std::exception_ptr v2_failure;
  try {
    auto result = by_v2();
    is_v2_confirmed_ = true;
    return result;
  } catch (const Error& error) {
    const V2Presence presence = judge(error, question.what);
    if (presence == V2Presence::kConfirmed) rethrow_for_remote(question);
    if (presence == V2Presence::kLikely) v2_failure = std::current_exception();
  }
  return ask_v1(question, by_v1, v2_failure);
}

// Where /v2/ is likely there all the same, V1 has to show itself: its failure is none to tell of then.
template <typename ByV1>
auto RemoteRepository::ask_v1(const RemoteQuestion& question, const ByV1& by_v1, const std::exception_ptr& v2_failure) {
  auto v1 = std::make_unique<V1Registry>(services_.http, services_.registries, name(), context_, services_.logger);
  try {
    auto result = by_v1(*v1);
    v1_ = std::move(v1);
    return result;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    if (!v2_failure) {
      v1_ = std::move(v1);
      throw;
    }
  }
  try {
    std::rethrow_exception(v2_failure);
  } catch (const Error&) {
    rethrow_for_remote(question);
  }
}

std::vector<std::string> RemoteRepository::list_tags() {
  return ask(
      {name(), Missing::kRepository, {}}, [&] { return client_.list_tags(stop_); },
      [&](V1Registry& v1) {
        std::vector<std::string> tags;
        for (const auto& [tag, id] : v1.list_tags(stop_)) tags.push_back(tag);
        return tags;
      });
}

// Apart from asking: what is wrong with a document is nothing about the protocol that brought it.
RemoteRepository::Found RemoteRepository::parse(Fetched fetched) const {
  if (auto* image = std::get_if<V1Image>(&fetched)) return std::move(*image);
  return parse_remote_document(std::get<FetchedManifest>(fetched), services_.registries.schema1_images,
                               name().familiar());
}

RemoteRepository::Found RemoteRepository::get_by_tag(const std::string& tag, TagChoice choice) {
  return parse(ask(
      {name(), Missing::kTag, tag, choice}, [&]() -> Fetched { return client_.get_manifest_by_tag(tag, stop_); },
      [&](V1Registry& v1) -> Fetched { return v1.get_image_by_tag(tag, choice, stop_); }));
}

RemoteRepository::Found RemoteRepository::get_by_id(const std::string& id) {
  const oci::Digest digest = parse_id(id);
  return parse(ask(
      {name(), Missing::kImage, id}, [&]() -> Fetched { return client_.get_manifest(digest, stop_); },
      [&](V1Registry& v1) -> Fetched { return v1.get_image(id, stop_); }));
}

RemoteDocument RemoteRepository::get_document(const oci::Descriptor& entry) {
  try {
    FetchedManifest fetched = client_.get_manifest(entry.digest, stop_);
    imagestore::require_size(entry, fetched.descriptor.size_bytes);
    if (!entry.media_type.empty()) fetched.descriptor.media_type = entry.media_type;
    // An index has no place for what has another digest as a whole than by what was signed.
    return parse_remote_document(fetched, Schema1Images::kRefused, name().familiar());
  } catch (const Error&) {
    rethrow_for_remote({name(), Missing::kImage, entry.digest.to_string()});
  }
}

RemoteManifest RemoteRepository::read_manifest(const RemoteDocument& document) {
  try {
    return read_remote_manifest(client_, document, stop_);
  } catch (const Error&) {
    const auto* manifest = std::get_if<oci::Manifest>(&document.content);
    rethrow_for_remote({name(), Missing::kBlob, manifest == nullptr ? "" : manifest->config.digest.to_string()});
  }
}

std::vector<oci::Descriptor> RemoteRepository::list_referrers(const oci::Digest& subject) {
  try {
    return client_.list_referrers(subject, stop_);
  } catch (const Error&) {
    rethrow_for_remote({name(), Missing::kImage, subject.to_string()});
  }
}

}  // namespace lighterd::distribution
