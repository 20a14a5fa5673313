// SPDX-License-Identifier: Apache-2.0
#include "distribution/puller.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.hpp"
#include "distribution/document_fetch.hpp"
#include "distribution/layer_fetch.hpp"
#include "distribution/pull_selection.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry_reporter.hpp"
#include "distribution/schema1_pull.hpp"
#include "oci/image_config.hpp"

namespace lighterd::distribution {

using base::Error;
using base::ErrorCode;
using imagestore::ParsedManifest;

namespace {

// One reference with a tag or a digest.
class PullOperation {
 public:
  PullOperation(DistributionServices& services, SharedRequests& shared, std::shared_ptr<RegistryClient> client,
                RetryReporter& retries, oci::Reference reference, const PullRequest& request, ProgressSink& progress,
                std::stop_token stop)
      : services_(services),
        retries_(retries),
        client_(std::move(client)),
        reference_(std::move(reference)),
        request_(request),
        progress_(progress),
        stop_(std::move(stop)),
        lease_(services.content.make_lease("pull " + reference_.familiar())),
        documents_(services, shared, *client_, lease_, reference_.familiar(), DocumentLimits{},
                   DocumentFetch::Keeping::kStore, stop_),
        selection_(services, shared, *client_, lease_, documents_, reference_, stop_) {}

  void run() {
    selection_.find(request_.platforms);
    message("Pulling from " + reference_.repository().path(), reference_tag_or_name());
    retries_.start(progress_);
    report_warnings();
    const bool was_known = selection_.is_named();
    selected_ = selection_.manifests();
    published_ = selection_.target();
    if (const oci::Schema1Manifest* manifest = selection_.schema1()) {
      convert(*manifest);
    } else if (!selection_.is_complete()) {
      fetch();
    }
    // Also where the name stands for it already: it may do so by another name, which may go.
    publish();
    if (request_.on_published) request_.on_published(reference_);
    report_warnings();
    message("Digest: " + selection_.target().digest.to_string());
    message(std::string("Status: ") + (was_known ? "Image is up to date for " : "Downloaded newer image for ") +
            reference_.familiar());
  }

 private:
  void message(std::string status, std::string id = {}) {
    progress_.on_progress({.kind = ProgressEvent::Kind::kMessage,
                           .id = std::move(id),
                           .status = std::move(status),
                           .current_bytes = 0,
                           .total_bytes = 0,
                           .aux_json = {}});
  }

  void report_warnings() {
    for (const std::string& text : client_->take_warnings()) message("Warning: " + text);
  }

  std::string reference_tag_or_name() const { return reference_.digest() ? reference_.to_string() : *reference_.tag(); }

  // Sets what is published, of what the target of schema 1 becomes.
  void convert(const oci::Schema1Manifest& manifest) {
    Schema1Pull pull(services_, client_, lease_, manifest);
    const auto layers = selection_.is_complete() ? pull.get_layers() : pull.fetch_layers(progress_, stop_);
    published_ = pull.convert(layers);
    selected_.images = {&documents_.load(*published_)};
  }

  // All of it or nothing; an extra that the registry has not got is left out.
  void fetch() {
    LayerFetch fetch(services_, client_, lease_, progress_);
    for (ParsedManifest* image : selected_.images) {
      const auto& manifest = std::get<oci::Manifest>(image->document);
      image->config = read_config(manifest);
      const auto kind = manifest.is_image() ? imagestore::BlobKind::kLayer : imagestore::BlobKind::kPlain;
      for (const auto& layer : manifest.layers) fetch.add(layer, kind, LayerFetch::Part::kImage);
    }
    const auto extras = start_extras(fetch);
    const auto layers = fetch.run(stop_);
    for (const ParsedManifest* image : selected_.images) check_layers(*image, layers);
    for (ParsedManifest* extra : extras)
      if (is_whole(*extra, layers)) extras_.push_back(extra);
  }

  // An artifact's config is kept and not looked into.
  std::optional<oci::ImageConfig> read_config(const oci::Manifest& manifest) {
    try {
      const std::string bytes = documents_.read_config(manifest.config);
      if (!manifest.is_image()) return std::nullopt;
      oci::ImageConfig config = oci::parse_image_config(bytes);
      if (config.diff_ids.size() != manifest.layers.size())
        throw Error(ErrorCode::kDataLoss,
                    "layers from manifest don't match image configuration: " + std::to_string(manifest.layers.size()) +
                        " layers, " + std::to_string(config.diff_ids.size()) + " diff IDs");
      return config;
    } catch (Error& error) {
      error.add_context("error pulling image configuration");
      throw;
    }
  }

  std::vector<ParsedManifest*> start_extras(LayerFetch& fetch) {
    std::vector<ParsedManifest*> extras;
    for (const oci::Descriptor& entry : selected_.extras) {
      try {
        ParsedManifest& extra = documents_.load(entry);
        const auto* manifest = std::get_if<oci::Manifest>(&extra.document);
        if (manifest == nullptr) continue;
        (void)documents_.read_config(manifest->config);
        for (const auto& layer : manifest->layers)
          fetch.add(layer, imagestore::BlobKind::kPlain, LayerFetch::Part::kExtra);
        extras.push_back(&extra);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kNotFound) throw;
      }
    }
    return extras;
  }

