// SPDX-License-Identifier: Apache-2.0
#include "api/engine/event_stream.hpp"

#include <algorithm>
#include <array>

#include "api/engine/json_text.hpp"
#include "base/encoding.hpp"

namespace lighterd::api {
namespace {

struct Offer {
  std::string_view type;
  EventFormat::Framing framing;
};
// In the order in which dockerd prefers them.
constexpr std::array<Offer, 3> kOffers = {{{"application/jsonl", EventFormat::Framing::kLines},
                                           {"application/x-ndjson", EventFormat::Framing::kLines},
                                           {"application/json-seq", EventFormat::Framing::kSequence}}};

std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return base::trim(part);
}

// The weight of a type in thousandths; 1000 if the entry has none that can be read (RFC 9110 12.4.2).
int weight_of(std::string_view parameters) {
  while (!parameters.empty()) {
    const std::string parameter = base::to_lower(take_until(parameters, ';'));
    if (!parameter.starts_with("q=")) continue;
    const std::string_view number = std::string_view(parameter).substr(2);
    if (number.empty() || (number[0] != '0' && number[0] != '1') || number.size() > 5) return 1000;
    if (number[0] == '1') return 1000;
    std::string digits(number.size() > 2 && number[1] == '.' ? number.substr(2) : "");
    digits.resize(3, '0');
    return static_cast<int>(base::parse_unsigned(digits).value_or(1000));
  }
  return 1000;
}

// Of the first entry for that type; 0 if there is none.
int find_weight(std::string_view accept, std::string_view type) {
  while (!accept.empty()) {
    std::string_view entry = take_until(accept, ',');
    if (base::equals_ignoring_case(take_until(entry, ';'), type)) return weight_of(entry);
  }
  return 0;
}

void append_attributes(std::string& out, const Attributes& attributes) {
  out += '{';
  for (const auto& [key, value] : attributes) {
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

}  // namespace

std::string EventFormat::to_text(const Event& event) const {
  std::string out;
  if (framing_ == Framing::kSequence) out += '\x1e';
  out += '{';
  const std::string action = json_string(event.action);
  const std::string id = json_string(event.actor_id);
  // Old command lines index what they do not find (section 7).
  if (version_.is_before(52)) {
    out.append(R"("status":)").append(action).append(",");
    if (!event.actor_id.empty()) out.append(R"("id":)").append(id).append(",");
  }
  out.append(R"("Type":"image","Action":)").append(action);
  out.append(R"(,"Actor":{"ID":)").append(id).append(R"(,"Attributes":)");
  append_attributes(out, event.attributes);
  out.append(R"(},"scope":"local","time":)").append(std::to_string(base::to_unix_seconds(event.time)));
  out.append(R"(,"timeNano":)").append(std::to_string(event.time.time_since_epoch().count())).append("}\n");
  return out;
}

EventFormat negotiate_event_format(const std::string* accept, ApiVersion version) {
  const Offer* best = nullptr;
  int best_weight = 0;
  for (const Offer& offer : kOffers) {
    const int weight = accept == nullptr ? 0 : find_weight(*accept, offer.type);
    if (weight <= best_weight) continue;
    best = &offer;
    best_weight = weight;
  }
  if (best != nullptr) return {best->type, best->framing, version};
  return {version.is_before(52) ? "application/json" : "application/jsonl", EventFormat::Framing::kLines, version};
}

}  // namespace lighterd::api
