// SPDX-License-Identifier: Apache-2.0
// One log line per event: `time=... level=... msg="..." key=value ...` on standard error. Levels: error, we
// failed the request; warn, unexpected, or the client's fault; info, life cycle and one line per operation;
// debug, the rest. Values are foreign text: they are made printable, cut at 1 KiB and quoted here, so that
// no caller can forge a line. Secrets have no way in: base::Secret does not convert to a string.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace lighterd::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// kInvalidArgument unless debug, info, warn, error or fatal (dockerd's names; fatal is error here).
LogLevel parse_log_level(std::string_view text);

struct LogField {
  std::string_view key;
  std::string value;
};

// Thread-safe; never throws.
class Logger {
 public:
  explicit Logger(LogLevel level);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) noexcept;

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace lighterd::base
