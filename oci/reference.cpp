// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"

#include <algorithm>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxPathLength = 255;
constexpr std::size_t kMaxTagLength = 128;
constexpr std::size_t kMinDigestHex = 32;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why);
}
[[noreturn]] void refuse_format() {
  refuse("invalid reference format");
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_alphanumeric(char c) {
  return is_digit(c) || is_lower(c) || is_upper(c);
}
bool is_lower_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_hex(char c) {
  return is_lower_hex(c) || (c >= 'A' && c <= 'F');
}

bool is_image_id(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, is_lower_hex);
}

// `[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?`
bool is_label(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '-'; });
}

template <typename Predicate>
bool all_parts(std::string_view text, char separator, Predicate is_valid) {
  while (true) {
    const std::size_t end = text.find(separator);
    if (!is_valid(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool is_port_suffix(std::string_view text) {
  if (text.empty()) return true;
  return text.size() > 1 && text.front() == ':' && std::ranges::all_of(text.substr(1), is_digit);
}

bool is_domain(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    const auto in_address = [](char c) { return is_hex(c) || c == ':'; };
    return std::ranges::all_of(text.substr(1, end - 1), in_address) && is_port_suffix(text.substr(end + 1));
  }
  const std::size_t colon = std::min(text.find(':'), text.size());
  return is_port_suffix(text.substr(colon)) && all_parts(text.substr(0, colon), '.', is_label);
}

// Runs of [a-z0-9] joined by one of '.', '_', '__' or one or more '-'.
bool is_path_component(std::string_view text) {
  const auto in_run = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !in_run(text.front()) || !in_run(text.back())) return false;
  for (std::size_t at = 0; at < text.size();) {
    if (in_run(text[at])) {
      ++at;
      continue;
    }
    const std::size_t end = static_cast<std::size_t>(
        std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), in_run) - text.begin());
    const std::string_view separator = text.substr(at, end - at);
    if (separator != "." && separator != "_" && separator != "__" &&
        separator.find_first_not_of('-') != std::string_view::npos)
      return false;
    at = end;
  }
  return true;
}

bool is_path(std::string_view text) {
  return all_parts(text, '/', is_path_component);
}

// `[A-Za-z][A-Za-z0-9]*` joined by one of "+.-_".
bool is_digest_algorithm(std::string_view text) {
  bool at_start = true;
  for (const char c : text) {
    const bool separator = std::string_view("+.-_").find(c) != std::string_view::npos;
    if (at_start ? !is_lower(c) && !is_upper(c) : !separator && !is_alphanumeric(c)) return false;
    at_start = separator;
  }
  return !at_start;
}

bool looks_like_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_digest_algorithm(text.substr(0, colon))) return false;
  const std::string_view hex = text.substr(colon + 1);
  return hex.size() >= kMinDigestHex && std::ranges::all_of(hex, is_hex);
}

struct Split {
  std::string domain;
  std::string remainder;  // path, tag and digest
};

Split split_domain(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {std::string(kDefaultDomain), std::string(kOfficialPrefix).append(text)};
  const std::string_view first = text.substr(0, slash);
  Split split{std::string(kDefaultDomain), std::string(text.substr(slash + 1))};
  const bool names_host = first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
                          std::ranges::any_of(first, is_upper);
  if (!names_host) {
    split.remainder = text;
  } else if (first != kLegacyDomain) {
    split.domain = first;
  }
  if (split.domain == kDefaultDomain && split.remainder.find('/') == std::string::npos)
    split.remainder.insert(0, kOfficialPrefix);
  return split;
}

void require_lower_case(std::string_view remainder) {
  const std::string_view path = remainder.substr(0, remainder.find(':'));
  if (std::ranges::any_of(path, is_upper))
    refuse("invalid reference format: repository name (" + base::printable(path) + ") must be lowercase");
}

}  // namespace

// Splits and checks; the only maker of a RepositoryName.
class ReferenceParser {
 public:
  static RepositoryName repository(std::string_view domain, std::string_view path) {
    if (!is_domain(domain) || !is_path(path)) refuse_format();
    if (path.size() > kMaxPathLength) refuse("repository name must not be more than 255 characters");
    return {std::string(domain), std::string(path)};
  }

