// SPDX-License-Identifier: Apache-2.0
#include "oci/dockerfile.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/encoding.hpp"
#include "base/error.hpp"
#include "base/json.hpp"

namespace lighterd::oci {

using base::Error;
using base::ErrorCode;

namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trim_left(std::string_view text) {
  const auto first = std::ranges::find_if_not(text, is_space);
  return text.substr(static_cast<std::size_t>(first - text.begin()));
}

std::string_view trim(std::string_view text) {
  text = trim_left(text);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Up to the line feed; the rest is left in `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// The name and value of "# name=value".
std::optional<std::pair<std::string, std::string>> find_directive(std::string_view line) {
  if (!line.starts_with('#')) return std::nullopt;
  line = trim_left(line.substr(1));
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view name = trim(line.substr(0, equals));
  const std::string_view value = trim(line.substr(equals + 1));
  const bool is_name = !name.empty() && std::ranges::all_of(name, [](char c) { return is_letter(c) || is_digit(c); });
  if (!is_name || value.empty()) return std::nullopt;
  return std::pair(base::to_lower(name), std::string(value));
}

// Directives stand before everything else.
char read_escape(std::string_view text) {
  std::optional<char> escape;
  while (!text.empty()) {
    const auto directive = find_directive(trim_left(take_line(text)));
    if (!directive) break;
    const auto& [name, value] = *directive;
    if (name != "escape") continue;
    if (escape) throw Error(ErrorCode::kInvalidArgument, "only one escape parser directive can be used");
    if (value != "\\" && value != "`")
      throw Error(ErrorCode::kInvalidArgument, "invalid ESCAPE '" + value + "'. Must be ` or \\");
    escape = value.front();
  }
  return escape.value_or('\\');
}

// Takes the escape at the end of the line away; false if there is none.
bool take_continuation(std::string_view& line, char escape) {
  const std::size_t last = line.find_last_not_of(" \t");
  if (last == std::string_view::npos || line[last] != escape) return false;
  if (last > 0 && line[last - 1] == escape) return false;
  line = line.substr(0, last);
  return true;
}

// Lines that go on in the next; comments and blank lines between them do not end them.
std::string take_logical_line(std::string_view& text, char escape) {
  std::string_view line = trim_left(take_line(text));
  if (line.starts_with('#')) return {};
  bool goes_on = take_continuation(line, escape);
  std::string whole(line);
  while (goes_on && !text.empty()) {
    line = take_line(text);
    const std::string_view content = trim_left(line);
    if (content.empty() || content.starts_with('#')) continue;
    goes_on = take_continuation(line, escape);
    whole += line;
  }
  return whole;
}

// Takes "--name=value" words off the front, unquoted; "--" alone ends them.
std::vector<std::string> take_flags(std::string_view& text) {
  std::vector<std::string> flags;
  for (text = trim_left(text); text.starts_with("--"); text = trim_left(text)) {
    std::string word;
    char quote = '\0';
    std::size_t at = 0;
    for (; at < text.size() && (quote != '\0' || !is_space(text[at])); ++at) {
      const char c = text[at];
      if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == quote) {
        quote = '\0';
      } else if (c != '\\') {
        word += c;
      } else if (at + 1 < text.size()) {
        word += text[++at];
      }
    }
    text.remove_prefix(at);
    if (word == "--") break;
    flags.push_back(std::move(word));
  }
  return flags;
}

DockerfileInstruction parse_instruction(std::string line) {
  const std::string_view text = trim(line);
  const auto end = static_cast<std::size_t>(std::ranges::find_if(text, is_space) - text.begin());
  std::string name = base::to_lower(text.substr(0, end));
  std::string_view rest = text.substr(end);
  std::vector<std::string> flags = take_flags(rest);
  std::string arguments(trim(rest));
  return {std::move(name), std::move(flags), std::move(arguments), std::move(line)};
}

// Behind the bracket that closes the one in front: Docker reads the list and ignores what follows it.
std::size_t find_list_end(std::string_view text) {
  bool is_quoted = false;
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') is_quoted = !is_quoted;
    if (is_quoted && c == '\\') ++at;
    if (is_quoted) continue;
    if (c == '[') ++depth;
    if (c == ']' && --depth == 0) return at + 1;
  }
  return text.size();
}

}  // namespace

Dockerfile parse_dockerfile(std::string_view text) {
  Dockerfile file{.escape = read_escape(text), .instructions = {}};
  while (!text.empty()) {
    std::string line = take_logical_line(text, file.escape);
    if (!trim(line).empty()) file.instructions.push_back(parse_instruction(std::move(line)));
  }
  if (file.instructions.empty()) throw Error(ErrorCode::kInvalidArgument, "file with no instructions");
  return file;
}

