// SPDX-License-Identifier: Apache-2.0
#include "imagestore/garbage_collector.hpp"

#include "base/error.hpp"
#include "imagestore/registry_table.hpp"
#include "imagestore/retention_table.hpp"

namespace lighterd::imagestore {
namespace {

void require_going_on(const std::stop_token& stop) {
  if (stop.stop_requested()) throw base::Error(base::ErrorCode::kCancelled, "collection cancelled");
}

const RetentionRule* find_rule(const std::vector<RetentionRule>& rules, const std::string& repository) {
  const RetentionRule* longest = nullptr;
  for (const RetentionRule& rule : rules) {
    const bool fits = rule.prefix.empty() || repository == rule.prefix || repository.starts_with(rule.prefix + "/");
    if (fits && (longest == nullptr || rule.prefix.size() > longest->prefix.size())) longest = &rule;
  }
  return longest;
}

}  // namespace

GarbageCollector::GarbageCollector(ContentStore& content, UploadStore& uploads, MetadataDb& database,
                                   CollectorOptions options, base::Logger& logger)
    : content_(content),
      uploads_(uploads),
      database_(database),
      options_(std::move(options)),
      logger_(logger),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

void GarbageCollector::run(const std::stop_token& stop) {
  // Whoever starts the daemon waits for something else.
  constexpr std::chrono::milliseconds kFirst = std::chrono::minutes(1);
  for (wait(std::min(kFirst, options_.interval), stop); !stop.stop_requested(); wait(options_.interval, stop)) {
    try {
      collect(stop);
    } catch (const base::Error& error) {
      if (error.code() == base::ErrorCode::kCancelled) return;
      logger_.warn("cannot collect what nothing needs", {{"error", error.text()}});
    } catch (const std::exception& error) {
      logger_.warn("cannot collect what nothing needs", {{"error", error.what()}});
    }
  }
}

void GarbageCollector::wait(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, time, [] { return false; });
}

Collected GarbageCollector::collect(const std::stop_token& stop) {
  {
    std::unique_lock lock(mutex_);
    if (!wake_.wait(lock, stop, [this] { return !is_collecting_; })) require_going_on(stop);
    is_collecting_ = true;
  }
  const base::Finally done([this] {
    {
      const std::lock_guard lock(mutex_);
      is_collecting_ = false;
    }
    wake_.notify_all();
  });
  return collect_all(stop);
}

// From what is named down to what is only there: each step makes the next one's.
Collected GarbageCollector::collect_all(const std::stop_token& stop) {
  Collected collected;
  const auto now = base::now();
  const auto before = now - options_.grace;
  collected.uploads = uploads_.expire(now - options_.upload_lifetime);
  if (!options_.retention.empty()) apply_retention(now, collected, stop);
  remove_links(before, collected, stop);
  collected.freed_bytes = content_.collect(before, stop);
  if (collected.uploads + collected.tags + collected.manifests + collected.links > 0 || collected.freed_bytes > 0)
    logger_.info("collected what nothing needs", {{"uploads", std::to_string(collected.uploads)},
                                                  {"tags", std::to_string(collected.tags)},
                                                  {"manifests", std::to_string(collected.manifests)},
                                                  {"links", std::to_string(collected.links)},
                                                  {"bytes", std::to_string(collected.freed_bytes)}});
  return collected;
}

void GarbageCollector::apply_retention(base::Timestamp now, Collected& collected, const std::stop_token& stop) {
  std::int64_t after = 0;
  const auto next = [&] { return retention_table::list_repositories(*database_.read(), after); };
  for (auto repositories = next(); !repositories.empty(); repositories = next()) {
    after = repositories.back().first;
    for (const auto& [id, name] : repositories) {
      const RetentionRule* rule = find_rule(options_.retention, name);
      if (rule == nullptr) continue;
      remove_tags(id, *rule, now, collected, stop);
      remove_loose_manifests(id, now - options_.grace, collected, stop);
    }
  }
}

void GarbageCollector::remove_tags(std::int64_t repository, const RetentionRule& rule, base::Timestamp now,
                                   Collected& collected, const std::stop_token& stop) {
  const auto list = [&](Database& database) {
    std::vector<std::string> tags;
    if (rule.keep_tags) tags = retention_table::list_surplus_tags(database, repository, *rule.keep_tags);
    if (tags.empty() && rule.max_tag_age)
      tags = retention_table::list_old_tags(database, repository, now - *rule.max_tag_age);
    return tags;
  };
  // Nothing to do as a rule, which is found out without the lock of writers.
  while (!list(*database_.read()).empty()) {
    require_going_on(stop);
    auto write = database_.write();
    const auto tags = list(*write);
    for (const std::string& tag : tags) registry_table::remove_tag(*write, repository, tag, now);
    write.commit();
    collected.tags += tags.size();
  }
}

void GarbageCollector::remove_loose_manifests(std::int64_t repository, base::Timestamp before, Collected& collected,
                                              const std::stop_token& stop) {
  while (!retention_table::list_loose_manifests(*database_.read(), repository, before).empty()) {
    require_going_on(stop);
    auto write = database_.write();
    const auto manifests = retention_table::list_loose_manifests(*write, repository, before);
    for (const oci::Digest& manifest : manifests)
      registry_table::remove_manifest(*write, repository, manifest, base::now());
    write.commit();
    collected.manifests += manifests.size();
  }
}

void GarbageCollector::remove_links(base::Timestamp before, Collected& collected, const std::stop_token& stop) {
  std::size_t changed = 1;
  while (changed > 0) {
    require_going_on(stop);
    auto write = database_.write();
    const auto links = retention_table::remove_waiting_links(*write, before);
    changed = links.looked_at + retention_table::remove_empty_repositories(*write, before);
    if (changed == 0) return;
    write.commit();
    collected.links += links.removed;
  }
}

}  // namespace lighterd::imagestore
