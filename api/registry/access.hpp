// SPDX-License-Identifier: Apache-2.0
// Who may do what to which repository. One scheme at a time; whatever is not allowed is denied
// (security-reliability A.4/44, registry-protocol.md B2).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/http/request.hpp"
#include "base/log.hpp"

namespace lighterd::api::registry {

enum class Action { kPull, kPush, kDelete };

// Nothing: only that somebody is somebody ("/v2/"). A name of "" with kCatalog is the list of repositories.
struct Permission {
  enum class Kind { kRepository, kCatalog };
  Kind kind = Kind::kRepository;
  std::string repository = {};
  Action action = Action::kPull;
};

// What a client was found to be.
class Identity {
 public:
  virtual ~Identity() = default;
  virtual std::string_view name() const = 0;  // for the log; "" for anonymous
  virtual bool may(const Permission& permission) const = 0;
  // Classes of repository that the token names for it (resource policy of B2); empty: says nothing.
  virtual std::vector<std::string> classes_of(const std::string& repository) const = 0;
};

struct AccessOptions {
  enum class Scheme { kOpen, kBasic, kBearer };
  Scheme scheme = Scheme::kOpen;
  std::string realm = "lighterd";           // Basic: a name; Bearer: the URL of the token server
  std::filesystem::path htpasswd;           // Basic: "user:$2y$..." lines (bcrypt only), read again when it changes
  bool is_anonymous_pull_allowed = false;   // Basic
  std::string service;                      // Bearer: has to be the audience
  std::string issuer;                       // Bearer
  std::vector<std::filesystem::path> keys;  // Bearer: PEM public keys or certificates; RS256, ES256, EdDSA by the key.
                                            // Read once: a new key counts from the next start on
};

// Thread-safe. Blocks on disk and, for Basic, on bcrypt: never on the reactor thread.
class AccessController {
 public:
  // kInvalidArgument for files that cannot be used, with the file named.
  AccessController(AccessOptions options, base::Logger& logger);
  ~AccessController();

  // Checks the Authorization header and then all the permissions. Throws RegistryFault: 429 for a password that comes
  // with too many others (kCancelled when request.stop is requested before its turn), or 401 UNAUTHORIZED with the
  // challenge for `permissions`; Bearer with error="invalid_token", or "insufficient_scope" for one that is good but
  // not for this. Who has a password may do everything; without one a request that only pulls may be allowed.
  std::shared_ptr<const Identity> authorize(const Request& request, const std::vector<Permission>& permissions) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::api::registry