std::vector<std::string> split_at_blanks(std::string_view text) {
  std::vector<std::string> words;
  for (text = trim_left(text); !text.empty(); text = trim_left(text)) {
    const auto end = static_cast<std::size_t>(std::ranges::find_if(text, is_space) - text.begin());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::vector<std::string> split_words(std::string_view text, char escape) {
  std::vector<std::string> words;
  for (text = trim_left(text); !text.empty(); text = trim_left(text)) {
    std::string word;
    char quote = '\0';
    std::size_t at = 0;
    for (; at < text.size() && (quote != '\0' || !is_space(text[at])); ++at) {
      const char c = text[at];
      if (c == escape && quote != '\'') {
        if (at + 1 == text.size()) continue;  // at the very end it means nothing
        word += c;
        word += text[++at];
        continue;
      }
      if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (c == quote) {
        quote = '\0';
      }
      word += c;
    }
    text.remove_prefix(at);
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

std::optional<std::vector<std::string>> find_json_words(std::string_view text) {
  text = trim_left(text);
  if (!text.starts_with('[')) return std::nullopt;
  base::Json list;
  try {
    list = base::parse_json(text.substr(0, find_list_end(text)), "words");
  } catch (const Error&) {
    return std::nullopt;  // then it is a command for a shell
  }
  std::vector<std::string> words;
  for (const base::Json& word : list) {
    if (!word.is_string())
      throw Error(ErrorCode::kInvalidArgument,
                  "when using JSON array syntax, arrays must be comprised of strings only.");
    words.push_back(word.get<std::string>());
  }
  return words;
}

// One word on its way through.
class WordExpander::Scan {
 public:
  Scan(std::string_view word, char escape, const std::vector<std::string>& environment, std::size_t max_bytes)
      : text_(word), escape_(escape), environment_(environment), max_bytes_(max_bytes) {}

  std::string run() { return read_until(kEnd, 0); }

 private:
  static constexpr char kEnd = '\0';
  static constexpr int kMaxDepth = 32;

  [[noreturn]] static void fail(const std::string& why) { throw Error(ErrorCode::kInvalidArgument, why); }

  bool at_end() const { return at_ == text_.size(); }
  char take() { return text_[at_++]; }

  void append(std::string& out, std::string_view more) {
    given_bytes_ += more.size();
    if (given_bytes_ > max_bytes_) fail("the variables expand to more than is allowed");
    out += more;
  }

  std::string read_until(char stop, int depth) {
    if (depth > kMaxDepth) fail("substitutions are nested too deeply");
    std::string out;
    while (!at_end()) {
      const char c = take();
      if (c == stop && stop != kEnd) return out;
      if (c == '\'') {
        append(out, read_single_quoted());
      } else if (c == '"') {
        append(out, read_double_quoted(depth));
      } else if (c == '$') {
        append(out, read_variable(depth));
      } else if (c != escape_) {
        append(out, {&c, 1});
      } else if (!at_end()) {
        const char escaped = take();
        append(out, {&escaped, 1});
      }
    }
    if (stop != kEnd) fail("syntax error: missing '}'");
    return out;
  }

  std::string read_single_quoted() {
    const std::size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) fail("unexpected end of statement while looking for matching single-quote");
    const std::size_t start = std::exchange(at_, end + 1);
    return std::string(text_.substr(start, end - start));
  }

  std::string read_double_quoted(int depth) {
    std::string out;
    while (!at_end()) {
      char c = take();
      if (c == '"') return out;
      if (c == '$') {
        append(out, read_variable(depth));
        continue;
      }
      if (c == escape_) {
        if (at_end()) break;
        const char next = text_[at_];
        if (next == '"' || next == '$' || next == escape_) c = take();
      }
      append(out, {&c, 1});
    }
    fail("unexpected end of statement while looking for matching double-quote");
  }

  std::string read_name() {
    const std::size_t start = at_;
    if (at_end()) return {};
    if (is_digit(text_[at_])) {
      while (!at_end() && is_digit(text_[at_])) ++at_;
    } else if (std::string_view("@*#?-$!").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    } else {
      while (!at_end() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    }
    return std::string(text_.substr(start, at_ - start));
  }

  std::string find_value(const std::string& name) const {
    for (const std::string& variable : environment_)
      if (variable.size() > name.size() && variable[name.size()] == '=' && variable.starts_with(name))
        return variable.substr(name.size() + 1);
    return {};
  }

  std::string read_variable(int depth) {
    if (at_end() || text_[at_] != '{') {
      const std::string name = read_name();
      return name.empty() ? "$" : find_value(name);
    }
    ++at_;
    if (at_end()) fail("syntax error: missing '}'");
    if (std::string_view("{}:").find(text_[at_]) != std::string_view::npos) fail("syntax error: bad substitution");
    const std::string name = read_name();
    if (at_end()) fail("syntax error: missing '}'");
    const char next = take();
    if (next == '}') return find_value(name);
    if (next != ':') fail("syntax error: missing ':' in substitution");
    if (at_end()) fail("syntax error: missing '}'");
    const char modifier = take();
    const std::string word = read_until('}', depth + 1);
    return substitute(name, modifier, word);
  }

  std::string substitute(const std::string& name, char modifier, const std::string& word) const {
    std::string value = find_value(name);
    if (modifier == '+') return value.empty() ? value : word;
    if (modifier == '-') return value.empty() ? word : value;
    if (modifier != '?') fail("unsupported modifier (" + std::string(1, modifier) + ") in substitution");
    if (value.empty()) fail(name + ": " + (word.empty() ? "is not allowed to be empty" : word));
    return value;
  }

  std::string_view text_;
  char escape_;
  const std::vector<std::string>& environment_;
  std::size_t max_bytes_;
  std::size_t given_bytes_ = 0;
  std::size_t at_ = 0;
};

std::string WordExpander::expand(std::string_view word, const std::vector<std::string>& environment) {
  std::string expanded = Scan(word, escape_, environment, kMaxBytes - given_bytes_).run();
  given_bytes_ += expanded.size();
  return expanded;
}

}  // namespace lighterd::oci
