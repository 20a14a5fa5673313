// SPDX-License-Identifier: Apache-2.0
#include "api/engine/engine_call.hpp"

#include <array>

#include "api/engine/http_error.hpp"
#include "api/engine/json_message_stream.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kMaxFormBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxUserAgentBytes = 512;
constexpr std::size_t kMaxDroppedBytes = std::size_t{64} * 1024;

bool is_form(const Headers& headers) {
  const std::string* type = headers.find("Content-Type");
  return type != nullptr && oci::media_type::strip_parameters(*type) == "application/x-www-form-urlencoded";
}

// The characters that would end or split a User-Agent comment, as dockerd escapes them.
std::string escape_comment(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("();\\").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string user_agent(const EngineCall& call) {
  std::string own = "lighterd/" + call.services.info.version;
  const std::string* client = call.request.headers.find("User-Agent");
  if (client == nullptr || client->empty()) return own;
  return own + " UpstreamClient(" + escape_comment(base::printable(*client, kMaxUserAgentBytes)) + ")";
}

}  // namespace

void send_json(EngineCall& call, int status, std::string body) {
  body += '\n';
  call.status = status;
  call.response.send(status, kJsonContentType, body);
}

void merge_form(EngineCall& call) {
  if (!is_form(call.request.headers)) return;
  std::string form;
  try {
    form = base::read_all(*call.request.body, kMaxFormBytes, "form");
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDataLoss) throw Error(ErrorCode::kInvalidArgument, error.text());
    throw;
  }
  call.parameters.append(Parameters::parse(form));
}

void drop_body(EngineCall& call) {
  std::array<std::byte, 4 * 1024> scratch;
  std::size_t dropped = 0;
  try {
    while (dropped < kMaxDroppedBytes) {
      const std::size_t count = call.request.body->read(scratch);
      if (count == 0) return;
      dropped += count;
    }
  } catch (const Error& error) {
    // Malformed framing matters to those who read the body only.
    if (error.code() != ErrorCode::kDataLoss) throw;
  }
}

void run_streamed(EngineCall& call, const std::function<void(distribution::ProgressSink&)>& work) {
  drop_body(call);
  run_with_records(call, work);
}

void run_with_records(EngineCall& call, const std::function<void(JsonMessageStream&)>& work) {
  JsonMessageStream stream(call.response);
  const auto report = [&](std::string_view message, bool cancelled) {
    if (stream.has_started() && !cancelled) stream.fail(message);
  };
  try {
    work(stream);
  } catch (const Error& error) {
    report(error.text(), error.code() == ErrorCode::kCancelled && call.request.stop.stop_requested());
    throw;
  } catch (const std::exception& error) {
    report(error.what(), false);
    throw;
  }
  stream.finish();
}

distribution::OperationContext make_operation_context(const EngineCall& call) {
  distribution::OperationContext context;
  context.user_agent = user_agent(call);
  if (const std::string* auth = call.request.headers.find("X-Registry-Auth"))
    context.auth = distribution::parse_registry_auth(*auth);
  for (const auto& [name, value] : call.request.headers.all())
    if (base::to_lower(name).starts_with("x-meta-")) context.extra_headers.emplace_back(name, value);
  return context;
}

}  // namespace lighterd::api
