// SPDX-License-Identifier: Apache-2.0
#include "oci/platform.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"

namespace lighterd::oci {
namespace {

using base::Error;
using base::ErrorCode;
using base::Json;

constexpr std::string_view kDaemonOs = "linux";

// As containerd/platforms knows them.
constexpr std::array<std::string_view, 17> kKnownOs = {
    "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
    "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos"};

constexpr std::array<std::string_view, 24> kKnownArchitectures = {
    "386",     "amd64",   "amd64p32", "arm",    "armbe",  "arm64",    "arm64be",   "ppc64",
    "ppc64le", "loong64", "mips",     "mipsle", "mips64", "mips64le", "mips64p32", "mips64p32le",
    "ppc",     "riscv",   "riscv64",  "s390",   "s390x",  "sparc",    "sparc64",   "wasm"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool consists_of(std::string_view text, std::string_view also) {
  return std::ranges::all_of(text, [also](char c) { return is_alphanumeric(c) || also.find(c) != also.npos; });
}

// ---- Normalising

std::string normalize_os(std::string_view os) {
  if (os.empty()) return std::string(kDaemonOs);
  std::string lower = base::to_lower(os);
  return lower == "macos" ? "darwin" : lower;
}

struct Cpu {
  std::string architecture;
  std::string variant;
};

Cpu normalize_cpu(std::string_view architecture, std::string_view variant) {
  Cpu cpu{base::to_lower(architecture), base::to_lower(variant)};
  std::string& arch = cpu.architecture;
  std::string& level = cpu.variant;
  if (arch == "i386") return {"386", ""};
  if (arch == "armhf") return {"arm", "v7"};
  if (arch == "armel") return {"arm", "v6"};
  if (arch == "x86_64" || arch == "x86-64") arch = "amd64";
  if (arch == "aarch64") arch = "arm64";
  if (arch == "amd64" && level == "v1") level.clear();
  if (arch == "arm64") {
    if (level == "8" || level == "v8" || level == "v8.0") level.clear();
    if (level == "9" || level == "9.0" || level == "v9.0") level = "v9";
  }
  if (arch == "arm") {
    if (level.empty() || level == "7") level = "v7";
    if (level == "5" || level == "6" || level == "8") level.insert(0, "v");
  }
  return cpu;
}

// ---- Parsing

// Go's %q, as far as it can matter in these texts.
std::string quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : base::printable(text, 256)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorCode::kInvalidArgument, why + ": invalid argument");
}

std::string decode_option(std::string_view text, std::string_view what, std::string_view specifier) {
  const auto decoded = base::percent_decode(text, base::PlusSign::kLiteral);
  if (!decoded) refuse(quote(specifier) + " has an invalid OS " + std::string(what) + " " + quote(text));
  return *decoded;
}

// "version[+feature]*", what stands between the parentheses.
void read_os_options(std::string_view options, std::string_view specifier, Platform& platform) {
  const std::size_t plus = options.find('+');
  platform.os_version = decode_option(options.substr(0, plus), "version", specifier);
  if (plus == std::string_view::npos) return;
  std::string_view rest = options.substr(plus + 1);
  while (true) {
    const std::size_t end = rest.find('+');
    platform.os_features.push_back(decode_option(rest.substr(0, end), "feature", specifier));
    if (end == std::string_view::npos) return;
    rest.remove_prefix(end + 1);
  }
}

bool are_os_options(std::string_view options) {
  return consists_of(options, "_.%-+") && !options.ends_with('+') && options.find("++") == std::string_view::npos;
}

void read_os_part(std::string_view part, std::string_view specifier, Platform& platform) {
  const std::size_t open = part.find('(');
  const std::string_view name = part.substr(0, open);
  bool valid = !name.empty() && consists_of(name, "_-");
  std::string_view options;
  if (open != std::string_view::npos) {
    options = part.substr(open + 1);
    valid = valid && options.ends_with(')');
    if (valid) options.remove_suffix(1);
    valid = valid && are_os_options(options);
  }
  if (!valid)
    refuse(quote(part) + " is an invalid OS component of " + quote(specifier) +
           ": OSAndVersion specifier component must match "
           R"("^([A-Za-z0-9_-]+)(?:\\(([A-Za-z0-9_.%-]*)((?:\\+[A-Za-z0-9_.%-]+)*)\\))?$")");
  platform.os = normalize_os(name);
  read_os_options(options, specifier, platform);
}

void read_cpu_part(std::string_view part, std::string_view specifier) {
  if (part.empty() || !consists_of(part, "_.-"))
    refuse(quote(part) + " is an invalid component of " + quote(specifier) +
           R"(: platform specifier component must match "^[A-Za-z0-9_.-]+$")");
}

// Four pieces at most, the fourth being an error, so that a long text is not split without end.
std::vector<std::string_view> split_specifier(std::string_view text) {
  std::vector<std::string_view> parts;
  while (parts.size() < 3) {
    const std::size_t slash = text.find('/');
    parts.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    text.remove_prefix(slash + 1);
  }
  parts.push_back(text);
  return parts;
}

// The variants that stand for "the usual one" are not shown unless they were written.
void set_cpu(Platform& platform, std::string_view architecture) {
  const Cpu cpu = normalize_cpu(architecture, "");
  platform.architecture = cpu.architecture;
  platform.variant = cpu.architecture == "arm" && cpu.variant == "v7" ? "" : cpu.variant;
}

void complete_single(std::string_view part, Platform& platform, const Platform& host) {
  if (contains(kKnownOs, platform.os)) {
    platform.architecture = host.architecture;
    if (host.architecture == "arm" && host.variant != "v7") platform.variant = host.variant;
    return;
  }
  set_cpu(platform, part);
  if (!contains(kKnownArchitectures, platform.architecture))
    refuse(quote(part) + ": unknown operating system or architecture");
  platform.os = host.os;
}

// ---- Printing

std::string encode_option(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    switch (c) {
      case '%':
        encoded += "%25";
        break;
      case '+':
        encoded += "%2B";
        break;
      case '(':
        encoded += "%28";
        break;
      case ')':
        encoded += "%29";
        break;
      case '/':
        encoded += "%2F";
        break;
      default:
        encoded += c;
    }
  }
  return encoded;
}

