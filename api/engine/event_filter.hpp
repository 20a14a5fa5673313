// SPDX-License-Identifier: Apache-2.0
// Which events a client wants to hear of (engine-api.md section 7).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/engine/event_log.hpp"
#include "api/engine/filters.hpp"

namespace lighterd::api {

// Between keys AND, between the values of one key OR, except for labels, which must all be there. Keys that mean
// nothing are no error.
class EventFilter {
 public:
  explicit EventFilter(const Filters& filters);
  bool accepts(const Event& event) const;

 private:
  struct Condition {
    enum class Kind { kType, kAction, kScope, kImage, kNamePrefix, kLabels };
    Kind kind;
    std::vector<std::string> values;
  };
  static bool holds(const Condition& condition, const Event& event);

  std::vector<Condition> conditions_;
};

}  // namespace lighterd::api
