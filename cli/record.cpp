// SPDX-License-Identifier: Apache-2.0
#include "cli/record.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

constexpr std::size_t kMaxLineBytes = 1024 * 1024;

void read_detail(const base::Json& detail, Record& record) {
  record.has_detail = true;
  record.current = base::find_integer(detail, "current").value_or(0);
  record.total = base::find_integer(detail, "total").value_or(0);
  record.units = base::find_string(detail, "units").value_or("");
  record.hides_counts = base::find_bool(detail, "hidecounts").value_or(false);
}

Record read_record(const base::Json& object) {
  Record record;
  record.id = base::find_string(object, "id").value_or("");
  record.status = base::find_string(object, "status").value_or("");
  record.stream = base::find_string(object, "stream").value_or("");
  record.error = base::find_string(object, "error").value_or("");
  if (const base::Json* detail = base::find_object(object, "progressDetail")) read_detail(*detail, record);
  if (const base::Json* error = base::find_object(object, "errorDetail"); error != nullptr && record.error.empty())
    record.error = base::find_string(*error, "message").value_or("the daemon failed and does not say why");
  return record;
}

}  // namespace

Record parse_record(std::string_view line) {
  try {
    const base::Json object = base::parse_json(line, "a record of the daemon");
    if (!object.is_object()) throw Failure(ExitCode::kFailed, "a record of the daemon is no object");
    return read_record(object);
  } catch (const Failure&) {
    throw;
  } catch (const base::Error& error) {
    throw Failure(ExitCode::kFailed, error.text());
  }
}

void LineSplitter::write(base::Bytes data) {
  std::string_view text = base::as_text(data);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (line_.size() + end > kMaxLineBytes)
      throw base::Error(base::ErrorCode::kDataLoss, "a line of the daemon's answer is too long");
    line_ += text.substr(0, end);
    if (end == text.size()) return;
    complete();
    text.remove_prefix(end + 1);
  }
}

void LineSplitter::finish() {
  complete();
}

void LineSplitter::complete() {
  const std::string line = std::exchange(line_, {});
  const std::string_view trimmed = base::trim(line);
  if (!trimmed.empty()) on_line_(trimmed);
}

}  // namespace lighterd::cli
