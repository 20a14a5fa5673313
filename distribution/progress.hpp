// SPDX-License-Identifier: Apache-2.0
// What a transfer reports while it runs. The words of a status ("Downloading", "Pull complete" ...) are Docker's and
// are chosen here, where the work is done; how they are framed is the API's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lighterd::distribution {

struct ProgressEvent {
  enum class Kind {
    kMessage,   // a line of its own, no progressDetail: "Digest: ...", "Pulling from ..."
    kProgress,  // a layer's line: progressDetail is always there, {} if empty
    kAux,       // aux_json only
  };
  Kind kind = Kind::kMessage;
  std::string id;
  std::string status;
  std::int64_t current_bytes = 0;
  std::int64_t total_bytes = 0;
  std::string aux_json;
  bool hides_counts = false;  // of a line that has ended: terminals drop the bar that stood there
};

// Callable from any thread, never blocks for long, never throws, and never is a way to cancel.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void on_progress(const ProgressEvent& event) noexcept = 0;
};

}  // namespace lighterd::distribution
