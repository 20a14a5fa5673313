// SPDX-License-Identifier: Apache-2.0
#include "imagestore/blob_writer.hpp"

#include "imagestore/content_store.hpp"

namespace lighterd::imagestore {

BlobWriter::BlobWriter(ContentStore& store, std::string lease_id, oci::DigestAlgorithm algorithm, BlobKind kind)
    : store_(store), lease_id_(std::move(lease_id)), file_(store.start_file()), verifier_(algorithm, kind) {}

void BlobWriter::write(base::Bytes data) {
  file_->write(data);
  verifier_.update(data);
}

BlobInfo BlobWriter::commit(const oci::Descriptor& expected) {
  verifier_.check(expected);
  BlobInfo info{expected.digest, size_bytes(), verifier_.finish_layer()};
  std::vector<NewBlob> blobs;
  blobs.push_back({info, std::move(file_)});
  BlobAdoption adoption(store_, std::move(blobs));
  auto write = store_.database_.write();
  adoption.record(*write, base::now());
  blob_table::lease(*write, lease_id_, info.digest);
  write.commit();
  adoption.keep();
  return info;
}

}  // namespace lighterd::imagestore
