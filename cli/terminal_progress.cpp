// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal_progress.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "cli/format.hpp"

namespace lighterd::cli {
namespace {

constexpr std::size_t kMaxRows = 20'000;
constexpr std::size_t kWidestBar = 50;
constexpr std::size_t kNarrowestBar = 10;
constexpr std::size_t kFrame = 4;  // brackets and blanks around a bar
constexpr const char* kEraseToEndOfLine = "\x1b[K";
constexpr const char* kEraseBelow = "\x1b[J";

// Nothing follows on a layer of an archive that has been read.
bool is_finished(const Record& record) {
  const std::string& status = record.status;
  if (status == "Loading layer") return record.total > 0 && record.current >= record.total;
  return status == "Pull complete" || status == "Download complete" || status == "Already exists" ||
         status == "Pushed" || status == "Layer already exists" || status.starts_with("Mounted from ");
}

bool has_counts(const Record& record) {
  return !record.hides_counts && (record.current > 0 || record.total > 0);
}

std::string counts(const Record& record) {
  if (record.units.empty()) {
    const std::string done = format_size(record.current);
    return record.total > 0 ? done + "/" + format_size(record.total) : done;
  }
  return std::to_string(record.current) + " " + base::printable(record.units, 16);
}

std::string bar(const Record& record, std::size_t width) {
  const double share = std::clamp(static_cast<double>(record.current) / static_cast<double>(record.total), 0.0, 1.0);
  const auto done = static_cast<std::size_t>(share * static_cast<double>(width));
  std::string text(done, '=');
  if (done < width) text += '>';
  text.resize(width, ' ');
  return "[" + text + "]";
}

}  // namespace

std::string progress_line(const Record& record, std::size_t columns) {
  const std::string begin = base::printable(record.id, 64) + ": " + base::printable(record.status, 256);
  if (!has_counts(record)) return fit(begin, columns);
  const std::string end = counts(record);
  const std::size_t used = count_columns(begin) + end.size() + kFrame;
  if (record.total <= 0 || !record.units.empty() || used + kNarrowestBar > columns)
    return fit(begin + " " + end, columns);
  return begin + " " + bar(record, std::min(kWidestBar, columns - used)) + " " + end;
}

bool TerminalProgress::update(const Record& record) {
  const auto row =
      std::find_if(rows_.begin(), rows_.end(), [&record](const Record& each) { return each.id == record.id; });
  if (row != rows_.end()) {
    *row = record;
  } else if (rows_.size() < kMaxRows) {
    rows_.push_back(record);
  } else {
    return false;
  }
  return true;
}

std::string TerminalProgress::take(const Record& record) {
  if (record.has_detail && record.id.empty() && record.status.empty()) return {};
  if (record.has_detail && !record.id.empty()) return update(record) ? draw({}) : std::string();
  const std::string text = message_text(record);
  return text.empty() ? text : draw(text);
}

// Lines that will not change any more leave the block: those above a message, and those for which there is no room.
std::string TerminalProgress::draw(std::string above) {
  const TerminalSize size = size_();
  const std::size_t columns = std::max<std::size_t>(1, size.columns);
  const std::size_t room = std::max<std::size_t>(2, size.rows) - 1;
  std::string text = drawn_lines_ > 0 ? "\x1b[" + std::to_string(drawn_lines_) + "A" : "";
  const auto append = [&text](std::string_view line) {
    text.append("\r").append(line).append(kEraseToEndOfLine) += '\n';
  };

  const bool is_all_finished = std::all_of(rows_.begin(), rows_.end(), is_finished);
  std::size_t leaving = !above.empty() && is_all_finished ? rows_.size() : 0;
  while (rows_.size() - leaving > room && is_finished(rows_[leaving])) ++leaving;
  for (std::size_t i = 0; i < leaving; ++i) append(progress_line(rows_[i], columns));
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(leaving));
  if (above.ends_with('\n')) above.pop_back();
  if (!above.empty()) append(above);

  const std::size_t shown = rows_.size() <= room ? rows_.size() : room - 1;
  for (std::size_t i = 0; i < shown; ++i) append(progress_line(rows_[i], columns));
  const std::size_t hidden = rows_.size() - shown;
  if (hidden > 0) append("... and " + std::to_string(hidden) + " more");
  drawn_lines_ = shown + (hidden > 0 ? 1 : 0);
  return text + kEraseBelow;
}

}  // namespace lighterd::cli
