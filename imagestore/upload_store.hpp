// SPDX-License-Identifier: Apache-2.0
// Blobs that clients push: sessions with a name that last over requests and restarts, hashed while the bytes arrive.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "imagestore/content_store.hpp"
#include "imagestore/registry_store.hpp"

namespace lighterd::imagestore {

// One session in the hands of one request. Not thread-safe. What was written stays when it goes; the store must
// outlive it.
class Upload final : public base::Sink {
 public:
  ~Upload() override;
  const std::string& id() const;
  const std::string& repository() const;
  std::int64_t size_bytes() const;  // what has arrived, in all requests
  void write(base::Bytes data) override;
  // By which algorithm it will be committed, as soon as that is known: hashed so from the first byte, if none came yet.
  void expect(oci::DigestAlgorithm algorithm);
  // Makes the blob durable and visible in the repository, and ends the session. kDataLoss if the bytes are something
  // else: the session has ended then as well. Reads again only what another algorithm than the session's needs; stopped
  // then, kCancelled, it stays as it was. Once.
  BlobInfo commit(const oci::Digest& expected, const std::stop_token& stop = {});
  // Ends the session and forgets what arrived.
  void cancel();

 private:
  friend class UploadStore;
  struct State;
  explicit Upload(std::unique_ptr<State> state);
  void verify(const oci::Digest& expected, const std::stop_token& stop);
  BlobInfo publish(const oci::Digest& digest);
  void end() noexcept;
  std::unique_ptr<State> state_;
};

// Thread-safe.
class UploadStore {
 public:
  // Forgets sessions of which the bytes are gone.
  UploadStore(ContentStore& content, RegistryStore& registry, MetadataDb& database);
  ~UploadStore();

  // A session that others can open by its ID: 128 random bits, 32 hex digits. Hashed by `algorithm`.
  // kPermissionDenied as the writing functions of RegistryStore.
  std::unique_ptr<Upload> start(const std::string& repository, oci::DigestAlgorithm algorithm);
  // One for this request alone: without commit() nothing of it stays.
  std::unique_ptr<Upload> start_single(const std::string& repository, oci::DigestAlgorithm algorithm);
  // Waits while another request has it, for at most 10 s: kUnavailable. After a restart what arrived is read once.
  // kNotFound for an ID that is none, has expired, or is of another repository.
  std::unique_ptr<Upload> open(const std::string& id, const std::string& repository, std::stop_token stop);
  // What has arrived so far, also while another request writes; kNotFound as open().
  std::int64_t get_size(const std::string& id, const std::string& repository);
  // Ends sessions into which nothing was written since then and that nobody has. Returns how many.
  std::size_t expire(base::Timestamp before);

 private:
  friend class Upload;
  struct Session;
  struct Sessions;
  std::unique_ptr<Upload> open_file(std::shared_ptr<Session> session, int flags);
  std::shared_ptr<Session> claim(const std::string& id, const std::stop_token& stop);
  std::shared_ptr<Session> load(const std::string& id, const std::stop_token& stop);
  void release(const std::string& id, std::shared_ptr<Session> kept) noexcept;
  bool expire_one(const std::string& id, base::Timestamp before);
  void remove(const std::string& id) noexcept;

  ContentStore& content_;
  RegistryStore& registry_;
  MetadataDb& database_;
  const std::unique_ptr<Sessions> sessions_;
};

}  // namespace lighterd::imagestore
