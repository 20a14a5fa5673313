// SPDX-License-Identifier: Apache-2.0
// Paths and queries of requests, encoded as the daemon reads them.
#pragma once

#include <string>
#include <string_view>

namespace lighterd::cli {

// Everything but unreserved characters and '/', ':', '@' becomes %XX; of a name that is a URL these as well.
std::string encode_name(std::string_view name);

class Target {
 public:
  explicit Target(std::string path) : text_(std::move(path)) {}
  Target& add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool has_query_ = false;
};

}  // namespace lighterd::cli
