// SPDX-License-Identifier: Apache-2.0
#include "distribution/upstream_clients.hpp"

#include <algorithm>

namespace lighterd::distribution {
namespace {

constexpr std::chrono::seconds kKeepTime{20};
constexpr std::size_t kMaxKept = 100;

RegistryOptions with_via(RegistryOptions options, std::string via) {
  options.via = std::move(via);
  return options;
}

RegistryOptions with_short_patience(RegistryOptions options) {
  constexpr int kAttempts = 2;
  constexpr std::chrono::milliseconds kDelay{200};
  options.retry.max_attempts = std::min(options.retry.max_attempts, kAttempts);
  options.retry.first_delay = std::min(options.retry.first_delay, kDelay);
  options.retry.longest_pause = std::min(options.retry.longest_pause, kDelay);
  return options;
}

}  // namespace

UpstreamClients::UpstreamClients(const DistributionServices& services, std::string via, std::string user_agent)
    : http_(services.http),
      logger_(services.logger),
      usual_(with_via(services.registries, std::move(via))),
      short_(with_short_patience(usual_)),
      user_agent_(std::move(user_agent)) {}

std::shared_ptr<RegistryClient> UpstreamClients::get(const oci::RepositoryName& name, Patience patience,
                                                     const std::string& via) {
  const std::string key = name.to_string() + (patience == Patience::kShort ? " short " : " ") + via;
  const auto now = Clock::now();
  {
    auto kept = kept_.lock();
    std::erase_if(*kept, [&](const auto& each) { return now - each.second.made_at > kKeepTime; });
    if (const auto found = kept->find(key); found != kept->end()) return found->second.client;
  }
  OperationContext context{.auth = {}, .user_agent = user_agent_, .extra_headers = {}};
  RegistryOptions options = patience == Patience::kShort ? short_ : usual_;
  if (!via.empty()) options.via = via + ", " + options.via;
  const auto client =
      std::make_shared<RegistryClient>(http_, options, name, Access::kPull, std::move(context), logger_);
  auto kept = kept_.lock();
  if (kept->size() < kMaxKept) kept->insert_or_assign(key, Kept{client, now});
  return client;
}

}  // namespace lighterd::distribution
