// SPDX-License-Identifier: Apache-2.0
// Brings a range of a blob into the store: one connection at a time, as many as it takes, through whichever of the
// transfer's sources has it.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>

#include "distribution/registry_client.hpp"
#include "distribution/transfer_queue.hpp"
#include "imagestore/partial_blob.hpp"

namespace lighterd::distribution {

// The server sends the whole blob although a part was asked for; only where that is no use.
struct WholeBlobSent {};

struct PartFetchOptions {
  // Bytes as they arrive, after they were written; called in the fetching thread. What it throws ends the fetch.
  std::function<void(std::int64_t position, base::Bytes data)> on_bytes = {};
  // Throw WholeBlobSent instead of passing over the bytes in front.
  bool parts_only = false;
  // Instead of the policy's; 0: the policy's.
  int max_attempts = 0;
};

// For one thread.
class PartFetch final : private BlobSink {
 public:
  PartFetch(imagestore::PartialBlob& blob, imagestore::ByteRange range, Transfer& transfer, PartFetchOptions options);

  // Blocks until the range is here. When one source fails the others have their turn; rounds without enough progress in
  // between are counted (RetryLoop), and the last one's failure is thrown. What arrived stays.
  void run(const std::stop_token& stop);
  // What comes now was asked for as a part and came as one.
  bool has_parts() const { return has_parts_; }

 private:
  imagestore::ByteRange wanted() const override { return {part_.position(), range_.end}; }
  void begin(Answer answer) override;
  void write(base::Bytes data) override;
  RetryLoop make_loop(const RegistryClient& client);
  bool has_progressed();

  imagestore::PartialBlob& blob_;
  const imagestore::ByteRange range_;
  Transfer& transfer_;
  const PartFetchOptions options_;
  const RetryListener listener_;  // shows waits to the transfer's watchers
  imagestore::PartialBlob::Part part_;
  bool has_parts_ = false;
  std::int64_t mark_ = 0;  // where enough progress was made last
  std::int64_t next_ = 0;  // position of the next byte of the answer
};

}  // namespace lighterd::distribution
