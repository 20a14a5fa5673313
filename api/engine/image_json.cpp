// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/engine/json_text.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::api {

using imagestore::ImageRecord;
using Ordered = nlohmann::ordered_json;

namespace {

constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

std::string to_text(const Ordered& value) {
  return value.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

std::vector<std::string> repo_tags(const ImageRecord& image) {
  std::vector<std::string> names;
  for (const oci::Reference& tag : image.tags) names.push_back(tag.familiar());
  return names;
}

std::vector<std::string> repo_digests(const ImageRecord& image) {
  const std::string digest = "@" + image.target.digest.to_string();
  std::vector<std::string> names;
  for (const oci::RepositoryName& repository : image.repositories()) names.push_back(repository.familiar() + digest);
  return names;
}

}  // namespace

Ordered platform_json(const oci::Platform& platform) {
  return oci::to_ordered_json(platform);
}

Ordered descriptor_json(const oci::Descriptor& descriptor) {
  return oci::to_ordered_json(descriptor);
}

// ---- List

namespace {

// The list has thousands of items: nothing here makes a copy that it does not need.
class TextArray {
 public:
  explicit TextArray(std::string& out) : out_(out) { out_ += '['; }
  void add(std::string_view text) {
    if (out_.back() != '[') out_ += ',';
    append_json_string(out_, text);
  }
  void close() { out_ += ']'; }

 private:
  std::string& out_;
};

void append_digests(std::string& out, const ImageRecord& image, const std::string& digest) {
  TextArray array(out);
  if (!image.digest_references.empty()) {
    for (const std::string& name : repo_digests(image)) array.add(name);
    return array.close();
  }
  // The tags are sorted: those of a repository stand together.
  const oci::RepositoryName* previous = nullptr;
  for (const oci::Reference& tag : image.tags) {
    if (previous == nullptr || *previous != tag.repository()) array.add(tag.repository().familiar() + "@" + digest);
    previous = &tag.repository();
  }
  array.close();
}

void append_names(std::string& out, const ImageRecord& image, const std::string& digest, const ListItemExtras& extras,
                  ApiVersion version) {
  const bool has_names = !image.tags.empty() || !image.digest_references.empty();
  if (extras.is_disk_usage && !has_names) {
    out += R"(,"RepoDigests":null,"RepoTags":null)";
    return;
  }
  // An image without any name was listed under these by old daemons, and old clients index the first element.
  if (version.is_before(43) && !has_names) {
    out += R"(,"RepoDigests":["<none>@<none>"],"RepoTags":["<none>:<none>"])";
    return;
  }
  out += R"(,"RepoDigests":)";
  append_digests(out, image, digest);
  out += R"(,"RepoTags":)";
  TextArray tags(out);
  for (const oci::Reference& tag : image.tags) tags.add(tag.familiar());
  tags.close();
}

// An image's target is known by these three alone.
void append_descriptor(std::string& out, const oci::Descriptor& target, const std::string& digest) {
  out += R"(,"Descriptor":{"mediaType":)";
  append_json_string(out, target.media_type);
  out.append(R"(,"digest":")").append(digest);
  out.append(R"(","size":)").append(std::to_string(target.size_bytes)).append("}");
}

}  // namespace

void append_list_item(std::string& out, const ImageRecord& image, const ListItemExtras& extras, ApiVersion version) {
  const std::string digest = image.target.digest.to_string();
  const std::string size = std::to_string(image.content_bytes);
  out.append(R"({"Containers":)").append(version.is_at_least(51) || extras.is_disk_usage ? "0" : "-1");
  out.append(R"(,"Created":)").append(std::to_string(image.created ? base::to_unix_seconds(*image.created) : 0));
  out.append(R"(,"Id":")").append(digest);
  out.append(R"(","Labels":)").append(image.labels_json);
  out.append(R"(,"ParentId":"")");
  if (version.is_at_least(48)) append_descriptor(out, image.target, digest);
  if (!extras.manifests_json.empty()) out.append(R"(,"Manifests":)").append(extras.manifests_json);
  append_names(out, image, digest, extras, version);
  out.append(R"(,"SharedSize":)").append(std::to_string(extras.shared_bytes));
  out.append(R"(,"Size":)").append(size);
  if (version.is_before(44)) out.append(R"(,"VirtualSize":)").append(size);
  out += '}';
}

