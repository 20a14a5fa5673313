// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fake_registry.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/encoding.hpp"
#include "base/file.hpp"
#include "oci/digest.hpp"

namespace lighterd::tests {
namespace {

constexpr std::size_t kRecordedBodyBytes = 64 * 1024;

bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (std::size_t skip = 0; skip <= text.size(); ++skip) {
      if (matches(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  return !text.empty() && pattern[0] == text[0] && matches(pattern.substr(1), text.substr(1));
}

bool is_request(const RecordedRequest& request, std::string_view method, std::string_view pattern) {
  return (method.empty() || request.method == method) && matches(pattern, request.path);
}

void set_header(Headers& headers, const std::string& name, const std::string& value) {
  std::erase_if(headers, [&](const auto& header) { return base::equals_ignoring_case(header.first, name); });
  if (!value.empty()) headers.emplace_back(name, value);
}

std::multimap<std::string, std::string> parse_form(std::string_view text) {
  std::multimap<std::string, std::string> form;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto value = base::percent_decode(pair.substr(std::min(equals + 1, pair.size())), base::PlusSign::kSpace);
    form.emplace(std::string(pair.substr(0, equals)), value.value_or(""));
  }
  return form;
}

std::string first_value(const std::multimap<std::string, std::string>& form, const std::string& key) {
  const auto found = form.find(key);
  return found == form.end() ? std::string() : found->second;
}

struct Reply {
  int status = 200;
  Headers headers;
  std::string body;
};

Reply error_reply(int status, const std::string& code, const std::string& message) {
  const nlohmann::json body = {{"errors", {{{"code", code}, {"message", message}}}}};
  return {status, {{"Content-Type", "application/json"}}, body.dump()};
}

// "/v2/<name>/<kind>/<rest>"
struct Target {
  std::string repository;
  std::string kind;
  std::string rest;
};

std::optional<Target> parse_target(const std::string& path) {
  if (!path.starts_with("/v2/")) return std::nullopt;
  for (const std::string kind : {"blobs/uploads", "manifests", "blobs", "tags"}) {
    const std::size_t at = path.find("/" + kind + "/", 3);
    if (at == std::string::npos || at <= 3) continue;
    return Target{path.substr(4, at - 4), kind, path.substr(at + kind.size() + 2)};
  }
  return std::nullopt;
}

std::string digest_text(const std::string& bytes, const std::string& like) {
  const auto wanted = oci::find_digest(like);
  const auto algorithm = wanted ? wanted->algorithm() : oci::DigestAlgorithm::kSha256;
  return oci::digest_of(base::as_bytes(bytes), algorithm).to_string();
}

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Reads requests off a connection.
class RequestReader {
 public:
  explicit RequestReader(int fd) : fd_(fd) {}

  bool has_client_hello() { return (!buffer_.empty() || fill()) && buffer_[0] == '\x16'; }

  std::optional<RecordedRequest> read_head() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill()) return std::nullopt;
    }
    RecordedRequest request = parse_head(buffer_.substr(0, end));
    buffer_.erase(0, end + 4);
    return request;
  }

  // At most `limit` bytes of it; false if the client closed before.
  bool read_body(RecordedRequest& request, std::size_t limit, std::string& body) {
    const std::size_t claimed = base::parse_unsigned(request.header("Content-Length")).value_or(0);
    const std::size_t length = std::min(claimed, limit);
    while (buffer_.size() < length) {
      if (!fill()) return false;
    }
    body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    request.body_bytes = static_cast<std::int64_t>(body.size());
    request.body = body.substr(0, kRecordedBodyBytes);
    return true;
  }

 private:
  bool fill() {
    char data[65536];
    const ssize_t count = recv(fd_, data, sizeof data, 0);
    if (count <= 0) return false;
    buffer_.append(data, static_cast<std::size_t>(count));
    return true;
  }

  static RecordedRequest parse_head(std::string_view head) {
    RecordedRequest request;
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    request.method = std::string(line.substr(0, first));
    const std::string_view target = line.substr(first + 1, last - first - 1);
    request.path = std::string(target.substr(0, target.find('?')));
    request.query = std::string(target.substr(std::min(target.size(), request.path.size() + 1)));
    while (!head.empty()) {
      const std::string_view field = head.substr(0, head.find("\r\n"));
      head.remove_prefix(std::min(head.size(), field.size() + 2));
      const std::size_t colon = std::min(field.find(':'), field.size());
      request.headers.emplace_back(field.substr(0, colon), base::trim(field.substr(std::min(colon + 1, field.size()))));
    }
    return request;
  }

