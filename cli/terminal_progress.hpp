// SPDX-License-Identifier: Apache-2.0
// Progress on a terminal: a line for each layer, redrawn in place. It uses cursor-up and erase alone and always leaves
// the cursor at the start of the line below, so that there is nothing to restore whenever it ends.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "cli/progress.hpp"

namespace lighterd::cli {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class TerminalProgress final : public ProgressView {
 public:
  // The size is asked for before each drawing.
  explicit TerminalProgress(std::function<TerminalSize()> size) : size_(std::move(size)) {}
  std::string take(const Record& record) override;

 private:
  bool update(const Record& record);
  std::string draw(std::string above);

  std::function<TerminalSize()> size_;
  std::vector<Record> rows_;     // the last record of each ID, in the order of their first
  std::size_t drawn_lines_ = 0;  // of the block above the cursor
};

// "0123456789ab: Downloading [===>    ]  1.2MB/3.4MB", up to `columns` characters.
std::string progress_line(const Record& record, std::size_t columns);

}  // namespace lighterd::cli
