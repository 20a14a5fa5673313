// SPDX-License-Identifier: Apache-2.0
#include "distribution/puller.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "base/error.hpp"
#include "distribution/layer_fetch.hpp"
#include "distribution/registry_error.hpp"
#include "distribution/retry_reporter.hpp"
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
        shared_(shared),
        retries_(retries),
        client_(std::move(client)),
        reference_(std::move(reference)),
        wanted_(request.platform.value_or(services.host)),
        matcher_(oci::PlatformMatcher::only(wanted_)),
        on_published_(request.on_published),
        progress_(progress),
        stop_(std::move(stop)),
        lease_(services.content.make_lease("pull " + reference_.familiar())) {}

  void run() {
    const ParsedManifest& image = find_image();
    message("Pulling from " + reference_.repository().path(), reference_tag_or_name());
    retries_.start(progress_);
    report_warnings();
    auto change = imagestore::NameChange::kCreated;
    if (!is_complete(image)) {
      fetch_image(image);
      // Somebody who pulled the same may have been first.
      if (!is_complete(image)) publish();
    } else {
      change = publish();
    }
    if (on_published_) on_published_(reference_);
    report_warnings();
    message("Digest: " + target_->digest.to_string());
    message(
        std::string("Status: ") +
        (change == imagestore::NameChange::kUnchanged ? "Image is up to date for " : "Downloaded newer image for ") +
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

  // Sets target_.
  const ParsedManifest& find_image() {
    try {
      return select(find_target(), 0);
    } catch (const Error&) {
      rethrow_for_pull(reference_);
    }
  }

  oci::Descriptor find_target() {
    if (!reference_.digest()) {
      return shared_.resolves.run(
          client_->identity() + ":" + *reference_.tag(), [&] { return client_->resolve(*reference_.tag(), stop_); },
          stop_);
    }
    // What is here by another name is not taken for granted: the registry is asked whether this repository has it.
    if (services_.content.find_blob(*reference_.digest(), lease_) && !services_.images.find_by_reference(reference_))
      client_->resolve(reference_.digest()->to_string(), stop_);
    // The type and the size are what the document turns out to have.
    return {.media_type = "", .digest = *reference_.digest(), .size_bytes = -1};
  }

  // Fetches the document unless the store has it, and keeps it for the publication.
  const ParsedManifest& load_document(const oci::Descriptor& descriptor) {
    const auto known = find_stored(descriptor.digest, oci::kMaxManifestBytes);
    const FetchedManifest fetched = known ? FetchedManifest{descriptor, *known} : fetch_document(descriptor);
    const std::string& type = descriptor.media_type.empty() ? fetched.descriptor.media_type : descriptor.media_type;
    // Not inside the braces below: g++ 12 destroys members twice when a later initialiser throws.
    oci::Document document = oci::parse_document(fetched.bytes, type, reference_.familiar());
    ParsedManifest manifest{.descriptor = descriptor, .document = std::move(document)};
    manifest.descriptor.media_type = oci::media_type_of(manifest.document);
    manifest.descriptor.size_bytes = static_cast<std::int64_t>(fetched.bytes.size());
    if (descriptor.size_bytes >= 0 && descriptor.size_bytes != manifest.descriptor.size_bytes)
      throw Error(ErrorCode::kDataLoss, "manifest " + descriptor.digest.to_string() + " has " +
                                            std::to_string(manifest.descriptor.size_bytes) + " bytes, not " +
                                            std::to_string(descriptor.size_bytes));
    if (!known) keep(manifest.descriptor, fetched.bytes);
    blobs_.push_back(manifest.descriptor.digest);
    manifests_.push_back(std::make_unique<ParsedManifest>(std::move(manifest)));
    return *manifests_.back();
  }

  FetchedManifest fetch_document(const oci::Descriptor& descriptor) {
    const oci::Digest& digest = descriptor.digest;
    const auto fetch = [&] {
      // Another pull may have brought it since it was looked for.
      if (auto bytes = find_stored(digest, oci::kMaxManifestBytes))
        return FetchedManifest{descriptor, *std::move(bytes)};
      FetchedManifest fetched = client_->get_manifest(digest, stop_);
      // Of the requests for it one keeps it, and not what is no document.
      const std::string& type = descriptor.media_type.empty() ? fetched.descriptor.media_type : descriptor.media_type;
      (void)oci::parse_document(fetched.bytes, type, reference_.familiar());
      services_.content.put_blob(fetched.descriptor, fetched.bytes, lease_);
      return fetched;
    };
    return shared_.manifests.run(client_->identity() + "@" + digest.to_string(), fetch, stop_);
  }

  // Leases what another request for it has put already.
  void keep(const oci::Descriptor& descriptor, const std::string& bytes) {
    if (!services_.content.find_blob(descriptor.digest, lease_)) services_.content.put_blob(descriptor, bytes, lease_);
  }

  // Nothing also for what is damaged: it is fetched anew then.
  std::optional<std::string> find_stored(const oci::Digest& digest, std::size_t limit_bytes) {
    if (!services_.content.find_blob(digest, lease_)) return std::nullopt;
    try {
      return services_.content.read_blob(digest, limit_bytes);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kDataLoss) throw;
      services_.logger.warn("stored content is damaged and fetched anew", {{"digest", digest.to_string()}});
      return std::nullopt;
    }
  }

  // The manifest of the wanted platform below `descriptor`, which may be it already.
  ParsedManifest& select(const oci::Descriptor& descriptor, int depth) {
    if (depth > oci::kMaxIndexDepth) throw Error(ErrorCode::kInvalidArgument, "index is nested too deeply");
    if (!visited_.insert(descriptor.digest).second)
      throw Error(ErrorCode::kInvalidArgument, "index " + descriptor.digest.to_string() + " contains itself");
    const ParsedManifest& manifest = load_document(descriptor);
    if (depth == 0) target_ = manifest.descriptor;
    const auto* index = std::get_if<oci::Index>(&manifest.document);
    if (index == nullptr) return *manifests_.back();
    const oci::Descriptor* entry = oci::find_platform(*index, matcher_);
    if (entry == nullptr)
      throw Error(ErrorCode::kNotFound,
                  "no matching manifest for " + oci::to_string(wanted_) +
                      " in the manifest list entries: no match for platform in manifest: not found");
    return select(*entry, depth + 1);
  }

  // Whether the name stands for this already and nothing is missing.
  bool is_complete(const ParsedManifest& image) {
    const auto record = services_.images.find_by_reference(reference_);
    if (!record || record->target.digest != target_->digest) return false;
    const auto variants = services_.images.list_variants(target_->digest);
    const bool published = std::ranges::any_of(
        variants, [&](const auto& variant) { return variant.descriptor.digest == image.descriptor.digest; });
    if (!published) return false;
    const auto& manifest = std::get<oci::Manifest>(image.document);
    if (!services_.content.find_blob(manifest.config.digest, lease_)) return false;
    return std::ranges::all_of(manifest.layers, [&](const auto& layer) {
      return services_.content.find_blob(layer.digest, lease_).has_value();
    });
  }

  void fetch_image(const ParsedManifest& selected) {
    const auto& manifest = std::get<oci::Manifest>(selected.document);
    std::optional<oci::ImageConfig> config = fetch_config(manifest);
    LayerFetch fetch(services_, client_, lease_, progress_);
    for (const auto& layer : manifest.layers) {
      fetch.add(layer, manifest.is_image() ? imagestore::BlobKind::kLayer : imagestore::BlobKind::kPlain);
      blobs_.push_back(layer.digest);
    }
    const auto layers = fetch.run(stop_);
    for (const auto& layer : manifest.layers) imagestore::require_size(layer, layers.at(layer.digest).size_bytes);
    if (config) check_diff_ids(manifest, *config, layers);
    manifests_.back()->config = std::move(config);
  }

  // An artifact's config is kept and not looked into.
  std::optional<oci::ImageConfig> fetch_config(const oci::Manifest& manifest) {
    try {
      const auto known = find_stored(manifest.config.digest, oci::kMaxConfigBytes);
      const std::string bytes = known ? *known : fetch_config_bytes(manifest.config);
      imagestore::require_size(manifest.config, static_cast<std::int64_t>(bytes.size()));
      if (!known) keep(manifest.config, bytes);
      blobs_.push_back(manifest.config.digest);
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

  std::string fetch_config_bytes(const oci::Descriptor& config) {
    const auto fetch = [&] {
      if (auto stored = find_stored(config.digest, oci::kMaxConfigBytes)) return *std::move(stored);
      std::string bytes = client_->read_blob(config, oci::kMaxConfigBytes, stop_);
      services_.content.put_blob(config, bytes, lease_);
      return bytes;
    };
    return shared_.configs.run(client_->identity() + "@" + config.digest.to_string(), fetch, stop_);
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

  imagestore::NameChange publish() {
    imagestore::Publication publication{.target = *target_, .name = reference_};
    if (reference_.digest()) publication.name = oci::Reference(reference_.repository(), std::nullopt, target_->digest);
    for (const auto& manifest : manifests_) publication.manifests.push_back(*manifest);
    publication.blobs = blobs_;
    publication.source = imagestore::BlobSource{client_->registry(), reference_.repository().path()};
    return services_.images.publish(publication);
  }

  DistributionServices& services_;
  SharedRequests& shared_;
  RetryReporter& retries_;
  std::shared_ptr<RegistryClient> client_;
  oci::Reference reference_;
  oci::Platform wanted_;
  oci::PlatformMatcher matcher_;
  const std::function<void(const oci::Reference&)>& on_published_;
  ProgressSink& progress_;
  std::stop_token stop_;
  imagestore::Lease lease_;
  std::optional<oci::Descriptor> target_;
  std::vector<std::unique_ptr<ParsedManifest>> manifests_;  // from the target down to the image
  std::vector<oci::Digest> blobs_;
  std::unordered_set<oci::Digest> visited_;
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
