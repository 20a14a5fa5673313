// SPDX-License-Identifier: Apache-2.0
// The members of an image archive by name. Each is read once, as it arrives: hashed, and as a layer uncompressed and
// hashed, beside its way to a file in ingest/. What is small stays in memory, within a bound, and what the store has
// already is not kept at all. Layers in bzip2 or xz become gzip on their way, unless they are named by their digest:
// neither has a media type.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/content_verifier.hpp"
#include "imagestore/serial_worker.hpp"
#include "imagestore/tar_reader.hpp"

namespace lighterd::imagestore {

// Of a layer that arrives; the last report has all of it.
struct MemberProgress {
  std::string id;
  std::int64_t current_bytes = 0;
  std::int64_t total_bytes = 0;
};
using MemberListener = std::function<void(const MemberProgress&)>;

// The content of a regular member; exactly one of text, file and is_stored says where it is.
struct ArchiveMember {
  oci::Digest digest;           // by the algorithm of its name, otherwise SHA-256
  std::int64_t size_bytes = 0;  // of what is kept
  Compression compression = Compression::kNone;
  std::optional<LayerContent> layer = {};       // what it is as a layer ...
  std::optional<base::Error> layer_error = {};  // ... or why it is none
  std::optional<std::string> text = {};
  std::unique_ptr<SpoolFile> file = {};
  bool is_stored = false;  // by its name the store has it, as a layer
};

// Not thread-safe; has two threads of its own while it reads. Files that nobody took go with it. Store and lease must
// outlive it.
class ArchiveMembers {
 public:
  ArchiveMembers(ContentStore& content, const Lease& lease, MemberListener on_progress);

  // All of the archive. kDataLoss for what is no tar or damaged, kInvalidArgument for members that stand there twice
  // and for too many of them, kNoSpace, kCancelled on stop.
  void read(TarReader& archive, const std::stop_token& stop);

  // By a name as a document of the archive writes it, through links. Null if there is none; kInvalidArgument if the
  // links lead nowhere in 8 steps.
  ArchiveMember* find(std::string_view name);
  // kInvalidArgument beyond the limit.
  std::string read_text(const ArchiveMember& member, std::size_t limit_bytes, const std::string& what) const;

 private:
  struct Entry {
    std::string link_target = {};  // of a link: a clean name
    std::unique_ptr<ArchiveMember> member = {};
  };

  void add(const TarEntry& entry, TarReader& archive, const std::stop_token& stop);
  void add_link(const std::string& name, std::optional<std::string> target);
  bool add_entry(const std::string& name, Entry entry);
  ArchiveMember read_member(const std::string& name, std::int64_t size_bytes, TarReader& archive,
                            const std::stop_token& stop);
  void read_data(ArchiveMember& member, base::Source& source, const std::shared_ptr<ContentVerifier>& verifier);
  ArchiveMember make_gzip(base::Source& compressed);
  std::vector<std::byte>& next_buffer();
  std::optional<ArchiveMember> find_stored(const std::string& name, std::int64_t size_bytes);
  bool fits_in_memory(const std::string& name, std::int64_t size_bytes);

  ContentStore& content_;
  const Lease& lease_;
  MemberListener on_progress_;
  std::unordered_map<std::string, Entry> entries_;
  std::size_t name_bytes_ = 0;
  std::int64_t text_bytes_ = 0;
  // One more than the hasher has at a time: the next is always free.
  std::vector<std::vector<std::byte>> buffers_;
  std::size_t next_buffer_ = 0;
  SerialWorker hasher_;
  SerialWorker syncer_;
};

}  // namespace lighterd::imagestore
