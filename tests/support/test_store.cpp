// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_store.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lighterd::tests {

using nlohmann::json;

std::string make_content(std::int64_t bytes) {
  std::string text;
  for (std::int64_t i = 0; static_cast<std::int64_t>(text.size()) < bytes; ++i) text += std::to_string(i) + "\n";
  text.resize(static_cast<std::size_t>(bytes));
  return text;
}

oci::Descriptor descriptor_of(std::string_view media_type, std::string_view bytes) {
  return {.media_type = std::string(media_type),
          .digest = oci::digest_of(base::as_bytes(bytes)),
          .size_bytes = static_cast<std::int64_t>(bytes.size())};
}

TestImage make_image(const ImageOptions& options) {
  json config = {{"os", options.os},
                 {"architecture", options.architecture},
                 {"created", options.created},
                 {"config", {{"Cmd", {"/bin/true"}}, {"Labels", json::object()}}},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", json::array()}}},
                 {"history", json::array()}};
  for (const auto& [key, value] : options.labels) config["config"]["Labels"][key] = value;
  json manifest = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciManifest}, {"layers", json::array()}};
  std::vector<std::pair<oci::Descriptor, std::string>> layers;
  for (const auto& bytes : options.layers) {
    auto layer = descriptor_of("application/vnd.oci.image.layer.v1.tar", bytes);
    config["rootfs"]["diff_ids"].push_back(layer.digest.to_string());
    config["history"].push_back({{"created", options.created}, {"created_by", "ADD " + bytes.substr(0, 40)}});
    manifest["layers"].push_back(oci::to_json(layer));
    layers.emplace_back(std::move(layer), bytes);
  }
  std::string config_bytes = config.dump();
  const auto config_descriptor = descriptor_of(oci::media_type::kOciConfig, config_bytes);
  manifest["config"] = oci::to_json(config_descriptor);
  std::string manifest_bytes = manifest.dump();
  const auto manifest_descriptor = descriptor_of(oci::media_type::kOciManifest, manifest_bytes);
  return {manifest_descriptor, std::move(manifest_bytes), config_descriptor, std::move(config_bytes),
          std::move(layers)};
}

TestImage make_attestation(const TestImage& subject, const std::string& predicate_type) {
  const std::string subject_digest = subject.manifest.digest.to_string();
  const json statement_json = {{"_type", "https://in-toto.io/Statement/v0.1"},
                               {"predicateType", predicate_type},
                               {"subject", json::array({{{"name", subject_digest}}})}};
  std::string statement = statement_json.dump();
  auto layer = descriptor_of("application/vnd.in-toto+json", statement);
  layer.annotations["in-toto.io/predicate-type"] = predicate_type;
  const json config = {{"os", "unknown"},
                       {"architecture", "unknown"},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", json::array({layer.digest.to_string()})}}}};
  std::string config_bytes = config.dump();
  const auto config_descriptor = descriptor_of(oci::media_type::kOciConfig, config_bytes);
  const json manifest = {{"schemaVersion", 2},
                         {"mediaType", oci::media_type::kOciManifest},
                         {"config", oci::to_json(config_descriptor)},
                         {"layers", json::array({oci::to_json(layer)})}};
  std::string manifest_bytes = manifest.dump();
  auto manifest_descriptor = descriptor_of(oci::media_type::kOciManifest, manifest_bytes);
  manifest_descriptor.annotations = {{"vnd.docker.reference.type", "attestation-manifest"},
                                     {"vnd.docker.reference.digest", subject_digest}};
  std::vector<std::pair<oci::Descriptor, std::string>> layers;
  layers.emplace_back(std::move(layer), std::move(statement));
  return {std::move(manifest_descriptor), std::move(manifest_bytes), config_descriptor, std::move(config_bytes),
          std::move(layers)};
}

std::pair<oci::Descriptor, std::string> make_index(const std::vector<std::pair<TestImage, oci::Platform>>& images) {
  json index = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciIndex}, {"manifests", json::array()}};
  for (const auto& [image, platform] : images) {
    auto entry = image.manifest;
    entry.platform = platform;
    index["manifests"].push_back(oci::to_json(entry));
  }
  std::string bytes = index.dump();
  const auto descriptor = descriptor_of(oci::media_type::kOciIndex, bytes);
  return {descriptor, std::move(bytes)};
}

TestStore::TestStore() {
  reopen();
}

void TestStore::reopen(std::chrono::hours keep_unreferenced) {
  images_.reset();
  content_.reset();
  database_.reset();
  layout_.reset();
  layout_ = std::make_unique<imagestore::StoreLayout>(directory_.path());
  database_ = std::make_unique<imagestore::MetadataDb>(layout_->database());
  content_ = std::make_unique<imagestore::ContentStore>(*layout_, *database_, logger_, keep_unreferenced);
  images_ = std::make_unique<imagestore::ImageStore>(*content_, *database_, host_);
}

oci::Descriptor TestStore::put(std::string_view media_type, std::string_view bytes, const imagestore::Lease& lease) {
  const auto descriptor = descriptor_of(media_type, bytes);
  const auto kind = oci::media_type::is_layer(media_type) ? imagestore::BlobKind::kLayer : imagestore::BlobKind::kPlain;
  const auto writer = content_->start_blob(lease, oci::DigestAlgorithm::kSha256, kind);
  writer->write(base::as_bytes(bytes));
  writer->commit(descriptor);
  return descriptor;
}

void TestStore::put_content(const TestImage& image, const imagestore::Lease& lease) {
  put(image.manifest.media_type, image.manifest_bytes, lease);
  put(image.config.media_type, image.config_bytes, lease);
  for (const auto& [descriptor, bytes] : image.layers) put(descriptor.media_type, bytes, lease);
}

namespace {

imagestore::ParsedManifest parsed(const TestImage& image) {
  return {image.manifest, oci::parse_document(image.manifest_bytes, image.manifest.media_type, "test"),
          oci::parse_image_config(image.config_bytes)};
}

}  // namespace

imagestore::NameChange TestStore::publish(const TestImage& image, const std::string& name) {
  const auto lease = content_->make_lease("test");
  put_content(image, lease);
  imagestore::Publication publication{.target = image.manifest};
  publication.manifests.push_back(parsed(image));
  if (!name.empty()) publication.name = oci::parse_reference(name).with_default_tag();
  return images_->publish(publication);
}

imagestore::NameChange TestStore::publish_index(const std::pair<oci::Descriptor, std::string>& index,
                                                const std::vector<TestImage>& present, const std::string& name) {
  const auto lease = content_->make_lease("test");
  put(index.first.media_type, index.second, lease);
  imagestore::Publication publication{.target = index.first};
  publication.manifests.push_back(
      {index.first, oci::parse_document(index.second, index.first.media_type, "test"), std::nullopt});
  for (const auto& image : present) {
    put_content(image, lease);
    publication.manifests.push_back(parsed(image));
  }
  publication.name = oci::parse_reference(name).with_default_tag();
  return images_->publish(publication);
}

void TestStore::execute(const std::string& script) {
  imagestore::Database(layout_->database(), imagestore::Database::Mode::kWriter).execute(script);
}

std::vector<std::string> TestStore::files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path() / "blobs" / "sha256"))
    names.push_back("sha256:" + entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

}  // namespace lighterd::tests
