// SPDX-License-Identifier: Apache-2.0
// The answers that the HTTP layer gives itself: to requests that no handler may see, and when a handler fails.
#pragma once

#include <string>

namespace lighterd::api {

struct Fault {
  int status;
  std::string message;
};

// {"message":"..."} and a newline, as Docker clients expect it.
std::string fault_body(const std::string& message);
// Head and body, with "Connection: close".
std::string fault_response(const Fault& fault);

}  // namespace lighterd::api
