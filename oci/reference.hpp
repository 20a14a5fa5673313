// SPDX-License-Identifier: Apache-2.0
// Image names as Docker reads them (engine-api.md section 3, distribution/reference): a Reference that exists is
// valid and normalised ("alpine" is docker.io/library/alpine).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oci/digest.hpp"

namespace lighterd::oci {

// docker.io/library/alpine: where an image is kept, without tag or digest.
class RepositoryName {
 public:
  const std::string& domain() const { return domain_; }  // "docker.io", "localhost:5000"
  const std::string& path() const { return path_; }      // "library/alpine"
  std::string to_string() const { return domain_ + "/" + path_; }
  std::string familiar() const;  // "alpine"

  auto operator<=>(const RepositoryName&) const = default;

 private:
  friend class ReferenceParser;
  RepositoryName(std::string domain, std::string path) : domain_(std::move(domain)), path_(std::move(path)) {}
  std::string domain_;
  std::string path_;
};

class Reference {
 public:
  explicit Reference(RepositoryName name, std::optional<std::string> tag = {}, std::optional<Digest> digest = {});

  const RepositoryName& repository() const { return repository_; }
  const std::optional<std::string>& tag() const { return tag_; }
  const std::optional<Digest>& digest() const { return digest_; }
  bool is_name_only() const { return !tag_ && !digest_; }

  Reference with_default_tag() const;                 // adds "latest" if there is neither tag nor digest
  Reference with_tag(std::string_view tag) const;     // kInvalidArgument "invalid tag format"; keeps the digest
  Reference with_digest(const Digest& digest) const;  // keeps the tag

  std::string to_string() const;  // docker.io/library/alpine:3@sha256:...
  std::string familiar() const;   // alpine:3@sha256:...

  bool operator==(const Reference&) const = default;

 private:
  RepositoryName repository_;
  std::optional<std::string> tag_;
  std::optional<Digest> digest_;
};

// Every text of section 3, all kInvalidArgument: "invalid reference format", "... must be lowercase", "invalid
// repository name (<64hex>), cannot specify 64-byte hexadecimal strings", the 255 limit, digest texts.
Reference parse_reference(std::string_view text);
// Of a name that is stored or configured already in full form ("docker.io/library/alpine").
RepositoryName parse_repository_name(std::string_view text);
bool is_valid_tag(std::string_view tag);

// What an image argument may be (inspect, delete, history, tag source): 64 hex digits or a whole digest are an ID,
// anything else is a name; the truncated ID is a matter of look-up.
struct ImageArgument {
  std::optional<Digest> id;
  std::optional<Reference> reference;  // without default tag

  std::string familiar() const;  // the ID, or the name with its default tag: as errors name it
};
ImageArgument parse_image_argument(std::string_view text);

// fromImage and tag of POST /images/create: a trailing ':' is stripped, `tag` may be a digest and wins over a tag
// in `image`; no tag anywhere stays name-only (all tags). kInvalidArgument as parse_reference or "invalid tag format".
Reference parse_pull_reference(std::string_view image, std::string_view tag);

}  // namespace lighterd::oci
