// SPDX-License-Identifier: Apache-2.0
// Writes the archive that an ExportPlan describes to a stream, straight from the stored blobs.
#pragma once

#include <stop_token>

#include "base/stream.hpp"
#include "imagestore/export_plan.hpp"

namespace lighterd::imagestore {

// Members sorted by name. Holds 1 MiB whatever the images' size: a thread of its own reads the blobs ahead and verifies
// them again, so that the last bytes of one that has changed on disk are never written. kDataLoss for such a blob;
// kCancelled; what `sink` throws. What was written is then of no use.
void write_archive(const ExportPlan& plan, const ContentStore& content, base::Sink& sink, const std::stop_token& stop);

}  // namespace lighterd::imagestore
