// SPDX-License-Identifier: Apache-2.0
#include "cli/json_printer.hpp"

#include <nlohmann/json.hpp>
#include <vector>

#include "cli/exit_code.hpp"

namespace lighterd::cli {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kIndentWidth = 2;
constexpr int kNoIndent = -1;

enum class Layout { kIndented, kOneLine };

// nlohmann's own documents that keep their order search all members for each: a config with many labels takes minutes.
class Printer final : public nlohmann::json_sax<Json> {
 public:
  Printer(Layout layout, Charset charset) : layout_(layout), charset_(charset) {}
  std::string take() { return std::move(out_); }

  bool null() override { return add("null"); }
  bool boolean(bool value) override { return add(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return add(std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(std::to_string(value)); }
  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(Json(value).dump()); }
  bool string(string_t& value) override { return add(quote(value)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*count*/) override { return open('{'); }
  bool end_object() override { return close('}'); }
  bool start_array(std::size_t /*count*/) override { return open('['); }
  bool end_array() override { return close(']'); }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/, const Json::exception& /*error*/) override {
    return false;
  }
  bool key(string_t& name) override {
    begin_member();
    out_ += quote(name);
    out_ += layout_ == Layout::kIndented ? ": " : ":";
    has_key_ = true;
    return true;
  }

 private:
  std::string quote(string_t& text) const {
    return Json(std::move(text)).dump(kNoIndent, ' ', charset_ == Charset::kAscii, Json::error_handler_t::replace);
  }
  void break_line() {
    if (layout_ == Layout::kIndented) out_.append("\n").append(counts_.size() * kIndentWidth, ' ');
  }
  // A value behind its key is on the key's line.
  void begin_member() {
    if (std::exchange(has_key_, false) || counts_.empty()) return;
    if (counts_.back()++ > 0) out_ += ',';
    break_line();
  }
  bool add(std::string_view value) {
    begin_member();
    out_ += value;
    return true;
  }
  bool open(char bracket) {
    begin_member();
    out_ += bracket;
    counts_.push_back(0);
    return counts_.size() <= kMaxDepth;
  }
  bool close(char bracket) {
    const bool is_empty = counts_.back() == 0;
    counts_.pop_back();
    if (!is_empty) break_line();
    out_ += bracket;
    return true;
  }

  Layout layout_;
  Charset charset_;
  std::string out_;
  std::vector<std::size_t> counts_;  // members so far, of what is open
  bool has_key_ = false;
};

std::string print(std::string_view text, Layout layout, Charset charset) {
  Printer printer(layout, charset);
  if (!Json::sax_parse(text.begin(), text.end(), &printer))
    throw Failure(ExitCode::kFailed, "the daemon's answer is no JSON document");
  return printer.take();
}

}  // namespace

std::string prettify(std::string_view text, Charset charset) {
  return print(text, Layout::kIndented, charset) + "\n";
}

std::string compact(std::string_view text, Charset charset) {
  return print(text, Layout::kOneLine, charset);
}

}  // namespace lighterd::cli
