// SPDX-License-Identifier: Apache-2.0
#include "distribution/http_client.hpp"

#include <algorithm>
#include <array>

#include "base/encoding.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

const std::string* HttpResponse::find_header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (base::equals_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

std::vector<std::string> HttpResponse::all_headers(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : headers) {
    if (base::equals_ignoring_case(key, name)) values.push_back(value);
  }
  return values;
}

bool is_redirect(const HttpResponse& response) {
  constexpr std::array kRedirects = {301, 302, 303, 307, 308};
  return std::find(kRedirects.begin(), kRedirects.end(), response.status) != kRedirects.end() &&
         response.find_header("Location") != nullptr;
}

std::string describe_request(std::string_view method, std::string_view url) {
  std::string text = base::to_lower(method);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + " \"" + redact_url(url) + "\"";
}

}  // namespace lighterd::distribution