// ---- Inspect

namespace {

enum class Kind { kString, kBool, kArray, kObject };
enum class Presence {
  kWhenSet,
  kBefore152,  // always there before 1.52
  kBefore150,  // a field of containers: always there before 1.50, never from then on
};

struct ConfigKey {
  const char* name;
  Kind kind;
  Presence presence;
};

constexpr ConfigKey kConfigKeys[] = {
    {"Hostname", Kind::kString, Presence::kBefore150},   {"Domainname", Kind::kString, Presence::kBefore150},
    {"User", Kind::kString, Presence::kBefore152},       {"AttachStdin", Kind::kBool, Presence::kBefore150},
    {"AttachStdout", Kind::kBool, Presence::kBefore150}, {"AttachStderr", Kind::kBool, Presence::kBefore150},
    {"ExposedPorts", Kind::kObject, Presence::kWhenSet}, {"Tty", Kind::kBool, Presence::kBefore150},
    {"OpenStdin", Kind::kBool, Presence::kBefore150},    {"StdinOnce", Kind::kBool, Presence::kBefore150},
    {"Env", Kind::kArray, Presence::kBefore152},         {"Cmd", Kind::kArray, Presence::kBefore152},
    {"Healthcheck", Kind::kObject, Presence::kWhenSet},  {"ArgsEscaped", Kind::kBool, Presence::kWhenSet},
    {"Image", Kind::kString, Presence::kBefore150},      {"Volumes", Kind::kObject, Presence::kBefore152},
    {"WorkingDir", Kind::kString, Presence::kBefore152}, {"Entrypoint", Kind::kArray, Presence::kBefore152},
    {"OnBuild", Kind::kArray, Presence::kBefore152},     {"Labels", Kind::kObject, Presence::kBefore152},
    {"StopSignal", Kind::kString, Presence::kWhenSet},   {"Shell", Kind::kArray, Presence::kWhenSet},
};

bool has_kind(const Ordered& value, Kind kind) {
  switch (kind) {
    case Kind::kString:
      return value.is_string();
    case Kind::kBool:
      return value.is_boolean();
    case Kind::kArray:
      return value.is_array();
    case Kind::kObject:
      return value.is_object();
  }
  return false;
}

Ordered unset_value(Kind kind) {
  if (kind == Kind::kString) return "";
  if (kind == Kind::kBool) return false;
  return nullptr;
}

bool is_always_there(Presence presence, ApiVersion version) {
  if (presence == Presence::kBefore150) return version.is_before(50);
  return presence == Presence::kBefore152 && version.is_before(52);
}

bool is_empty(const Ordered& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.is_boolean() ? !value.get<bool>() : value.empty();
}

// A value of another type than Docker's would break every typed client: it counts as not set.
Ordered config_json(const std::string& runtime_json, ApiVersion version) {
  const Ordered stored = ordered_from_text(runtime_json);
  Ordered config = Ordered::object();
  for (const ConfigKey& key : kConfigKeys) {
    const auto found = stored.find(key.name);
    const bool is_set = found != stored.end() && has_kind(*found, key.kind);
    if (is_always_there(key.presence, version)) {
      config[key.name] = is_set ? *found : unset_value(key.kind);
    } else if (is_set && key.presence != Presence::kBefore150 && !is_empty(*found)) {
      config[key.name] = *found;
    }
  }
  return config;
}

std::string comment_of(const oci::ImageConfig& config) {
  if (!config.comment.empty() || config.history.empty()) return config.comment;
  return config.history.back().comment;
}

void add_text(Ordered& object, const char* name, const std::string& text, bool always) {
  if (always || !text.empty()) object[name] = text;
}

void add_created(Ordered& object, const oci::ImageConfig& config, ApiVersion version) {
  if (config.created) {
    object["Created"] = base::format_rfc3339(*config.created);
  } else if (version.is_before(44)) {
    object["Created"] = kZeroTime;
  }
}

void add_container(Ordered& object, const oci::ImageConfig& config) {
  object["Container"] = config.container;
  object["ContainerConfig"] =
      config.container_config_json.empty() ? Ordered(nullptr) : ordered_from_text(config.container_config_json);
}

void add_description(Ordered& object, const oci::ImageConfig& config, ApiVersion version) {
  const bool legacy = version.is_before(52);
  if (legacy) object["Parent"] = "";
  add_text(object, "Comment", comment_of(config), legacy);
  add_created(object, config, version);
  if (version.is_before(45)) add_container(object, config);
  add_text(object, "DockerVersion", config.docker_version, legacy);
  add_text(object, "Author", config.author, legacy);
}

void add_platform(Ordered& object, const oci::Platform& platform) {
  object["Architecture"] = platform.architecture;
  add_text(object, "Variant", platform.variant, false);
  object["Os"] = platform.os;
  add_text(object, "OsVersion", platform.os_version, false);
}

Ordered root_fs_json(const oci::ImageConfig& config) {
  Ordered root_fs = {{"Type", "layers"}};
  for (const oci::DiffID& diff_id : config.diff_ids) root_fs["Layers"].push_back(diff_id.to_string());
  return root_fs;
}

void add_content(Ordered& object, const InspectedImage& inspected, ApiVersion version) {
  if (version.is_at_least(48)) object["Descriptor"] = descriptor_json(inspected.descriptor);
  if (!inspected.manifests_json.empty()) object["Manifests"] = Ordered::parse(inspected.manifests_json);
  if (version.is_at_least(53) && !inspected.identity_json.empty())
    object["Identity"] = Ordered::parse(inspected.identity_json);
}

}  // namespace

