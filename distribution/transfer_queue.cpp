// SPDX-License-Identifier: Apache-2.0
#include "distribution/transfer_queue.hpp"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/error.hpp"
#include "distribution/error_copy.hpp"
#include "distribution/registry_client.hpp"

namespace lighterd::distribution {

void Transfer::rethrow() const {
  if (rethrow_) rethrow_();
}

void Transfer::set_wait(const RetryNotice& notice) {
  // Long enough to be seen.
  constexpr std::chrono::milliseconds kShortest{200};
  *wait_.lock() = Wait{notice.reason, std::chrono::steady_clock::now() + std::max(notice.delay, kShortest)};
}

std::optional<Transfer::Wait> Transfer::find_wait() const {
  auto wait = wait_.lock();
  if (*wait && std::chrono::steady_clock::now() >= (*wait)->deadline) wait->reset();
  return *wait;
}

TransferSources::Client TransferSources::current() {
  auto state = state_.lock();
  if (state->clients.empty()) return nullptr;
  Client client = state->clients[state->current];
  state->tried.insert(client->identity());
  return client;
}

bool TransferSources::advance(const Client& failed) {
  auto state = state_.lock();
  // Another connection of the transfer has done it already.
  if (state->clients.empty() || state->clients[state->current] != failed) return true;
  state->failed.insert(failed->identity());
  const auto next = std::find_if(state->clients.begin(), state->clients.end(),
                                 [&](const Client& client) { return !state->failed.contains(client->identity()); });
  if (next == state->clients.end()) {
    state->failed.clear();
    return false;
  }
  state->current = static_cast<std::size_t>(next - state->clients.begin());
  return true;
}

bool TransferSources::was_tried(const std::string& identity) const {
  return state_.lock()->tried.contains(identity);
}

bool TransferSources::knows(const std::string& identity) const {
  return state_.lock()->known.contains(identity);
}

void TransferSources::add(Client client) {
  if (!client) return;
  auto state = state_.lock();
  state->known.insert(client->identity());
  state->clients.push_back(std::move(client));
}

void TransferSources::remove(const Client& client) {
  auto state = state_.lock();
  const auto found = std::find(state->clients.begin(), state->clients.end(), client);
  if (found == state->clients.end() || state->clients.size() == 1) return;
  const auto index = static_cast<std::size_t>(found - state->clients.begin());
  state->clients.erase(found);
  if (index < state->current) --state->current;
  state->current %= state->clients.size();
}

namespace {

// A transfer that somebody watches, or whose thread has not come to its end.
struct Job {
  std::string key;
  std::vector<std::string> hosts;  // any of which it may run by
  std::string running_host;
  TransferWork work;
  std::shared_ptr<Transfer> transfer = std::make_shared<Transfer>();
  std::size_t watchers = 1;
  std::stop_source stop;
};

}  // namespace

struct TransferQueue::State {
  explicit State(std::size_t limit) : max_running_per_host(limit) {}

  const std::size_t max_running_per_host;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::uint64_t changes = 0;
  std::map<std::string, std::shared_ptr<Job>> jobs;  // by key; what can be joined
  std::list<std::shared_ptr<Job>> waiting;           // in the order of arrival
  std::map<std::string, std::size_t> running;        // by host
  std::list<std::jthread> threads;
  std::list<std::jthread> ended_threads;  // to be joined by whoever comes next

  // All of these under the mutex.
  void note_change() {
    ++changes;
    changed.notify_all();
  }
  void start_waiting();
  void start(const std::shared_ptr<Job>& job);
  void forget(const std::shared_ptr<Job>& job);

