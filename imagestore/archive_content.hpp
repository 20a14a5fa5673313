// SPDX-License-Identifier: Apache-2.0
// What images can be made of: the members of an archive, and what the store has already. Everything that is given out
// was compared with what was asked for; what is kept of it becomes blobs.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "imagestore/archive_members.hpp"
#include "imagestore/blob_adoption.hpp"
#include "oci/descriptor.hpp"

namespace lighterd::imagestore {

// Not thread-safe. All that is named must outlive it.
class ArchiveContent {
 public:
  ArchiveContent(ContentStore& content, const Lease& lease, ArchiveMembers& members)
      : content_(content), lease_(lease), members_(members) {}

  // By its name in the archive ("blobs/sha256/<hex>"), else in the store, leased. kDataLoss if the archive's member is
  // not what its name says, has another size, or is a damaged layer.
  std::optional<BlobInfo> find(const oci::Descriptor& descriptor, BlobKind kind);
  // As find; kInvalidArgument beyond the limit.
  std::optional<std::string> find_text(const oci::Descriptor& descriptor, std::size_t limit_bytes);

  // A member under a name of its own, which becomes a blob of its digest. kDataLoss if it is a damaged layer.
  BlobInfo describe(ArchiveMember& member, BlobKind kind);
  // A document that is made here.
  void add_text(const oci::Digest& digest, std::string text);

  // Of what was found: it has to be in the store when the images are.
  void keep(const BlobInfo& info);
  // What of the kept is new, each once, in files; the archive's members are of no more use.
  // kCancelled on stop.
  std::vector<NewBlob> take_new_blobs(const std::stop_token& stop);

 private:
  ArchiveMember* find_member(const oci::Descriptor& descriptor);
  bool is_in_store(const BlobInfo& info);
  std::unique_ptr<SpoolFile> take_file(const oci::Digest& digest);

  ContentStore& content_;
  const Lease& lease_;
  ArchiveMembers& members_;
  std::map<oci::Digest, ArchiveMember*> found_;
  std::map<oci::Digest, std::string> texts_;
  std::map<oci::Digest, BlobInfo> kept_;
};

}  // namespace lighterd::imagestore
