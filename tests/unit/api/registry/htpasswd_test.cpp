// SPDX-License-Identifier: Apache-2.0
// Passwords in a file that is edited meanwhile.
#include "api/registry/htpasswd.hpp"

#include <crypt.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>
#include <vector>

#include "api/registry/password_hash.hpp"
#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::api::registry {
namespace {

std::string hash_of(const std::string& password, unsigned long cost = 4, const char* prefix = "$2y$") {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_gensalt_rn(prefix, cost, nullptr, 0, salt, sizeof salt);
  crypt_data scratch{};
  return ::crypt_r(password.c_str(), salt, &scratch);
}

class HtpasswdTest : public testing::Test {
 protected:
  void write(const std::string& content) const { std::ofstream(path_) << content; }

  static bool knows(HtpasswdFile& file, const std::string& user, const std::string& password) {
    return file.verify(user, base::Secret(password));
  }

  tests::TempDir directory_;
  base::Logger logger_{base::LogLevel::kError};
  const std::filesystem::path path_ = directory_.path() / "htpasswd";
};

TEST_F(HtpasswdTest, KnowsItsUsers) {
  write("# users\n\nada:" + hash_of("one") + "\r\n  bob:" + hash_of("two", 4, "$2b$") +
        "  \neve:" + hash_of("three", 4, "$2a$"));
  HtpasswdFile file(path_, logger_);
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(knows(file, "ada", "one"));
    EXPECT_TRUE(knows(file, "bob", "two"));
    EXPECT_TRUE(knows(file, "eve", "three"));
    EXPECT_FALSE(knows(file, "ada", "two"));
    EXPECT_FALSE(knows(file, "", "one"));
    EXPECT_FALSE(knows(file, "# users", ""));
    EXPECT_FALSE(knows(file, "nobody", "one"));
  }
}

TEST_F(HtpasswdTest, TakesNoOtherKindOfHash) {
  const std::string good = hash_of("one");
  std::string content;
  const std::vector<std::string> hashes = {"one",
                                           "$apr1$abcdefgh$0000000000000000000000",
                                           "{SHA}/XKZmU3cZ8RvJh0P4sMzNw==",
                                           hash_of("one", 5000, "$6$"),
                                           "",
                                           good + "x",
                                           good.substr(0, 59),
                                           "$2y$31" + good.substr(6),
                                           "$2x$04" + good.substr(6),
                                           good + ":more"};
  for (std::size_t i = 0; i < hashes.size(); ++i) content += "user" + std::to_string(i) + ":" + hashes[i] + "\n";
  write(content + "nocolon\n:" + good + "\nada:" + good + "\n");
  HtpasswdFile file(path_, logger_);
  for (std::size_t i = 0; i < hashes.size(); ++i)
    for (const char* password : {"one", ""})
      EXPECT_FALSE(knows(file, "user" + std::to_string(i), password)) << hashes[i];
  EXPECT_FALSE(knows(file, "", "one"));
  EXPECT_TRUE(knows(file, "ada", "one"));
}

TEST_F(HtpasswdTest, IsReadAgainWhenItChanges) {
  write("ada:" + hash_of("one") + "\n");
  HtpasswdFile file(path_, logger_);
  EXPECT_TRUE(knows(file, "ada", "one"));
  write("ada:" + hash_of("two") + "\n");
  EXPECT_FALSE(knows(file, "ada", "one"));
  EXPECT_TRUE(knows(file, "ada", "two"));
  // Replaced by rename, with the same size and time.
  const auto time = std::filesystem::last_write_time(path_);
  std::ofstream(directory_.path() / "new") << "ada:" + hash_of("six") + "\n";
  std::filesystem::last_write_time(directory_.path() / "new", time);
  std::filesystem::rename(directory_.path() / "new", path_);
  EXPECT_FALSE(knows(file, "ada", "two"));
  EXPECT_TRUE(knows(file, "ada", "six"));
  std::filesystem::remove(path_);
  EXPECT_FALSE(knows(file, "ada", "six"));
  write("ada:" + hash_of("six") + "\n");
  EXPECT_TRUE(knows(file, "ada", "six"));
}

TEST_F(HtpasswdTest, MayBeBehindALink) {
  const auto link = directory_.path() / "link";
  write("ada:" + hash_of("one") + "\n");
  std::filesystem::create_symlink(path_, link);
  HtpasswdFile file(link, logger_);
  EXPECT_TRUE(knows(file, "ada", "one"));
  std::ofstream(directory_.path() / "other") << "ada:" + hash_of("two") + "\n";
  std::filesystem::remove(link);
  std::filesystem::create_symlink(directory_.path() / "other", link);
  EXPECT_FALSE(knows(file, "ada", "one"));
  EXPECT_TRUE(knows(file, "ada", "two"));
}

TEST_F(HtpasswdTest, HasToBeThereAtTheStart) {
  for (const auto& path : {directory_.path() / "none", directory_.path()}) {
    try {
      HtpasswdFile file(path, logger_);
      ADD_FAILURE() << path;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      EXPECT_NE(error.text().find(path.string()), std::string::npos) << error.text();
    }
  }
}

// More than are remembered, from several threads while the file changes under them.
TEST_F(HtpasswdTest, ServesManyAtOnce) {
  const std::string hash = hash_of("one");
  std::string content;
  for (int i = 0; i < 1'100; ++i) content += "user" + std::to_string(i) + ":" + hash + "\n";
  write(content);
  HtpasswdFile file(path_, logger_);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = t; i < 1'100; i += 4)
        if (!knows(file, "user" + std::to_string(i), "one") || knows(file, "user" + std::to_string(i), "two")) ++wrong;
    });
  for (int i = 0; i < 20; ++i) {
    std::ofstream(directory_.path() / "new") << content;
    std::filesystem::rename(directory_.path() / "new", path_);
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace lighterd::api::registry
