// SPDX-License-Identifier: Apache-2.0
// Lists in pages: n, last, and the Link to what follows (registry-protocol.md A11, security-reliability rule 43).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/registry/registry_call.hpp"
#include "imagestore/registry_store.hpp"

namespace lighterd::api::registry {

inline constexpr std::size_t kMaxPage = 1000;

// 400 PAGINATION_NUMBER_INVALID for what is no number of results. Nothing if n is not given.
std::optional<std::size_t> find_page_size(const RegistryCall& call);
std::string page_start(const RegistryCall& call);  // of ?last=

std::string to_json_array(const std::vector<std::string>& names);

// `path` begins with '/'; `more` is further parameters, encoded, or empty.
void set_next_link(RegistryCall& call, std::string_view path, const std::string& last, std::size_t page_size,
                   const std::string& more = {});

}  // namespace lighterd::api::registry