  void run(const std::shared_ptr<Job>& job, std::list<std::jthread>::iterator self);
};

void TransferQueue::State::start_waiting() {
  for (auto it = waiting.begin(); it != waiting.end();) {
    Job& job = **it;
    const auto free = std::find_if(job.hosts.begin(), job.hosts.end(), [&](const std::string& host) {
      const auto found = running.find(host);
      return found == running.end() || found->second < max_running_per_host;
    });
    if (free == job.hosts.end()) {
      ++it;
      continue;
    }
    job.running_host = *free;
    start(*it);
    it = waiting.erase(it);
  }
}

void TransferQueue::State::start(const std::shared_ptr<Job>& job) {
  job->transfer->state_.store(Transfer::State::kRunning, std::memory_order_release);
  threads.emplace_front();
  const auto self = threads.begin();
  try {
    *self = std::jthread([this, job, self] { run(job, self); });
    ++running[job->running_host];
  } catch (const std::system_error&) {  // too many threads
    threads.pop_front();
    forget(job);
    job->transfer->rethrow_ = [] {
      throw base::Error(base::ErrorCode::kUnavailable, "cannot start a transfer: no thread is to be had");
    };
    job->transfer->state_.store(Transfer::State::kFailed, std::memory_order_release);
    job->transfer->arrival().wake();
  }
  note_change();
}

void TransferQueue::State::forget(const std::shared_ptr<Job>& job) {
  const auto it = jobs.find(job->key);
  if (it != jobs.end() && it->second == job) jobs.erase(it);
}

void TransferQueue::State::run(const std::shared_ptr<Job>& job, std::list<std::jthread>::iterator self) {
  auto result = Transfer::State::kDone;
  try {
    job->work(*job->transfer, job->stop.get_token());
  } catch (...) {
    job->transfer->rethrow_ = copy_current_error();
    result = Transfer::State::kFailed;
  }
  job->work = nullptr;  // lets go of what it captured before anybody learns that it ended
  const std::lock_guard lock(mutex);
  forget(job);
  job->transfer->state_.store(result, std::memory_order_release);
  job->transfer->arrival().wake();
  if (--running[job->running_host] == 0) running.erase(job->running_host);
  ended_threads.splice(ended_threads.end(), threads, self);
  start_waiting();
  note_change();
}

Watch& Watch::operator=(Watch&& other) noexcept {
  std::swap(queue_, other.queue_);
  std::swap(key_, other.key_);
  std::swap(transfer_, other.transfer_);
  std::swap(source_, other.source_);
  std::swap(leader_, other.leader_);
  return *this;
}

Watch::~Watch() {
  if (transfer_) queue_->leave(*this);
}

TransferQueue::TransferQueue(std::size_t max_running_per_host)
    : state_(std::make_unique<State>(max_running_per_host)) {}

TransferQueue::~TransferQueue() {
  std::list<std::jthread> threads;
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.clear();
    for (const auto& [key, job] : state_->jobs) job->stop.request_stop();
  }
  // A running thread moves itself to ended_threads under the mutex; join outside of it until none is left.
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->threads.empty(); });
  threads.swap(state_->ended_threads);
  lock.unlock();
  threads.clear();
}

Watch TransferQueue::join(const std::string& key, const std::string& host, TransferWork work,
                          TransferSources::Client source) {
  std::list<std::jthread> ended;
  Watch watch;
  watch.queue_ = this;
  watch.key_ = key;
  {
    const std::lock_guard lock(state_->mutex);
    ended.swap(state_->ended_threads);
    const auto found = state_->jobs.find(key);
    if (found != state_->jobs.end()) {
      Job& job = *found->second;
      ++job.watchers;
      watch.transfer_ = job.transfer;
      return watch;
    }
    auto job = std::make_shared<Job>();
    job->key = key;
    job->hosts = {host};
    job->work = std::move(work);
    watch.source_ = source;
    job->transfer->sources_.add(std::move(source));
    watch.transfer_ = job->transfer;
    watch.leader_ = true;
    state_->jobs.emplace(key, job);
    state_->waiting.push_back(std::move(job));
    state_->start_waiting();
  }
  return watch;
}

void Watch::contribute(const std::string& host, TransferSources::Client client) {
  queue_->contribute(*this, host, std::move(client));
}

void TransferQueue::contribute(Watch& watch, const std::string& host, TransferSources::Client client) {
  const std::lock_guard lock(state_->mutex);
  watch.source_ = client;
  watch.transfer_->sources_.add(std::move(client));
  const auto found = state_->jobs.find(watch.key_);
  if (found == state_->jobs.end() || found->second->transfer != watch.transfer_) return;
  Job& job = *found->second;
  if (std::find(job.hosts.begin(), job.hosts.end(), host) == job.hosts.end()) job.hosts.push_back(host);
  state_->start_waiting();
}

void TransferQueue::leave(const Watch& watch) noexcept {
  const std::lock_guard lock(state_->mutex);
  if (watch.source_) watch.transfer_->sources_.remove(watch.source_);
  const auto found = state_->jobs.find(watch.key_);
  if (found == state_->jobs.end() || found->second->transfer != watch.transfer_) return;
  const std::shared_ptr<Job> job = found->second;
  if (--job->watchers > 0) return;
  job->stop.request_stop();
  // Nobody may join what is being cancelled: the next one starts afresh.
  state_->jobs.erase(found);
  state_->waiting.remove(job);
}

std::uint64_t TransferQueue::wait_for_change(std::uint64_t seen, std::chrono::steady_clock::time_point deadline,
                                             const std::stop_token& stop) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_until(lock, stop, deadline, [&] { return state_->changes != seen; });
  return state_->changes;
}

}  // namespace lighterd::distribution
