// SPDX-License-Identifier: Apache-2.0
#include "base/json.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.hpp"

namespace lighterd::base {
namespace {

// Builds the document while it is parsed, so that a bound is met before memory is.
class Builder final : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return fail("binary value"); }
  bool start_object(std::size_t /*elements*/) override { return open(Json::object()); }
  bool start_array(std::size_t /*elements*/) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (stack_.back()->contains(name)) return fail("duplicate key \"" + name.substr(0, 64) + "\"");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& /*error*/) override {
    return fail("syntax error at byte " + std::to_string(position));
  }

  Json take() { return std::move(root_); }
  const std::string& error() const { return error_; }

 private:
  bool fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  bool add(Json value) {
    if (++values_ > limits_.max_values) return fail("too many values");
    place(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (++values_ > limits_.max_values) return fail("too many values");
    if (stack_.size() >= static_cast<std::size_t>(limits_.max_depth)) return fail("nested too deeply");
    stack_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  const JsonLimits& limits_;
  Json root_;
  // A container is never moved while it is open: its parent grows only after it was closed.
  std::vector<Json*> stack_;
  std::string key_;
  std::size_t values_ = 0;
  std::string error_;
};

const Json* find_member(const Json& object, std::string_view key) {
  if (!object.is_object()) throw Error(ErrorCode::kInvalidArgument, "expected an object");
  const auto member = object.find(key);
  if (member == object.end() || member->is_null()) return nullptr;
  return &*member;
}

[[noreturn]] void throw_type(std::string_view key, std::string_view expected) {
  throw Error(ErrorCode::kInvalidArgument, "\"" + std::string(key) + "\" must be " + std::string(expected));
}

[[noreturn]] void throw_missing(std::string_view key) {
  throw Error(ErrorCode::kInvalidArgument, "\"" + std::string(key) + "\" is missing");
}

}  // namespace

Json parse_json(std::string_view text, const std::string& what, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    throw Error(ErrorCode::kInvalidArgument, what + ": larger than " + std::to_string(limits.max_bytes) + " bytes");
  if (text.starts_with("\xEF\xBB\xBF"))
    throw Error(ErrorCode::kInvalidArgument, what + ": starts with a byte order mark");
  // nlohmann's lexer takes a NUL byte for the end of its input and would let anything follow it.
  if (text.find('\0') != std::string_view::npos) throw Error(ErrorCode::kInvalidArgument, what + ": holds a NUL byte");
  Builder builder(limits);
  if (!Json::sax_parse(text, &builder)) throw Error(ErrorCode::kInvalidArgument, what + ": " + builder.error());
  return builder.take();
}

std::optional<std::string> find_string(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return std::nullopt;
  if (!member->is_string()) throw_type(key, "a string");
  return member->get<std::string>();
}

std::string get_string(const Json& object, std::string_view key) {
  auto value = find_string(object, key);
  if (!value) throw_missing(key);
  return *std::move(value);
}

std::optional<std::int64_t> find_integer(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return std::nullopt;
  if (!member->is_number_integer()) throw_type(key, "an integer");
  if (member->is_number_unsigned() && member->get<std::uint64_t>() > INT64_MAX) throw_type(key, "an integer in range");
  return member->get<std::int64_t>();
}

std::int64_t get_integer(const Json& object, std::string_view key) {
  const auto value = find_integer(object, key);
  if (!value) throw_missing(key);
  return *value;
}

std::optional<bool> find_bool(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member == nullptr) return std::nullopt;
  if (!member->is_boolean()) throw_type(key, "a boolean");
  return member->get<bool>();
}

const Json* find_object(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member != nullptr && !member->is_object()) throw_type(key, "an object");
  return member;
}

const Json* find_array(const Json& object, std::string_view key) {
  const Json* member = find_member(object, key);
  if (member != nullptr && !member->is_array()) throw_type(key, "an array");
  return member;
}

std::vector<std::string> find_string_array(const Json& object, std::string_view key) {
  std::vector<std::string> values;
  const Json* array = find_array(object, key);
  if (array == nullptr) return values;
  for (const Json& element : *array) {
    if (!element.is_string()) throw_type(key, "an array of strings");
    values.push_back(element.get<std::string>());
  }
  return values;
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace lighterd::base
