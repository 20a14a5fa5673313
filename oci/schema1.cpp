// SPDX-License-Identifier: Apache-2.0
#include "oci/schema1.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "oci/json_keys.hpp"
#include "oci/manifest.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::size_t kMaxValues = 200'000;
constexpr std::size_t kIdDigits = 64;
// What keeps the order of members is slow with many; images of that time have some hundred.
constexpr std::size_t kMaxImageValues = 5'000;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why);
}

Json parse_document_json(std::string_view text) {
  return base::parse_json(text, "manifest",
                          {.max_bytes = kMaxManifestBytes, .max_depth = 64, .max_values = kMaxValues});
}

// Null counts as absent, as it does for every reader.
bool has(const Json& root, std::string_view key) {
  const auto member = root.find(key);
  return member != root.end() && !member->is_null();
}

std::string_view type_of(const Json& root) {
  return has(root, "signatures") ? media_type::kDockerSchema1Signed : media_type::kDockerSchema1;
}

// What a signature says that it is of: so many bytes of the body, and then these.
struct SignedFormat {
  std::size_t length;
  std::string tail;

  bool operator==(const SignedFormat&) const = default;
};

std::string decode(const std::string& text, const char* what) {
  auto bytes = base::base64_decode(text);
  if (!bytes) refuse(std::string(what) + " is not base64url");
  return *std::move(bytes);
}

SignedFormat read_format(const Json& signature) {
  const std::string text = decode(base::get_string(signature, "protected"), "\"protected\"");
  const Json claims = base::parse_json(text, "\"protected\"", {.max_bytes = 64 * 1024, .max_depth = 16});
  refuse_case_variants(claims, {"formatLength", "formatTail"});
  const std::int64_t length = base::get_integer(claims, "formatLength");
  if (length < 0) refuse("\"formatLength\" is negative");
  std::string tail = decode(base::get_string(claims, "formatTail"), "\"formatTail\"");
  return {static_cast<std::size_t>(length), std::move(tail)};
}

SignedFormat agreed_format(const Json& signatures) {
  if (signatures.empty()) refuse("no signatures");
  if (signatures.size() > kMaxDescriptors) refuse("more than " + std::to_string(kMaxDescriptors) + " signatures");
  std::optional<SignedFormat> agreed;
  for (const Json& signature : signatures) {
    SignedFormat format = read_format(signature);
    if (agreed && *agreed != format) refuse("the signatures are not of the same payload");
    agreed = std::move(format);
  }
  return *std::move(agreed);
}

// One digest must not be readable as two kinds of document (CVE-2021-41190).
void refuse_confusion(const Json& root) {
  refuse_case_variants(root, {"schemaVersion", "name", "tag", "architecture", "fsLayers", "history", "signatures",
                              "mediaType", "config", "layers", "manifests"});
  for (const char* key : {"config", "layers", "manifests"})
    if (has(root, key)) refuse(std::string("schema 1 manifest has \"") + key + "\"");
  const auto type = base::find_string(root, "mediaType");
  if (type && !media_type::is_schema1(*type)) refuse("schema 1 manifest says to be " + base::printable(*type, 256));
  // These were cut off, or what has them would have another payload again.
  if (has(root, "signatures")) refuse("schema 1 manifest has signatures in what was signed");
  const std::int64_t version = base::get_integer(root, "schemaVersion");
  if (version != 1) refuse("unrecognized Docker image manifest schema " + std::to_string(version));
}

struct Row {
  Schema1Entry entry;
  std::string parent;
};

