// SPDX-License-Identifier: Apache-2.0
// POST /auth: engine-api.md section 4.
#include "api/engine/endpoints.hpp"
#include "api/engine/json_text.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

std::string read_body(EngineCall& call) {
  constexpr std::size_t kMaxBytes = std::size_t{64} * 1024;
  try {
    return base::read_all(*call.request.body, kMaxBytes, "body");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDataLoss) throw;
    throw Error(ErrorCode::kInvalidArgument, "invalid X-Registry-Auth header: " + error.text());
  }
}

}  // namespace

void auth(EngineCall& call) {
  distribution::OperationContext context = make_operation_context(call);
  context.auth = distribution::parse_auth_json(read_body(call));
  // An address may hold a password where none belongs.
  const std::string host = distribution::registry_of_address(context.auth.server_address);
  call.subject = base::printable(host.substr(host.rfind('@') + 1), 256);
  const base::Secret token = call.services.logins.check(std::move(context), call.request.stop);
  // Without one it is there as well: clients older than 29 read it.
  send_json(call, 200, R"({"IdentityToken":)" + json_string(token.reveal()) + R"(,"Status":"Login Succeeded"})");
}

}  // namespace lighterd::api
