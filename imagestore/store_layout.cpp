// SPDX-License-Identifier: Apache-2.0
#include "imagestore/store_layout.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"

namespace lighterd::imagestore {
namespace {

using base::Error;
using base::ErrorCode;

void make_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0) {
    base::sync_directory(path.parent_path());
  } else if (errno != EEXIST) {
    throw base::errno_error(errno, "mkdir " + path.string());
  }
}

void check_root(const std::filesystem::path& root) {
  struct stat status {};
  if (::stat(root.c_str(), &status) != 0) throw base::errno_error(errno, "stat " + root.string());
  if (!S_ISDIR(status.st_mode)) throw Error(ErrorCode::kInvalidArgument, root.string() + " is not a directory");
  if (status.st_uid != ::geteuid())
    throw Error(ErrorCode::kPermissionDenied, "data root " + root.string() + " belongs to another user");
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error(ErrorCode::kPermissionDenied, "data root " + root.string() + " can be written by other users");
}

void make_file(const std::filesystem::path& path, std::string_view content) {
  if (!std::filesystem::exists(path)) base::write_file_atomically(path, content);
}

}  // namespace

StoreLayout::StoreLayout(const std::filesystem::path& root)
    : root_(std::filesystem::absolute(root).lexically_normal()) {
  if (!root_.has_filename()) root_ = root_.parent_path();
  std::filesystem::create_directories(root_.parent_path());
  make_directory(root_);
  check_root(root_);
  lock_ = base::open_file(root_ / "lock", O_RDWR | O_CREAT);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error(ErrorCode::kConflict, "data root " + root_.string() + " is in use by another daemon");
  make_directory(root_ / "blobs");
  make_directory(blobs(oci::DigestAlgorithm::kSha256));
  make_directory(blobs(oci::DigestAlgorithm::kSha512));
  make_directory(ingest());
  make_file(root_ / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  make_file(root_ / "index.json",
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})");
}

std::filesystem::path StoreLayout::blobs(oci::DigestAlgorithm algorithm) const {
  return root_ / "blobs" / oci::to_string(algorithm);
}

std::filesystem::path StoreLayout::blob(const oci::Digest& digest) const {
  return blobs(digest.algorithm()) / digest.hex();
}

std::filesystem::path StoreLayout::partial(const oci::Digest& digest) const {
  return ingest() / (std::string(oci::to_string(digest.algorithm())) + "-" + digest.hex() + ".part");
}

std::filesystem::path StoreLayout::partial_map(const oci::Digest& digest) const {
  return partial(digest).replace_extension(".map");
}

std::optional<oci::Digest> StoreLayout::find_partial_digest(const std::filesystem::path& path) const {
  if (path.extension() != ".part" && path.extension() != ".map") return std::nullopt;
  std::string name = path.stem().string();
  const std::size_t dash = name.find('-');
  if (dash == std::string::npos) return std::nullopt;
  name[dash] = ':';
  return oci::find_digest(name);
}

std::optional<std::string> StoreLayout::find_upload_id(const std::filesystem::path& path) const {
  constexpr std::string_view kPrefix = "upload-";
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  return name.substr(kPrefix.size());
}

}  // namespace lighterd::imagestore
