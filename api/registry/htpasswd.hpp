// SPDX-License-Identifier: Apache-2.0
// Users and their passwords from an htpasswd file, which may be edited while the server runs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/log.hpp"
#include "base/secret.hpp"
#include "base/synchronized.hpp"

namespace lighterd::api::registry {

// Thread-safe.
class HtpasswdFile {
 public:
  // Reads the file now: kInvalidArgument, with the file named, when that fails. Lines whose hash is not bcrypt are left
  // out with a warning that names user and line.
  HtpasswdFile(std::filesystem::path path, base::Logger& logger);
  ~HtpasswdFile();

  // Blocks for the time of one bcrypt, for unknown users as well; what was right before is known at once until the file
  // changes. A file that has become unreadable has no users.
  bool verify(const std::string& user, const base::Secret& password);

 private:
  struct Stamp;
  struct Users;

  std::shared_ptr<Users> load(const Stamp& stamp) const;
  std::shared_ptr<Users> current();

  const std::filesystem::path path_;
  base::Logger& logger_;
  base::Synchronized<std::shared_ptr<Users>> users_;
};

}  // namespace lighterd::api::registry
