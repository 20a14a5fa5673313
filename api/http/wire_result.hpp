// SPDX-License-Identifier: Apache-2.0
// What one non-blocking call on a connection came to.
#pragma once

#include <cstddef>

namespace lighterd::api {

enum class WireStatus { kDone, kWouldBlock, kClosed };

// What has to become possible before a call that would block is made again. Under TLS a read may have to write.
enum class WireEvent { kReadable, kWritable };

struct WireResult {
  WireStatus status;
  std::size_t bytes = 0;
  WireEvent waits_for = WireEvent::kReadable;  // of kWouldBlock
};

}  // namespace lighterd::api
