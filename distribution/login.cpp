// SPDX-License-Identifier: Apache-2.0
#include "distribution/login.hpp"

#include "base/error.hpp"
#include "distribution/registry_session.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

std::string parse_address(const std::string& address) {
  if (address.empty()) return "docker.io";
  std::string domain = registry_of_address(address);
  try {
    (void)parse_url("https://" + domain + "/");
  } catch (Error& error) {
    error.add_context("unable to parse server address");
    throw;
  }
  return domain;
}

// The status line without the context that errors of a transfer have.
[[noreturn]] void refuse(const Answer& answer) {
  throw Error(ErrorCode::kInternal, "login attempt to " + redact_url(answer.url.to_string()) +
                                        " failed with status: " + status_text(answer.response.status));
}

}  // namespace

base::Secret check_login(HttpClient& http, const RegistryOptions& options, const std::string& domain,
                         OperationContext context, base::Logger& logger, std::stop_token stop) {
  context.auth.server_address.clear();
  const base::Secret given = context.auth.identity_token;
  RegistryOptions without_own = options;
  // The client's credentials are what is asked about.
  without_own.auth_file.clear();
  Call call;
  // Some registries let everybody in and still say how to log in.
  call.must_authorize = !context.auth.is_anonymous();
  RegistrySession session(http, without_own, domain, Access::kLogin, {}, std::move(context), logger);
  try {
    const Answer answer = session.call(session.registry(), call, stop);
    if (answer.response.status != 200) refuse(answer);
  } catch (const RegistryError& error) {
    // Nothing but a password that a token server refuses is for the user to mend by another one.
    if (error.code() == ErrorCode::kUnauthenticated) throw;
    throw Error(ErrorCode::kInternal, error.text());
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
  base::Secret token = session.refresh_token();
  return token.empty() ? given : token;
}

base::Secret LoginChecker::check(OperationContext context, std::stop_token stop) {
  const std::string domain = parse_address(context.auth.server_address);
  return check_login(services_.http, services_.registries, domain, std::move(context), services_.logger,
                     std::move(stop));
}

}  // namespace lighterd::distribution