  int fd_;
  std::string buffer_;
};

}  // namespace

std::string RecordedRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (base::equals_ignoring_case(key, name)) return value;
  }
  return {};
}

class FakeRegistry::Server {
 public:
  Server();
  ~Server();

  std::uint16_t port() const { return port_; }
  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

  struct Manifest {
    std::string media_type;
    std::string bytes;
  };
  struct Repository {
    std::map<std::string, std::string> blobs;
    std::map<std::string, Manifest> manifests;  // by digest
    std::map<std::string, std::string> tags;    // to digests
  };
  enum class Access { kOpen, kBasic, kBearer };

  // Everything below is guarded by mutex.
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::map<std::string, Repository> repositories;
  std::map<std::string, std::string> uploads;  // id to bytes
  std::size_t tag_page_size = 0;
  std::string upload_location;
  ChunkRules chunk_rules;
  Access access = Access::kOpen;
  std::string username;
  std::string password;
  std::string identity_token;
  std::string realm;
  const FakeRegistry* issuer = nullptr;
  std::vector<std::string> challenges;
  std::set<std::string> denied;
  std::optional<int> token_life = 300;
  std::map<std::string, std::set<std::string>> tokens;  // to "repository:name:action"
  std::list<Fault> faults;
  int faults_applied = 0;
  bool stalls_released = false;
  std::vector<RecordedRequest> requests;
  int connections = 0;
  int tls_attempts = 0;

  bool has_token(const std::string& token, const std::string& right) const;
  static std::string store(Repository& repository, const std::string& media_type, const std::string& bytes);

 private:
  void accept_loop();
  void serve(int fd);
  bool answer(int fd, const RecordedRequest& request, const std::string& body, const Fault& fault);
  bool send_reply(int fd, const RecordedRequest& request, Reply reply, const Fault& fault);
  bool send_body(int fd, std::string_view body, const Fault& fault);
  bool stall();
  bool pause(std::chrono::milliseconds time);
  Fault take_fault(const RecordedRequest& request);
  void keep_part(const RecordedRequest& request, const std::string& body);  // under the mutex

  Reply route(const RecordedRequest& request, const std::string& body);
  std::optional<Reply> refuse(const RecordedRequest& request, const Target& target);
  Reply unauthorized(const std::string& scope, const std::string& error) const;
  Reply serve_token(const RecordedRequest& request);
  Reply serve_manifest(const RecordedRequest& request, const Target& target, const std::string& body);
  Reply serve_blob(const RecordedRequest& request, const Target& target);
  Reply serve_upload(const RecordedRequest& request, const Target& target, const std::string& body);
  Reply upload_reply(int status, const std::string& repository, const std::string& id) const;
  Reply serve_tags(const RecordedRequest& request, const Target& target);

  base::UniqueFd listener_;
  std::uint16_t port_ = 0;
  bool stopping_ = false;
  std::set<int> open_fds_;
  int next_id_ = 0;
  std::vector<std::jthread> workers_;
  std::jthread acceptor_;
};

FakeRegistry::Server::Server() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_.get(), generic, length) != 0 || listen(listener_.get(), 128) != 0 ||
      getsockname(listener_.get(), generic, &length) != 0) {
    throw std::runtime_error("fake registry: cannot listen");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_loop(); });
}

FakeRegistry::Server::~Server() {
  {
    const std::lock_guard lock(mutex);
    stopping_ = true;
    for (const int fd : open_fds_) shutdown(fd, SHUT_RDWR);
    changed.notify_all();
  }
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  workers_.clear();
}

void FakeRegistry::Server::accept_loop() {
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex);
    if (stopping_) {
      close(fd);
      return;
    }
    ++connections;
    open_fds_.insert(fd);
    workers_.emplace_back([this, fd] {
      serve(fd);
      const std::lock_guard closing(mutex);
      open_fds_.erase(fd);
      close(fd);
    });
  }
}

