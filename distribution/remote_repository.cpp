// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_repository.hpp"

#include <utility>

#include "base/error.hpp"
#include "distribution/registry_error.hpp"

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

// "V1 is asked": only a registry that has not shown /v2/ yet, and refuses in a way in which one that has it would not.
bool RemoteRepository::is_without_v2(const Error& error) {
  if (is_v2_confirmed_) return false;
  if (const auto* refusal = dynamic_cast<const RegistryError*>(&error)) {
    const int status = refusal->status();
    if (status == 401 || status == 403 || status == 429 || !refusal->realm().empty()) return false;
  } else if (error.code() != ErrorCode::kInvalidArgument) {
    return false;  // other than what cannot be read as an answer
  }
  const V2Presence presence = probe();
  is_v2_confirmed_ = presence == V2Presence::kConfirmed;
  if (presence == V2Presence::kLikely) v2_failure_ = std::current_exception();
  return !is_v2_confirmed_;
}

V2Presence RemoteRepository::probe() {
  try {
    return client_.probe(stop_);
  } catch (const TransportError& error) {
    if (error.kind() == TransportFailure::kConnect) throw registry_not_found(registry_url(name()));
    throw Error(error.code(), "error checking for V2 registry at " + registry_url(name()) + ": " + error.text());
  }
}

template <typename ByV2, typename ByV1>
auto RemoteRepository::ask(const RemoteQuestion& question, const ByV2& by_v2, const ByV1& by_v1) {
  using Result = decltype(by_v1(*v1_));
  if (!v1_) {
    try {
      Result result = by_v2();
      is_v2_confirmed_ = true;
      return result;
    } catch (const Error& error) {
      if (!is_without_v2(error)) rethrow_for_remote(question);
      v1_ = std::make_unique<V1Registry>(services_.http, services_.registries, name(), context_, services_.logger);
    }
  }
  try {
    return by_v1(*v1_);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled || !v2_failure_) throw;
  }
  try {
    std::rethrow_exception(v2_failure_);
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

RemoteDocument RemoteRepository::parse(const FetchedManifest& fetched) const {
  return parse_remote_document(fetched, services_.registries.schema1_images, name().familiar());
}

RemoteRepository::Found RemoteRepository::get_by_tag(const std::string& tag, TagChoice choice) {
  return ask(
      {name(), Missing::kTag, tag, choice}, [&]() -> Found { return parse(client_.get_manifest_by_tag(tag, stop_)); },
      [&](V1Registry& v1) -> Found { return v1.get_image_by_tag(tag, choice, stop_); });
}

RemoteRepository::Found RemoteRepository::get_by_id(const std::string& id) {
  return ask(
      {name(), Missing::kImage, id}, [&]() -> Found { return fetch(parse_id(id)); },
      [&](V1Registry& v1) -> Found { return v1.get_image(id, stop_); });
}

RemoteDocument RemoteRepository::fetch(const oci::Digest& digest) {
  return parse(client_.get_manifest(digest, stop_));
}

RemoteDocument RemoteRepository::get_document(const oci::Digest& digest) {
  try {
    return fetch(digest);
  } catch (const Error&) {
    rethrow_for_remote({name(), Missing::kImage, digest.to_string()});
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
