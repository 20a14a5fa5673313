// SPDX-License-Identifier: Apache-2.0
// The one user of toml++. It is compiled in: the library that Debian splits off would be one more to load.
#define TOML_HEADER_ONLY 1
#include "distribution/hosts_toml.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxFileBytes = 256 * 1024;
constexpr std::size_t kMaxHosts = 64;
constexpr std::size_t kMaxHeaderLines = 64;
constexpr std::chrono::hours kLongestDial{1};

// They are the transfer's own.
constexpr std::array<std::string_view, 9> kRefusedHeaders = {"host",       "content-length",  "transfer-encoding",
                                                             "connection", "content-type",    "range",
                                                             "if-range",   "accept-encoding", "expect"};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}
  HostsFile read(const toml::table& root) const;
  [[noreturn]] void fail(const toml::source_position& at, std::string_view why) const {
    throw Error(ErrorCode::kInvalidArgument, file_.string() + ":" + std::to_string(at.line) + ":" +
                                                 std::to_string(at.column) + ": " + std::string(why));
  }

 private:
  [[noreturn]] void fail(const toml::node& node, std::string_view why) const { fail(node.source().begin, why); }
  bool set_field(HostEntry& entry, std::string_view key, const toml::node& value) const;
  HostEntry read_host(const toml::key& name, const toml::node& value) const;
  std::vector<HostEntry> read_hosts(const toml::node& value) const;
  Url read_base(std::string_view text, const toml::source_position& at, bool path_is_whole) const;
  Capabilities read_capabilities(const toml::node& value) const;
  std::vector<std::filesystem::path> read_paths(const toml::node& value, std::string_view key) const;
  std::optional<ClientFiles> read_client(const toml::node& value) const;
  void read_headers(HostEntry& entry, const toml::node& value) const;
  void add_header(HostEntry& entry, const toml::key& name, const toml::node& value) const;
  std::chrono::milliseconds read_duration(const toml::node& value) const;
  std::string read_string(const toml::node& value, std::string_view what) const;
  bool read_bool(const toml::node& value, std::string_view what) const;
  std::filesystem::path resolve(const std::string& path, const toml::node& value) const;

  const std::filesystem::path& file_;
};

bool overrides_path(const toml::table& table) {
  const auto* value = table.get_as<bool>("override_path");
  return value != nullptr && value->get();
}

std::string quote(std::string_view text) {
  return "\"" + base::printable(text, 100) + "\"";
}

// Go's time.ParseDuration, without signs: "300ms", "1.5s", "1m30s".
std::optional<std::chrono::duration<double, std::milli>> find_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double milliseconds;
  };
  static constexpr std::array<Unit, 8> kUnits = {{{"ns", 1e-6},
                                                  {"us", 1e-3},
                                                  {"\xC2\xB5s", 1e-3},
                                                  {"\xCE\xBCs", 1e-3},
                                                  {"ms", 1},
                                                  {"s", 1e3},
                                                  {"m", 60e3},
                                                  {"h", 3600e3}}};
  if (text.empty() || text.size() > 100) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::size_t number_end = digits;
    double number = 0;
    for (const char c : text.substr(0, digits)) number = number * 10 + (c - '0');
    if (digits < text.size() && text[digits] == '.') {
      number_end = std::min(text.find_first_not_of("0123456789", digits + 1), text.size());
      double place = 0.1;
      for (const char c : text.substr(digits + 1, number_end - digits - 1)) {
        number += (c - '0') * place;
        place /= 10;
      }
      if (number_end == 1) return std::nullopt;  // "." alone
    } else if (digits == 0) {
      return std::nullopt;
    }
    text.remove_prefix(number_end);
    const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& each) {
      if (!text.starts_with(each.name)) return false;
      const std::string_view after = text.substr(each.name.size());
      return after.empty() || after[0] == '.' || (after[0] >= '0' && after[0] <= '9');
    });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    sum += number * unit->milliseconds;
  }
  return std::chrono::duration<double, std::milli>(sum);
}

std::string Reader::read_string(const toml::node& value, std::string_view what) const {
  const auto* text = value.as_string();
  if (text == nullptr) fail(value, std::string(what) + " must be a string");
  if (text->get().find('\0') != std::string::npos) fail(value, std::string(what) + " has a NUL in it");
  return text->get();
}