void FakeRegistry::Server::serve(int fd) {
  RequestReader reader(fd);
  if (reader.has_client_hello()) {
    {
      const std::lock_guard lock(mutex);
      ++tls_attempts;
    }
    send_all(fd, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n");
    shutdown(fd, SHUT_WR);
    return;
  }
  std::string body;
  while (auto request = reader.read_head()) {
    // Before the request counts as received: who waits for it may rely on its fault being used up.
    const Fault fault = take_fault(*request);
    if (!reader.read_body(*request, fault.cut_request_after_bytes.value_or(std::string::npos), body)) return;
    {
      const std::lock_guard lock(mutex);
      if (fault.cut_request_after_bytes) keep_part(*request, body);
      requests.push_back(*request);
      changed.notify_all();
    }
    if (fault.cut_request_after_bytes) return;
    if (!answer(fd, *request, body, fault)) return;
  }
}

Fault FakeRegistry::Server::take_fault(const RecordedRequest& request) {
  const std::lock_guard lock(mutex);
  for (Fault& fault : faults) {
    if (fault.times == 0 || !is_request(request, fault.method, fault.path)) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    if (fault.times > 0) --fault.times;
    ++faults_applied;
    return fault;
  }
  return {};
}

void FakeRegistry::Server::keep_part(const RecordedRequest& request, const std::string& body) {
  const auto target = parse_target(request.path);
  if (request.method != "PATCH" || !target) return;
  const auto upload = uploads.find(target->rest);
  if (upload == uploads.end()) return;
  upload->second += body;
  if (chunk_rules.forgets) uploads.erase(upload);
}

bool FakeRegistry::Server::stall() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return stalls_released || stopping_; });
  return !stopping_;
}

bool FakeRegistry::Server::pause(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex);
  return !changed.wait_for(lock, time, [this] { return stopping_; });
}

bool FakeRegistry::Server::answer(int fd, const RecordedRequest& request, const std::string& body, const Fault& fault) {
  if (fault.stall_before_head && !stall()) return false;
  if (fault.drop_connection) return false;
  if (fault.raw) {
    send_all(fd, *fault.raw);
    return false;
  }
  Reply reply;
  if (fault.status) {
    reply.status = *fault.status;
  } else {
    const std::lock_guard lock(mutex);
    reply = route(request, body);
  }
  if (fault.drop_answer) return false;
  return send_reply(fd, request, std::move(reply), fault);
}

bool FakeRegistry::Server::send_reply(int fd, const RecordedRequest& request, Reply reply, const Fault& fault) {
  if (fault.body) reply.body = *fault.body;
  if (request.method != "HEAD" || !reply.body.empty()) {
    set_header(reply.headers, "Content-Length", std::to_string(reply.body.size()));
  }
  if (fault.endless_body) {
    set_header(reply.headers, "Content-Length", "");
    set_header(reply.headers, "Connection", "close");
  }
  std::set<std::string> replaced;
  for (const auto& [name, value] : fault.headers) {
    // A name may come twice.
    if (replaced.insert(name).second) {
      set_header(reply.headers, name, value);
    } else {
      reply.headers.emplace_back(name, value);
    }
  }
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n";
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  if (!send_all(fd, head + "\r\n")) return false;
  if (request.method == "HEAD") return true;
  if (!fault.endless_body) return send_body(fd, reply.body, fault);
  while (send_all(fd, reply.body)) {
  }
  return false;
}

bool FakeRegistry::Server::send_body(int fd, std::string_view body, const Fault& fault) {
  std::size_t sent = 0;
  while (sent < body.size()) {
    std::size_t end = body.size();
    if (fault.chunk_bytes > 0) end = std::min(end, sent + fault.chunk_bytes);
    if (fault.stall_after_bytes && sent < *fault.stall_after_bytes) end = std::min(end, *fault.stall_after_bytes);
    if (fault.cut_after_bytes) end = std::min(end, std::max(sent, *fault.cut_after_bytes));
    if (fault.stall_after_bytes && sent == *fault.stall_after_bytes && !stall()) return false;
    if (end == sent || !send_all(fd, body.substr(sent, end - sent))) return false;
    sent = end;
    if (fault.chunk_pause.count() > 0 && !pause(fault.chunk_pause)) return false;
  }
  return !fault.cut_after_bytes;
}

bool FakeRegistry::Server::has_token(const std::string& token, const std::string& right) const {
  const auto found = tokens.find(token);
  return found != tokens.end() && (right.empty() || found->second.contains(right));
}

