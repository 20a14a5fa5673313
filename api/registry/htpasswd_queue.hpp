// SPDX-License-Identifier: Apache-2.0
// The order in which passwords are checked. A check costs a core for as long as bcrypt takes, and anybody may ask for
// one: without bounds a crowd with wrong passwords has every core and every worker of the registry.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "base/synchronized.hpp"

namespace lighterd::api::registry {

// Thread-safe. First come, first served.
class HtpasswdQueue {
 public:
  struct Limits {
    std::size_t running;  // checks at a time
    std::size_t waiting;  // for their turn
    std::size_t sharing;  // for what a check of the same login will find
  };
  // Half of the cores; a crowd of 256 clients with one login; of the registry's 512 workers some 200 for everybody
  // else.
  static Limits default_limits();

  explicit HtpasswdQueue(Limits limits) : limits_(limits) {}

  // What `matches` says, which is called in this thread or, for a login that is being checked already, not at all.
  // `login` stands for user, password and version of the file. Beyond the limits RegistryFault 429 TOOMANYREQUESTS with
  // Retry-After; kCancelled when stop is requested before the turn comes. What `matches` throws is thrown to its caller
  // alone; who shared the check makes one of his own.
  bool check(const std::string& login, const std::function<bool()>& matches, const std::stop_token& stop);

 private:
  struct Check;
  struct State {
    std::size_t running = 0;
    std::size_t sharing = 0;
    std::deque<const Check*> waiting;  // oldest first
    std::map<std::string, std::shared_ptr<Check>> checks;
  };
  struct Place {
    std::shared_ptr<Check> check;
    bool is_shared;
  };

  Place find_place(const std::string& login);
  void wait_for_turn(const Check& check, const std::stop_token& stop);
  void wait_for_result(const Check& check, const std::stop_token& stop);
  bool run(Check& check, const std::function<bool()>& matches, const std::stop_token& stop);
  void finish(const std::string& login, Check& check);

  const Limits limits_;
  std::condition_variable_any changed_;
  base::Synchronized<State> state_;
};

}  // namespace lighterd::api::registry
