// SPDX-License-Identifier: Apache-2.0
#include "distribution/referrers_index.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "distribution/body_source.hpp"
#include "distribution/registry_error.hpp"
#include "oci/manifest.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr int kMaxTries = 4;
constexpr std::size_t kMaxAlgorithmBytes = 32;
constexpr std::size_t kMaxHexBytes = 64;

base::Json entry_of(const oci::Descriptor& descriptor, const std::string& document) {
  const base::Json content = base::parse_json(document, "manifest", {.max_bytes = oci::kMaxManifestBytes});
  base::Json entry;
  entry["mediaType"] = descriptor.media_type;
  entry["digest"] = descriptor.digest.to_string();
  entry["size"] = document.size();
  std::string type = base::find_string(content, "artifactType").value_or("");
  const base::Json* config = base::find_object(content, "config");
  if (type.empty() && config != nullptr) type = base::find_string(*config, "mediaType").value_or("");
  if (!type.empty()) entry["artifactType"] = type;
  if (const base::Json* annotations = base::find_object(content, "annotations")) entry["annotations"] = *annotations;
  return entry;
}

bool is_conflict(const Answer& answer) {
  return answer.response.status == 412 || answer.response.status == 409;
}

// Of the tag as it is now; the index is empty if there is none.
struct Current {
  std::string index;
  std::optional<std::string> etag;
};

Current get_current(RegistrySession& registry, const Call& call, const std::stop_token& stop) {
  Answer answer = registry.call(registry.registry(), call, stop);
  if (answer.response.status == 404) return {};
  if (!answer.is_success()) throw answer.error();
  const std::string* etag = answer.response.find_header("ETag");
  return {std::move(answer.response.body), etag == nullptr ? std::nullopt : std::optional(*etag)};
}

bool is_unsupported(const Answer& answer) {
  const int status = answer.response.status;
  if (status == 400 || status == 404 || status == 405 || status == 406) return true;
  const std::string* type = answer.response.find_header("Content-Type");
  return answer.is_success() &&
         (type == nullptr || oci::media_type::strip_parameters(*type) != oci::media_type::kOciIndex);
}

oci::Document parse_index(const std::string& body) {
  oci::Document document = oci::parse_document(body, oci::media_type::kOciIndex, "referrers");
  if (!std::holds_alternative<oci::Index>(document))
    throw Error(ErrorCode::kInvalidArgument, "the list of referrers is no index");
  return document;
}

}  // namespace

std::string referrers_tag(const oci::Digest& subject) {
  const std::string text = subject.to_string();
  return text.substr(0, std::min(text.find(':'), kMaxAlgorithmBytes)) + "-" + subject.hex().substr(0, kMaxHexBytes);
}

std::optional<std::string> with_referrer(const std::string& index, const oci::Descriptor& descriptor,
                                         const std::string& document) {
  base::Json json;
  if (index.empty()) {
    json["schemaVersion"] = 2;
    json["mediaType"] = oci::media_type::kOciIndex;
    json["manifests"] = base::Json::array();
  } else {
    json = base::parse_json(index, "referrers", {.max_bytes = oci::kMaxManifestBytes});
  }
  if (!json.is_object() || base::find_array(json, "manifests") == nullptr) {
    throw Error(ErrorCode::kInvalidArgument, "the tag for referrers holds no index");
  }
  base::Json& entries = json["manifests"];
  const std::string digest = descriptor.digest.to_string();
  for (const base::Json& entry : entries) {
    if (entry.is_object() && base::find_string(entry, "digest") == digest) return std::nullopt;
  }
  entries.push_back(entry_of(descriptor, document));
  return base::to_text(json);
}

void add_referrer(RegistrySession& registry, const std::string& repository_path, const oci::Digest& subject,
                  const oci::Descriptor& descriptor, const std::string& document, const std::stop_token& stop) {
  Call get;
  get.path = repository_path + "/manifests/" + referrers_tag(subject);
  get.headers = {{"Accept", std::string(oci::media_type::kOciIndex)}};
  get.max_body_bytes = oci::kMaxManifestBytes;
  for (int tries = 1;; ++tries) {
    const Current current = registry.retry([&] { return get_current(registry, get, stop); }, stop);
    const auto changed = with_referrer(current.index, descriptor, document);
    if (!changed) return;
    Call put;
    put.method = "PUT";
    put.path = get.path;
    if (current.etag) put.headers = {{"If-Match", *current.etag}};
    put.body = make_body(std::string(oci::media_type::kOciIndex), *changed);
    const auto answer = registry.retry(
        [&] {
          Answer each = registry.call(registry.registry(), put, stop);
          if (!each.is_success() && !is_conflict(each)) throw each.error();
          return each;
        },
        stop);
    if (answer.is_success()) return;
    if (tries == kMaxTries) throw answer.error();
  }
}

std::vector<oci::Descriptor> list_referrers(RegistrySession& registry, const std::string& repository_path,
                                            const oci::Digest& subject, const std::stop_token& stop) {
  const auto make_call = [&](const std::string& path) {
    Call call;
    call.path = repository_path + path;
    call.headers = {{"Accept", std::string(oci::media_type::kOciIndex)}};
    call.max_body_bytes = oci::kMaxManifestBytes;
    return call;
  };
  const Call list = make_call("/referrers/" + subject.to_string());
  const Call tag = make_call("/manifests/" + referrers_tag(subject));
  return registry.try_endpoints(
      Capability::kReferrers,
      [&](Endpoint& endpoint) -> std::vector<oci::Descriptor> {
        Answer answer = registry.call(endpoint, list, stop);
        // Some answer with a page for people where they know no such path (A11).
        if (is_unsupported(answer)) answer = registry.call(endpoint, tag, stop);
        if (answer.response.status == 404) return {};
        if (!answer.is_success()) throw answer.error();
        return std::get<oci::Index>(parse_index(answer.response.body)).manifests;
      },
      stop);
}

}  // namespace lighterd::distribution
