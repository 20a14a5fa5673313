// SPDX-License-Identifier: Apache-2.0
#include "distribution/retry_reporter.hpp"

namespace lighterd::distribution {

RetryListener RetryReporter::listener() const {
  return [sink = sink_](const RetryNotice& notice) {
    const ProgressEvent event{.kind = ProgressEvent::Kind::kMessage,
                              .id = {},
                              .status = retry_status(notice.delay, notice.reason),
                              .current_bytes = 0,
                              .total_bytes = 0,
                              .aux_json = {}};
    auto locked = sink->lock();
    if (*locked != nullptr) (*locked)->on_progress(event);
  };
}

std::string retry_status(std::chrono::milliseconds delay, const std::string& reason) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
  return "Retrying in " + std::to_string(seconds) + (seconds == 1 ? " second (" : " seconds (") + reason + ")";
}

}  // namespace lighterd::distribution