Reply FakeRegistry::Server::unauthorized(const std::string& scope, const std::string& error) const {
  Reply reply = error_reply(401, "UNAUTHORIZED", "authentication required");
  std::vector<std::string> values = challenges;
  if (values.empty() && access == Access::kBasic) values = {"Basic realm=\"fake\""};
  if (values.empty()) {
    values = {"Bearer realm=\"" + (realm.empty() ? "http://" + host() + "/token" : realm) + "\",service=\"fake\"" +
              (scope.empty() ? "" : ",scope=\"" + scope + "\"") + (error.empty() ? "" : ",error=\"" + error + "\"")};
  }
  for (const std::string& value : values) reply.headers.emplace_back("WWW-Authenticate", value);
  return reply;
}

std::optional<Reply> FakeRegistry::Server::refuse(const RecordedRequest& request, const Target& target) {
  const std::string given = request.header("Authorization");
  if (access == Access::kOpen) return std::nullopt;
  if (access == Access::kBasic) {
    const bool right = given == "Basic " + base::base64_encode(username + ":" + password);
    return right ? std::nullopt : std::optional(unauthorized("", ""));
  }
  const bool writes = request.method != "GET" && request.method != "HEAD";
  const std::string scope =
      target.repository.empty() ? "" : "repository:" + target.repository + (writes ? ":pull,push" : ":pull");
  const std::string right = scope.empty() ? "" : "repository:" + target.repository + (writes ? ":push" : ":pull");
  if (!given.starts_with("Bearer ")) return unauthorized(scope, "");
  const std::string token = given.substr(7);
  const auto accepts = [&](const std::string& each) {
    if (issuer == nullptr || issuer->server_.get() == this) return has_token(token, each);
    const std::lock_guard lock(issuer->server_->mutex);
    return issuer->server_->has_token(token, each);
  };
  if (!accepts("")) return unauthorized(scope, "invalid_token");
  if (!accepts(right)) return unauthorized(scope, "insufficient_scope");
  return std::nullopt;
}

Reply FakeRegistry::Server::serve_token(const RecordedRequest& request) {
  auto form = parse_form(request.method == "POST" ? request.body : request.query);
  bool is_user = false;
  if (request.method == "POST" && first_value(form, "grant_type") == "refresh_token") {
    is_user = !identity_token.empty() && first_value(form, "refresh_token") == identity_token;
  } else if (request.method == "POST") {
    is_user = first_value(form, "username") == username && first_value(form, "password") == password;
  } else {
    is_user = request.header("Authorization") == "Basic " + base::base64_encode(username + ":" + password);
  }
  const bool is_anonymous = request.method == "GET" && request.header("Authorization").empty();
  if (!is_user && !(is_anonymous)) {
    return {401, {{"Content-Type", "application/json"}}, R"({"details":"incorrect username or password"})"};
  }
  std::set<std::string> rights;
  std::string scopes;
  const auto range = form.equal_range("scope");
  for (auto each = range.first; each != range.second; ++each) scopes += each->second + " ";
  while (!scopes.empty()) {
    const std::string scope = scopes.substr(0, scopes.find(' '));
    scopes.erase(0, scope.size() + 1);
    const std::size_t colon = scope.rfind(':');
    if (colon == std::string::npos || denied.contains(scope.substr(std::string("repository:").size(), colon - 11))) {
      continue;
    }
    const bool may_pull = is_user || username.empty();
    if (may_pull && scope.find("pull", colon) != std::string::npos) rights.insert(scope.substr(0, colon) + ":pull");
    if (is_user && scope.find("push", colon) != std::string::npos) rights.insert(scope.substr(0, colon) + ":push");
  }
  const std::string token = "token-" + std::to_string(port_) + "-" + std::to_string(next_id_++);
  tokens[token] = rights;
  nlohmann::json body = {{"token", token}};
  if (token_life) body["expires_in"] = *token_life;
  return {200, {{"Content-Type", "application/json"}}, body.dump()};
}

std::string FakeRegistry::Server::store(Repository& repository, const std::string& media_type,
                                        const std::string& bytes) {
  std::string digest = digest_text(bytes, "");
  repository.manifests[digest] = {media_type, bytes};
  return digest;
}

