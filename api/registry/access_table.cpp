// SPDX-License-Identifier: Apache-2.0
#include "api/registry/access_table.hpp"

#include <algorithm>
#include <array>

namespace lighterd::api::registry {
namespace {

enum class Need { kNothing, kPull, kPush, kPullAndPush, kDelete, kCatalog };

struct Row {
  std::string_view method;
  Endpoint endpoint;
  Need need;
};

// A HEAD is a GET. What is not here is nobody's.
constexpr std::array kRows = {
    Row{"GET", Endpoint::kBase, Need::kNothing},
    Row{"GET", Endpoint::kBlob, Need::kPull},
    Row{"GET", Endpoint::kManifest, Need::kPull},
    Row{"GET", Endpoint::kTags, Need::kPull},
    Row{"GET", Endpoint::kReferrers, Need::kPull},
    Row{"GET", Endpoint::kCatalog, Need::kCatalog},
    Row{"PUT", Endpoint::kManifest, Need::kPullAndPush},
    Row{"POST", Endpoint::kUploads, Need::kPullAndPush},
    Row{"GET", Endpoint::kUpload, Need::kPull},
    Row{"PATCH", Endpoint::kUpload, Need::kPullAndPush},
    Row{"PUT", Endpoint::kUpload, Need::kPullAndPush},
    // Clients whose tokens have no "delete" cancel what they began.
    Row{"DELETE", Endpoint::kUpload, Need::kPush},
    Row{"DELETE", Endpoint::kBlob, Need::kDelete},
    Row{"DELETE", Endpoint::kManifest, Need::kDelete},
};

std::vector<Permission> permissions_of(Need need, const std::string& repository) {
  const auto on_repository = [&](Action action) {
    return Permission{Permission::Kind::kRepository, repository, action};
  };
  switch (need) {
    case Need::kNothing:
      return {};
    case Need::kPull:
      return {on_repository(Action::kPull)};
    case Need::kPush:
      return {on_repository(Action::kPush)};
    case Need::kPullAndPush:
      return {on_repository(Action::kPull), on_repository(Action::kPush)};
    case Need::kDelete:
      return {on_repository(Action::kDelete)};
    case Need::kCatalog:
      break;
  }
  return {Permission{Permission::Kind::kCatalog, {}, Action::kPull}};
}

}  // namespace

std::optional<std::vector<Permission>> required_permissions(std::string_view method, Endpoint endpoint,
                                                            const std::string& repository,
                                                            const std::optional<std::string>& mount_from) {
  if (method == "HEAD") method = "GET";
  const auto row = std::ranges::find_if(
      kRows, [&](const Row& candidate) { return candidate.method == method && candidate.endpoint == endpoint; });
  if (row == kRows.end()) return std::nullopt;
  std::vector<Permission> permissions = permissions_of(row->need, repository);
  if (endpoint == Endpoint::kUploads && mount_from && *mount_from != repository)
    permissions.push_back({Permission::Kind::kRepository, *mount_from, Action::kPull});
  return permissions;
}

}  // namespace lighterd::api::registry
