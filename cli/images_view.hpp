// SPDX-License-Identifier: Apache-2.0
// GET /images/json for people.
#pragma once

#include <string>

#include "base/json.hpp"
#include "base/time.hpp"
#include "cli/commands.hpp"

namespace lighterd::cli {

// A row for each tag; with_digests: with the digest of its repository. quiet: IDs alone, each once.
std::string render_images(const base::Json& images, const ImagesOptions& options, base::Timestamp now);

}  // namespace lighterd::cli
