// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_error.hpp"

namespace lighterd::distribution {

RemoteError registry_not_found(const std::string& url) {
  return {Missing::kRegistry, "the registry \"" + url + "\" could not be reached"};
}

RemoteError repository_not_found(const std::string& repository) {
  return {Missing::kRepository, "the repository " + repository + " was not found"};
}

RemoteError tag_not_found(const std::string& repository, const std::string& tag, TagChoice choice) {
  const std::string kind = choice == TagChoice::kDefault ? "the default tag " : "the tag ";
  return {Missing::kTag, kind + tag + " has not been set on repository " + repository};
}

RemoteError image_not_found(const std::string& repository, const std::string& image, const std::string& tag) {
  const std::string with_tag = tag.empty() ? "" : " with tag " + tag;
  return {Missing::kImage, "the image " + image + " in repository " + repository + with_tag +
                               " was not found and may have been deleted"};
}

RemoteError blob_not_found(const std::string& repository, const std::string& digest) {
  return {Missing::kBlob, "blob " + digest + " was not found in repository " + repository};
}

}  // namespace lighterd::distribution