bool is_id(std::string_view id) {
  return id.size() == kIdDigits && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Row read_row(const Json& layer, const Json& entry) {
  refuse_case_variants(layer, {"blobSum"});
  refuse_case_variants(entry, {"v1Compatibility"});
  std::string text = base::get_string(entry, "v1Compatibility");
  const Json image = base::parse_json(text, "v1Compatibility",
                                      {.max_bytes = kMaxManifestBytes, .max_depth = 60, .max_values = kMaxImageValues});
  refuse_case_variants(image, {"id", "parent", "throwaway", "created", "author", "comment", "container_config",
                               "config", "architecture", "os", "variant", "docker_version", "rootfs", "history"});
  std::string id = base::find_string(image, "id").value_or("");
  if (!is_id(id)) refuse("image ID \"" + base::printable(id, 80) + "\" is invalid");
  const bool is_throwaway = base::find_bool(image, "throwaway").value_or(false);
  std::string parent = base::find_string(image, "parent").value_or("");
  Digest blob = parse_digest(base::get_string(layer, "blobSum"));
  Schema1Entry read{
      .blob = std::move(blob), .id = std::move(id), .v1_json = std::move(text), .is_throwaway = is_throwaway};
  return {std::move(read), std::move(parent)};
}

// Newest first, as they stand there.
std::vector<Row> read_rows(const Json& root, const std::string& name) {
  const Json empty = Json::array();
  const Json* layers = base::find_array(root, "fsLayers");
  const Json* history = base::find_array(root, "history");
  if (layers == nullptr) layers = &empty;
  if (history == nullptr) history = &empty;
  if (layers->size() != history->size()) refuse("length of history not equal to number of layers for " + name);
  if (layers->empty()) refuse("no FSLayers in manifest for " + name);
  if (layers->size() > kMaxDescriptors)
    refuse("\"fsLayers\" has more than " + std::to_string(kMaxDescriptors) + " entries");
  std::vector<Row> rows;
  rows.reserve(layers->size());
  for (std::size_t i = 0; i < layers->size(); ++i) {
    try {
      rows.push_back(read_row((*layers)[i], (*history)[i]));
    } catch (Error& error) {
      error.add_context("history[" + std::to_string(i) + "]");
      throw;
    }
  }
  return rows;
}

// Those that repeat the ID of the one below add nothing; the others form one chain down to the base.
std::vector<Schema1Entry> chain_of(std::vector<Row> rows) {
  if (!rows.back().parent.empty()) refuse("Invalid parent ID in the base layer of the image.");
  std::set<std::string> seen;
  const std::string* last = nullptr;
  for (const Row& row : rows) {
    if (!seen.insert(row.entry.id).second && row.entry.id != *last)
      refuse("ID " + row.entry.id + " appears multiple times in manifest");
    last = &row.entry.id;
  }
  std::vector<Schema1Entry> chain;
  chain.push_back(std::move(rows.back().entry));
  for (std::size_t i = rows.size() - 1; i-- > 0;) {
    Row& row = rows[i];
    const std::string& below = chain.back().id;
    if (row.entry.id == below) continue;
    if (row.parent != below)
      refuse("Invalid parent ID. Expected " + below + ", got " + base::printable(row.parent, 80) + ".");
    chain.push_back(std::move(row.entry));
  }
  return chain;
}

}  // namespace

std::vector<Digest> Schema1Manifest::layers() const {
  std::vector<Digest> layers;
  for (const Schema1Entry& entry : entries)
    if (!entry.is_throwaway) layers.push_back(entry.blob);
  return layers;
}

std::string_view find_schema1_type(std::string_view body, std::string_view media_type) {
  const bool is_named = media_type::is_schema1(media_type);
  if (media_type::is_manifest(media_type) || media_type::is_index(media_type)) return {};
  // Not worth parsing: whoever escapes letters of a key is not understood.
  if (!is_named && body.find("\"fsLayers\"") == std::string_view::npos) return {};
  try {
    const Json root = parse_document_json(body);
    if (is_named) return type_of(root);
    if (has(root, "config") || has(root, "layers") || has(root, "manifests") || !has(root, "fsLayers")) return {};
    const auto own = base::find_string(root, "mediaType");
    return !own || media_type::is_schema1(*own) ? type_of(root) : std::string_view();
  } catch (const Error&) {
    if (!is_named) return {};
    return media_type == media_type::kDockerSchema1 ? media_type::kDockerSchema1 : media_type::kDockerSchema1Signed;
  }
}

std::string schema1_payload(std::string_view body) {
  const Json root = parse_document_json(body);
  refuse_case_variants(root, {"signatures"});
  const Json* signatures = base::find_array(root, "signatures");
  if (signatures == nullptr) return std::string(body);
  const SignedFormat format = agreed_format(*signatures);
  if (format.length > body.size())
    refuse("\"formatLength\" is " + std::to_string(format.length) + ", and the manifest has " +
           std::to_string(body.size()) + " bytes");
  return std::string(body.substr(0, format.length)) + format.tail;
}

Schema1Manifest parse_schema1(std::string_view payload) {
  const Json root = parse_document_json(payload);
  refuse_confusion(root);
  Schema1Manifest manifest{.name = base::find_string(root, "name").value_or(""),
                           .tag = base::find_string(root, "tag").value_or(""),
                           .architecture = base::find_string(root, "architecture").value_or(""),
                           .entries = {}};
  manifest.entries = chain_of(read_rows(root, base::printable(manifest.name, 256)));
  const auto layers =
      static_cast<std::size_t>(std::ranges::count(manifest.entries, false, &Schema1Entry::is_throwaway));
  if (layers > kMaxLayers) refuse("more than " + std::to_string(kMaxLayers) + " layers");
  return manifest;
}

}  // namespace lighterd::oci
