// SPDX-License-Identifier: Apache-2.0
// The layers of one image: those that are missing are fetched, in parallel, through the daemon's transfer queue, and
// reported line by line until each is verified and on disk.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "distribution/puller.hpp"

namespace lighterd::distribution {

// For one operation and one thread.
class LayerFetch {
 public:
  using Layers = std::unordered_map<oci::Digest, imagestore::BlobInfo>;

  LayerFetch(DistributionServices& services, std::shared_ptr<RegistryClient> client, const imagestore::Lease& lease,
             ProgressSink& progress);

  enum class Part {
    kImage,
    kExtra,  // only its end is reported, and one that the registry has not got is not missed
  };
  // A digest that was added before is fetched once, as the most that it was added as: a layer, of the image.
  // kInvalidArgument after 10,000 calls.
  void add(const oci::Descriptor& layer, imagestore::BlobKind kind, Part part);

  // Blocks until all are here, leased; throws the first failure and leaves the other transfers then. Without extras
  // that there are not.
  Layers run(std::stop_token stop);

 private:
  struct Item {
    oci::Descriptor descriptor;
    imagestore::BlobKind kind;
    Part part;
    Watch watch;
    std::int64_t reported_bytes = -1;
    std::string reported_wait = {};
    bool restarted = false;
    bool done = false;
  };

  void start(Item& item);
  void report(const Item& item, const char* status, std::int64_t current = 0, std::int64_t total = 0);
  void report_end(const Item& item, const char* status);
  void advance(Item& item);
  void finish(Item& item);
  void report_wait(Item& item);
  void authorise(Item& item);
  bool is_allowed(Item& item);
  bool restart_after_foreign_failure(Item& item);
  void fail(Item& item);
  void throw_if_stopped() const;

  DistributionServices& services_;
  std::shared_ptr<RegistryClient> client_;
  const imagestore::Lease& lease_;
  ProgressSink& progress_;
  std::stop_token stop_;
  std::vector<Item> items_;
  std::unordered_map<oci::Digest, std::size_t> positions_;  // of each in items_
  std::size_t named_ = 0;                                   // calls of add()
  Layers layers_;
};

}  // namespace lighterd::distribution
