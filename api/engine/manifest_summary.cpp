// SPDX-License-Identifier: Apache-2.0
#include "api/engine/manifest_summary.hpp"

#include "api/engine/json_text.hpp"

namespace lighterd::api {

using imagestore::ImageRecord;
using imagestore::ManifestEntry;

namespace {

constexpr std::string_view kind_name(ManifestEntry::Kind kind) {
  switch (kind) {
    case ManifestEntry::Kind::kImage:
      return "image";
    case ManifestEntry::Kind::kAttestation:
      return "attestation";
    case ManifestEntry::Kind::kOther:
      return "unknown";
  }
  return "unknown";
}

// Layers are not unpacked, and there are no containers.
void append_image_data(std::string& out, const ManifestEntry& entry, const FindIdentity& find_identity) {
  out.append(R"(,"ImageData":{"Platform":)").append(entry.platform_json);
  const std::string identity = find_identity ? find_identity(entry.digest) : std::string();
  if (!identity.empty()) out.append(R"(,"Identity":)").append(identity);
  out += R"(,"Size":{"Unpacked":0},"Containers":[]})";
}

// Lists have tens of thousands of these: no JSON value is made of what is JSON already.
void append_summary(std::string& out, const ManifestEntry& entry, const FindIdentity& find_identity) {
  const std::string bytes = std::to_string(entry.content_bytes);
  out.append(R"({"ID":")").append(entry.digest.to_string());
  out.append(R"(","Descriptor":)").append(entry.descriptor_json);
  out.append(R"(,"Available":)").append(entry.is_complete ? "true" : "false");
  out.append(R"(,"Size":{"Content":)").append(bytes).append(R"(,"Total":)").append(bytes);
  out.append(R"(},"Kind":")").append(kind_name(entry.kind)).append("\"");
  if (entry.kind == ManifestEntry::Kind::kImage) append_image_data(out, entry, find_identity);
  if (entry.kind == ManifestEntry::Kind::kAttestation)
    out.append(R"(,"AttestationData":{"For":)").append(json_string(entry.described)).append("}");
  out += '}';
}

}  // namespace

void append_manifest_summaries(std::string& out, const std::vector<ManifestEntry>& entries,
                               const FindIdentity& find_identity) {
  out += '[';
  for (const ManifestEntry& entry : entries) {
    if (&entry != entries.data()) out += ',';
    append_summary(out, entry, find_identity);
  }
  out += ']';
}

std::map<oci::Digest, std::int64_t> shared_sizes(imagestore::ImageStore& images, const std::vector<ImageRecord>& all) {
  auto shared = images.shared_bytes();
  for (const ImageRecord& image : all) shared.try_emplace(image.target.digest, 0);
  return shared;
}

}  // namespace lighterd::api
