// SPDX-License-Identifier: Apache-2.0
// Whether a registry takes the credentials of a user (POST /auth, engine-api.md section 4).
#pragma once

#include <stop_token>
#include <string>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

// Asks /v2/ of the registry ("docker.io", "localhost:5000") with context.auth, through the rules of every other
// request. Returns what is to be kept instead of the password, empty for most registries. A token server's refusal is
// kUnauthenticated (`Get "https://registry-1.docker.io/v2/": unauthorized: incorrect username or password`), the
// registry's own kInternal (`login attempt to http://localhost:5000/v2/ failed with status: 401 Unauthorized`), as
// is a registry that cannot be reached.
base::Secret check_login(HttpClient& http, const RegistryOptions& options, const std::string& domain,
                         OperationContext context, base::Logger& logger, std::stop_token stop);

// Thread-safe.
class LoginChecker {
 public:
  explicit LoginChecker(DistributionServices services) : services_(services) {}

  // As check_login, of the registry that context.auth names; none is Hub. kInvalidArgument for an address that is none.
  base::Secret check(OperationContext context, std::stop_token stop);

 private:
  DistributionServices services_;
};

}  // namespace lighterd::distribution
