// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_inspector.hpp"

#include <algorithm>
#include <exception>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/remote_repository.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr const char* kDefaultTag = "latest";
// Of a description of all platforms: each takes two requests, and all their configs are held at once.
constexpr std::size_t kMaxDescribed = 64;
constexpr std::int64_t kMaxDescribedBytes = std::int64_t{8} * 1024 * 1024;

std::vector<oci::Platform> platforms_of(RegistryClient& client, const RemoteDocument& document,
                                        const std::stop_token& stop) {
  std::vector<oci::Platform> platforms;
  if (const auto* index = std::get_if<oci::Index>(&document.content)) {
    for (const auto& entry : index->manifests)
      if (entry.platform) platforms.push_back(*entry.platform);
    return platforms;
  }
  const RemoteManifest image = read_remote_manifest(client, document, stop);
  if (!image.config) return platforms;
  const oci::Platform& platform = image.config->platform;
  if (!platform.os.empty() || !platform.architecture.empty()) platforms.push_back(platform);
  return platforms;
}

// As a pull would choose; else by operating system and architecture alone.
const oci::Descriptor* find_entry(const oci::Index& index, const oci::Platform& wanted) {
  if (const auto* entry = oci::find_platform(index, oci::PlatformMatcher::only(wanted))) return entry;
  const oci::Platform normal = oci::normalize(wanted);
  const auto found = std::ranges::find_if(index.manifests, [&](const oci::Descriptor& entry) {
    if (!entry.platform || oci::is_attestation(entry)) return false;
    const oci::Platform platform = oci::normalize(*entry.platform);
    return platform.os == normal.os && platform.architecture == normal.architecture;
  });
  return found == index.manifests.end() ? nullptr : &*found;
}

[[noreturn]] void throw_missing(const oci::Index& index, const oci::Platform& wanted) {
  std::vector<std::string> there;
  for (const oci::Descriptor& entry : index.manifests)
    if (entry.platform && !oci::is_attestation(entry)) there.push_back(oci::to_string(*entry.platform));
  throw PlatformMissing("no supported platform found in manifest list", oci::to_string(wanted), std::move(there));
}

// One answer to one request.
class Description {
 public:
  Description(RemoteRepository& repository, const InspectRequest& request, const oci::Platform& host)
      : repository_(repository), request_(request), result_{.repository = request.name.repository()}, host_(host) {}

  RemoteDescription make() {
    if (request_.tags == InspectRequest::Tags::kList) list_tags();
    const RemoteRepository::Found found = find_target();
    if (const auto* image = std::get_if<V1Image>(&found)) {
      result_.image.v1_id = image->id;
      result_.image.config = oci::parse_v1_image(image->json);
      return std::move(result_);
    }
    describe(std::get<RemoteDocument>(found));
    if (request_.referrers == InspectRequest::Referrers::kList)
      result_.referrers = repository_.list_referrers(result_.target->digest);
    return std::move(result_);
  }

 private:
  // That a list is not to be had is no reason to show nothing of an image that was named.
  void list_tags() {
    try {
      result_.tags = repository_.list_tags();
    } catch (const RegistryError& error) {
      if (is_unnamed() || !is_forbidden(error.status())) throw;
    } catch (const RemoteError& error) {
      if (is_unnamed() || error.missing() != Missing::kRepository) throw;
      no_repository_ = std::current_exception();
    }
  }

  static bool is_forbidden(int status) { return status == 401 || status == 403 || status == 405 || status == 501; }

  bool is_unnamed() const { return request_.id.empty() && request_.name.is_name_only(); }

  RemoteRepository::Found find_target() {
    try {
      if (!request_.id.empty()) return repository_.get_by_id(request_.id);
      if (request_.name.digest()) return repository_.get_by_id(request_.name.digest()->to_string());
      result_.tag = request_.name.tag() ? *request_.name.tag() : choose_tag();
      const bool is_default = !request_.name.tag() && !result_.tags;
      return repository_.get_by_tag(result_.tag, is_default ? TagChoice::kDefault : TagChoice::kNamed);
    } catch (const RemoteError&) {
      // Which says more than that something in it is not there.
      if (no_repository_) std::rethrow_exception(no_repository_);
      throw;
    }
  }

