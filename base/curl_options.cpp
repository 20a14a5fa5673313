// SPDX-License-Identifier: Apache-2.0
#include "base/curl_options.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::base {
namespace {

bool has_line_break(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

void check_curl(CURLcode code, const char* what) {
  if (code == CURLE_OK) return;
  throw Error(code == CURLE_OUT_OF_MEMORY ? ErrorCode::kUnavailable : ErrorCode::kInternal,
              std::string("libcurl: ") + what + ": " + curl_easy_strerror(code));
}

void check_curl(CURLMcode code, const char* what) {
  if (code != CURLM_OK)
    throw Error(ErrorCode::kInternal, std::string("libcurl: ") + what + ": " + curl_multi_strerror(code));
}

void CurlHeaderLines::add(std::string_view name, std::string_view value) {
  if (name.empty() || has_line_break(name) || has_line_break(value) || name.find(':') != std::string_view::npos) {
    throw Error(ErrorCode::kInvalidArgument, "invalid HTTP header " + printable(name, 100));
  }
  const std::string_view trimmed = trim(value);
  lines_.emplace_back(std::string(name) + (trimmed.empty() ? ";" : ": ") + std::string(trimmed));
}

curl_slist* CurlHeaderLines::list() {
  nodes_.resize(lines_.size());
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    // curl only reads the list that it is given.
    nodes_[i].data = const_cast<char*>(lines_[i].reveal().c_str());
    nodes_[i].next = i + 1 < lines_.size() ? &nodes_[i + 1] : nullptr;
  }
  return nodes_.empty() ? nullptr : nodes_.data();
}

}  // namespace lighterd::base