// ---- Matching

// Windows versions are "major.minor.build[.revision]".
struct WindowsVersion {
  unsigned long long major = 0;
  unsigned long long minor = 0;
  unsigned long long build = 0;
};

std::optional<WindowsVersion> find_windows_version(std::string_view text) {
  std::array<unsigned long long, 3> numbers{};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::size_t dot = text.find('.');
    const auto number = base::parse_unsigned(text.substr(0, dot));
    if (!number || (dot == std::string_view::npos && i + 1 < numbers.size())) return std::nullopt;
    numbers[i] = *number;
    text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  }
  return WindowsVersion{numbers[0], numbers[1], numbers[2]};
}

// Before Server 2022 a container needs its very build; from then on any build from 2022's up to the host's runs.
bool windows_version_fits(std::string_view wanted_text, std::string_view candidate_text) {
  constexpr unsigned long long kServer2022 = 20348;
  const auto wanted = find_windows_version(wanted_text);
  if (!wanted || candidate_text.empty()) return true;
  const auto candidate = find_windows_version(candidate_text).value_or(WindowsVersion{});
  if (std::tie(wanted->major, wanted->minor) != std::tie(candidate.major, candidate.minor)) return false;
  if (wanted->build < kServer2022) return wanted->build == candidate.build;
  return kServer2022 <= candidate.build && candidate.build <= wanted->build;
}

// Both normalised.
bool fits(const Platform& wanted, const Platform& candidate) {
  if (wanted.os != candidate.os || wanted.architecture != candidate.architecture || wanted.variant != candidate.variant)
    return false;
  if (wanted.os == "windows" && !windows_version_fits(wanted.os_version, candidate.os_version)) return false;
  return std::ranges::includes(wanted.os_features, candidate.os_features);
}

// The number of "v3" or "3". Two digits at most: the lists below are as long as it is large.
std::optional<int> find_level(std::string_view variant) {
  if (variant.starts_with('v')) variant.remove_prefix(1);
  if (variant.size() > 2) return std::nullopt;
  const auto level = base::parse_unsigned(variant);
  return level ? std::optional(static_cast<int>(*level)) : std::nullopt;
}

class Vector {
 public:
  explicit Vector(const Platform& first) : platforms_{first} {}

  void add(std::string_view architecture, const std::string& variant) {
    Platform platform = platforms_.front();
    platform.architecture = architecture;
    platform.variant = variant;
    platforms_.push_back(normalize(platform));
  }
  void add_levels(std::string_view architecture, int from, int to) {
    for (int level = from; level >= to; --level) add(architecture, "v" + std::to_string(level));
  }
  void add_minors(int major, int from) {
    for (int minor = from; minor >= 0; --minor) add("arm64", "v" + std::to_string(major) + "." + std::to_string(minor));
  }