  std::string choose_tag() const {
    if (!result_.tags) return kDefaultTag;
    if (result_.tags->empty())
      throw RemoteError(Missing::kTag, "No tags available for remote repository " + result_.repository.familiar());
    if (std::ranges::find(*result_.tags, kDefaultTag) != result_.tags->end()) return kDefaultTag;
    return result_.tags->front();
  }

  void describe(const RemoteDocument& target) {
    result_.target = target.descriptor;
    const auto* index = std::get_if<oci::Index>(&target.content);
    if (index == nullptr) {
      result_.image = repository_.read_manifest(target);
      return;
    }
    for (const oci::Descriptor& entry : index->manifests) result_.entries.push_back({.descriptor = entry});
    if (request_.platforms == InspectRequest::Platforms::kAll) return describe_all(*index);
    result_.image = describe_one(*index, request_.platform.value_or(host_));
  }

  RemoteManifest describe_one(oci::Index index, const oci::Platform& wanted) {
    for (int depth = 1; depth <= oci::kMaxIndexDepth; ++depth) {
      const oci::Descriptor* entry = find_entry(index, wanted);
      if (entry == nullptr) throw_missing(index, wanted);
      RemoteDocument document = repository_.get_document(*entry);
      auto* next = std::get_if<oci::Index>(&document.content);
      if (next == nullptr) return repository_.read_manifest(document);
      index = std::move(*next);
    }
    throw Error(ErrorCode::kInvalidArgument, "index is nested too deeply");
  }

  // The host's is the one that is shown in front, or else the first.
  void describe_all(const oci::Index& index) {
    std::unordered_map<oci::Digest, std::optional<RemoteManifest>> described;
    std::int64_t config_bytes = 0;
    for (RemoteEntry& entry : result_.entries) {
      if (oci::entry_kind(entry.descriptor) != oci::EntryKind::kImage) continue;
      const auto [known, is_new] = described.try_emplace(entry.descriptor.digest);
      if (is_new) {
        known->second = describe_entry(entry.descriptor);
        if (known->second && known->second->config_descriptor)
          config_bytes += known->second->config_descriptor->size_bytes;
      }
      if (described.size() > kMaxDescribed || config_bytes > kMaxDescribedBytes)
        throw Error(ErrorCode::kInvalidArgument, "the index has too many platforms to describe them all");
      if (is_new) entry.image = known->second;
    }
    const oci::Descriptor* shown = find_entry(index, host_);
    for (const RemoteEntry& entry : result_.entries) {
      const bool is_better = shown == nullptr ? !result_.image.manifest : entry.descriptor.digest == shown->digest;
      if (entry.image && is_better) result_.image = *entry.image;
    }
  }

  std::optional<RemoteManifest> describe_entry(const oci::Descriptor& entry) {
    const RemoteDocument document = repository_.get_document(entry);
    if (std::holds_alternative<oci::Index>(document.content)) return std::nullopt;
    return repository_.read_manifest(document);
  }

  RemoteRepository& repository_;
  const InspectRequest& request_;
  RemoteDescription result_;
  const oci::Platform& host_;
  std::exception_ptr no_repository_;
};

}  // namespace

RemoteImage RemoteInspector::inspect(const oci::Reference& reference, const OperationContext& context,
                                     std::stop_token stop) {
  RegistryClient client(services_.http, services_.registries, reference.repository(), Access::kPull, context,
                        services_.logger);
  try {
    const FetchedManifest fetched = reference.digest() ? client.get_manifest(*reference.digest(), stop)
                                                       : client.get_manifest_by_tag(*reference.tag(), stop);
    const RemoteDocument document =
        parse_remote_document(fetched, services_.registries.schema1_images, reference.familiar());
    return {document.descriptor, platforms_of(client, document, stop)};
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
}

std::vector<std::string> RemoteInspector::list_tags(const oci::RepositoryName& repository,
                                                    const OperationContext& context, std::stop_token stop) {
  return RemoteRepository(services_, repository, context, std::move(stop)).list_tags();
}

RemoteDescription RemoteInspector::describe(const InspectRequest& request, std::stop_token stop) {
  RemoteRepository repository(services_, request.name.repository(), request.context, std::move(stop));
  return Description(repository, request, services_.host).make();
}

}  // namespace lighterd::distribution
