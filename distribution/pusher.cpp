// SPDX-License-Identifier: Apache-2.0
#include "distribution/pusher.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/synchronized.hpp"
#include "distribution/body_source.hpp"
#include "distribution/push_choice.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry_reporter.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::chrono::milliseconds kReportInterval{100};
constexpr std::size_t kMaxMountCandidates = 4;

ProgressEvent event(ProgressEvent::Kind kind, std::string id, std::string status) {
  return {.kind = kind,
          .id = std::move(id),
          .status = std::move(status),
          .current_bytes = 0,
          .total_bytes = 0,
          .aux_json = {}};
}

// Whole path components that both start with.
std::size_t common_components(std::string_view a, std::string_view b) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '/') ++count;
  return count;
}

class PushOperation {
 public:
  PushOperation(DistributionServices& services, const PushRequest& request, ProgressSink& progress,
                std::stop_token stop)
      : services_(services),
        request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        client_(std::make_shared<RegistryClient>(services.http, services.registries, request.repository, Access::kPush,
                                                 with_listener(request.context), services.logger)),
        lease_(services.content.make_lease("push " + request.repository.familiar())) {
    waits_.start(progress);
  }

  void run() {
    for (const auto& name : names()) push_tag(name);
  }

 private:
  OperationContext with_listener(OperationContext context) const {
    context.on_retry = waits_.listener();
    return context;
  }

  std::vector<oci::Reference> names() {
    const std::string familiar = request_.repository.familiar();
    if (request_.tag) return {oci::Reference(request_.repository).with_tag(*request_.tag)};
    auto tags = services_.images.list_tags(request_.repository);
    if (tags.empty()) throw Error(ErrorCode::kNotFound, "An image does not exist locally with the tag: " + familiar);
    return tags;
  }

  void push_tag(const oci::Reference& name) {
    const auto image = services_.images.find_by_reference(name);
    if (!image) throw Error(ErrorCode::kNotFound, "tag does not exist: " + name.familiar());
    const PushPlan plan = make_plan(*image, name);
    push_blobs(plan.blobs);
    put_documents(plan.documents, *name.tag());
    remember_source(plan);
    if (request_.on_pushed) request_.on_pushed(name);
    report_result(*name.tag(), plan.documents.back());
  }

  PushPlan make_plan(const imagestore::ImageRecord& image, const oci::Reference& name) {
    const auto& allowed = services_.registries.foreign_layer_registries;
    PushPlanOptions options{
        .is_there = [this](const oci::Digest& digest) { return client_->has_manifest(digest, stop_); },
        .sends_foreign_layers = std::ranges::find(allowed, client_->registry()) != allowed.end()};
    try {
      ChosenPush chosen = PushChoice(services_, lease_, std::move(options)).choose(image, name, request_.platforms);
      if (chosen.substitute) report_replacement(image.target, *chosen.substitute);
      return std::move(chosen.plan);
    } catch (const ContentMissing& missing) {
      report_missing(missing.descriptor());
      throw;
    }
  }

  void report_missing(const oci::Descriptor& descriptor) {
    nlohmann::ordered_json note;
    note["contentMissing"] = true;
    note["desc"] = oci::to_json(descriptor);
    report_aux(note);
  }

  void report_aux(const nlohmann::ordered_json& note) {
    ProgressEvent aux = event(ProgressEvent::Kind::kAux, {}, {});
    aux.aux_json = note.dump();
    progress_.on_progress(aux);
  }

  void report_replacement(const oci::Descriptor& index, const oci::Descriptor& manifest) {
    nlohmann::ordered_json note;
    note["manifestPushedInsteadOfIndex"] = true;
    note["originalIndex"] = oci::to_json(index);
    note["selectedManifest"] = oci::to_json(manifest);
    report_aux(note);
  }

  struct Upload {
    oci::Descriptor blob;
    std::shared_ptr<base::Synchronized<std::optional<UploadResult>>> result;
    Watch watch;
    std::int64_t reported_bytes = 0;
    std::string retry_text = {};  // the line's, while it waits
    bool done = false;
  };

  void push_blobs(const std::vector<oci::Descriptor>& blobs) {
    std::vector<Upload> uploads;
    for (const auto& blob : blobs) {
      if (is_shown(blob)) report(blob, "Preparing");
      uploads.push_back(start(blob));
    }
    std::uint64_t seen = 0;
    auto next_report = std::chrono::steady_clock::now() + kReportInterval;
    while (std::ranges::any_of(uploads, [](const Upload& upload) { return !upload.done; })) {
      if (stop_.stop_requested()) throw Error(ErrorCode::kCancelled, "push cancelled");
      seen = services_.uploads.wait_for_change(seen, next_report, stop_);
      const bool is_time = std::chrono::steady_clock::now() >= next_report;
      if (is_time) next_report = std::chrono::steady_clock::now() + kReportInterval;
      for (Upload& upload : uploads)
        if (!upload.done && (is_time || upload.watch->has_ended())) advance(upload);
    }
  }

  Upload start(const oci::Descriptor& blob) {
    auto result = std::make_shared<base::Synchronized<std::optional<UploadResult>>>();
    auto work = [&content = services_.content, client = client_, blob, result, candidates = mount_candidates(blob)](
                    Transfer& transfer, std::stop_token stop) {
      const UploadWatcher watcher{.on_sent = [&transfer](std::int64_t sent) { transfer.set_current_bytes(sent); },
                                  .on_retry = [&transfer](const RetryNotice& notice) { transfer.set_wait(notice); }};
      const auto bytes =
          make_file_content(content.open_blob(blob.digest), content.blob_path(blob.digest), blob.size_bytes);
      *result->lock() = client->push_blob(blob, bytes, candidates, watcher, std::move(stop));
    };
    // Of this operation alone: the same blob may be on its way to the same place with other credentials.
    Watch watch =
        services_.uploads.join(lease_.id() + " " + blob.digest.to_string(), client_->registry(), std::move(work));
    return {blob, std::move(result), std::move(watch)};
  }

