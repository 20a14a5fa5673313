// SPDX-License-Identifier: Apache-2.0
// How events look on the wire: three framings of one JSON object each, and the members that old clients need
// (engine-api.md section 7).
#pragma once

#include <string>
#include <string_view>

#include "api/engine/api_version.hpp"
#include "api/engine/event_log.hpp"

namespace lighterd::api {

class EventFormat {
 public:
  enum class Framing { kLines, kSequence };  // of RFC 7464

  EventFormat(std::string_view content_type, Framing framing, ApiVersion version)
      : content_type_(content_type), framing_(framing), version_(version) {}

  // A constant of the program.
  std::string_view content_type() const { return content_type_; }
  // The object, framed.
  std::string to_text(const Event& event) const;

 private:
  std::string_view content_type_;
  Framing framing_;
  ApiVersion version_;
};

// The type that Accept names with the highest q, in any version; wildcards name none. Without one the version's own.
// `accept` may be null.
EventFormat negotiate_event_format(const std::string* accept, ApiVersion version);

}  // namespace lighterd::api
