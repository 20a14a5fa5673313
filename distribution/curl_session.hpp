// SPDX-License-Identifier: Apache-2.0
// A transfer handle of libcurl with its connections; for the files of CurlHttpClient alone.
#pragma once

#include <memory>
#include <string>

#include "base/curl_options.hpp"
#include "distribution/tls_settings.hpp"

namespace lighterd::distribution {

using base::check_curl;
using base::CurlHeaderLines;
using base::CurlOptions;

// A transfer handle with connections of its own, for one thread at a time. The easy handle goes first.
struct CurlSession {
  CurlSession();
  std::unique_ptr<CURLM, base::CurlMultiCleanup> multi;
  std::unique_ptr<CURL, base::CurlEasyCleanup> easy;
  std::string origin;  // of the last exchange: where it has a connection to
  TlsSettings tls;     // of all its connections: libcurl does not compare private keys before it shares one
};

}  // namespace lighterd::distribution