Reply FakeRegistry::Server::serve_manifest(const RecordedRequest& request, const Target& target,
                                           const std::string& body) {
  Repository& repository = repositories[target.repository];
  const bool by_digest = target.rest.find(':') != std::string::npos;
  if (request.method == "PUT") {
    const std::string digest = digest_text(body, by_digest ? target.rest : "");
    if (by_digest && digest != target.rest) return error_reply(400, "DIGEST_INVALID", "provided digest did not match");
    repository.manifests[digest] = {request.header("Content-Type"), body};
    if (!by_digest) repository.tags[target.rest] = digest;
    return {201, {{"Docker-Content-Digest", digest}, {"Location", request.path}}, ""};
  }
  const auto tag = repository.tags.find(target.rest);
  const std::string digest = tag == repository.tags.end() ? target.rest : tag->second;
  const auto found = repository.manifests.find(digest);
  if (found == repository.manifests.end()) return error_reply(404, "MANIFEST_UNKNOWN", "manifest unknown");
  return {200, {{"Content-Type", found->second.media_type}, {"Docker-Content-Digest", digest}}, found->second.bytes};
}

Reply FakeRegistry::Server::serve_blob(const RecordedRequest& request, const Target& target) {
  Repository& repository = repositories[target.repository];
  const auto found = repository.blobs.find(target.rest);
  if (found == repository.blobs.end()) return error_reply(404, "BLOB_UNKNOWN", "blob unknown to registry");
  const std::string& bytes = found->second;
  Reply reply{200,
              {{"Content-Type", "application/octet-stream"},
               {"Docker-Content-Digest", target.rest},
               {"Accept-Ranges", "bytes"},
               {"ETag", "\"" + target.rest + "\""}},
              bytes};
  const std::string range = request.header("Range");
  if (!range.starts_with("bytes=")) return reply;
  const std::size_t dash = std::min(range.find('-'), range.size());
  const auto first = base::parse_unsigned(range.substr(6, dash - 6));
  const auto last = base::parse_unsigned(range.substr(std::min(dash + 1, range.size())));
  if (!first || *first >= bytes.size()) {
    return {416, {{"Content-Range", "bytes */" + std::to_string(bytes.size())}}, ""};
  }
  const std::size_t end = std::min<std::size_t>(last ? *last + 1 : bytes.size(), bytes.size());
  reply.status = 206;
  reply.body = bytes.substr(*first, end - *first);
  reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(*first) + "-" + std::to_string(end - 1) + "/" +
                                                  std::to_string(bytes.size()));
  return reply;
}

Reply FakeRegistry::Server::upload_reply(int status, const std::string& repository, const std::string& id) const {
  std::string location = upload_location.empty() ? "/v2/" + repository + "/blobs/uploads/{id}" : upload_location;
  const auto bytes = uploads.at(id).size();
  if (const std::size_t at = location.find("{id}"); at != std::string::npos) location.replace(at, 4, id);
  if (const std::size_t at = location.find("{bytes}"); at != std::string::npos) {
    location.replace(at, 7, std::to_string(bytes));
  }
  Reply reply{status,
              {{"Location", location},
               {"Range", "0-" + std::to_string(bytes == 0 ? 0 : bytes - 1)},
               {"Docker-Upload-UUID", id}},
              ""};
  if (chunk_rules.least > 0) reply.headers.emplace_back("OCI-Chunk-Min-Length", std::to_string(chunk_rules.least));
  return reply;
}

