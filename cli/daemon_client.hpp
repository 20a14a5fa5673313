// SPDX-License-Identifier: Apache-2.0
// Requests to the daemon, whatever carries them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/secret.hpp"
#include "base/stream.hpp"

namespace lighterd::cli {

struct Request {
  std::string method = "GET";
  std::string target;               // path and query, encoded
  base::Secret registry_auth = {};  // X-Registry-Auth; empty: not sent
  base::Source* body = nullptr;     // sent in chunks as it comes; null: none
};

class DaemonClient {
 public:
  virtual ~DaemonClient() = default;
  // Hands the body of a successful answer to `answer` as it arrives. Blocks until its end. Throws what the body and the
  // answer throw; Failure kUnreachable if nobody answers, by its status and with its text what the daemon refuses,
  // kFailed when the answer breaks off; kCancelled on a stop.
  virtual void perform(const Request& request, base::Sink& answer) = 0;
};

// The whole JSON document of an answer, as text; up to 256 MiB.
std::string get_document(DaemonClient& client, const Request& request);
// Such a document; kFailed if it is none.
base::Json parse_document(const std::string& text);

// What a refusal's body says: its "message", or else its text or the status.
std::string refusal_text(const std::string& body, long http_status);

}  // namespace lighterd::cli
