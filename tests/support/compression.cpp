// SPDX-License-Identifier: Apache-2.0
#include "tests/support/compression.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <stdexcept>

namespace lighterd::tests {
namespace {

// One by one: the look-up by name would link every filter that there is.
int add_filter(archive* writer, std::string_view filter) {
  if (filter == "gzip") return archive_write_add_filter_gzip(writer);
  if (filter == "zstd") return archive_write_add_filter_zstd(writer);
  if (filter == "bzip2") return archive_write_add_filter_bzip2(writer);
  if (filter == "xz") return archive_write_add_filter_xz(writer);
  throw std::runtime_error("no such filter");
}

}  // namespace

std::string compress(std::string_view data, const std::string& filter) {
  std::string out(data.size() * 2 + 1024 * 1024, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  const auto check = [&](la_ssize_t result) {
    if (result < ARCHIVE_OK) throw std::runtime_error(archive_error_string(writer));
  };
  check(add_filter(writer, filter));
  check(archive_write_set_format_raw(writer));
  check(archive_write_set_bytes_in_last_block(writer, 1));
  check(archive_write_open_memory(writer, out.data(), out.size(), &used));
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  check(archive_write_header(writer, entry));
  check(archive_write_data(writer, data.data(), data.size()));
  archive_entry_free(entry);
  check(archive_write_close(writer));
  archive_write_free(writer);
  out.resize(used);
  return out;
}

}  // namespace lighterd::tests
