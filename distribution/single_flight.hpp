// SPDX-License-Identifier: Apache-2.0
// One execution for all who ask for the same thing at the same time.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/error.hpp"
#include "base/synchronized.hpp"
#include "distribution/error_copy.hpp"

namespace lighterd::distribution {

// Thread-safe. Nothing is remembered once it was handed out.
template <typename Result>
class SingleFlight {
 public:
  // Blocks. The first caller of a key runs `work` in its own thread; who comes meanwhile gets a copy of the result or
  // the error. The first one's cancellation is nobody else's: another one runs its own work then. kCancelled when this
  // caller's stop is requested.
  Result run(const std::string& key, const std::function<Result()>& work, const std::stop_token& stop) {
    for (;;) {
      std::shared_ptr<Flight> flight;
      {
        auto flights = flights_.lock();
        const auto found = flights->find(key);
        if (found == flights->end()) {
          flight = std::make_shared<Flight>();
          flights->emplace(key, flight);
        } else {
          flight = found->second;
          ++flight->waiters;
          if (!flights.wait(landed_, stop, [&] { return flight->done; }))
            throw base::Error(base::ErrorCode::kCancelled, "context canceled");
          if (flight->result) return *flight->result;
          if (!flight->rethrow) continue;
        }
      }
      if (flight->rethrow) flight->rethrow();
      return fly(key, *flight, work);
    }
  }

  // How many wait for somebody else's result.
  std::size_t count_waiters() {
    std::size_t count = 0;
    auto flights = flights_.lock();
    for (const auto& [key, flight] : *flights) count += flight->waiters;
    return count;
  }

 private:
  // Written by the one who runs, before done.
  struct Flight {
    bool done = false;
    std::size_t waiters = 0;
    std::optional<Result> result;
    std::function<void()> rethrow;
  };

  Result fly(const std::string& key, Flight& flight, const std::function<Result()>& work) {
    const auto land = [&](std::optional<Result> result, const std::function<void()>& rethrow) {
      auto flights = flights_.lock();
      flight.done = true;
      flight.result = std::move(result);
      flight.rethrow = rethrow;
      flights->erase(key);
      landed_.notify_all();
    };
    try {
      Result result = work();
      land(result, nullptr);
      return result;
    } catch (const base::Error& error) {
      land(std::nullopt, error.code() == base::ErrorCode::kCancelled ? std::function<void()>() : copy_current_error());
      throw;
    } catch (...) {
      land(std::nullopt, nullptr);
      throw;
    }
  }

  base::Synchronized<std::map<std::string, std::shared_ptr<Flight>>> flights_;
  std::condition_variable_any landed_;
};

}  // namespace lighterd::distribution
