// SPDX-License-Identifier: Apache-2.0
// A string that cannot be printed by accident: no stream operator, no conversion, wiped when it goes.
#pragma once

#include <string>
#include <string_view>

namespace lighterd::base {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(); }

  bool empty() const { return value_.empty(); }
  // The only way to the text; for the place that puts it on the wire.
  const std::string& reveal() const { return value_; }
  bool operator==(const Secret&) const = default;

 private:
  void wipe() noexcept;
  std::string value_;
};

}  // namespace lighterd::base
