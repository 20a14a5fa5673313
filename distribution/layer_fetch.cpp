// SPDX-License-Identifier: Apache-2.0
#include "distribution/layer_fetch.hpp"

#include <algorithm>
#include <chrono>

#include "base/error.hpp"
#include "distribution/blob_transfer.hpp"
#include "distribution/retry_reporter.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::chrono::milliseconds kReportInterval{100};
constexpr std::size_t kMaxLayers = 10'000;

}  // namespace

LayerFetch::LayerFetch(DistributionServices& services, std::shared_ptr<RegistryClient> client,
                       const imagestore::Lease& lease, ProgressSink& progress)
    : services_(services), client_(std::move(client)), lease_(lease), progress_(progress) {}

void LayerFetch::add(const oci::Descriptor& layer, imagestore::BlobKind kind, Part part) {
  if (++named_ > kMaxLayers)
    throw Error(ErrorCode::kInvalidArgument, "the image has more than " + std::to_string(kMaxLayers) + " layers");
  const auto [known, is_new] = positions_.try_emplace(layer.digest, items_.size());
  if (is_new) {
    items_.push_back({.descriptor = layer, .kind = kind, .part = part, .watch = {}});
    return;
  }
  Item& item = items_[known->second];
  if (kind == imagestore::BlobKind::kLayer) item.kind = kind;
  if (part == Part::kImage) item.part = part;
}

void LayerFetch::report(const Item& item, const char* status, std::int64_t current, std::int64_t total) {
  progress_.on_progress({.kind = ProgressEvent::Kind::kProgress,
                         .id = item.descriptor.digest.short_hex(),
                         .status = status,
                         .current_bytes = current,
                         .total_bytes = total,
                         .aux_json = {}});
}

void LayerFetch::report_end(const Item& item, const char* status) {
  progress_.on_progress({.kind = ProgressEvent::Kind::kProgress,
                         .id = item.descriptor.digest.short_hex(),
                         .status = status,
                         .aux_json = {},
                         .hides_counts = true});
}

void LayerFetch::start(Item& item) {
  const auto known = services_.content.find_blob(item.descriptor.digest, lease_);
  if (is_here(known, item.kind)) {
    layers_.emplace(item.descriptor.digest, *known);
    item.done = true;
    return;
  }
  item.watch = join_blob_transfer(services_, client_, item.descriptor, item.kind);
}

// Where somebody else's credentials fetch it, ours have to be good for it as well (security-reliability A.2/24).
void LayerFetch::authorise(Item& item) {
  if (!item.watch || item.watch.is_leader()) return;
  if (item.watch->is_foreign(client_->identity()) && !is_allowed(item)) return;
  item.watch.contribute(client_->registry(), client_);
}

// False, and the item done, for an extra that the registry has not got for us.
bool LayerFetch::is_allowed(Item& item) {
  try {
    client_->require_blob(item.descriptor.digest, stop_);
    return true;
  } catch (const Error& error) {
    if (item.part == Part::kImage || error.code() != ErrorCode::kNotFound) throw;
    item.watch = Watch();
    item.done = true;
    return false;
  }
}

void LayerFetch::finish(Item& item) {
  item.watch = Watch();
  auto info = services_.content.find_blob(item.descriptor.digest, lease_);
  // Removed between the transfer's end and our lease, or fetched by somebody who needs no diff ID.
  if (!is_here(info, item.kind)) {
    start(item);
    authorise(item);
    return;
  }
  layers_.emplace(item.descriptor.digest, *std::move(info));
  item.done = true;
  report_end(item, "Download complete");
  if (item.part == Part::kImage) report_end(item, "Pull complete");
}

// Somebody else's transfer failed before it came to our client: that is tried then.
bool LayerFetch::restart_after_foreign_failure(Item& item) {
  if (item.watch.is_leader() || item.watch->has_tried(client_->identity()) || item.restarted) return false;
  item.restarted = true;
  item.watch = Watch();
  start(item);
  authorise(item);
  return true;
}

void LayerFetch::fail(Item& item) {
  try {
    item.watch->rethrow();
  } catch (const Error& error) {
    if (item.part == Part::kImage || error.code() != ErrorCode::kNotFound) throw;
    item.done = true;
  }
}

void LayerFetch::advance(Item& item) {
  const Transfer::State state = item.watch->state();
  if (state == Transfer::State::kDone) return finish(item);
  if (state == Transfer::State::kFailed) {
    if (restart_after_foreign_failure(item)) return;
    return fail(item);
  }
  if (item.part == Part::kExtra) return;
  if (state == Transfer::State::kWaiting && item.reported_bytes < 0) {
    report(item, "Waiting");
    item.reported_bytes = 0;
  }
  const std::int64_t current = item.watch->current_bytes();
  if (state != Transfer::State::kRunning) return;
  if (current == 0 || current == item.reported_bytes) return report_wait(item);
  report(item, "Downloading", current, item.descriptor.size_bytes);
  item.reported_bytes = current;
}

void LayerFetch::report_wait(Item& item) {
  const auto wait = item.watch->find_wait();
  if (!wait) return;
  const auto left = wait->deadline - std::chrono::steady_clock::now();
  std::string status = retry_status(std::chrono::ceil<std::chrono::milliseconds>(left), wait->reason);
  if (status == item.reported_wait) return;
  report(item, status.c_str());
  item.reported_wait = std::move(status);
}

void LayerFetch::throw_if_stopped() const {
  if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "pull cancelled");
}

LayerFetch::Layers LayerFetch::run(std::stop_token stop) {
  stop_ = stop;
  for (Item& item : items_) {
    throw_if_stopped();
    start(item);
    if (item.part != Part::kImage) continue;
    if (item.done) {
      report_end(item, "Already exists");
    } else {
      report(item, "Pulling fs layer");
    }
  }
  for (Item& item : items_) authorise(item);
  std::uint64_t seen = 0;
  auto next_report = std::chrono::steady_clock::now() + kReportInterval;
  while (std::ranges::any_of(items_, [](const Item& item) { return !item.done; })) {
    throw_if_stopped();
    seen = services_.downloads.wait_for_change(seen, next_report, stop);
    const bool is_time = std::chrono::steady_clock::now() >= next_report;
    if (is_time) next_report = std::chrono::steady_clock::now() + kReportInterval;
    for (Item& item : items_)
      if (!item.done && (is_time || item.watch->has_ended())) advance(item);
  }
  return std::move(layers_);
}

}  // namespace lighterd::distribution
