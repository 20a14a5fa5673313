// SPDX-License-Identifier: Apache-2.0
// The media types of layers by what they are, for images whose documents do not say it.
#pragma once

#include <string>

#include "imagestore/content_store.hpp"
#include "imagestore/decompression.hpp"

namespace lighterd::imagestore {

// Of a schema 2 manifest. kNotImplemented for bzip2 and xz, which have none.
std::string docker_layer_type(Compression compression);
// By the first bytes of its file. Throws as ContentStore::open_blob.
Compression stored_compression(const ContentStore& content, const oci::Digest& digest);

}  // namespace lighterd::imagestore
