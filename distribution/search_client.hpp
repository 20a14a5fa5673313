// SPDX-License-Identifier: Apache-2.0
// The search of Hub and of whatever registry answers its v1 API (engine-api.md section 6.10).
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "distribution/puller.hpp"
#include "distribution/url.hpp"

namespace lighterd::distribution {

inline constexpr std::string_view kHubIndex = "https://index.docker.io/v1/";

struct FoundRepository {
  std::string name;
  std::string description;
  std::int64_t stars = 0;
  bool is_official = false;
};

// Thread-safe.
class SearchClient {
 public:
  // `index` is asked for terms that name no registry. kInvalidArgument if it is no URL.
  SearchClient(DistributionServices services, const std::string& index);

  // "term" or "host/term"; at most `limit` hits, none is no error. kInvalidArgument for a term with a scheme and for a
  // registry that does not answer the v1 API, kInternal for an index that fails.
  std::vector<FoundRepository> search(const std::string& term, int limit, const OperationContext& context,
                                      const std::stop_token& stop);

 private:
  DistributionServices services_;
  const Url index_;
};

}  // namespace lighterd::distribution