  static bool is_whole(const ParsedManifest& extra, const LayerFetch::Layers& layers) {
    const auto& manifest = std::get<oci::Manifest>(extra.document);
    for (const auto& layer : manifest.layers) {
      const auto here = layers.find(layer.digest);
      if (here == layers.end()) return false;
      imagestore::require_size(layer, here->second.size_bytes);
    }
    return true;
  }

  static void check_layers(const ParsedManifest& image, const LayerFetch::Layers& layers) {
    const auto& manifest = std::get<oci::Manifest>(image.document);
    for (const auto& layer : manifest.layers) imagestore::require_size(layer, layers.at(layer.digest).size_bytes);
    if (image.config) check_diff_ids(manifest, *image.config, layers);
  }

  static void check_diff_ids(const oci::Manifest& manifest, const oci::ImageConfig& config,
                             const LayerFetch::Layers& layers) {
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
      const auto& digest = manifest.layers[i].digest;
      const auto& content = layers.at(digest).layer;
      if (content && content->diff_id == config.diff_ids[i]) continue;
      throw Error(ErrorCode::kDataLoss, "layers from manifest don't match image configuration: layer " +
                                            digest.to_string() + " has diff ID " +
                                            (content ? content->diff_id.to_string() : "(none)") + ", not " +
                                            config.diff_ids[i].to_string());
    }
  }

  void publish() {
    imagestore::Publication publication{.target = *published_, .name = reference_};
    if (reference_.digest())
      publication.name = oci::Reference(reference_.repository(), std::nullopt, published_->digest);
    // Of what was complete as well: its row may have gone since, and is made anew of what is published here.
    for (ParsedManifest* image : selected_.images) {
      const auto& manifest = std::get<oci::Manifest>(image->document);
      if (!image->config && manifest.is_image()) image->config = read_config(manifest);
    }
    for (const auto& manifests : {selected_.indexes, selected_.images, extras_})
      for (const ParsedManifest* manifest : manifests) add_to(publication, *manifest);
    publication.source = imagestore::BlobSource{client_->registry(), reference_.repository().path()};
    if (selection_.schema1() != nullptr) publication.converted_from = selection_.target().digest;
    services_.images.publish(publication);
  }

  void add_to(imagestore::Publication& publication, const ParsedManifest& published) const {
    publication.manifests.push_back(published);
    publication.blobs.push_back(published.descriptor.digest);
    if (const auto* manifest = std::get_if<oci::Manifest>(&published.document)) {
      // The registry has no config of schema 1.
      if (selection_.schema1() == nullptr) publication.blobs.push_back(manifest->config.digest);
      for (const auto& layer : manifest->layers) publication.blobs.push_back(layer.digest);
    }
  }

  DistributionServices& services_;
  RetryReporter& retries_;
  std::shared_ptr<RegistryClient> client_;
  oci::Reference reference_;
  const PullRequest& request_;
  ProgressSink& progress_;
  std::stop_token stop_;
  imagestore::Lease lease_;
  DocumentFetch documents_;
  PullSelection selection_;
  SelectedManifests selected_;
  std::optional<oci::Descriptor> published_;
  std::vector<ParsedManifest*> extras_;  // those that are here
};

[[noreturn]] void throw_access_denied(const oci::Reference& reference, const std::string& detail) {
  throw Error(ErrorCode::kNotFound, "pull access denied for " + reference.repository().familiar() +
                                        ", repository does not exist or may require 'docker login': " + detail);
}

std::vector<std::string> list_tags(RegistryClient& client, const oci::Reference& reference,
                                   const std::stop_token& stop) {
  try {
    auto tags = client.list_tags(stop);
    if (tags.empty()) throw Error(ErrorCode::kNotFound, "repository " + reference.familiar() + " has no tags");
    return tags;
  } catch (const Error&) {
    rethrow_for_pull(reference);
  }
}

}  // namespace

void rethrow_for_pull(const oci::Reference& reference) {
  try {
    throw;
  } catch (const RegistryError& error) {
    if (error.insufficient_scope())
      throw_access_denied(reference, "denied: requested access to the resource is denied");
    if (error.registry_code() == "DENIED" && error.has_own_message()) throw_access_denied(reference, error.text());
    if (error.status() == 404 && !reference.is_name_only())
      throw Error(ErrorCode::kNotFound, "manifest for " + reference.familiar() + " not found: " + error.text());
    if (error.status() == 404)
      throw Error(ErrorCode::kNotFound,
                  "repository " + reference.repository().familiar() + " not found: " + error.text());
    throw;
  } catch (const TransportError& error) {
    throw Error(ErrorCode::kInternal, error.text());
  }
}

void Puller::pull(const PullRequest& request, ProgressSink& progress, std::stop_token stop) {
  const auto& reference = request.reference;
  RetryReporter retries;
  OperationContext context = request.context;
  context.on_retry = retries.listener();
  const auto client = std::make_shared<RegistryClient>(services_.http, services_.registries, reference.repository(),
                                                       Access::kPull, std::move(context), services_.logger);
  const auto pull_one = [&](const oci::Reference& each) {
    PullOperation(services_, shared_, client, retries, each, request, progress, stop).run();
  };
  if (!reference.is_name_only()) return pull_one(reference);
  for (const auto& tag : list_tags(*client, reference, stop)) {
    const auto tagged = reference.with_tag(tag);
    try {
      pull_one(tagged);
    } catch (Error& error) {
      error.add_context("error pulling " + tagged.to_string());
      throw;
    }
  }
}

}  // namespace lighterd::distribution
