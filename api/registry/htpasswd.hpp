// SPDX-License-Identifier: Apache-2.0
// Users and their passwords from an htpasswd file, which may be edited while the server runs.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "api/registry/htpasswd_queue.hpp"
#include "base/log.hpp"
#include "base/secret.hpp"
#include "base/synchronized.hpp"

namespace lighterd::api::registry {

// Thread-safe.
class HtpasswdFile {
 public:
  // Reads the file now: kInvalidArgument, with the file named, when that fails. Lines whose hash is not bcrypt are left
  // out with a warning that names user and line; hashes of several costs get a warning.
  HtpasswdFile(std::filesystem::path path, base::Logger& logger,
               HtpasswdQueue::Limits limits = HtpasswdQueue::default_limits());
  ~HtpasswdFile();

  // Blocks for its turn (HtpasswdQueue: what is thrown) and for the time of one bcrypt, for unknown users the longest
  // one of the file; what was right before is known at once until the file changes. A file that has become unreadable
  // has no users.
  bool verify(const std::string& user, const base::Secret& password, const std::stop_token& stop);

 private:
  struct Stamp;
  struct Users;

  std::shared_ptr<Users> load(const Stamp& stamp) const;
  std::shared_ptr<Users> current();

  const std::filesystem::path path_;
  base::Logger& logger_;
  HtpasswdQueue queue_;
  base::Synchronized<std::shared_ptr<Users>> users_;
};

}  // namespace lighterd::api::registry
