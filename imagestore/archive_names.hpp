// SPDX-License-Identifier: Apache-2.0
// Names inside an archive. They are keys of a map and nothing else: no file is ever opened by one.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/digest.hpp"

namespace lighterd::imagestore {

// "./a//b/../c" is "a/c". Nothing for what begins with '/', climbs above the root, or is the root.
std::optional<std::string> find_member_name(std::string_view name);

// What a symbolic link with the clean name `link` points to: relative to its folder.
std::optional<std::string> find_link_target(std::string_view link, std::string_view target);

// Of "blobs/<algorithm>/<hex>", a clean name; of any other nothing.
std::optional<oci::Digest> find_blob_digest(std::string_view name);
std::string blob_member(const oci::Digest& digest);
// "blobs/<algorithm>"
std::string blob_folder(oci::DigestAlgorithm algorithm);

// What a layer's progress is shown under: the first 12 digits of what its file, or "layer.tar"'s folder, is called.
std::string progress_id(std::string_view name);

}  // namespace lighterd::imagestore