bool Reader::read_bool(const toml::node& value, std::string_view what) const {
  const auto* truth = value.as_boolean();
  if (truth == nullptr) fail(value, std::string(what) + " must be true or false");
  return truth->get();
}

std::filesystem::path Reader::resolve(const std::string& path, const toml::node& value) const {
  if (path.empty()) fail(value, "an empty path");
  return file_.parent_path() / path;
}

Url Reader::read_base(std::string_view text, const toml::source_position& at, bool path_is_whole) const {
  std::string whole(text);
  if (whole.find("://") == std::string::npos) whole = "https://" + whole;
  const auto parse = [&] {
    try {
      return parse_url(whole);
    } catch (const Error& error) {
      fail(at, error.text());
    }
  };
  Url url = parse();
  if (url.query || whole.find('#') != std::string::npos) fail(at, "the URL of a host has no query and no fragment");
  while (url.path.ends_with('/')) url.path.pop_back();
  if (!path_is_whole && !url.path.ends_with("/v2")) url.path += "/v2";
  url.path += "/";
  return url;
}

Capabilities Reader::read_capabilities(const toml::node& value) const {
  static constexpr std::array<std::pair<std::string_view, Capability>, 4> kNames = {
      {{"pull", Capability::kPull},
       {"resolve", Capability::kResolve},
       {"push", Capability::kPush},
       {"referrers", Capability::kReferrers}}};
  const auto* list = value.as_array();
  if (list == nullptr) fail(value, "capabilities must be a list of strings");
  Capabilities capabilities = Capabilities::none();
  for (const toml::node& each : *list) {
    const std::string name = base::to_lower(read_string(each, "a capability"));
    const auto found = std::find_if(kNames.begin(), kNames.end(), [&](const auto& one) { return one.first == name; });
    if (found == kNames.end()) {
      fail(each, "unknown capability " + quote(name) + ": it is pull, resolve, push or referrers");
    }
    capabilities = capabilities.with(found->second);
  }
  return list->empty() ? Capabilities::all() : capabilities;
}

std::vector<std::filesystem::path> Reader::read_paths(const toml::node& value, std::string_view key) const {
  std::vector<std::filesystem::path> paths;
  if (const auto* list = value.as_array()) {
    for (const toml::node& each : *list) paths.push_back(resolve(read_string(each, key), each));
  } else if (value.is_string()) {
    paths.push_back(resolve(read_string(value, key), value));
  } else {
    fail(value, std::string(key) + " must be a string or a list of strings");
  }
  return paths;
}

// "file" or ["file"] with the key in it, or [["certificate", "key"]].
std::optional<ClientFiles> Reader::read_client(const toml::node& value) const {
  std::vector<ClientFiles> all;
  const auto* list = value.as_array();
  if (list == nullptr) {
    all.push_back({resolve(read_string(value, "client"), value), {}});
    return all.front();
  }
  for (const toml::node& each : *list) {
    if (!all.empty()) fail(each, "more than one client certificate");
    if (const auto* pair = each.as_array()) {
      if (pair->empty() || pair->size() > 2) fail(each, "a client certificate is a file, or a [certificate, key] pair");
      std::filesystem::path certificate = resolve(read_string((*pair)[0], "a client certificate"), (*pair)[0]);
      std::filesystem::path key;
      // containerd writes an empty second half for "in the same file".
      if (pair->size() == 2) {
        const std::string text = read_string((*pair)[1], "a client key");
        if (!text.empty()) key = resolve(text, (*pair)[1]);
      }
      all.push_back({std::move(certificate), std::move(key)});
    } else if (each.is_string()) {
      all.push_back({resolve(read_string(each, "a client certificate"), each), {}});
    } else {
      fail(each, "a client certificate is a file, or a [certificate, key] pair");
    }
  }
  if (all.empty()) return std::nullopt;
  return all.front();
}

