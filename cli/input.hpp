// SPDX-License-Identifier: Apache-2.0
// A file, a pipe or a terminal that is read until its end, or until a stop.
#pragma once

#include <stop_token>
#include <string>

#include "base/file.hpp"
#include "cli/stop_event.hpp"

namespace lighterd::cli {

class Input final : public base::Source {
 public:
  Input(base::UniqueFd fd, std::string name_for_errors, std::stop_token stop);
  // Throws kCancelled on a stop, also while nothing comes.
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  base::UniqueFd fd_;
  std::string name_;
  StopEvent stop_;
};

// "-" is standard input. Failure kUsage if it cannot be opened, or is a folder.
base::UniqueFd open_input(const std::string& path);

}  // namespace lighterd::cli
