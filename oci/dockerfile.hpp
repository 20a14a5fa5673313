// SPDX-License-Identifier: Apache-2.0
// The syntax of Dockerfiles, as far as the changes of an import need it: logical lines, the words of an instruction and
// the expansion of variables in them. What the instructions mean is config_changes'.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lighterd::oci {

struct DockerfileInstruction {
  std::string name;                // lower case
  std::vector<std::string> flags;  // "--interval=5s", unquoted
  std::string arguments;           // trimmed, without the flags
  std::string original;            // the whole logical line
};

struct Dockerfile {
  char escape = '\\';
  std::vector<DockerfileInstruction> instructions;
};

// Comments, blank lines, continuations and the directive "# escape=" are seen to. kInvalidArgument: "file with no
// instructions", a bad directive.
Dockerfile parse_dockerfile(std::string_view text);

// At any white space.
std::vector<std::string> split_at_blanks(std::string_view text);
// Split at white space outside of quotes; quotes and escapes are kept for WordExpander.
std::vector<std::string> split_words(std::string_view text, char escape);
// The exec form, ["a", "b"]; nothing if it is no such list. kInvalidArgument for a list of other things than strings.
std::optional<std::vector<std::string>> find_json_words(std::string_view text);

// Quotes and escapes are taken away, $name and ${name}, ${name:-word}, ${name:+word} and ${name:?word} replaced, as a
// shell does it. Not thread-safe.
class WordExpander {
 public:
  // What one expander gives is bounded: a variable may be made of itself twice any number of times.
  static constexpr std::size_t kMaxBytes = std::size_t{1024} * 1024;

  explicit WordExpander(char escape) : escape_(escape) {}

  // `environment` as "name=value". kInvalidArgument: a quote or brace without its end, an unknown modifier, an empty
  // variable with ":?", nesting deeper than 32, more than kMaxBytes.
  std::string expand(std::string_view word, const std::vector<std::string>& environment);

 private:
  class Scan;
  char escape_;
  std::size_t given_bytes_ = 0;
};

}  // namespace lighterd::oci
