// SPDX-License-Identifier: Apache-2.0
// A real store in a folder of its own, and small images to put into it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "imagestore/image_store.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::tests {

struct TestImage {
  oci::Descriptor manifest;
  std::string manifest_bytes;
  oci::Descriptor config;
  std::string config_bytes;
  std::vector<std::pair<oci::Descriptor, std::string>> layers;
};

struct ImageOptions {
  std::string os = "linux";
  std::string architecture = "amd64";
  std::string created = "2024-05-06T07:08:09Z";
  std::vector<std::string> layers = {"first layer", "second layer"};  // plain tars as far as anybody looks
  std::vector<std::pair<std::string, std::string>> labels = {};
};

// Text of that many bytes, no two stretches of which are alike.
std::string make_content(std::int64_t bytes);
oci::Descriptor descriptor_of(std::string_view media_type, std::string_view bytes);
TestImage make_image(const ImageOptions& options = {});
// What BuildKit adds to an index for an image, with one statement; its descriptor says what it is about.
TestImage make_attestation(const TestImage& subject, const std::string& predicate_type = "https://example.com/p/v1");
// An OCI index over the images' manifests, each with its platform.
std::pair<oci::Descriptor, std::string> make_index(const std::vector<std::pair<TestImage, oci::Platform>>& images);

// Makes of the newest index one of schema version 2.
inline constexpr const char* kBackToVersion2 =
    "DROP TABLE converted_image; DROP TABLE upload; DROP TABLE repository_tag; DROP TABLE repository_manifest; DROP "
    "TABLE repository_blob;"
    "DROP TABLE repository; DROP INDEX tag_by_registry_name; DROP INDEX digest_reference_by_registry_name;"
    "ALTER TABLE tag DROP COLUMN updated_at; ALTER TABLE manifest DROP COLUMN is_published; PRAGMA user_version=2;";

class TestStore {
 public:
  TestStore();
  // Closes the store and opens it again, as a restart does.
  void reopen(std::chrono::hours keep_unreferenced = std::chrono::hours(24));

  const std::filesystem::path& root() const { return directory_.path(); }
  imagestore::ContentStore& content() { return *content_; }
  imagestore::ImageStore& images() { return *images_; }
  imagestore::MetadataDb& database() { return *database_; }

  oci::Descriptor put(std::string_view media_type, std::string_view bytes, const imagestore::Lease& lease);
  void put_content(const TestImage& image, const imagestore::Lease& lease);
  // Content and name, as a pull does it.
  imagestore::NameChange publish(const TestImage& image, const std::string& name);
  // An index with those of its images that are `present`.
  imagestore::NameChange publish_index(const std::pair<oci::Descriptor, std::string>& index,
                                       const std::vector<TestImage>& present, const std::string& name);
  // Changes the index behind the store's back.
  void execute(const std::string& script);
  // Blob files on disk, sorted.
  std::vector<std::string> files() const;

 private:
  TempDir directory_;
  base::Logger logger_{base::LogLevel::kError};
  oci::Platform host_{.architecture = "amd64", .os = "linux", .os_version = {}, .os_features = {}, .variant = {}};
  std::unique_ptr<imagestore::StoreLayout> layout_;
  std::unique_ptr<imagestore::MetadataDb> database_;
  std::unique_ptr<imagestore::ContentStore> content_;
  std::unique_ptr<imagestore::ImageStore> images_;
};

}  // namespace lighterd::tests