Reply FakeRegistry::Server::serve_upload(const RecordedRequest& request, const Target& target,
                                         const std::string& body) {
  Repository& repository = repositories[target.repository];
  const auto form = parse_form(request.query);
  if (request.method == "POST") {
    const std::string mount = first_value(form, "mount");
    const auto from = repositories.find(first_value(form, "from"));
    if (!mount.empty() && from != repositories.end() && from->second.blobs.contains(mount)) {
      const std::string bytes = from->second.blobs[mount];
      repository.blobs[mount] = bytes;
      return {
          201, {{"Location", "/v2/" + target.repository + "/blobs/" + mount}, {"Docker-Content-Digest", mount}}, ""};
    }
    const std::string id = "upload-" + std::to_string(next_id_++);
    uploads[id];
    return upload_reply(202, target.repository, id);
  }
  const auto upload = uploads.find(target.rest);
  if (upload == uploads.end()) return error_reply(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  if (request.method == "DELETE") {
    uploads.erase(upload);
    return {204, {}, ""};
  }
  if (request.method == "PATCH" && chunk_rules.refused_with != 0) return {chunk_rules.refused_with, {}, ""};
  const std::string range = request.header("Content-Range");
  if (!range.empty() && base::parse_unsigned(range.substr(0, range.find('-'))) != upload->second.size()) {
    return upload_reply(416, target.repository, target.rest);
  }
  upload->second += body;
  if (request.method != "PUT")
    return upload_reply(request.method == "PATCH" ? 202 : 204, target.repository, target.rest);
  const std::string digest = first_value(form, "digest");
  if (digest_text(upload->second, digest) != digest) {
    uploads.erase(upload);
    return error_reply(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
  }
  repository.blobs[digest] = std::move(upload->second);
  uploads.erase(upload);
  return {201, {{"Location", "/v2/" + target.repository + "/blobs/" + digest}, {"Docker-Content-Digest", digest}}, ""};
}

Reply FakeRegistry::Server::serve_tags(const RecordedRequest& request, const Target& target) {
  const auto found = repositories.find(target.repository);
  if (found == repositories.end()) return error_reply(404, "NAME_UNKNOWN", "repository name not known to registry");
  const std::string last = first_value(parse_form(request.query), "last");
  nlohmann::json tags = nlohmann::json::array();
  Reply reply{200, {{"Content-Type", "application/json"}}, ""};
  for (auto each = found->second.tags.upper_bound(last); each != found->second.tags.end(); ++each) {
    if (tag_page_size > 0 && tags.size() == tag_page_size) {
      const std::string next = "/v2/" + target.repository + "/tags/list?n=" + std::to_string(tag_page_size) +
                               "&last=" + tags.back().get<std::string>();
      reply.headers.emplace_back("Link", "<" + next + ">; rel=\"next\"");
      break;
    }
    tags.push_back(each->first);
  }
  reply.body = nlohmann::json{{"name", target.repository}, {"tags", tags}}.dump();
  return reply;
}

Reply FakeRegistry::Server::route(const RecordedRequest& request, const std::string& body) {
  if (request.path == "/token") return serve_token(request);
  if (request.path == "/v2/")
    return refuse(request, {}).value_or(Reply{200, {{"Content-Type", "application/json"}}, "{}"});
  const auto target = parse_target(request.path);
  if (!target) return error_reply(404, "NAME_UNKNOWN", "repository name not known to registry");
  if (auto refusal = refuse(request, *target)) return *refusal;
  if (target->kind == "manifests") return serve_manifest(request, *target, body);
  if (target->kind == "blobs/uploads") return serve_upload(request, *target, body);
  if (target->kind == "blobs") return serve_blob(request, *target);
  return serve_tags(request, *target);
}

FakeRegistry::FakeRegistry() : server_(std::make_unique<Server>()) {}
FakeRegistry::~FakeRegistry() = default;

std::uint16_t FakeRegistry::port() const {
  return server_->port();
}
std::string FakeRegistry::host() const {
  return server_->host();
}
std::string FakeRegistry::url() const {
  return "http://" + host();
}

oci::Descriptor FakeRegistry::add_blob(const std::string& repository, const std::string& bytes,
                                       const std::string& media_type) {
  const oci::Digest digest = oci::digest_of(base::as_bytes(bytes));
  const std::lock_guard lock(server_->mutex);
  server_->repositories[repository].blobs[digest.to_string()] = bytes;
  return {media_type, digest, static_cast<std::int64_t>(bytes.size()), {}, {}, {}, {}};
}

oci::Descriptor FakeRegistry::add_manifest(const std::string& repository, const std::optional<std::string>& tag,
                                           const std::string& media_type, const std::string& bytes) {
  const oci::Digest digest = oci::digest_of(base::as_bytes(bytes));
  const std::lock_guard lock(server_->mutex);
  auto& content = server_->repositories[repository];
  Server::store(content, media_type, bytes);
  if (tag) content.tags[*tag] = digest.to_string();
  return {media_type, digest, static_cast<std::int64_t>(bytes.size()), {}, {}, {}, {}};
}

void FakeRegistry::add_tag(const std::string& repository, const std::string& tag, const oci::Digest& digest) {
  const std::lock_guard lock(server_->mutex);
  server_->repositories[repository].tags[tag] = digest.to_string();
}

std::optional<std::string> FakeRegistry::find_blob(const std::string& repository, const std::string& digest) const {
  const std::lock_guard lock(server_->mutex);
  const auto& blobs = server_->repositories[repository].blobs;
  const auto found = blobs.find(digest);
  return found == blobs.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::pair<std::string, std::string>> FakeRegistry::find_manifest(const std::string& repository,
                                                                               const std::string& reference) const {
  const std::lock_guard lock(server_->mutex);
  const auto& content = server_->repositories[repository];
  const auto tag = content.tags.find(reference);
  const auto found = content.manifests.find(tag == content.tags.end() ? reference : tag->second);
  if (found == content.manifests.end()) return std::nullopt;
  return std::pair(found->second.media_type, found->second.bytes);
}

void FakeRegistry::set_tag_page_size(std::size_t tags) {
  const std::lock_guard lock(server_->mutex);
  server_->tag_page_size = tags;
}

void FakeRegistry::set_upload_location(const std::string& pattern) {
  const std::lock_guard lock(server_->mutex);
  server_->upload_location = pattern;
}

void FakeRegistry::set_chunk_rules(const ChunkRules& rules) {
  const std::lock_guard lock(server_->mutex);
  server_->chunk_rules = rules;
}

std::size_t FakeRegistry::open_uploads() const {
  const std::lock_guard lock(server_->mutex);
  return server_->uploads.size();
}

void FakeRegistry::require_basic(const std::string& username, const std::string& password) {
  const std::lock_guard lock(server_->mutex);
  server_->access = Server::Access::kBasic;
  server_->username = username;
  server_->password = password;
}

void FakeRegistry::require_bearer(const std::string& username, const std::string& password) {
  const std::lock_guard lock(server_->mutex);
  server_->access = Server::Access::kBearer;
  server_->username = username;
  server_->password = password;
}

void FakeRegistry::set_identity_token(const std::string& token) {
  const std::lock_guard lock(server_->mutex);
  server_->identity_token = token;
}

void FakeRegistry::set_realm(const std::string& realm, const FakeRegistry& issuer) {
  const std::lock_guard lock(server_->mutex);
  server_->realm = realm;
  server_->issuer = &issuer;
}

void FakeRegistry::set_challenges(const std::vector<std::string>& values) {
  const std::lock_guard lock(server_->mutex);
  server_->challenges = values;
}

void FakeRegistry::deny_repository(const std::string& repository) {
  const std::lock_guard lock(server_->mutex);
  server_->denied.insert(repository);
}

void FakeRegistry::set_token_life(std::optional<int> seconds) {
  const std::lock_guard lock(server_->mutex);
  server_->token_life = seconds;
}

void FakeRegistry::revoke_tokens() {
  const std::lock_guard lock(server_->mutex);
  server_->tokens.clear();
}

void FakeRegistry::add_fault(Fault fault) {
  const std::lock_guard lock(server_->mutex);
  server_->faults.push_back(std::move(fault));
}

int FakeRegistry::faults_applied() const {
  const std::lock_guard lock(server_->mutex);
  return server_->faults_applied;
}

void FakeRegistry::clear_faults() {
  const std::lock_guard lock(server_->mutex);
  server_->faults.clear();
}

void FakeRegistry::release_stalls() {
  const std::lock_guard lock(server_->mutex);
  server_->stalls_released = true;
  server_->changed.notify_all();
}

std::vector<RecordedRequest> FakeRegistry::requests(std::string_view method, std::string_view path_pattern) const {
  const std::lock_guard lock(server_->mutex);
  std::vector<RecordedRequest> found;
  std::copy_if(server_->requests.begin(), server_->requests.end(), std::back_inserter(found),
               [&](const RecordedRequest& request) { return is_request(request, method, path_pattern); });
  return found;
}

std::size_t FakeRegistry::count(std::string_view method, std::string_view path_pattern) const {
  return requests(method, path_pattern).size();
}

bool FakeRegistry::wait_for_requests(std::size_t count, std::string_view method, std::string_view path_pattern,
                                     std::chrono::milliseconds timeout) const {
  std::unique_lock lock(server_->mutex);
  return server_->changed.wait_for(lock, timeout, [&] {
    const auto matching =
        std::count_if(server_->requests.begin(), server_->requests.end(),
                      [&](const RecordedRequest& request) { return is_request(request, method, path_pattern); });
    return static_cast<std::size_t>(matching) >= count;
  });
}

void FakeRegistry::clear_requests() {
  const std::lock_guard lock(server_->mutex);
  server_->requests.clear();
}

int FakeRegistry::connections() const {
  const std::lock_guard lock(server_->mutex);
  return server_->connections;
}

int FakeRegistry::tls_attempts() const {
  const std::lock_guard lock(server_->mutex);
  return server_->tls_attempts;
}

}  // namespace lighterd::tests
