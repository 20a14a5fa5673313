// SPDX-License-Identifier: Apache-2.0
// What people see of a progress stream: pure functions of its records, so that every screen can be a test.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "cli/record.hpp"

namespace lighterd::cli {

class ProgressView {
 public:
  virtual ~ProgressView() = default;
  // What is to be written now; may be empty.
  virtual std::string take(const Record& record) = 0;
};

// For files and pipes: a line for each event, none for how far it has got.
class PlainProgress final : public ProgressView {
 public:
  std::string take(const Record& record) override;

 private:
  std::map<std::string, std::string> last_status_;  // by ID, of up to kMaxIds
};

// --quiet: what a load says of the images it found, and nothing else.
class QuietProgress final : public ProgressView {
 public:
  std::string take(const Record& record) override;
};

// A record that has no line of its own, as text ending in a line feed; control characters of what it quotes are gone.
std::string message_text(const Record& record);

}  // namespace lighterd::cli
