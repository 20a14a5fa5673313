// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <gtest/gtest.h>

#include "cli/terminal_progress.hpp"

namespace lighterd::cli {
namespace {

Record layer(std::string id, std::string status, std::int64_t current = 0, std::int64_t total = 0) {
  return {.id = std::move(id), .status = std::move(status), .has_detail = true, .current = current, .total = total};
}
Record message(std::string status, std::string id = {}) {
  return {.id = std::move(id), .status = std::move(status)};
}

TEST(PlainProgressTest, EachEventIsALineOnce) {
  PlainProgress view;
  std::string text;
  for (const Record& record :
       {message("Pulling from team/app", "1"), layer("aa", "Pulling fs layer"), layer("bb", "Pulling fs layer"),
        layer("aa", "Downloading", 1, 9), layer("aa", "Downloading", 5, 9), layer("bb", "Already exists"),
        layer("aa", "Pull complete"), layer("", "", 0, 0), message("Digest: sha256:00")})
    text += view.take(record);
  EXPECT_EQ(text,
            "1: Pulling from team/app\n"
            "aa: Pulling fs layer\n"
            "bb: Pulling fs layer\n"
            "aa: Downloading\n"
            "bb: Already exists\n"
            "aa: Pull complete\n"
            "Digest: sha256:00\n");
}

TEST(PlainProgressTest, ForeignTextHasNoControlCharacters) {
  PlainProgress view;
  EXPECT_EQ(view.take(message("a\x1b[2J\rb")), "a?[2J?b\n");
  EXPECT_EQ(view.take({.stream = "Loaded image: a:1\n"}), "Loaded image: a:1\n");
}

TEST(QuietProgressTest, SaysWhatWasLoaded) {
  QuietProgress view;
  EXPECT_EQ(view.take({.stream = "Loaded image: a:1\n"}), "Loaded image: a:1\n");
  EXPECT_EQ(view.take(message("Status: done")), "");
  EXPECT_EQ(view.take(layer("aa", "Downloading", 1, 2)), "");
}

TEST(ProgressLineTest, HasABarWhereThereIsRoom) {
  const Record half = layer("aa", "Downloading", 500, 1000);
  EXPECT_EQ(progress_line(half, 44), "aa: Downloading [========>        ] 500B/1kB");
  EXPECT_EQ(progress_line(half, 200),
            "aa: Downloading [" + std::string(25, '=') + ">" + std::string(24, ' ') + "] 500B/1kB");
  EXPECT_EQ(progress_line(half, 30), "aa: Downloading 500B/1kB");
  EXPECT_EQ(progress_line(half, 10), "aa: Downl…");
  EXPECT_EQ(progress_line(layer("aa", "Downloading", 1000, 1000), 44), "aa: Downloading [==================] 1kB/1kB");
  EXPECT_EQ(progress_line(layer("aa", "Downloading", 2000, 1000), 44), "aa: Downloading [==================] 2kB/1kB");
  EXPECT_EQ(progress_line(layer("aa", "Downloading", 700), 80), "aa: Downloading 700B");
  EXPECT_EQ(progress_line(layer("aa", "Waiting"), 80), "aa: Waiting");
}

TEST(ProgressLineTest, CountsMayBeHiddenOrNoBytes) {
  Record done = layer("aa", "Pull complete", 10, 10);
  done.hides_counts = true;
  EXPECT_EQ(progress_line(done, 80), "aa: Pull complete");
  Record seconds = layer("aa", "Extracting", 3);
  seconds.units = "s";
  EXPECT_EQ(progress_line(seconds, 80), "aa: Extracting 3 s");
}

// What is on the screen after some output: enough of a terminal for what the view writes.
class Screen {
 public:
  void write(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\x1b') {
        i = escape(text, i + 2);
      } else if (text[i] == '\r') {
        column_ = 0;
      } else if (text[i] == '\n') {
        ++row_;
        column_ = 0;
      } else {
        put(text[i]);
      }
    }
  }
  const std::vector<std::string>& lines() const { return lines_; }
  bool is_at_start_of_line() const { return column_ == 0; }