  std::vector<std::string> mount_candidates(const oci::Descriptor& blob) {
    const std::string& path = request_.repository.path();
    auto candidates = services_.content.list_sources(blob.digest, client_->registry());
    std::erase(candidates, path);
    std::ranges::stable_sort(candidates, [&](const auto& a, const auto& b) {
      return common_components(a, path) > common_components(b, path);
    });
    if (candidates.size() > kMaxMountCandidates) candidates.resize(kMaxMountCandidates);
    return candidates;
  }

  // Layers have lines of their own; configs do not, as in docker.
  static bool is_shown(const oci::Descriptor& blob) { return !oci::media_type::is_image_config(blob.media_type); }

  void report(const oci::Descriptor& blob, std::string status, std::int64_t current = 0, std::int64_t total = 0) {
    ProgressEvent line = event(ProgressEvent::Kind::kProgress, blob.digest.short_hex(), std::move(status));
    line.current_bytes = current;
    line.total_bytes = total;
    progress_.on_progress(line);
  }

  void advance(Upload& upload) {
    if (upload.watch->state() == Transfer::State::kFailed) upload.watch->rethrow();
    if (upload.watch->state() == Transfer::State::kDone) {
      upload.done = true;
      if (is_shown(upload.blob)) report(upload.blob, result_text(**upload.result->lock()));
      return;
    }
    if (!is_shown(upload.blob)) return;
    std::string waiting = retry_text(upload.watch);
    const bool has_changed = waiting != upload.retry_text;
    upload.retry_text = std::move(waiting);
    if (!upload.retry_text.empty()) {
      if (has_changed) report(upload.blob, upload.retry_text);
      return;
    }
    const std::int64_t current = upload.watch->current_bytes();
    if (current == upload.reported_bytes && !has_changed) return;
    report(upload.blob, "Pushing", current, upload.blob.size_bytes);
    upload.reported_bytes = current;
  }

  // Empty unless it waits for the next try.
  static std::string retry_text(const Watch& watch) {
    const auto wait = watch->find_wait();
    if (!wait) return {};
    const auto left = wait->deadline - std::chrono::steady_clock::now();
    return retry_status(std::chrono::ceil<std::chrono::milliseconds>(left), wait->reason);
  }

  static std::string result_text(const UploadResult& result) {
    switch (result.kind) {
      case UploadResult::Kind::kUploaded:
        return "Pushed";
      case UploadResult::Kind::kMounted:
        return "Mounted from " + result.mounted_from;
      case UploadResult::Kind::kExisted:
        return "Layer already exists";
    }
    return {};
  }

  void put_documents(const std::vector<PushDocument>& documents, const std::string& tag) {
    for (const auto& document : documents) {
      const bool is_root = &document == &documents.back();
      const ManifestPut put = put_document(document, is_root ? tag : document.descriptor.digest.to_string());
      if (put == ManifestPut::kStored && document.subject)
        client_->add_referrer(*document.subject, document.descriptor, document.bytes, stop_);
    }
  }

  ManifestPut put_document(const PushDocument& document, const std::string& reference) {
    const oci::Descriptor& descriptor = document.descriptor;
    // Only the answer tells who keeps account of the subject, and that to an earlier try may have been lost.
    const IfThere if_there = document.subject ? IfThere::kPutAgain : IfThere::kLeave;
    try {
      return client_->put_manifest(reference, descriptor.media_type, document.bytes, descriptor.digest, if_there,
                                   stop_);
    } catch (RegistryError& error) {
      if (error.status() == 400 && oci::media_type::is_index(descriptor.media_type))
        error.add_context(
            "manifest list/index references to blobs and/or manifests are missing in your target registry");
      throw;
    }
  }

  void remember_source(const PushPlan& plan) {
    std::vector<oci::Digest> digests;
    for (const auto& blob : plan.blobs) digests.push_back(blob.digest);
    for (const auto& document : plan.documents) digests.push_back(document.descriptor.digest);
    services_.content.add_source(digests, {client_->registry(), request_.repository.path()});
  }

  void report_result(const std::string& tag, const PushDocument& root) {
    const std::string digest = root.descriptor.digest.to_string();
    progress_.on_progress(event(ProgressEvent::Kind::kMessage, {},
                                tag + ": digest: " + digest + " size: " + std::to_string(root.bytes.size())));
    nlohmann::ordered_json result;
    result["Tag"] = tag;
    result["Digest"] = digest;
    result["Size"] = root.bytes.size();
    report_aux(result);
  }

  DistributionServices& services_;
  const PushRequest& request_;
  ProgressSink& progress_;
  std::stop_token stop_;
  RetryReporter waits_;  // of manifests; layers have lines of their own
  std::shared_ptr<RegistryClient> client_;
  imagestore::Lease lease_;
};

}  // namespace

void Pusher::push(const PushRequest& request, ProgressSink& progress, std::stop_token stop) {
  progress.on_progress(event(ProgressEvent::Kind::kMessage, {},
                             "The push refers to repository [" + request.repository.to_string() + "]"));
  PushOperation(services_, request, progress, std::move(stop)).run();
}

}  // namespace lighterd::distribution
