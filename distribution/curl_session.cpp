// SPDX-License-Identifier: Apache-2.0
#include "distribution/curl_session.hpp"

#include "base/error.hpp"

namespace lighterd::distribution {
namespace {

constexpr long kConnectionsPerSession = 4;

}  // namespace

CurlSession::CurlSession() : multi(curl_multi_init()), easy(curl_easy_init()) {
  if (!multi || !easy) throw base::Error(base::ErrorCode::kUnavailable, "libcurl: out of memory");
  check_curl(curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, kConnectionsPerSession), "set option");
}

}  // namespace lighterd::distribution