std::string inspect_json(const InspectedImage& inspected, ApiVersion version) {
  const ImageRecord& image = inspected.image;
  Ordered object = {{"Id", inspected.descriptor.digest.to_string()},
                    {"RepoTags", repo_tags(image)},
                    {"RepoDigests", repo_digests(image)}};
  add_description(object, inspected.config, version);
  object["Config"] = config_json(inspected.config.runtime_json, version);
  add_platform(object, inspected.config.platform);
  object["Size"] = inspected.size_bytes;
  if (version.is_before(44)) object["VirtualSize"] = inspected.size_bytes;
  if (version.is_before(52)) object["GraphDriver"] = {{"Name", "overlayfs"}, {"Data", nullptr}};
  object["RootFS"] = root_fs_json(inspected.config);
  object["Metadata"]["LastTagTime"] = image.tagged_at ? base::format_rfc3339(*image.tagged_at) : std::string(kZeroTime);
  add_content(object, inspected, version);
  return to_text(object);
}

// ---- History

namespace {

std::vector<std::int64_t> layer_sizes(const oci::ImageConfig& config, const std::vector<oci::Descriptor>& layers) {
  std::vector<std::int64_t> sizes;
  std::size_t next = 0;
  for (const oci::HistoryEntry& entry : config.history) {
    if (!entry.empty_layer && next >= layers.size())
      throw base::Error(base::ErrorCode::kInternal, "the image's history has more layers than its manifest");
    sizes.push_back(entry.empty_layer ? 0 : layers[next++].size_bytes);
  }
  return sizes;
}

}  // namespace

std::string history_json(const ImageRecord& image, const oci::ImageConfig& config,
                         const std::vector<oci::Descriptor>& layers) {
  const auto sizes = layer_sizes(config, layers);
  Ordered items = Ordered::array();
  for (std::size_t i = config.history.size(); i-- > 0;) {
    const oci::HistoryEntry& entry = config.history[i];
    const bool first = items.empty();
    items.push_back({{"Id", first ? image.target.digest.to_string() : "<missing>"},
                     {"Created", entry.created ? base::to_unix_seconds(*entry.created) : 0},
                     {"CreatedBy", entry.created_by},
                     {"Tags", first && !image.tags.empty() ? Ordered(repo_tags(image)) : Ordered(nullptr)},
                     {"Size", sizes[i]},
                     {"Comment", entry.comment}});
  }
  return to_text(items);
}

}  // namespace lighterd::api
