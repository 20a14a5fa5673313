// SPDX-License-Identifier: Apache-2.0
// A tar as it is written to a stream: ustar headers, and PAX records only for what does not fit into them (a name
// without a place to split it, 8 GiB and more). Owner 0:0 and time 0: equal content makes equal archives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/stream.hpp"

namespace lighterd::imagestore {

// Not thread-safe. What the sink throws leaves a tar that is of no use. The sink must outlive it.
class TarWriter {
 public:
  explicit TarWriter(base::Sink& sink) : sink_(sink) {}

  // A trailing '/' is added.
  void add_directory(std::string_view name, unsigned mode);
  void add_file(std::string_view name, unsigned mode, std::string_view content);
  // The file's size_bytes follow by write(). kInternal if they do not: for the next member, and for finish().
  void start_file(std::string_view name, unsigned mode, std::int64_t size_bytes);
  void write(base::Bytes content);
  // The end of the archive; once.
  void finish();

 private:
  enum class MemberType : char { kFile = '0', kDirectory = '5', kPax = 'x' };
  struct Member {
    std::string_view name;
    MemberType type;
    unsigned mode;
    std::int64_t size_bytes;
  };

  void start_member(const Member& member);
  void add_header(const Member& member);
  void add_pax_records(const Member& member, std::string_view records);
  void emit(base::Bytes bytes);
  void pad();
  void flush();

  base::Sink& sink_;
  std::string pending_;  // what is too small to be sent alone
  std::int64_t left_bytes_ = 0;
  std::int64_t written_bytes_ = 0;
};

}  // namespace lighterd::imagestore
