// SPDX-License-Identifier: Apache-2.0
#include "cli/table.hpp"

#include <algorithm>

#include "cli/format.hpp"

namespace lighterd::cli {
namespace {

constexpr std::size_t kGap = 3;

void append_cell(std::string& line, const std::string& cell, std::size_t width, Align align) {
  const std::string padding(width - std::min(width, count_columns(cell)), ' ');
  line += align == Align::kRight ? padding + cell : cell + padding;
}

void strip_end(std::string& line) {
  line.resize(line.find_last_not_of(' ') + 1);
}

}  // namespace

std::string Table::render(const std::string& indent) const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(count_columns(column.title));
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < columns_.size(); ++i) widths[i] = std::max(widths[i], count_columns(row.at(i)));
  }
  std::string text;
  const auto append_row = [&](const auto& cell_of) {
    std::string line = indent;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      append_cell(line, cell_of(i), widths[i], columns_[i].align);
    }
    strip_end(line);
    text += line + "\n";
  };
  append_row([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) append_row([&](std::size_t i) -> const std::string& { return row[i]; });
  return text;
}

void KeyValues::add(std::string key, std::string value) {
  if (!value.empty()) lines_.emplace_back(std::move(key), std::move(value));
}

std::string KeyValues::render() const {
  std::size_t width = 0;
  for (const auto& [key, value] : lines_) width = std::max(width, key.size() + 1);
  std::string text;
  for (const auto& [key, value] : lines_) {
    std::string line;
    append_cell(line, key + ":", width + 1, Align::kLeft);
    text += line + value + "\n";
  }
  return text;
}

}  // namespace lighterd::cli
