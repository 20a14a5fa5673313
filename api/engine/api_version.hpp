// SPDX-License-Identifier: Apache-2.0
// Versions of the Engine API: which are served, and how a path asks for one (engine-api.md section 1.2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lighterd::api {

inline constexpr std::string_view kMinApiVersion = "1.22";  // trap 41
inline constexpr std::string_view kMaxApiVersion = "1.55";

// Less than, equal to or greater than 0. Component by component as numbers; what is missing or no number is 0.
int compare_versions(std::string_view a, std::string_view b);

// A version between the two bounds: 1.<minor>.
class ApiVersion {
 public:
  explicit constexpr ApiVersion(int minor) : minor_(minor) {}
  constexpr bool is_at_least(int minor) const { return minor_ >= minor; }
  constexpr bool is_before(int minor) const { return minor_ < minor; }
  constexpr int minor() const { return minor_; }

 private:
  int minor_;
};

// "/v1.44/images/json" is version "1.44" of "/images/json"; what does not start so has no version. Views of `path`.
struct VersionedPath {
  std::optional<std::string_view> version;
  std::string_view path;
};
VersionedPath split_version(std::string_view path);

// Docker's words for a version that is too old or too new; nothing if it is served.
std::optional<std::string> find_version_problem(std::string_view version);
// Of a version without problem.
ApiVersion parse_api_version(std::string_view version);

}  // namespace lighterd::api
