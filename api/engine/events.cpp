// SPDX-License-Identifier: Apache-2.0
// GET /events: engine-api.md section 7.
#include <algorithm>

#include "api/engine/endpoints.hpp"
#include "api/engine/event_filter.hpp"
#include "api/engine/event_stream.hpp"
#include "api/engine/parameters.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;
using base::Timestamp;

constexpr std::uint64_t kLastSecond = 9'000'000'000;  // of what a Timestamp holds

// "1700000000", "1700000000.5", and the same before 1970; times beyond what we can hold are the last that we can.
std::optional<Timestamp> parse_unix_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  const auto seconds = base::parse_unsigned(text.substr(0, point));
  std::string fraction(point < text.size() ? text.substr(point + 1) : "0");
  fraction.resize(std::max<std::size_t>(fraction.size(), 9), '0');
  const auto nanoseconds = base::parse_unsigned(std::string_view(fraction).substr(0, 9));
  const bool is_number = fraction.find_first_not_of("0123456789") == std::string::npos;
  if (!seconds || !nanoseconds || !is_number || text.ends_with('.')) return std::nullopt;
  const auto time = std::chrono::seconds(static_cast<std::int64_t>(std::min<std::uint64_t>(*seconds, kLastSecond))) +
                    std::chrono::nanoseconds(static_cast<std::int64_t>(*nanoseconds));
  return Timestamp(negative ? -time : time);
}

std::optional<Timestamp> find_time(const EngineCall& call, std::string_view name) {
  const std::string text = get_text(call.parameters, name);
  if (text.empty()) return std::nullopt;
  const auto time = parse_unix_time(text);
  if (time) return time;
  throw Error(ErrorCode::kInvalidArgument, "invalid value for '" + std::string(name) + "': parsing \"" +
                                               base::printable(text, 256) + "\": not a Unix time");
}

struct Period {
  std::optional<Timestamp> since;
  std::optional<Timestamp> until;
};

Period find_period(const EngineCall& call) {
  Period period;
  period.since = find_time(call, "since");
  period.until = find_time(call, "until");
  if (period.since && period.until && *period.until < *period.since)
    throw Error(ErrorCode::kInvalidArgument, "`since` time (" + get_text(call.parameters, "since") +
                                                 ") cannot be after `until` time (" +
                                                 get_text(call.parameters, "until") + ")");
  // Who names an end alone wants all that there is before it.
  if (period.until && !period.since) period.since = Timestamp::min();
  return period;
}

// Added to dockerd after the clients of these versions, which do not expect it.
bool is_hidden(const Event& event, ApiVersion version) {
  return version.is_before(46) && event.action == "create";
}

// Clients of Go send each type in a field of its own: together they are one list (RFC 9110 5.3).
std::string accepted_types(const Headers& headers) {
  std::string types;
  for (const auto& [name, value] : headers.all())
    if (base::equals_ignoring_case(name, "Accept")) types.append(types.empty() ? "" : ",").append(value);
  return types;
}

}  // namespace

void events(EngineCall& call) {
  const Period period = find_period(call);
  const EventFilter filter(Filters::parse(get_text(call.parameters, "filters")));
  const std::string accept = accepted_types(call.request.headers);
  const EventFormat format = negotiate_event_format(&accept, call.version);
  EventLog::Listener listener = call.services.events.listen(period.since);
  const auto stream = call.response.start_stream(200, format.content_type());
  while (const auto event = listener.find_next(period.until, call.request.stop)) {
    const bool is_late = period.until && event->time > *period.until;
    if (is_late || is_hidden(*event, call.version) || !filter.accepts(*event)) continue;
    stream->write(base::as_bytes(format.to_text(*event)));
  }
  if (!call.request.stop.stop_requested()) stream->finish();
}

}  // namespace lighterd::api
