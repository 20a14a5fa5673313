// SPDX-License-Identifier: Apache-2.0
#include "distribution/auth_challenge.hpp"

#include <algorithm>

#include "base/encoding.hpp"

namespace lighterd::distribution {
namespace {

constexpr std::size_t kMaxParameters = 64;
constexpr std::size_t kMaxChallenges = 16;

bool is_token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip() { ++at_; }

  void skip_spaces() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }
  void skip_separators() {
    while (peek() == ' ' || peek() == '\t' || peek() == ',') ++at_;
  }
  std::string_view read_token() {
    const std::size_t begin = at_;
    while (!at_end() && is_token_character(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  bool follows(char c) const { return at_ > 0 && text_[at_ - 1] == c; }
  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }
  std::string read_value() {
    if (take('"')) return read_quoted();
    // More than a token is: unquoted realms with ':' and '/' are sent by servers in use.
    const std::size_t begin = at_;
    while (!at_end() && peek() != ',' && peek() != ' ' && peek() != '\t') ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

 private:
  std::string read_quoted() {
    std::string value;
    while (!at_end() && peek() != '"') {
      if (peek() == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_++];
    }
    take('"');
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// `scope=repository:a:pull,push` without quotes: the comma does not end the value for who wrote it.
bool continues_scope(const Challenge* current, bool was_quoted, bool follows_comma, const HeaderReader& reader) {
  return current != nullptr && !current->parameters.empty() && current->parameters.back().first == "scope" &&
         !was_quoted && follows_comma && (reader.at_end() || reader.peek() == ',');
}

void parse_line(std::string_view line, std::vector<Challenge>& challenges) {
  HeaderReader reader(line);
  Challenge* current = nullptr;
  bool was_quoted = false;
  for (reader.skip_separators(); !reader.at_end(); reader.skip_separators()) {
    const bool follows_comma = reader.follows(',');
    const std::string_view word = reader.read_token();
    if (word.empty()) {
      reader.skip();
      continue;
    }
    if (continues_scope(current, was_quoted, follows_comma, reader)) {
      current->parameters.back().second += "," + std::string(word);
      continue;
    }
    reader.skip_spaces();
    // A name with '=' is a parameter; anything else begins a challenge.
    if (current != nullptr && reader.take('=')) {
      reader.skip_spaces();
      was_quoted = reader.peek() == '"';
      std::string value = reader.read_value();
      if (current->parameters.size() < kMaxParameters) {
        current->parameters.emplace_back(base::to_lower(word), std::move(value));
      }
      continue;
    }
    if (challenges.size() >= kMaxChallenges) return;
    current = &challenges.emplace_back();
    current->scheme = base::to_lower(word);
  }
}

}  // namespace

std::string Challenge::parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::vector<Challenge> parse_challenges(const std::vector<std::string>& header_lines) {
  std::vector<Challenge> challenges;
  for (const std::string& line : header_lines) parse_line(line, challenges);
  return challenges;
}

std::optional<Challenge> select_challenge(const std::vector<Challenge>& challenges) {
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme == "bearer" && !challenge.parameter("realm").empty()) return challenge;
  }
  for (const Challenge& challenge : challenges) {
    if (challenge.scheme == "basic") return challenge;
  }
  return std::nullopt;
}

std::string Scope::to_string() const {
  std::string text = resource + ":";
  for (const std::string& action : actions) text += (text.back() == ':' ? "" : ",") + action;
  return text;
}

std::vector<Scope> parse_scopes(std::string_view text) {
  std::vector<Scope> scopes;
  while (!text.empty() && scopes.size() < kMaxParameters) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // From the right: a resource name may hold a port.
    const std::size_t colon = word.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == word.size()) continue;
    Scope scope{std::string(word.substr(0, colon)), {}};
    std::string_view actions = word.substr(colon + 1);
    while (!actions.empty()) {
      const std::size_t comma = std::min(actions.find(','), actions.size());
      if (comma > 0) scope.actions.emplace(actions.substr(0, comma));
      actions.remove_prefix(std::min(comma + 1, actions.size()));
    }
    scopes.push_back(std::move(scope));
  }
  return scopes;
}

bool covers(const std::vector<Scope>& granted, const std::vector<Scope>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const Scope& want) {
    return std::any_of(granted.begin(), granted.end(), [&](const Scope& have) {
      return have.resource == want.resource &&
             std::includes(have.actions.begin(), have.actions.end(), want.actions.begin(), want.actions.end());
    });
  });
}

std::vector<Scope> merge_scopes(std::vector<Scope> scopes, const std::vector<Scope>& more) {
  for (const Scope& scope : more) {
    const auto same =
        std::find_if(scopes.begin(), scopes.end(), [&](const Scope& each) { return each.resource == scope.resource; });
    if (same == scopes.end()) {
      scopes.push_back(scope);
    } else {
      same->actions.insert(scope.actions.begin(), scope.actions.end());
    }
  }
  return scopes;
}

}  // namespace lighterd::distribution
