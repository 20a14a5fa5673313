// SPDX-License-Identifier: Apache-2.0
// The in-toto statements about a platform's image, as BuildKit stores them: layers of the attestation manifest that
// stands beside the image in its index.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"
#include "api/engine/image_variant.hpp"
#include "api/engine/json_text.hpp"
#include "api/engine/parameters.hpp"
#include "api/engine/stored_content.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using imagestore::ManifestEntry;

constexpr std::size_t kMaxStatementBytes = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kMaxAnswerBytes = std::size_t{16} * 1024 * 1024;

std::vector<std::string> parse_types(const Parameters& parameters) {
  std::vector<std::string> types;
  for (const std::string& value : parameters.all("type")) {
    for (std::size_t from = 0; from <= value.size();) {
      const std::size_t comma = std::min(value.find(',', from), value.size());
      if (comma > from) types.push_back(value.substr(from, comma - from));
      from = comma + 1;
    }
  }
  return types;
}

std::optional<imagestore::ImageVariant> find_variant(const EngineCall& call, const imagestore::ImageRecord& image) {
  const auto platforms = list_json_platforms(call.parameters, "platform");
  if (platforms.size() > 1) throw Error(ErrorCode::kInvalidArgument, "only one platform value is currently supported");
  if (platforms.empty()) return find_shown_variant(call.services.images, image);
  return get_variant(call.services.images, image, oci::PlatformMatcher::only(platforms.front()), platforms.front(),
                     call.name());
}

class Statements {
 public:
  explicit Statements(const EngineCall& call)
      : content_(call.services.content),
        types_(parse_types(call.parameters)),
        with_text_(get_bool(call.parameters, "statement")) {}

  void add(const oci::Descriptor& attestation) {
    if (oci::media_type::is_index(attestation.media_type)) return;
    for (const oci::Descriptor& layer : read_manifest(content_, attestation).layers) {
      const auto type = layer.annotations.find("in-toto.io/predicate-type");
      if (type == layer.annotations.end() || type->second.empty()) continue;
      if (types_.empty() || std::ranges::find(types_, type->second) != types_.end()) append(layer, type->second);
    }
  }

  std::string take() { return std::move(body_) + "]"; }

 private:
  void append(const oci::Descriptor& layer, const std::string& type) {
    if (body_.size() > 1) body_ += ',';
    body_.append(R"({"Descriptor":)").append(base::to_text(oci::to_ordered_json(layer)));
    body_.append(R"(,"PredicateType":)").append(json_string(type));
    if (with_text_) body_.append(R"(,"Statement":)").append(read_statement(layer.digest));
    body_ += '}';
    if (body_.size() > kMaxAnswerBytes)
      throw Error(ErrorCode::kInvalidArgument, "the statements are too large for one answer: ask for one type");
  }

  // As it stands, since signatures are over its bytes.
  std::string read_statement(const oci::Digest& digest) {
    try {
      std::string bytes = content_.read_blob(digest, kMaxStatementBytes);
      (void)base::parse_json(bytes, "statement", {.max_bytes = kMaxStatementBytes});
      return bytes;
    } catch (const Error& error) {
      // What is wrong with it is no fault of who asks.
      const ErrorCode code = error.code() == ErrorCode::kInvalidArgument ? ErrorCode::kInternal : error.code();
      throw Error(code, "attestation statement " + digest.to_string() + ": " + error.text());
    }
  }

  const imagestore::ContentStore& content_;
  const std::vector<std::string> types_;
  const bool with_text_;
  std::string body_ = "[";
};

}  // namespace

void images_attestations(EngineCall& call) {
  call.subject = call.name();
  const imagestore::ImageRecord image = call.services.images.get_image(call.name());
  Statements statements(call);
  if (const auto variant = find_variant(call, image)) {
    const std::string subject = variant->descriptor.digest.to_string();
    for (const ManifestEntry& entry : call.services.images.list_entries(image.target.digest))
      if (entry.kind == ManifestEntry::Kind::kAttestation && entry.is_complete && entry.described == subject)
        statements.add(oci::descriptor_from_json(base::parse_json(entry.descriptor_json, "descriptor")));
  }
  send_json(call, 200, statements.take());
}

}  // namespace lighterd::api
