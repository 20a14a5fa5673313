// SPDX-License-Identifier: Apache-2.0
// Parameters as Docker reads them (engine-api.md section 1.4).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.hpp"
#include "oci/platform.hpp"
#include "oci/reference.hpp"

namespace lighterd::api {

// Trimmed and lower-cased "", "0", "no", "false" and "none" are false, anything else is true; absent is false.
bool parse_bool(std::string_view text);
bool get_bool(const Parameters& parameters, std::string_view name);

// Empty if absent.
std::string get_text(const Parameters& parameters, std::string_view name);

// The tag of `repo` and `tag`; nothing without a repo. kInvalidArgument with Docker's texts.
std::optional<oci::Reference> find_new_name(const Parameters& parameters);

// An OCI platform object as JSON, its keys in any case. kInvalidArgument with Docker's texts.
oci::Platform parse_json_platform(std::string_view json);
// Nothing if absent or empty; the first one if there are several.
std::optional<oci::Platform> find_json_platform(const Parameters& parameters, std::string_view name);
std::vector<oci::Platform> list_json_platforms(const Parameters& parameters, std::string_view name);

}  // namespace lighterd::api
