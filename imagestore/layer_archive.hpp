// SPDX-License-Identifier: Apache-2.0
// libarchive's filters over a stored blob; archive.h is included in layer_archive.cpp only.
#pragma once

#include <filesystem>
#include <stop_token>

#include "imagestore/layer_digester.hpp"

namespace lighterd::imagestore {

// The diff ID of a layer in any compression that libarchive knows (bzip2, xz). Reads the file once; kDataLoss when it
// is damaged or meets a limit, kCancelled on stop.
LayerContent diff_id_of_file(const std::filesystem::path& path, const DecompressionLimits& limits = {},
                             const std::stop_token& stop = {});

}  // namespace lighterd::imagestore
