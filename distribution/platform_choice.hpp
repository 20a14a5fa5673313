// SPDX-License-Identifier: Apache-2.0
// Which platforms of an index an operation is about.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "oci/platform.hpp"

namespace lighterd::distribution {

class PlatformChoice {
 public:
  enum class Kind {
    kDefault,  // the operation's own: pull takes the host's, push what is here
    kThese,
    kAll,  // and whatever else the index has
  };

  PlatformChoice() = default;
  static PlatformChoice all() { return {Kind::kAll, {}}; }
  // None: the default.
  static PlatformChoice these(std::vector<oci::Platform> platforms) {
    return {platforms.empty() ? Kind::kDefault : Kind::kThese, std::move(platforms)};
  }

  Kind kind() const { return kind_; }
  const std::vector<oci::Platform>& platforms() const { return platforms_; }

 private:
  PlatformChoice(Kind kind, std::vector<oci::Platform> platforms) : kind_(kind), platforms_(std::move(platforms)) {}
  Kind kind_ = Kind::kDefault;
  std::vector<oci::Platform> platforms_;
};

// kNotFound with Docker's text, for who can tell more of what there is instead.
class PlatformMissing : public base::Error {
 public:
  PlatformMissing(std::string text, std::string wanted, std::vector<std::string> there)
      : Error(base::ErrorCode::kNotFound, std::move(text)), wanted_(std::move(wanted)), there_(std::move(there)) {}

  const std::string& wanted() const noexcept { return wanted_; }             // "linux/s390x"
  const std::vector<std::string>& there() const noexcept { return there_; }  // in the order of the index

 private:
  std::string wanted_;
  std::vector<std::string> there_;
};

}  // namespace lighterd::distribution
