// SPDX-License-Identifier: Apache-2.0
#include "distribution/blob_stream.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "distribution/blob_transfer.hpp"

namespace lighterd::distribution {
namespace {

using base::Error;
using base::ErrorCode;
using Clock = std::chrono::steady_clock;

// So much of the end is not handed on before the whole is known to be right: nobody can take a damaged blob for whole.
std::int64_t held_from(const oci::Descriptor& blob) {
  constexpr std::int64_t kHeldBackBytes = 64 * 1024;
  return std::max<std::int64_t>(blob.size_bytes - kHeldBackBytes, 0);
}

class BlobStream final : public BlobDownload {
 public:
  BlobStream(std::shared_ptr<CachedDownload> download, std::int64_t begin, std::stop_token stop)
      : download_(std::move(download)), stop_(std::move(stop)), position_(begin) {}

  std::int64_t size_bytes() const override { return download_->blob().size_bytes; }

  std::size_t read(std::span<std::byte> buffer) override {
    if (position_ == size_bytes() || buffer.empty()) return 0;
    const auto view = download_->wait(position_, stop_);
    if (!copy_) copy_ = view.copy;
    // What was handed on of another copy may be what was wrong with it.
    if (*copy_ != view.copy) throw_damaged();
    const auto wanted =
        std::min<std::int64_t>(static_cast<std::int64_t>(buffer.size()), view.readable_bytes - position_);
    const std::size_t count = base::read_at(view.file->get(), buffer.first(static_cast<std::size_t>(wanted)), position_,
                                            download_->blob().digest.to_string());
    if (count == 0) throw_damaged();
    position_ += static_cast<std::int64_t>(count);
    return count;
  }

 private:
  [[noreturn]] void throw_damaged() const {
    throw Error(ErrorCode::kDataLoss, "blob " + download_->blob().digest.to_string() + " came damaged");
  }

  const std::shared_ptr<CachedDownload> download_;
  const std::stop_token stop_;
  std::int64_t position_;
  std::optional<int> copy_;
};

}  // namespace

CachedDownload::CachedDownload(DistributionServices& services, imagestore::RegistryStore& registry,
                               std::string repository, oci::Descriptor blob, std::shared_ptr<RegistryClient> client,
                               const std::stop_token& stop)
    : content_(services.content),
      registry_(registry),
      logger_(services.logger),
      repository_(std::move(repository)),
      blob_(std::move(blob)),
      client_(std::move(client)),
      lease_(content_.make_lease("cache " + blob_.digest.to_string())) {
  content_.hold(blob_.digest, lease_);
  watch_ = join_blob_transfer(services, client_, blob_, imagestore::BlobKind::kPlain);
  if (watch_.is_leader()) return;
  // What somebody else's credentials fetch, or another repository's, ours have to be good for as well.
  if (watch_->is_foreign(client_->identity())) client_->require_blob(blob_.digest, stop);
  watch_.contribute(client_->registry(), client_);
}

CachedDownload::~CachedDownload() {
  // Who had enough before the end may have had all that it wanted.
  if (watch_->state() != Transfer::State::kDone) return;
  std::call_once(finished_, [this] {
    if (watch_->arrival().wait(0, [] { return true; }, Clock::now(), {}).file) link();
  });
}

bool CachedDownload::wait_for_start(Clock::time_point deadline, const std::stop_token& stop) {
  return look(0, deadline, stop).readable_bytes == blob_.size_bytes;
}

BlobArrival::View CachedDownload::wait(std::int64_t position, const std::stop_token& stop) {
  const bool needs_all = position >= held_from(blob_);
  return look(needs_all ? blob_.size_bytes : position, Clock::time_point::max(), stop);
}

BlobArrival::View CachedDownload::look(std::int64_t bytes, Clock::time_point deadline, const std::stop_token& stop) {
  bool ended = false;
  const auto has_ended = [&] { return ended = watch_->has_ended(); };
  auto view = watch_->arrival().wait(bytes, has_ended, deadline, stop);
  if (!ended) {
    view.readable_bytes = std::min(view.readable_bytes, held_from(blob_));
    return view;
  }
  watch_->rethrow();
  std::call_once(finished_, [&] { finish(view, stop); });
  return {view.file ? view.file : file_, blob_.size_bytes, view.copy};
}

void CachedDownload::finish(const BlobArrival::View& view, const std::stop_token& stop) {
  // Where it was here already the transfer asked upstream for nothing.
  if (!view.file) {
    const auto known = content_.find_blob(blob_.digest);
    const auto size = client_->find_blob_size(blob_.digest, stop);
    if (!known || !size) throw Error(ErrorCode::kNotFound, "blob unknown to registry");
    require_same_size(blob_.digest, *known, *size);
    file_ = std::make_shared<const base::UniqueFd>(content_.open_blob(blob_.digest));
  }
  link();
}

// The bytes are right and on their way to the client, whether others will find them here or not.
void CachedDownload::link() noexcept {
  try {
    registry_.link_blob(repository_, imagestore::RepositoryKind::kCached, blob_.digest);
  } catch (const std::exception& error) {
    logger_.warn("cannot keep a blob for a cached repository",
                 {{"repository", repository_}, {"digest", blob_.digest.to_string()}, {"error", error.what()}});
  }
}

void require_same_size(const oci::Digest& digest, const imagestore::BlobInfo& here, std::int64_t upstream_bytes) {
  if (here.size_bytes == upstream_bytes) return;
  throw Error(ErrorCode::kDataLoss,
              "upstream has " + std::to_string(upstream_bytes) + " bytes as " + digest.to_string());
}

std::unique_ptr<BlobDownload> make_blob_stream(std::shared_ptr<CachedDownload> download, std::int64_t begin,
                                               const std::stop_token& stop) {
  return std::make_unique<BlobStream>(std::move(download), begin, stop);
}

}  // namespace lighterd::distribution
