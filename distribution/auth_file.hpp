// SPDX-License-Identifier: Apache-2.0
// Credentials that the daemon holds itself, in the form of Docker's config.json: `auths` alone, no helpers. Nothing is
// kept in memory: each look-up reads the file, so edits count at once.
#pragma once

#include <filesystem>
#include <string_view>

#include "distribution/auth_config.hpp"

namespace lighterd::distribution {

enum class KeyScheme {
  kAny,
  kHttp,  // the key says "http://": whoever wrote it knows how they travel
};

// Of "host[:port]", compared whole (the names of Hub are one); entries of a namespace ("host/team") are for nobody.
// Anonymous if there is none, or no file. kInvalidArgument for a file or an entry that cannot be read; the text holds
// nothing of either.
AuthConfig find_file_credentials(const std::filesystem::path& file, std::string_view host,
                                 KeyScheme scheme = KeyScheme::kAny);

}  // namespace lighterd::distribution
