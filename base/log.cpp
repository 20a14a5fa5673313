// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/encoding.hpp"
#include "base/error.hpp"

namespace lighterd::base {
namespace {

std::string quoted(std::string_view text) {
  std::string value = printable(text);
  if (!value.empty() && value.find_first_of(" \"\\=") == std::string::npos) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void write(spdlog::logger& logger, spdlog::level::level_enum level, std::string_view message,
           std::initializer_list<LogField> fields) noexcept {
  if (!logger.should_log(level)) return;
  try {
    std::string line = "msg=" + quoted(message);
    for (const LogField& field : fields) line.append(" ").append(field.key).append("=").append(quoted(field.value));
    logger.log(level, spdlog::string_view_t(line));
  } catch (...) {  // out of memory: the line is lost, the operation is not
  }
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

LogLevel parse_log_level(std::string_view text) {
  if (text == "debug") return LogLevel::kDebug;
  if (text == "info") return LogLevel::kInfo;
  if (text == "warn") return LogLevel::kWarn;
  if (text == "error" || text == "fatal") return LogLevel::kError;
  throw Error(ErrorCode::kInvalidArgument, "invalid log level \"" + printable(text, 64) + "\"");
}

Logger::Logger(LogLevel level)
    : logger_(std::make_shared<spdlog::logger>("lighterd", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_level(to_spdlog(level));
  logger_->set_pattern("time=%Y-%m-%dT%H:%M:%S.%fZ level=%l %v", spdlog::pattern_time_type::utc);
  logger_->flush_on(spdlog::level::debug);
}

Logger::~Logger() = default;

void Logger::debug(std::string_view message, std::initializer_list<LogField> fields) noexcept {
  write(*logger_, spdlog::level::debug, message, fields);
}
void Logger::info(std::string_view message, std::initializer_list<LogField> fields) noexcept {
  write(*logger_, spdlog::level::info, message, fields);
}
void Logger::warn(std::string_view message, std::initializer_list<LogField> fields) noexcept {
  write(*logger_, spdlog::level::warn, message, fields);
}
void Logger::error(std::string_view message, std::initializer_list<LogField> fields) noexcept {
  write(*logger_, spdlog::level::err, message, fields);
}

}  // namespace lighterd::base
