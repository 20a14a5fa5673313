// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include "base/encoding.hpp"

namespace lighterd::cli {
namespace {

// An image has no more layers; what forgets an ID beyond that only says a status twice.
constexpr std::size_t kMaxIds = 20'000;
constexpr std::size_t kMaxTextBytes = 16 * 1024;

}  // namespace

std::string message_text(const Record& record) {
  const std::string_view text = base::trim(record.stream.empty() ? record.status : record.stream);
  if (text.empty()) return {};
  const std::string id = record.id.empty() ? "" : base::printable(record.id) + ": ";
  return id + base::printable(text, kMaxTextBytes) + "\n";
}

std::string PlainProgress::take(const Record& record) {
  if (!record.has_detail || record.id.empty()) return message_text(record);
  if (last_status_.size() >= kMaxIds) last_status_.clear();
  std::string& last = last_status_[record.id];
  if (record.status.empty() || last == record.status) return {};
  last = record.status;
  return message_text(record);
}

std::string QuietProgress::take(const Record& record) {
  return record.stream.empty() ? std::string() : message_text(record);
}

}  // namespace lighterd::cli