  static Reference reference(const Split& split) {
    std::string_view path = split.remainder;
    std::optional<std::string_view> digest;
    if (const std::size_t at = path.find('@'); at != std::string_view::npos) {
      digest = path.substr(at + 1);
      path = path.substr(0, at);
    }
    std::optional<std::string> tag;
    if (const std::size_t colon = path.find(':'); colon != std::string_view::npos) {
      tag = std::string(path.substr(colon + 1));
      path = path.substr(0, colon);
    }
    // The grammar of the whole comes before the values in it, as the texts differ.
    if ((tag && !is_valid_tag(*tag)) || (digest && !looks_like_digest(*digest))) refuse_format();
    RepositoryName name = repository(split.domain, path);
    return Reference(std::move(name), std::move(tag), digest ? std::optional(parse_digest(*digest)) : std::nullopt);
  }
};

std::string RepositoryName::familiar() const {
  if (domain_ != kDefaultDomain) return to_string();
  const std::string_view path = path_;
  if (!path.starts_with(kOfficialPrefix)) return path_;
  const std::string_view rest = path.substr(kOfficialPrefix.size());
  return rest.find('/') == std::string_view::npos ? std::string(rest) : path_;
}

Reference::Reference(RepositoryName name, std::optional<std::string> tag, std::optional<Digest> digest)
    : repository_(std::move(name)), tag_(std::move(tag)), digest_(std::move(digest)) {
  if (tag_ && !is_valid_tag(*tag_)) refuse("invalid tag format");
}

Reference Reference::with_default_tag() const {
  return is_name_only() ? with_tag("latest") : *this;
}

Reference Reference::with_tag(std::string_view tag) const {
  return Reference(repository_, std::string(tag), digest_);
}

Reference Reference::with_digest(const Digest& digest) const {
  return Reference(repository_, tag_, digest);
}

namespace {

std::string join(std::string name, const Reference& reference) {
  if (reference.tag()) name += ":" + *reference.tag();
  if (reference.digest()) name += "@" + reference.digest()->to_string();
  return name;
}

}  // namespace

std::string Reference::to_string() const {
  return join(repository_.to_string(), *this);
}
std::string Reference::familiar() const {
  return join(repository_.familiar(), *this);
}

Reference parse_reference(std::string_view text) {
  if (is_image_id(text))
    refuse("invalid repository name (" + std::string(text) + "), cannot specify 64-byte hexadecimal strings");
  const Split split = split_domain(text);
  require_lower_case(split.remainder);
  return ReferenceParser::reference(split);
}

RepositoryName parse_repository_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) refuse_format();
  return ReferenceParser::repository(text.substr(0, slash), text.substr(slash + 1));
}

bool is_valid_tag(std::string_view tag) {
  const auto is_word = [](char c) { return is_alphanumeric(c) || c == '_'; };
  return !tag.empty() && tag.size() <= kMaxTagLength && is_word(tag.front()) &&
         std::ranges::all_of(tag, [is_word](char c) { return is_word(c) || c == '.' || c == '-'; });
}

std::string ImageArgument::familiar() const {
  return id ? id->to_string() : reference->with_default_tag().familiar();
}

ImageArgument parse_image_argument(std::string_view text) {
  if (is_image_id(text)) return {.id = parse_digest("sha256:" + std::string(text)), .reference = {}};
  if (auto digest = find_digest(text)) return {.id = std::move(digest), .reference = {}};
  return {.id = {}, .reference = parse_reference(text)};
}

Reference parse_pull_reference(std::string_view image, std::string_view tag) {
  if (image.ends_with(':')) image.remove_suffix(1);
  const Reference reference = parse_reference(image);
  if (tag.empty()) return reference;
  if (auto digest = find_digest(tag)) return Reference(reference.repository(), std::nullopt, std::move(digest));
  return reference.with_tag(tag);
}

}  // namespace lighterd::oci
