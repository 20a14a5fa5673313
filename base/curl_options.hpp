// SPDX-License-Identifier: Apache-2.0
// libcurl's handles, options and header lines with owners and types; for the files of the two folders that talk over
// it.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace lighterd::base {

// kInternal with libcurl's text unless the code is OK; kUnavailable when memory is short.
void check_curl(CURLcode code, const char* what);
void check_curl(CURLMcode code, const char* what);

// The variadic curl_easy_setopt takes anything; these take what an option can mean.
class CurlOptions {
 public:
  explicit CurlOptions(CURL* easy) : easy_(easy) {}
  void set_option(CURLoption option, long value) { check_curl(curl_easy_setopt(easy_, option, value), "set option"); }
  void set_option(CURLoption option, const char* value) {
    check_curl(curl_easy_setopt(easy_, option, value), "set option");
  }
  void set_option(CURLoption option, const std::string& value) { set_option(option, value.c_str()); }
  void set_size(CURLoption option, std::int64_t value) {
    check_curl(curl_easy_setopt(easy_, option, static_cast<curl_off_t>(value)), "set option");
  }
  void set_pointer(CURLoption option, void* value) { check_curl(curl_easy_setopt(easy_, option, value), "set option"); }
  // Copied by libcurl.
  void set_blob(CURLoption option, const std::string& bytes) {
    curl_blob blob{const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_COPY};
    check_curl(curl_easy_setopt(easy_, option, &blob), "set option");
  }
  template <typename R, typename... Args>
  void set_function(CURLoption option, R (*function)(Args...)) {
    check_curl(curl_easy_setopt(easy_, option, function), "set option");
  }
  void set_option(CURLoption, int) = delete;
  void set_option(CURLoption, bool) = delete;
  void set_option(CURLoption, double) = delete;

 private:
  CURL* easy_;
};

struct CurlEasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CurlMultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};

// The lines of a request in curl's list form, wiped when they go: one of them may be a credential.
class CurlHeaderLines {
 public:
  // kInvalidArgument for what would be more than one line.
  void add(std::string_view name, std::string_view value);
  void suppress(std::string_view name) { lines_.emplace_back(std::string(name) + ":"); }
  // Until the next add(); null if empty.
  curl_slist* list();

 private:
  std::vector<base::Secret> lines_;
  std::vector<curl_slist> nodes_;
};

}  // namespace lighterd::base