void Reader::add_header(HostEntry& entry, const toml::key& name, const toml::node& value) const {
  const std::string text = std::string(base::trim(read_string(value, "a header's value")));
  const auto is_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  };
  if (name.str().empty() || !std::all_of(name.begin(), name.end(), is_token)) {
    fail(name.source().begin, quote(name.str()) + " is no name of a header");
  }
  const std::string lower = base::to_lower(name.str());
  if (std::find(kRefusedHeaders.begin(), kRefusedHeaders.end(), lower) != kRefusedHeaders.end()) {
    fail(name.source().begin, "the header " + quote(name.str()) + " cannot be set here");
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    fail(value, "a control character in a header's value");
  }
  if (entry.headers.size() == kMaxHeaderLines) fail(value, "too many headers");
  if (lower == "authorization") {
    if (!entry.authorization.empty()) fail(value, "more than one Authorization");
    entry.authorization = base::Secret(text);
  } else {
    entry.headers.emplace_back(std::string(name.str()), text);
  }
}

void Reader::read_headers(HostEntry& entry, const toml::node& value) const {
  const auto* table = value.as_table();
  if (table == nullptr) fail(value, "header must be a table");
  for (const auto& [name, node] : *table) {
    if (const auto* list = node.as_array()) {
      for (const toml::node& each : *list) add_header(entry, name, each);
    } else if (node.is_string()) {
      add_header(entry, name, node);
    } else {
      fail(node, "the header " + quote(name.str()) + " must be a string or a list of strings");
    }
  }
}

std::chrono::milliseconds Reader::read_duration(const toml::node& value) const {
  const auto time = find_duration(read_string(value, "dial_timeout"));
  if (!time) fail(value, "dial_timeout is no duration such as \"300ms\" or \"1m30s\"");
  if (time->count() < 1 || *time > kLongestDial) fail(value, "dial_timeout must be between 1ms and 1h");
  return std::chrono::duration_cast<std::chrono::milliseconds>(*time);
}

// False: there is no such key.
bool Reader::set_field(HostEntry& entry, std::string_view key, const toml::node& value) const {
  if (key == "capabilities") {
    entry.capabilities = read_capabilities(value);
  } else if (key == "ca") {
    entry.ca_files = read_paths(value, key);
  } else if (key == "client") {
    entry.client = read_client(value);
  } else if (key == "skip_verify") {
    entry.skip_verify = read_bool(value, key);
  } else if (key == "header") {
    read_headers(entry, value);
  } else if (key == "override_path") {
    read_bool(value, key);  // looked up where the URL is read
  } else if (key == "dial_timeout") {
    entry.dial_timeout = read_duration(value);
  } else {
    return false;
  }
  return true;
}

HostEntry Reader::read_host(const toml::key& name, const toml::node& value) const {
  const auto* table = value.as_table();
  if (table == nullptr) fail(value, "the host " + quote(name.str()) + " must be a table");
  HostEntry entry;
  entry.base = read_base(name.str(), name.source().begin, overrides_path(*table));
  for (const auto& [key, node] : *table) {
    if (!set_field(entry, key.str(), node)) fail(key.source().begin, "unknown key " + quote(key.str()) + " of a host");
  }
  return entry;
}

std::vector<HostEntry> Reader::read_hosts(const toml::node& value) const {
  const auto* table = value.as_table();
  if (table == nullptr) fail(value, "host must be a table of hosts");
  if (table->size() > kMaxHosts) fail(value, "too many hosts");
  // toml++ sorts by name; the order of the file is what counts.
  std::vector<std::pair<toml::source_position, HostEntry>> placed;
  for (const auto& [name, node] : *table) placed.emplace_back(name.source().begin, read_host(name, node));
  std::stable_sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<HostEntry> hosts;
  for (auto& each : placed) hosts.push_back(std::move(each.second));
  return hosts;
}

HostsFile Reader::read(const toml::table& root) const {
  HostsFile result;
  for (const auto& [key, node] : root) {
    if (key.str() == "server") {
      const std::string text = read_string(node, "server");
      if (!text.empty()) result.server.base = read_base(text, node.source().begin, overrides_path(root));
    } else if (key.str() == "host") {
      result.hosts = read_hosts(node);
    } else if (!set_field(result.server, key.str(), node)) {
      fail(key.source().begin, "unknown key " + quote(key.str()));
    }
  }
  return result;
}

}  // namespace

HostsFile parse_hosts_toml(std::string_view text, const std::filesystem::path& file) {
  const Reader reader(file);
  try {
    return reader.read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    reader.fail(error.source().begin, base::printable(error.description(), 300));
  }
}

HostsFile read_hosts_toml(const std::filesystem::path& file) {
  return parse_hosts_toml(read_configuration(file, kMaxFileBytes), file);
}

}  // namespace lighterd::distribution
