// SPDX-License-Identifier: Apache-2.0
// Removes what nothing needs any more, while pushes and pulls go on: each step is a short transaction that sees what
// running operations hold by leases and links, and files go after their rows.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "imagestore/content_store.hpp"
#include "imagestore/upload_store.hpp"

namespace lighterd::imagestore {

// For repositories whose name is `prefix` or starts with it and '/'; an empty one is for all. The longest prefix of a
// repository is its rule.
struct RetentionRule {
  std::string prefix;
  std::optional<std::size_t> keep_tags;             // the newest so many stay
  std::optional<std::chrono::seconds> max_tag_age;  // since TagRecord::updated_at and asked_at
};

struct CollectorOptions {
  std::chrono::milliseconds interval{std::chrono::hours(1)};
  // How long content stays that nothing needs (RegistryStore's grace, too), and manifests without a tag in repositories
  // that have a rule.
  std::chrono::milliseconds grace{std::chrono::hours(24)};
  std::chrono::milliseconds upload_lifetime{std::chrono::hours(7 * 24)};  // of sessions, since their last byte
  std::vector<RetentionRule> retention = {};
};

struct Collected {
  std::size_t uploads = 0;
  std::size_t tags = 0;
  std::size_t manifests = 0;
  std::size_t links = 0;  // of blobs to repositories
  std::int64_t freed_bytes = 0;
};

// Thread-safe. Nothing that it removes can be on its way: what is asked for, linked or leased is younger than the grace
// or held.
class GarbageCollector {
 public:
  // Starts a thread that collects after an interval, but a minute at most, and then every interval; it ends with this
  // object.
  GarbageCollector(ContentStore& content, UploadStore& uploads, MetadataDb& database, CollectorOptions options,
                   base::Logger& logger);

  // One round now, besides those of the thread. Blocks; kCancelled.
  Collected collect(const std::stop_token& stop);

 private:
  void run(const std::stop_token& stop);
  void wait(std::chrono::milliseconds time, const std::stop_token& stop);
  Collected collect_all(const std::stop_token& stop);
  void apply_retention(base::Timestamp now, Collected& collected, const std::stop_token& stop);
  void remove_tags(std::int64_t repository, const RetentionRule& rule, base::Timestamp now, Collected& collected,
                   const std::stop_token& stop);
  void remove_loose_manifests(std::int64_t repository, base::Timestamp before, Collected& collected,
                              const std::stop_token& stop);
  void remove_links(base::Timestamp before, Collected& collected, const std::stop_token& stop);

  ContentStore& content_;
  UploadStore& uploads_;
  MetadataDb& database_;
  const CollectorOptions options_;
  base::Logger& logger_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool is_collecting_ = false;
  std::jthread thread_;  // last: joined first
};

}  // namespace lighterd::imagestore
