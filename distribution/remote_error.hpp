// SPDX-License-Identifier: Apache-2.0
// What is not where a name says, told apart for whoever looks into a registry (registry-protocol.md A14).
#pragma once

#include <string>

#include "base/error.hpp"

namespace lighterd::distribution {

enum class Missing { kRegistry, kRepository, kTag, kImage, kBlob, kRealm };

// kNotFound; kUnavailable for kRegistry and kRealm.
class RemoteError : public base::Error {
 public:
  RemoteError(Missing missing, std::string message)
      : base::Error(missing == Missing::kRegistry || missing == Missing::kRealm ? base::ErrorCode::kUnavailable
                                                                                : base::ErrorCode::kNotFound,
                    std::move(message)),
        missing_(missing) {}
  Missing missing() const noexcept { return missing_; }

 private:
  Missing missing_;
};

// `the registry "<url>" could not be reached`
RemoteError registry_not_found(const std::string& url);
// "the repository <name> was not found"
RemoteError repository_not_found(const std::string& repository);
// "the tag <tag> has not been set on repository <name>"; of the tag that nobody named: "the default tag <tag> has ...".
enum class TagChoice { kNamed, kDefault };
RemoteError tag_not_found(const std::string& repository, const std::string& tag, TagChoice choice);
// "the image <id> in repository <name> was not found and may have been deleted"; with a tag "... <name> with tag <tag>
// was ...".
RemoteError image_not_found(const std::string& repository, const std::string& image, const std::string& tag);
// "blob <digest> was not found in repository <name>"
RemoteError blob_not_found(const std::string& repository, const std::string& digest);

}  // namespace lighterd::distribution
