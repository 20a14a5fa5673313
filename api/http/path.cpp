// SPDX-License-Identifier: Apache-2.0
#include "api/http/path.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

std::string clean(std::string_view path) {
  std::string out;
  out.reserve(path.size() + 1);
  std::string_view last;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    last = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (last.empty() || last == ".") continue;
    if (last == "..") {
      out.erase(std::min(out.rfind('/'), out.size()));
    } else {
      out.append("/").append(last);
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> normalize_path(std::string_view raw) {
  std::optional<std::string> decoded = base::percent_decode(raw, base::PlusSign::kLiteral);
  if (!decoded || decoded->find('\0') != std::string::npos) return std::nullopt;
  if (decoded->find("//") == std::string::npos && decoded->find("/.") == std::string::npos) return decoded;
  std::string cleaned = clean(*decoded);
  const bool names_directory = decoded->ends_with('/') || decoded->ends_with("/.") || decoded->ends_with("/..");
  if (cleaned.empty() || (names_directory && !cleaned.ends_with('/'))) cleaned += '/';
  return cleaned;
}

}  // namespace lighterd::api
