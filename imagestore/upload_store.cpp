// SPDX-License-Identifier: Apache-2.0
#include "imagestore/upload_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <unordered_map>

#include "base/error.hpp"
#include "imagestore/registry_table.hpp"
#include "imagestore/upload_table.hpp"

namespace lighterd::imagestore {

using base::Error;
using base::ErrorCode;

namespace {

constexpr std::size_t kMaxIdle = 256;  // whose hash is kept in memory
constexpr std::chrono::seconds kPatience{10};
constexpr std::int64_t kBatch = 500;
constexpr std::size_t kIdBytes = 16;

bool is_id(const std::string& text) {
  return text.size() == 2 * kIdBytes && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

Error unknown_upload(const std::string& id) {
  return Error(ErrorCode::kNotFound, "blob upload unknown: " + id.substr(0, 2 * kIdBytes));
}

void update_from_file(oci::DigestHasher& hasher, int fd, std::int64_t size_bytes, const std::filesystem::path& path,
                      const std::stop_token& stop) {
  constexpr std::size_t kBlockBytes = std::size_t{256} << 10U;
  std::vector<std::byte> block(kBlockBytes);
  for (std::int64_t offset = 0; offset < size_bytes;) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    const auto wanted = std::min<std::int64_t>(static_cast<std::int64_t>(kBlockBytes), size_bytes - offset);
    const std::size_t got = base::read_at(fd, std::span(block).first(static_cast<std::size_t>(wanted)), offset, path);
    if (got == 0) throw Error(ErrorCode::kDataLoss, path.string() + " has become shorter");
    hasher.update(std::span(block).first(got));
    offset += static_cast<std::int64_t>(got);
  }
}

std::optional<struct stat> find_status(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

}  // namespace

// In memory only while somebody has it, and for a while after that.
struct UploadStore::Session {
  enum class Life { kRequests, kOneRequest };

  Session(std::string session_id, upload_table::UploadRow upload, std::filesystem::path file, Life lifetime)
      : id(std::move(session_id)),
        row(std::move(upload)),
        path(std::move(file)),
        life(lifetime),
        algorithm(row.algorithm),
        hasher(algorithm) {}

