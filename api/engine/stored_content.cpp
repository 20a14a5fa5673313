// SPDX-License-Identifier: Apache-2.0
#include "api/engine/stored_content.hpp"

#include <utility>

#include "base/error.hpp"

namespace lighterd::api {
namespace {

using base::Error;
using base::ErrorCode;

template <typename F>
auto from_store(const oci::Digest& digest, F read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound)
      throw Error(ErrorCode::kNotFound, "No such image: content " + digest.to_string() + " is gone");
    throw Error(ErrorCode::kInternal, "reading stored content " + digest.to_string() + ": " + error.text());
  }
}

}  // namespace

oci::Document read_document(const imagestore::ContentStore& content, const oci::Descriptor& descriptor) {
  return from_store(descriptor.digest, [&] {
    const std::string bytes = content.read_blob(descriptor.digest, oci::kMaxManifestBytes);
    return oci::parse_document(bytes, descriptor.media_type, descriptor.digest.to_string());
  });
}

oci::Manifest read_manifest(const imagestore::ContentStore& content, const oci::Descriptor& descriptor) {
  oci::Document document = read_document(content, descriptor);
  if (auto* manifest = std::get_if<oci::Manifest>(&document)) return std::move(*manifest);
  throw Error(ErrorCode::kInternal, "stored content " + descriptor.digest.to_string() + " is no manifest");
}

oci::ImageConfig read_config(const imagestore::ContentStore& content, const oci::Digest& digest) {
  return from_store(digest, [&] { return oci::parse_image_config(content.read_blob(digest, oci::kMaxConfigBytes)); });
}

}  // namespace lighterd::api
