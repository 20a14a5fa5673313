// SPDX-License-Identifier: Apache-2.0
// Readers written in Go match JSON keys without regard to case, so a document with both "layers" and "Layers" is one
// thing to them and another to us. The same goes for text behind a NUL. What may be read in two ways is refused.
#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace lighterd::oci {

// kInvalidArgument if `object` is none, or has a key that Go would take for one of `keys` but that is not it.
void refuse_case_variants(const nlohmann::json& object, std::initializer_list<std::string_view> keys);

}  // namespace lighterd::oci
