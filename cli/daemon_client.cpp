// SPDX-License-Identifier: Apache-2.0
#include "cli/daemon_client.hpp"

#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

// A million tags of 128 characters fit.
constexpr base::JsonLimits kLimits{.max_bytes = 256 * 1024 * 1024, .max_depth = 64, .max_values = 8'000'000};

}  // namespace

std::string get_document(DaemonClient& client, const Request& request) {
  base::BoundedStringSink body(kLimits.max_bytes, "the daemon's answer");
  client.perform(request, body);
  return body.take();
}

base::Json parse_document(const std::string& text) {
  try {
    return base::parse_json(text, "the daemon's answer", kLimits);
  } catch (const base::Error& error) {
    throw Failure(ExitCode::kFailed, error.text());
  }
}

std::string refusal_text(const std::string& body, long http_status) {
  try {
    const base::Json document = base::parse_json(body, "refusal");
    if (document.is_object()) {
      if (const auto message = base::find_string(document, "message"); message && !message->empty()) return *message;
    }
  } catch (const base::Error&) {  // not the daemon's own words: shown as they are
  }
  const std::string_view text = base::trim(body);
  return "status " + std::to_string(http_status) + (text.empty() ? "" : ": " + std::string(text));
}

}  // namespace lighterd::cli