  std::vector<Platform> take() { return std::move(platforms_); }

 private:
  std::vector<Platform> platforms_;
};

// v9.0 came after v8.5, so v9.x runs what v8.(x+5) runs; 32-bit programs come last.
void add_below_arm64(Vector& vector, std::string_view variant) {
  const bool has_minor = variant.size() == 4 && variant[2] == '.' && variant[3] >= '0' && variant[3] <= '9';
  const int minor = has_minor ? variant[3] - '0' : 0;
  const std::string_view major = has_minor ? variant.substr(0, 2) : variant;
  if (major == "v9") {
    vector.add_minors(9, minor - 1);
    vector.add_minors(8, std::min(minor + 5, 9));
  } else if (major == "v8") {
    vector.add_minors(8, minor - 1);
  } else if (!major.empty()) {
    return;
  }
  vector.add_levels("arm", 8, 5);
}

#if defined(__x86_64__)
// OS support for the wide registers is the builtin's matter; the flags that both compilers' builtins do not know
// are read from CPUID.
struct CpuidFlags {
  CpuidFlags() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned d = 0;
    if (__get_cpuid(1, &a, &b, &leaf1_ecx, &d) == 0) leaf1_ecx = 0;
    if (__get_cpuid(0x80000001, &a, &b, &extended_ecx, &d) == 0) extended_ecx = 0;
  }
  bool has_basic(unsigned bit) const { return (leaf1_ecx >> bit & 1U) != 0; }
  bool has_extended(unsigned bit) const { return (extended_ecx >> bit & 1U) != 0; }

  unsigned leaf1_ecx = 0;
  unsigned extended_ecx = 0;
};

// The levels of the x86-64 psABI.
std::string detect_amd64_variant() {
  constexpr unsigned kCx16 = 13;
  constexpr unsigned kMovbe = 22;
  constexpr unsigned kF16c = 29;
  constexpr unsigned kLahf = 0;
  constexpr unsigned kLzcnt = 5;
  __builtin_cpu_init();
  const CpuidFlags flags;
  const bool v2 = __builtin_cpu_supports("sse3") && __builtin_cpu_supports("ssse3") &&
                  __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
                  __builtin_cpu_supports("popcnt") && flags.has_basic(kCx16) && flags.has_extended(kLahf);
  if (!v2) return "";
  const bool v3 = __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") && flags.has_basic(kF16c) &&
                  flags.has_basic(kMovbe) && flags.has_extended(kLzcnt);
  if (!v3) return "v2";
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  return v4 ? "v4" : "v3";
}
#endif

// In either kind of object.
template <typename Object>
void add_details(const Platform& platform, Object& object) {
  if (!platform.os_version.empty()) object["os.version"] = platform.os_version;
  if (!platform.os_features.empty()) object["os.features"] = platform.os_features;
  if (!platform.variant.empty()) object["variant"] = platform.variant;
}

}  // namespace