 private:
  std::size_t escape(std::string_view text, std::size_t at) {
    const std::size_t end = text.find_first_of("AJK", at);
    const std::string number(text.substr(at, end - at));
    if (text[end] == 'A') row_ -= std::stoul(number);
    if (text[end] == 'J') lines_.resize(std::min(lines_.size(), row_));
    if (text[end] == 'K' && row_ < lines_.size()) lines_[row_].resize(std::min(column_, lines_[row_].size()));
    return end;
  }
  void put(char c) {
    if (lines_.size() <= row_) lines_.resize(row_ + 1);
    lines_[row_].resize(std::max(lines_[row_].size(), column_ + 1), ' ');
    lines_[row_][column_++] = c;
  }
  std::vector<std::string> lines_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
};

class TerminalProgressTest : public testing::Test {
 protected:
  void take(const Record& record) { screen.write(view.take(record)); }
  TerminalSize size{60, 10};
  Screen screen;
  TerminalProgress view{[this] { return size; }};
};

TEST_F(TerminalProgressTest, LinesAreRedrawnInPlace) {
  for (const Record& record :
       {message("Pulling from team/app", "1"), layer("aa", "Pulling fs layer"), layer("bb", "Pulling fs layer"),
        layer("aa", "Downloading", 100, 1000), layer("aa", "Downloading", 900, 1000), layer("bb", "Already exists")})
    take(record);
  EXPECT_EQ(screen.lines(),
            (std::vector<std::string>{"1: Pulling from team/app",
                                      progress_line(layer("aa", "Downloading", 900, 1000), 60), "bb: Already exists"}));
  take(layer("aa", "Pull complete"));
  take(message("Digest: sha256:00"));
  take(message("Status: done"));
  EXPECT_EQ(screen.lines(), (std::vector<std::string>{"1: Pulling from team/app", "aa: Pull complete",
                                                      "bb: Already exists", "Digest: sha256:00", "Status: done"}));
  EXPECT_TRUE(screen.is_at_start_of_line());
}

TEST_F(TerminalProgressTest, AMessageStandsAboveWhatStillChanges) {
  take(layer("aa", "Waiting"));
  take(message("WARNING: x"));
  take(layer("aa", "Pull complete"));
  EXPECT_EQ(screen.lines(), (std::vector<std::string>{"WARNING: x", "aa: Pull complete"}));
}

TEST_F(TerminalProgressTest, WhatWasLoadedStandsBelowItsLayers) {
  take(layer("aa", "Loading layer", 5, 9));
  take(layer("aa", "Loading layer", 9, 9));
  take({.stream = "Loaded image: a:1\n"});
  EXPECT_EQ(screen.lines(),
            (std::vector<std::string>{progress_line(layer("aa", "Loading layer", 9, 9), 60), "Loaded image: a:1"}));
}

TEST_F(TerminalProgressTest, TheBlockIsLowerThanTheTerminal) {
  size = {60, 4};
  for (const char* id : {"a", "b", "c", "d", "e"}) take(layer(id, "Waiting"));
  EXPECT_EQ(screen.lines(), (std::vector<std::string>{"a: Waiting", "b: Waiting", "... and 3 more"}));
  take(layer("a", "Pull complete"));
  take(layer("b", "Pull complete"));
  EXPECT_EQ(screen.lines(), (std::vector<std::string>{"a: Pull complete", "b: Pull complete", "c: Waiting",
                                                      "d: Waiting", "e: Waiting"}));
}

TEST_F(TerminalProgressTest, WhatSaysNothingDrawsNothing) {
  EXPECT_EQ(view.take({.has_detail = true}), "");
  EXPECT_EQ(view.take({}), "");
}

TEST_F(TerminalProgressTest, ForeignTextCannotMoveTheCursor) {
  EXPECT_EQ(view.take(layer("a\x1b[9A", "b\r\n")), "\ra?[9A: b??\x1b[K\n\x1b[J");
}

}  // namespace
}  // namespace lighterd::cli
