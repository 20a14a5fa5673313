// SPDX-License-Identifier: Apache-2.0
// A registry (and token server) on 127.0.0.1 for tests: scripted content, real pushes, every request recorded, and
// faults on demand. Plain HTTP/1.1; to a TLS ClientHello it answers as Go's servers do, so clients fall back. One
// thread for each connection; all calls are thread-safe; the destructor releases what stalls, closes and joins.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/descriptor.hpp"

namespace lighterd::tests {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct RecordedRequest {
  std::string method;
  std::string path;
  std::string query;  // without '?'
  Headers headers;
  std::int64_t body_bytes = 0;
  std::string body;  // its first 64 KiB

  // The first, case-insensitive; empty if missing.
  std::string header(std::string_view name) const;
};

// How PATCH is answered.
struct ChunkRules {
  int refused_with = 0;   // that status for every PATCH
  std::size_t least = 0;  // OCI-Chunk-Min-Length
  bool forgets = false;   // an upload of which a PATCH broke off is gone
};

// What happens to requests that match, instead of or on top of the registry's own answer. Faults are tried in the
// order in which they were added; the first that matches and is not used up applies, one per request.
struct Fault {
  std::string method = {};                            // empty: any
  std::string path = "*";                             // '*' stands for any characters
  int skip = 0;                                       // so many matching requests are left alone first
  int times = 1;                                      // -1: always
  std::optional<int> status = {};                     // instead of the registry's answer, which then does not happen
  Headers headers = {};                               // set or replaced; an empty value removes
  std::optional<std::string> body = {};               // replaced, Content-Length with it
  std::optional<std::size_t> cut_after_bytes = {};    // of the body, then the connection is closed
  std::optional<std::size_t> stall_after_bytes = {};  // of the body, until release_stalls()
  bool stall_before_head = false;                     // until release_stalls()
  bool drop_connection = false;                       // before the head
  bool endless_body = false;                          // `body` again and again, without Content-Length
  std::size_t chunk_bytes = 0;                        // written in such pieces ...
  std::chrono::milliseconds chunk_pause{0};           // ... with that pause between
  std::optional<std::string> raw = {};                // sent as it is, then the connection is closed
  bool drop_answer = false;                           // what was asked for is done, then the connection is closed
  // Of the request's body, which an upload keeps; then the connection is closed.
  std::optional<std::size_t> cut_request_after_bytes = {};
};

class FakeRegistry {
 public:
  FakeRegistry();
  ~FakeRegistry();
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  std::uint16_t port() const;
  std::string host() const;  // "127.0.0.1:40001"
  std::string url() const;   // "http://127.0.0.1:40001"

  // Content. A blob belongs to the repositories it was added or pushed to or mounted into.
  oci::Descriptor add_blob(const std::string& repository, const std::string& bytes,
                           const std::string& media_type = "application/octet-stream");
  oci::Descriptor add_manifest(const std::string& repository, const std::optional<std::string>& tag,
                               const std::string& media_type, const std::string& bytes);
  void add_tag(const std::string& repository, const std::string& tag, const oci::Digest& digest);
  std::optional<std::string> find_blob(const std::string& repository, const std::string& digest) const;
  // By tag or digest: media type and bytes.
  std::optional<std::pair<std::string, std::string>> find_manifest(const std::string& repository,
                                                                   const std::string& reference) const;
  // GET tags/list gives so many at once, with a Link to the rest.
  void set_tag_page_size(std::size_t tags);
  // POST blobs/uploads/ and later answers give this instead of "/v2/.../uploads/<id>"; "{id}" and "{bytes}" (how much
  // has come) are replaced.
  void set_upload_location(const std::string& pattern);
  void set_chunk_rules(const ChunkRules& rules);
  std::size_t open_uploads() const;

  // Access. Open to everybody unless one of these was called.
  void require_basic(const std::string& username, const std::string& password);
  // Tokens come from GET or POST /token of this server. An empty user name: tokens without credentials give pull;
  // otherwise only the user gets any.
  void require_bearer(const std::string& username, const std::string& password);
  void set_identity_token(const std::string& token);
  // The challenge names that token server ("http://127.0.0.1:1/token?x=y") and not this one's; tokens of `issuer`
  // are accepted.
  void set_realm(const std::string& realm, const FakeRegistry& issuer);
  // Instead of the challenge of its own: whole WWW-Authenticate values.
  void set_challenges(const std::vector<std::string>& values);
  // Tokens never cover scopes of that repository.
  void deny_repository(const std::string& repository);
  void set_token_life(std::optional<int> seconds);  // expires_in; nothing: left out
  void revoke_tokens();                             // those issued so far become invalid_token

  void add_fault(Fault fault);
  int faults_applied() const;
  void clear_faults();
  void release_stalls();  // for good

  // In order of arrival. Patterns as in Fault.
  std::vector<RecordedRequest> requests(std::string_view method = {}, std::string_view path_pattern = "*") const;
  std::size_t count(std::string_view method, std::string_view path_pattern) const;
  // Blocks until so many have come; false after the timeout.
  bool wait_for_requests(std::size_t count, std::string_view method, std::string_view path_pattern,
                         std::chrono::milliseconds timeout = std::chrono::seconds(10)) const;
  void clear_requests();
  int connections() const;   // accepted so far
  int tls_attempts() const;  // of them, those that began with a ClientHello

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace lighterd::tests
