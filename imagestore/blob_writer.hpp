// SPDX-License-Identifier: Apache-2.0
// One blob on its way in, from beginning to end in one go.
#pragma once

#include <memory>
#include <string>

#include "imagestore/content_verifier.hpp"
#include "imagestore/spool_file.hpp"

namespace lighterd::imagestore {

class ContentStore;

// Not thread-safe. Without commit() everything of it is gone when it goes. The store must outlive it.
class BlobWriter final : public base::Sink {
 public:
  void write(base::Bytes data) override;
  std::int64_t size_bytes() const { return verifier_.size_bytes(); }

  // Compares with what was expected, makes the blob durable and visible and leases it. kDataLoss as ContentVerifier.
  // Once.
  BlobInfo commit(const oci::Descriptor& expected);

 private:
  friend class ContentStore;
  BlobWriter(ContentStore& store, std::string lease_id, oci::DigestAlgorithm algorithm, BlobKind kind);

  ContentStore& store_;
  std::string lease_id_;
  std::unique_ptr<SpoolFile> file_;
  ContentVerifier verifier_;
};

}  // namespace lighterd::imagestore
