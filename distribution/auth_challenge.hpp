// SPDX-License-Identifier: Apache-2.0
// WWW-Authenticate (RFC 9110 section 11, registry-protocol.md A4) and the scopes that bearer challenges name.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lighterd::distribution {

struct Challenge {
  std::string scheme;                                           // lower case
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case

  std::string parameter(std::string_view name) const;  // the first; empty if missing
};

// Of all header lines, in order; several challenges in one line are told apart. Never fails: what is not understood
// is left out.
std::vector<Challenge> parse_challenges(const std::vector<std::string>& header_lines);

// The one to answer: bearer with a realm, then basic. Others (negotiate, digest) are not answered.
std::optional<Challenge> select_challenge(const std::vector<Challenge>& challenges);

// "repository:library/alpine:pull,push"
struct Scope {
  std::string resource;           // "repository:library/alpine"
  std::set<std::string> actions;  // "pull", "push"

  std::string to_string() const;
  auto operator<=>(const Scope&) const = default;
};

// Space-separated; empty words and words without an action are left out.
std::vector<Scope> parse_scopes(std::string_view text);
bool covers(const std::vector<Scope>& granted, const std::vector<Scope>& wanted);
// The order of `scopes` is kept: some servers read only the first.
std::vector<Scope> merge_scopes(std::vector<Scope> scopes, const std::vector<Scope>& more);

}  // namespace lighterd::distribution