std::string arm_variant_of(std::string_view cpuinfo) {
  std::string_view architecture;
  bool says_armv6 = false;
  while (!cpuinfo.empty()) {
    const std::size_t end = std::min(cpuinfo.find('\n'), cpuinfo.size());
    const std::string_view line = cpuinfo.substr(0, end);
    cpuinfo.remove_prefix(std::min(end + 1, cpuinfo.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = base::trim(line.substr(0, colon));
    const std::string_view value = base::trim(line.substr(colon + 1));
    if (base::equals_ignoring_case(key, "CPU architecture") && architecture.empty()) architecture = value;
    if (base::equals_ignoring_case(key, "model name") && value.starts_with("ARMv6-compatible")) says_armv6 = true;
  }
  // The first Raspberry Pi says 7 and is a 6.
  if (architecture.starts_with('7')) return says_armv6 ? "v6" : "v7";
  if (base::equals_ignoring_case(architecture, "aarch64") || architecture.starts_with('8')) return "v8";
  if (architecture.starts_with('6')) return "v6";
  if (architecture.starts_with('5')) return "v5";
  return "";
}

Platform detect_host_platform() {
  Platform host;
  host.os = kDaemonOs;
#if defined(__x86_64__)
  host.architecture = "amd64";
  host.variant = detect_amd64_variant();
#elif defined(__aarch64__)
  host.architecture = "arm64";
  host.variant = "v8";
#elif defined(__arm__)
  host.architecture = "arm";
  host.variant = arm_variant_of(base::read_file("/proc/cpuinfo", 1024 * 1024));
#elif defined(__i386__)
  host.architecture = "386";
#elif defined(__riscv) && __riscv_xlen == 64
  host.architecture = "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  host.architecture = "ppc64le";
#elif defined(__s390x__)
  host.architecture = "s390x";
#elif defined(__loongarch64)
  host.architecture = "loong64";
#elif defined(__mips64) && defined(__MIPSEL__)
  host.architecture = "mips64le";
#else
#error "name this architecture as Go does"
#endif
  return host;
}

Platform parse_platform(std::string_view text, const Platform& host) {
  if (text.find('*') != std::string_view::npos) refuse(quote(text) + ": wildcards not yet supported");
  const std::vector<std::string_view> parts = split_specifier(text);
  Platform platform;
  read_os_part(parts[0], text, platform);
  for (std::size_t i = 1; i < parts.size(); ++i) read_cpu_part(parts[i], text);
  if (parts.size() == 1) {
    complete_single(parts[0], platform, host);
  } else if (parts.size() == 2) {
    set_cpu(platform, parts[1]);
  } else if (parts.size() == 3) {
    const Cpu cpu = normalize_cpu(parts[1], parts[2]);
    platform.architecture = cpu.architecture;
    platform.variant = cpu.architecture == "arm64" && cpu.variant.empty() ? "v8" : cpu.variant;
  } else {
    refuse(quote(text) + ": cannot parse platform specifier");
  }
  return platform;
}

Platform normalize(const Platform& platform) {
  Platform normal = platform;
  normal.os = normalize_os(platform.os);
  const Cpu cpu = normalize_cpu(platform.architecture, platform.variant);
  normal.architecture = cpu.architecture;
  normal.variant = cpu.variant;
  std::ranges::sort(normal.os_features);
  normal.os_features.erase(std::unique(normal.os_features.begin(), normal.os_features.end()), normal.os_features.end());
  return normal;
}

std::string to_string(const Platform& platform) {
  if (platform.os.empty()) return "unknown";
  std::vector<std::string> features = platform.os_features;
  std::ranges::sort(features);
  std::string options = encode_option(platform.os_version);
  for (const std::string& feature : features) options += "+" + encode_option(feature);
  std::string text = platform.os;
  if (!options.empty()) text += "(" + options + ")";
  if (!platform.architecture.empty()) text += "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

Platform platform_from_json(const Json& object) {
  return {.architecture = base::find_string(object, "architecture").value_or(""),
          .os = base::find_string(object, "os").value_or(""),
          .os_version = base::find_string(object, "os.version").value_or(""),
          .os_features = base::find_string_array(object, "os.features"),
          .variant = base::find_string(object, "variant").value_or("")};
}

Json to_json(const Platform& platform) {
  Json object = Json::object();
  if (!platform.architecture.empty()) object["architecture"] = platform.architecture;
  if (!platform.os.empty()) object["os"] = platform.os;
  add_details(platform, object);
  return object;
}

nlohmann::ordered_json to_ordered_json(const Platform& platform) {
  nlohmann::ordered_json object = {{"architecture", platform.architecture}, {"os", platform.os}};
  add_details(platform, object);
  return object;
}

PlatformMatcher PlatformMatcher::only(const Platform& platform) {
  const Platform wanted = normalize(platform);
  Vector vector(wanted);
  if (wanted.architecture == "amd64") {
    if (const auto level = find_level(wanted.variant)) vector.add_levels("amd64", *level - 1, 1);
    vector.add("386", "");
  } else if (wanted.architecture == "arm") {
    if (const auto level = find_level(wanted.variant)) vector.add_levels("arm", *level - 1, 5);
  } else if (wanted.architecture == "arm64") {
    add_below_arm64(vector, wanted.variant);
  }
  return PlatformMatcher(vector.take());
}

PlatformMatcher PlatformMatcher::only_strict(const Platform& platform) {
  return PlatformMatcher({normalize(platform)});
}

std::optional<std::size_t> PlatformMatcher::rank(const Platform& candidate) const {
  const Platform normal = normalize(candidate);
  const auto match = std::ranges::find_if(wanted_, [&normal](const Platform& wanted) { return fits(wanted, normal); });
  if (match == wanted_.end()) return std::nullopt;
  return static_cast<std::size_t>(match - wanted_.begin());
}

}  // namespace lighterd::oci
