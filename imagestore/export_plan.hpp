// SPDX-License-Identifier: Apache-2.0
// What an archive of images holds (engine-api.md section 6.7, the form of the containerd store): decided, looked up
// and leased before a byte of it is sent, so that whatever is wrong with the request can still be told.
#pragma once

#include <string>
#include <vector>

#include "imagestore/image_store.hpp"

namespace lighterd::imagestore {

struct ExportRequest {
  // As ImageStore::find_image takes them; a repository without tag stands for all its tags. None: an empty archive.
  std::vector<std::string> names;
  // None: all that is here. One: its manifest takes the place of the index. Several: of the index, those of them that
  // are here.
  std::vector<oci::Platform> platforms = {};
};

struct ExportedBlob {
  oci::Digest digest;
  std::int64_t size_bytes;
};

struct ExportPlan {
  Lease lease;                      // of all blobs
  std::vector<ExportedBlob> blobs;  // each once, sorted
  std::string index_json;
  std::string manifest_json;        // empty: the archive has no such member
  std::vector<oci::Digest> images;  // one for each name saved
};

// kNotFound: no such image, or not for any of the platforms; kInvalidArgument: what is no reference; kDataLoss: content
// of the image is missing or damaged.
ExportPlan make_export_plan(ContentStore& content, ImageStore& images, const ExportRequest& request);

}  // namespace lighterd::imagestore
