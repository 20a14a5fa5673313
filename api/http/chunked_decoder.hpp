// SPDX-License-Identifier: Apache-2.0
// Chunked transfer coding (RFC 9112 section 7.1), fed with whatever has arrived. No I/O. Extensions and trailers
// are checked and dropped.
#pragma once

#include <cstdint>
#include <string>

#include "base/stream.hpp"

namespace lighterd::api {

class ChunkedDecoder {
 public:
  struct Piece {
    std::size_t consumed_bytes;  // of the input, data included
    base::Bytes data;            // part of the input; empty when the input held framing only
  };
  // Reads framing until there is data, the end, or no more input. Throws kInvalidArgument, then for ever.
  Piece next(base::Bytes input, std::size_t max_data_bytes);

  // Data of the current chunk that next() has not seen yet: so much may be read past it, then skip() it.
  std::uint64_t data_left_bytes() const { return stage_ == Stage::kData ? left_bytes_ : 0; }
  void skip(std::uint64_t data_bytes);

  bool done() const { return stage_ == Stage::kDone; }

 private:
  enum class Stage { kSizeLine, kData, kDataCr, kDataLf, kTrailer, kDone, kFailed };

  void take_byte(char byte);
  void take_line_byte(char byte);
  void take_size_line();
  void take_trailer_line();
  [[noreturn]] void fail(const char* why);

  Stage stage_ = Stage::kSizeLine;
  std::uint64_t left_bytes_ = 0;
  std::uint64_t overhead_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string line_;
};

}  // namespace lighterd::api
