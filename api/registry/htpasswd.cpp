// SPDX-License-Identifier: Apache-2.0
#include "api/registry/htpasswd.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <system_error>

#include "api/registry/password_hash.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "oci/digest.hpp"

namespace lighterd::api::registry {
namespace {

using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxFileBytes = 4 * 1024 * 1024;
constexpr std::size_t kMaxVerified = 1000;
constexpr std::size_t kKeyBytes = 32;
// Of nobody's password: what everybody is compared with in a file without users.
constexpr const char* kNobodysHash = "$2y$10$abcdefghijklmnopqrstuuJqDAzEYLgnoEwSXHePlCvVRRwEiAhPO";

}  // namespace

// What tells one version of the file from another.
struct HtpasswdFile::Stamp {
  bool exists = false;
  std::array<std::int64_t, 7> values{};

  bool operator==(const Stamp&) const = default;

  static Stamp of(const std::filesystem::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {true,
            {static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino), status.st_size,
             status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec}};
  }
};

// One version of the file, and what was verified by it.
struct HtpasswdFile::Users {
  struct Verified {
    std::set<std::string> proofs;
    std::deque<std::string> order;  // oldest first
  };

  Stamp stamp;
  std::map<std::string, std::string, std::less<>> hashes;
  std::string dearest = kNobodysHash;  // what unknown users are compared with
  const std::string key = oci::random_hex(kKeyBytes);
  base::Synchronized<Verified> verified;

  // Says nothing about the password to who has not the key, which never leaves the process.
  std::string proof_of(const std::string& user, const base::Secret& password) const {
    oci::DigestHasher hasher(oci::DigestAlgorithm::kSha256);
    hasher.update(base::as_bytes(key));
    hasher.update(base::as_bytes(std::to_string(user.size()) + ":"));
    hasher.update(base::as_bytes(user));
    hasher.update(base::as_bytes(password.reveal()));
    return hasher.finish().hex();
  }

  bool is_verified(const std::string& proof) { return verified.lock()->proofs.contains(proof); }

  void remember(const std::string& proof) {
    auto locked = verified.lock();
    if (!locked->proofs.insert(proof).second) return;
    locked->order.push_back(proof);
    if (locked->order.size() <= kMaxVerified) return;
    locked->proofs.erase(locked->order.front());
    locked->order.pop_front();
  }

  bool check(const std::string& user, const base::Secret& password, const std::string& proof) {
    if (is_verified(proof)) return true;
    const auto found = hashes.find(user);
    const bool is_known = found != hashes.end();
    if (!matches_hash(password, is_known ? found->second : dearest) || !is_known) return false;
    remember(proof);
    return true;
  }

  void compare_costs(base::Logger& logger) {
    if (hashes.empty()) return;
    const auto [cheapest, most] =
        std::ranges::minmax_element(hashes, {}, [](const auto& entry) { return bcrypt_cost(entry.second); });
    dearest = most->second;
    const unsigned low = bcrypt_cost(cheapest->second);
    const unsigned high = bcrypt_cost(dearest);
    if (low == high) return;
    logger.warn("hashes of several costs in the htpasswd file: how long a refusal takes tells who is a user",
                {{"lowest_cost", std::to_string(low)}, {"highest_cost", std::to_string(high)}});
  }

  void add_line(std::string_view line, std::size_t number, base::Logger& logger) {
    line = base::trim(line);
    if (line.empty() || line.starts_with('#')) return;
    const auto colon = line.find(':');
    const std::string user(line.substr(0, colon));
    const std::string hash(colon == std::string_view::npos ? "" : line.substr(colon + 1));
    if (is_bcrypt_hash(hash) && !user.empty())
      hashes[user] = hash;
    else
      logger.warn("a user of the htpasswd file is left out: the hash is not bcrypt",
                  {{"user", colon == std::string_view::npos ? "" : user}, {"line", std::to_string(number)}});
  }
};

HtpasswdFile::HtpasswdFile(std::filesystem::path path, base::Logger& logger, HtpasswdQueue::Limits limits)
    : path_(std::move(path)), logger_(logger), queue_(limits) {
  try {
    *users_.lock() = load(Stamp::of(path_));
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, "htpasswd file: " + error.text());
  }
}

HtpasswdFile::~HtpasswdFile() = default;

// The file may be a link, as those of mounted secrets are.
std::shared_ptr<HtpasswdFile::Users> HtpasswdFile::load(const Stamp& stamp) const {
  std::error_code failure;
  const std::filesystem::path file = std::filesystem::canonical(path_, failure);
  if (failure) throw base::errno_error(failure.value(), path_.string());
  const std::string content = base::read_file(file, kMaxFileBytes);
  const auto users = std::make_shared<Users>();
  users->stamp = stamp;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    users->add_line(std::string_view(content).substr(begin, end - begin), ++number, logger_);
    begin = end + 1;
  }
  users->compare_costs(logger_);
  return users;
}

std::shared_ptr<HtpasswdFile::Users> HtpasswdFile::current() {
  const Stamp stamp = Stamp::of(path_);
  if (const std::shared_ptr<Users> known = *users_.lock(); known->stamp == stamp) return known;
  // Without a stamp: what cannot be read now is tried again at the next login.
  auto users = std::make_shared<Users>();
  try {
    users = load(stamp);
    logger_.info("the htpasswd file has changed", {{"users", std::to_string(users->hashes.size())}});
  } catch (const Error& error) {
    logger_.error("cannot read the htpasswd file: nobody can log in", {{"error", error.text()}});
  }
  return *users_.lock() = users;
}

bool HtpasswdFile::verify(const std::string& user, const base::Secret& password, const std::stop_token& stop) {
  const std::shared_ptr<Users> users = current();
  const std::string proof = users->proof_of(user, password);
  if (users->is_verified(proof)) return true;
  return queue_.check(
      proof, [&] { return users->check(user, password, proof); }, stop);
}

}  // namespace lighterd::api::registry
