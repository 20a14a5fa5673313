// SPDX-License-Identifier: Apache-2.0
#include "api/http/fault.hpp"

#include <nlohmann/json.hpp>

#include "api/http/response_head.hpp"
#include "base/json.hpp"

namespace lighterd::api {

std::string fault_body(const std::string& message) {
  return base::to_text(base::Json{{"message", message}}) + "\n";
}

std::string fault_response(const Fault& fault) {
  const std::string body = fault_body(fault.message);
  ResponseHead head;
  head.status = fault.status;
  head.content_type = "application/json";
  head.framing = ResponseFraming::kLength;
  head.length_bytes = body.size();
  return head.to_text() + body;
}

}  // namespace lighterd::api
