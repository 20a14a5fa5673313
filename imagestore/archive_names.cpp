// SPDX-License-Identifier: Apache-2.0
#include "imagestore/archive_names.hpp"

#include <algorithm>
#include <vector>

namespace lighterd::imagestore {
namespace {

constexpr std::string_view kBlobs = "blobs/";

std::string join(const std::vector<std::string_view>& parts) {
  std::string name;
  for (const std::string_view part : parts) {
    if (!name.empty()) name += '/';
    name += part;
  }
  return name;
}

std::string_view take_part(std::string_view& path) {
  const std::size_t slash = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return part;
}

std::string_view folder_of(std::string_view name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

}  // namespace

std::optional<std::string> find_member_name(std::string_view name) {
  if (name.starts_with('/')) return std::nullopt;
  std::vector<std::string_view> parts;
  while (!name.empty()) {
    const std::string_view part = take_part(name);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (parts.empty()) {
      return std::nullopt;
    } else {
      parts.pop_back();
    }
  }
  if (parts.empty()) return std::nullopt;
  return join(parts);
}

std::optional<std::string> find_link_target(std::string_view link, std::string_view target) {
  if (target.starts_with('/')) return std::nullopt;
  const std::string_view folder = folder_of(link);
  return find_member_name(folder.empty() ? std::string(target) : std::string(folder) + "/" + std::string(target));
}

std::optional<oci::Digest> find_blob_digest(std::string_view name) {
  if (!name.starts_with(kBlobs)) return std::nullopt;
  std::string digest(name.substr(kBlobs.size()));
  const std::size_t slash = digest.find('/');
  if (slash == std::string::npos) return std::nullopt;
  digest[slash] = ':';
  return oci::find_digest(digest);
}

std::string blob_member(const oci::Digest& digest) {
  return blob_folder(digest.algorithm()) + "/" + digest.hex();
}

std::string blob_folder(oci::DigestAlgorithm algorithm) {
  return std::string(kBlobs).append(oci::to_string(algorithm));
}

std::string progress_id(std::string_view name) {
  constexpr std::size_t kDigits = 12;
  constexpr std::string_view kLayerFile = "layer.tar";
  const std::string_view folder = folder_of(name);
  std::string_view file = folder.empty() ? name : name.substr(folder.size() + 1);
  if (file == kLayerFile && !folder.empty()) file = folder.substr(std::min(folder.rfind('/') + 1, folder.size()));
  return std::string(file.substr(0, std::min(file.find('.'), kDigits)));
}

}  // namespace lighterd::imagestore
