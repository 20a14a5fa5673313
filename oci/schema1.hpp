// SPDX-License-Identifier: Apache-2.0
// Docker's image manifest version 2, schema 1 (registry-protocol.md A7): read, checked, and turned into the config of
// an image that everybody can read. Its signatures prove nothing to anybody here and are dropped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.hpp"
#include "oci/image_config.hpp"

namespace lighterd::oci {

// One row of "fsLayers" and "history".
struct Schema1Entry {
  Digest blob;
  std::string id;             // 64 hex digits that the author claims: no ID of anything here
  std::string v1_json;        // "v1Compatibility"
  bool is_throwaway = false;  // it adds no layer; its blob need not be fetched
};

struct Schema1Manifest {
  std::string name;
  std::string tag;
  std::string architecture;
  std::vector<Schema1Entry> entries;  // base first, repetitions removed

  // Of the entries that have one, base first. The same blob may be there twice.
  std::vector<Digest> layers() const;
};

// kDockerSchema1Signed or kDockerSchema1 of what is such a manifest: by the type that it came with (parameters
// stripped), or where that says nothing (A6), by its members. Empty for anything else, and for what is no JSON.
std::string_view find_schema1_type(std::string_view body, std::string_view media_type);

// What the digest of a schema 1 manifest is of: of a signed one the bytes that were signed, which its signatures tell
// how to make of the body; of another one the body. kInvalidArgument for signatures that are none, disagree, or name
// bytes that are not there.
std::string schema1_payload(std::string_view body);

// Of the payload. kInvalidArgument with the texts of A7: "length of history not equal to number of layers for <name>",
// "no FSLayers in manifest for <name>", "Invalid parent ID in the base layer of the image.", "ID <id> appears multiple
// times in manifest", "Invalid parent ID. Expected <id>, got <id>."; an ID that is not 64 hex digits, more than
// kMaxLayers layers, more than kMaxDescriptors entries, a schemaVersion other than 1, members of other kinds of
// manifests.
Schema1Manifest parse_schema1(std::string_view payload);

// The config of the converted image: the newest entry's without what made it a layer's, with rootfs and history. The
// same bytes for the same manifest and diff IDs, one for each of layers(), always.
std::string make_schema1_config(const Schema1Manifest& manifest, const std::vector<DiffID>& diff_ids);

// The same for who has no layers: without diff IDs.
ImageConfig describe_schema1(const Schema1Manifest& manifest);

}  // namespace lighterd::oci
