// SPDX-License-Identifier: Apache-2.0
#include "imagestore/blob_writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "imagestore/content_store.hpp"

namespace lighterd::imagestore {

BlobWriter::BlobWriter(ContentStore& store, std::string lease_id, oci::DigestAlgorithm algorithm, BlobKind kind)
    : store_(store),
      lease_id_(std::move(lease_id)),
      path_(store.layout_.ingest() / oci::random_hex(16)),
      fd_(base::open_file(path_, O_WRONLY | O_CREAT | O_EXCL)),
      verifier_(algorithm, kind) {}

BlobWriter::~BlobWriter() {
  if (fd_) remove_file(path_, store_.logger_);
}

void BlobWriter::write(base::Bytes data) {
  base::write_all(fd_.get(), data, path_);
  verifier_.update(data);
  base::start_write_back(fd_.get(), flushed_bytes_, size_bytes());
}

BlobInfo BlobWriter::commit(const oci::Descriptor& expected) {
  verifier_.check(expected);
  const BlobInfo info{expected.digest, size_bytes(), verifier_.finish_layer()};
  store_.take_file(fd_, path_, info, lease_id_);
  return info;
}

}  // namespace lighterd::imagestore
