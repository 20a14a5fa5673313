// SPDX-License-Identifier: Apache-2.0
// One blob on its way in, from beginning to end in one go.
#pragma once

#include <filesystem>
#include <string>

#include "base/file.hpp"
#include "imagestore/content_verifier.hpp"

namespace lighterd::imagestore {

class ContentStore;

// Not thread-safe. Without commit() everything of it is gone when it goes. The store must outlive it.
class BlobWriter final : public base::Sink {
 public:
  ~BlobWriter() override;
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
  std::filesystem::path path_;
  base::UniqueFd fd_;
  ContentVerifier verifier_;
  std::int64_t flushed_bytes_ = 0;
};

}  // namespace lighterd::imagestore
