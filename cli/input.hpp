// SPDX-License-Identifier: Apache-2.0
// A file, a pipe or a terminal that is read until its end, or until a stop.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/file.hpp"

namespace lighterd::cli {

class Input final : public base::Source {
 public:
  Input(base::UniqueFd fd, std::string name_for_errors, std::stop_token stop);
  // Throws kCancelled on a stop, also while nothing comes.
  std::size_t read(std::span<std::byte> buffer) override;

 private:
  struct Wake {
    int event;
    void operator()() const noexcept;
  };
  base::UniqueFd fd_;
  std::string name_;
  std::stop_token stop_;
  base::UniqueFd stop_event_;
  std::optional<std::stop_callback<Wake>> wake_;
};

// "-" is standard input. Failure kUsage if it cannot be opened.
base::UniqueFd open_input(const std::string& path);

}  // namespace lighterd::cli
