// SPDX-License-Identifier: Apache-2.0
// Platforms as docker writes, normalises and matches them (engine-api.md section 5, containerd/platforms).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lighterd::oci {

struct Platform {
  std::string architecture;
  std::string os;
  std::string os_version;
  std::vector<std::string> os_features;
  std::string variant;

  bool operator==(const Platform&) const = default;
};

// The daemon's own platform, with the micro-architecture level of amd64 (v1 has no variant), the arm version or
// arm64's v8. Reads /proc/cpuinfo or CPUID: call it once, at start, and pass the value on.
Platform detect_host_platform();
// "v7" of the text of an ARM's /proc/cpuinfo; empty if it does not say.
std::string arm_variant_of(std::string_view cpuinfo);

// "os[(version[+feature]*)][/arch[/variant]]" or a lone architecture; missing parts come from host.
// kInvalidArgument, e.g. `"foobar": unknown operating system or architecture: invalid argument`.
Platform parse_platform(std::string_view text, const Platform& host);

// Aliases replaced (x86_64, aarch64, armhf, macos ...), as containerd's Normalize.
Platform normalize(const Platform& platform);

// "os[(version+features)]/arch[/variant]"; an empty OS prints "unknown".
std::string to_string(const Platform& platform);

// The OCI platform object: "architecture", "os", "os.version", "os.features", "variant". Parsing throws
// kInvalidArgument for wrong types only. Printing leaves empty members out.
Platform platform_from_json(const nlohmann::json& object);
nlohmann::json to_json(const Platform& platform);
// As Docker's clients see it: in the order of the OCI structure, architecture and os also if they are empty.
nlohmann::ordered_json to_ordered_json(const Platform& platform);

// An ordered list of acceptable platforms. rank: 0 is best, nothing is no match.
class PlatformMatcher {
 public:
  // Only(p): p and what a host of p also runs, best first (amd64/v3: v3, v2, v1, 386; arm/v7: v7, v6, v5 ...).
  static PlatformMatcher only(const Platform& platform);
  // OnlyStrict(p): exact after normalisation (arm64 equals arm64/v8; amd64/v2 does not equal amd64).
  static PlatformMatcher only_strict(const Platform& platform);

  std::optional<std::size_t> rank(const Platform& candidate) const;
  bool matches(const Platform& candidate) const { return rank(candidate).has_value(); }

 private:
  explicit PlatformMatcher(std::vector<Platform> wanted) : wanted_(std::move(wanted)) {}
  std::vector<Platform> wanted_;
};

}  // namespace lighterd::oci
