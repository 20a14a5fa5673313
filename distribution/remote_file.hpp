// SPDX-License-Identifier: Apache-2.0
// A file on some web server, named by a client (docker import URL), read while it arrives. Makes the daemon fetch what
// somebody names: security-reliability A.2 20 and 21.
#pragma once

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "base/block_queue.hpp"
#include "distribution/http_client.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

enum class UrlAccess { kAllowed, kRefused };

struct RemoteFileOptions {
  UrlAccess access = UrlAccess::kAllowed;
  std::chrono::milliseconds stall_timeout{10'000};
  std::int64_t max_bytes = std::int64_t{100} * 1024 * 1024 * 1024;
};

// Of one thread; holds half a MiB. A thread of its own receives.
class RemoteFile final : public base::Source {
 public:
  // Returns when the server has begun to send the file. A redirect may lead to public addresses, and on the host that
  // was named to its https; what was named may be anywhere. `http` must outlive it.
  // kInvalidArgument: no http or https URL, a file larger than max_bytes. What the server refuses has the code of its
  // status as dockerd has it (400, 401, 403, 404; others kInternal) and the text "failed to GET <url> with status ...";
  // a host that does not exist is kNotFound; kPermissionDenied: a redirect that must not be followed, or no URL may be
  // fetched at all; kCancelled.
  RemoteFile(HttpClient& http, const Url& url, const RemoteFileOptions& options, const std::string& user_agent,
             const std::stop_token& stop);

  // Blocks. kInternal for a transfer that breaks off, kInvalidArgument beyond max_bytes, kCancelled.
  std::size_t read(std::span<std::byte> buffer) override { return queue_.read(buffer); }
  // As the server says.
  const std::optional<std::int64_t>& size_bytes() const { return size_bytes_; }

 private:
  class Download;
  using Size = std::optional<std::int64_t>;

  base::BlockQueue queue_;
  std::promise<Size> started_;
  Size size_bytes_;
  std::jthread thread_;
  // Of the request that wants it: ends the thread.
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

// As dockerd takes it: http unless it says otherwise. kInvalidArgument for another scheme and for what is no URL.
Url parse_file_url(const std::string& text);

}  // namespace lighterd::distribution
