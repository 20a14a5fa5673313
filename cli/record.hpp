// SPDX-License-Identifier: Apache-2.0
// The records of the daemon's progress streams (engine-api.md 2.1): one JSON object a line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/stream.hpp"

namespace lighterd::cli {

struct Record {
  std::string id = {};
  std::string status = {};
  std::string stream = {};
  std::string error = {};   // ends the stream
  bool has_detail = false;  // belongs to the line of `id` on a terminal
  bool hides_counts = false;
  std::int64_t current = 0;
  std::int64_t total = 0;
  std::string units = {};  // empty: bytes
};

// Failure kFailed for what is none.
Record parse_record(std::string_view line);

// Takes a stream apart; a line has up to 1 MiB, a longer one is kDataLoss. Lines come without their end, none is empty.
class LineSplitter final : public base::Sink {
 public:
  using OnLine = std::function<void(std::string_view)>;
  explicit LineSplitter(OnLine on_line) : on_line_(std::move(on_line)) {}
  void write(base::Bytes data) override;
  // What came without an end is a line too.
  void finish();

 private:
  void complete();
  OnLine on_line_;
  std::string line_;
};

}  // namespace lighterd::cli
