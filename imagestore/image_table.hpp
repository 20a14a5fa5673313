// SPDX-License-Identifier: Apache-2.0
// Rows of images and names. Each function runs inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "imagestore/image_store.hpp"

namespace lighterd::imagestore::image_table {

// Changes nothing if it is there. What the row says of what is present is refresh_images_with's.
void insert_image(Database& database, const oci::Descriptor& target, base::Timestamp now);
// Refreshes every image that is one of the documents or has one below, after these or their content came or went.
void refresh_images_with(Database& database, const std::vector<oci::Digest>& documents,
                         const oci::PlatformMatcher& host);
// Whether it was there.
bool remove_image(Database& database, const oci::Digest& image);

NameChange set_tag(Database& database, const oci::Reference& name, const oci::Digest& image, base::Timestamp now);
NameChange add_digest_reference(Database& database, const oci::RepositoryName& repository, const oci::Digest& image);
// Whether it was there.
bool remove_name(Database& database, const oci::Digest& image, const oci::Reference& name);
bool has_names(Database& database, const oci::Digest& image);

// What else it is known by, until it goes.
void set_converted(Database& database, const oci::Digest& source, const oci::Digest& image);
std::optional<oci::Digest> find_converted(Database& database, const oci::Digest& source);

std::vector<ImageRecord> list(Database& database);
std::int64_t count(Database& database);
std::optional<ImageRecord> find(Database& database, const oci::Digest& image);
std::optional<oci::Digest> find_tag(Database& database, const oci::Reference& name);
bool has_repository(Database& database, const oci::RepositoryName& repository, const oci::Digest& image);
std::vector<oci::Reference> list_tags(Database& database, const oci::RepositoryName& repository);
// Images whose target, platform manifest or config has that digest, or one that starts so ("sha256:abcd"), the exact
// targets first; then those that were converted from such a one. At most two.
std::vector<oci::Digest> find_images_by_content(Database& database, const std::string& digest_prefix);

}  // namespace lighterd::imagestore::image_table