  const std::string id;
  const upload_table::UploadRow row;
  const std::filesystem::path path;
  const Life life;
  oci::DigestAlgorithm algorithm;  // the row's, or the one that is expected
  oci::DigestHasher hasher;
  std::atomic<std::int64_t> size_bytes = 0;  // what was hashed, and what counts of the file
  std::int64_t flushed_bytes = 0;
};

struct UploadStore::Sessions {
  struct Table {
    std::unordered_map<std::string, std::shared_ptr<Session>> taken;  // null while it is loaded
    std::list<std::shared_ptr<Session>> idle;                         // the longest first
  };
  base::Synchronized<Table> table;
  std::condition_variable_any released;
};

struct Upload::State {
  UploadStore& store;
  const std::shared_ptr<UploadStore::Session> session;
  base::UniqueFd fd;
  bool has_ended = false;
};

// ---- Upload

Upload::Upload(std::unique_ptr<State> state) : state_(std::move(state)) {}

Upload::~Upload() {
  UploadStore::Session& session = *state_->session;
  const bool is_kept = !state_->has_ended && session.life == UploadStore::Session::Life::kRequests;
  if (!is_kept && !state_->has_ended) end();
  state_->store.release(session.id, is_kept ? state_->session : nullptr);
}

const std::string& Upload::id() const {
  return state_->session->id;
}

const std::string& Upload::repository() const {
  return state_->session->row.repository;
}

std::int64_t Upload::size_bytes() const {
  return state_->session->size_bytes;
}

void Upload::write(base::Bytes data) {
  if (state_->has_ended) throw unknown_upload(id());
  UploadStore::Session& session = *state_->session;
  try {
    base::write_at(state_->fd.get(), data, session.size_bytes, session.path);
  } catch (const Error&) {
    // What the next run finds in the file has to be what the client was told.
    std::ignore = ::ftruncate(state_->fd.get(), session.size_bytes);
    throw;
  }
  session.hasher.update(data);
  session.size_bytes += static_cast<std::int64_t>(data.size());
  base::start_write_back(state_->fd.get(), session.flushed_bytes, session.size_bytes);
}

void Upload::expect(oci::DigestAlgorithm algorithm) {
  UploadStore::Session& session = *state_->session;
  if (session.size_bytes > 0 || session.algorithm == algorithm) return;
  session.hasher = oci::DigestHasher(algorithm);
  session.algorithm = algorithm;
}

BlobInfo Upload::commit(const oci::Digest& expected, const std::stop_token& stop) {
  if (state_->has_ended) throw unknown_upload(id());
  try {
    verify(expected, stop);
    BlobInfo info = publish(expected);
    state_->has_ended = true;
    return info;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) end();
    throw;
  } catch (...) {
    end();
    throw;
  }
}

void Upload::verify(const oci::Digest& expected, const std::stop_token& stop) {
  UploadStore::Session& session = *state_->session;
  oci::DigestHasher other(expected.algorithm());
  oci::DigestHasher* hasher = &session.hasher;
  if (expected.algorithm() != session.algorithm) {
    update_from_file(other, state_->fd.get(), session.size_bytes, session.path, stop);
    hasher = &other;
  }
  const oci::Digest digest = hasher->finish();
  if (digest != expected)
    throw Error(ErrorCode::kDataLoss,
                "what was uploaded as " + expected.to_string() + " has the digest " + digest.to_string());
}

BlobInfo Upload::publish(const oci::Digest& digest) {
  UploadStore::Session& session = *state_->session;
  UploadStore& store = state_->store;
  BlobInfo info{digest, session.size_bytes, std::nullopt};
  auto file = std::make_unique<SpoolFile>(session.path, std::move(state_->fd), info.size_bytes, store.content_.logger_);
  std::vector<NewBlob> blobs;
  blobs.push_back({info, std::move(file)});
  BlobAdoption adoption(store.content_, std::move(blobs));
  const auto now = base::now();
  auto write = store.database_.write();
  adoption.record(*write, now);
  const std::int64_t repository =
      store.registry_.get_for_writing(*write, session.row.repository, RepositoryKind::kPushed, now);
  registry_table::link_blob(*write, repository, digest, now);
  upload_table::remove(*write, session.id);
  write.commit();
  adoption.keep();
  return info;
}

void Upload::cancel() {
  end();
}

void Upload::end() noexcept {
  if (std::exchange(state_->has_ended, true)) return;
  state_->fd.reset();
  remove_file(state_->session->path, state_->store.content_.logger_);
  if (state_->session->life == UploadStore::Session::Life::kRequests) state_->store.remove(id());
}

// ---- UploadStore

UploadStore::UploadStore(ContentStore& content, RegistryStore& registry, MetadataDb& database)
    : content_(content), registry_(registry), database_(database), sessions_(std::make_unique<Sessions>()) {
  std::string after;
  const auto next = [&] { return upload_table::list(*database_.read(), base::Timestamp::max(), after, kBatch); };
  for (auto ids = next(); !ids.empty(); ids = next()) {
    after = ids.back();
    std::erase_if(ids, [&](const auto& id) { return find_status(content_.layout_.upload(id)).has_value(); });
    for (const auto& id : ids) remove(id);
  }
}

UploadStore::~UploadStore() = default;

std::unique_ptr<Upload> UploadStore::open_file(std::shared_ptr<Session> session, int flags) {
  auto fd = base::open_file(session->path, O_RDWR | flags);
  return std::unique_ptr<Upload>(
      new Upload(std::make_unique<Upload::State>(Upload::State{*this, std::move(session), std::move(fd)})));
}

std::unique_ptr<Upload> UploadStore::start(const std::string& repository, oci::DigestAlgorithm algorithm) {
  registry_.require_writable(*database_.read(), repository, RepositoryKind::kPushed);
  const std::string id = oci::random_hex(kIdBytes);
  const upload_table::UploadRow row{repository, algorithm};
  auto session = std::make_shared<Session>(id, row, content_.layout_.upload(id), Session::Life::kRequests);
  sessions_->table.lock()->taken.emplace(id, session);
  std::unique_ptr<Upload> upload;
  try {
    upload = open_file(std::move(session), O_CREAT | O_EXCL);
  } catch (...) {
    release(id, nullptr);
    throw;
  }
  try {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    upload_table::insert(*write, id, row, base::now());
    write.commit();
  } catch (...) {
    upload->end();
    throw;
  }
  return upload;
}

std::unique_ptr<Upload> UploadStore::start_single(const std::string& repository, oci::DigestAlgorithm algorithm) {
  registry_.require_writable(*database_.read(), repository, RepositoryKind::kPushed);
  const std::string id = oci::random_hex(kIdBytes);
  // Without a row, and named so that the next start removes what is left of it.
  const upload_table::UploadRow row{repository, algorithm};
  return open_file(std::make_shared<Session>(id, row, content_.layout_.ingest() / id, Session::Life::kOneRequest),
                   O_CREAT | O_EXCL);
}

std::unique_ptr<Upload> UploadStore::open(const std::string& id, const std::string& repository, std::stop_token stop) {
  if (!is_id(id)) throw unknown_upload(id);
  std::shared_ptr<Session> session = claim(id, stop);
  try {
    if (!session) session = load(id, stop);
    if (session->row.repository != repository) throw unknown_upload(id);
    return open_file(session, 0);
  } catch (...) {
    release(id, session);
    throw;
  }
}

// Now it is the caller's. What is in memory of it, or null.
std::shared_ptr<UploadStore::Session> UploadStore::claim(const std::string& id, const std::stop_token& stop) {
  auto table = sessions_->table.lock();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  if (!table.wait_until(sessions_->released, stop, deadline, [&] { return !table->taken.contains(id); })) {
    if (stop.stop_requested()) throw Error(ErrorCode::kCancelled, "context canceled");
    throw Error(ErrorCode::kUnavailable, "another request is writing to the upload");
  }
  const auto idle = std::ranges::find(table->idle, id, [](const auto& session) { return session->id; });
  std::shared_ptr<Session> session;
  if (idle != table->idle.end()) {
    session = *idle;
    table->idle.erase(idle);
  }
  table->taken.emplace(id, session);
  return session;
}

std::shared_ptr<UploadStore::Session> UploadStore::load(const std::string& id, const std::stop_token& stop) {
  const auto row = upload_table::find(*database_.read(), id);
  if (!row) throw unknown_upload(id);
  const std::filesystem::path path = content_.layout_.upload(id);
  const auto status = find_status(path);
  if (!status) {
    remove(id);
    throw unknown_upload(id);
  }
  const base::UniqueFd fd = base::open_file(path, O_RDONLY);
  auto session = std::make_shared<Session>(id, *row, path, Session::Life::kRequests);
  update_from_file(session->hasher, fd.get(), status->st_size, path, stop);
  session->size_bytes = status->st_size;
  session->flushed_bytes = status->st_size;
  sessions_->table.lock()->taken[id] = session;
  return session;
}

void UploadStore::release(const std::string& id, std::shared_ptr<Session> kept) noexcept {
  {
    auto table = sessions_->table.lock();
    table->taken.erase(id);
    if (kept) table->idle.push_back(std::move(kept));
    if (table->idle.size() > kMaxIdle) table->idle.pop_front();
  }
  sessions_->released.notify_all();
}

std::int64_t UploadStore::get_size(const std::string& id, const std::string& repository) {
  if (!is_id(id)) throw unknown_upload(id);
  {
    auto table = sessions_->table.lock();
    const auto taken = table->taken.find(id);
    if (taken != table->taken.end() && taken->second && taken->second->row.repository == repository)
      return taken->second->size_bytes;
  }
  const auto row = upload_table::find(*database_.read(), id);
  const auto status = find_status(content_.layout_.upload(id));
  if (!row || row->repository != repository || !status) throw unknown_upload(id);
  return status->st_size;
}

std::size_t UploadStore::expire(base::Timestamp before) {
  std::size_t count = 0;
  std::string after;
  const auto next = [&] { return upload_table::list(*database_.read(), before, after, kBatch); };
  for (auto ids = next(); !ids.empty(); ids = next()) {
    after = ids.back();
    for (const auto& id : ids)
      if (expire_one(id, before)) ++count;
  }
  return count;
}

bool UploadStore::expire_one(const std::string& id, base::Timestamp before) {
  const auto path = content_.layout_.upload(id);
  const auto was_written_since = [&] {
    const auto status = find_status(path);
    return status && base::Timestamp(std::chrono::seconds(status->st_mtim.tv_sec) +
                                     std::chrono::nanoseconds(status->st_mtim.tv_nsec)) >= before;
  };
  {
    auto table = sessions_->table.lock();
    if (!table->taken.emplace(id, nullptr).second) return false;
  }
  const base::Finally done([&] { release(id, nullptr); });
  if (was_written_since()) return false;
  {
    auto table = sessions_->table.lock();
    std::erase_if(table->idle, [&](const auto& session) { return session->id == id; });
  }
  remove_file(path, content_.logger_);
  remove(id);
  return true;
}

// The file is gone already: a row that stays is of no session, and the next start removes it.
void UploadStore::remove(const std::string& id) noexcept {
  try {
    auto write = database_.write(MetadataDb::Durability::kThisRun);
    upload_table::remove(*write, id);
    write.commit();
  } catch (const std::exception& error) {
    content_.logger_.warn("cannot forget an upload", {{"error", error.what()}});
  }
}

}  // namespace lighterd::imagestore
