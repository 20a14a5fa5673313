// SPDX-License-Identifier: Apache-2.0
// Passwords in a file that is edited meanwhile.
#include "api/registry/htpasswd.hpp"

#include <crypt.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <ctime>
#include <fstream>
#include <latch>
#include <thread>
#include <vector>

#include "api/registry/password_hash.hpp"
#include "api/registry/registry_fault.hpp"
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
    return file.verify(user, base::Secret(password), {});
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

TEST_F(HtpasswdTest, WithoutUsersNobodyIsKnown) {
  for (const char* content : {"", "\n\n", "# nobody\n", ":\n", "\n:\n::\n"}) {
    write(content);
    HtpasswdFile file(path_, logger_);
    for (const char* user : {"", "nobody", ":"})
      for (const char* password : {"", "one"}) EXPECT_FALSE(knows(file, user, password)) << content;
  }
}

// bcrypt reads 72 bytes: what follows could be anything.
TEST_F(HtpasswdTest, RefusesWhatBcryptDoesNotRead) {
  const std::string longest(72, 'x');
  write("ada:" + hash_of(longest) + "\nbob:" + hash_of(longest + "y") + "\n");
  HtpasswdFile file(path_, logger_);
  EXPECT_TRUE(knows(file, "ada", longest));
  EXPECT_FALSE(knows(file, "ada", longest + "x"));
  EXPECT_FALSE(knows(file, "ada", longest.substr(1)));
  EXPECT_FALSE(knows(file, "bob", longest + "y"));
  EXPECT_FALSE(knows(file, "bob", longest + "z"));
}

// The time of the processor, which no other process lengthens; between the two costs lies a factor of 64.
TEST_F(HtpasswdTest, UnknownUsersTakeTheLongestTime) {
  write("ada:" + hash_of("one", 4) + "\nbob:" + hash_of("one", 10) + "\neve:" + hash_of("one", 5) + "\n");
  HtpasswdFile file(path_, logger_);
  const auto nanoseconds_of = [&](const std::string& user) {
    timespec begin{};
    timespec end{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    EXPECT_FALSE(knows(file, user, "two"));
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return static_cast<double>(end.tv_sec - begin.tv_sec) * 1e9 + static_cast<double>(end.tv_nsec - begin.tv_nsec);
  };
  const double longest = nanoseconds_of("bob");
  EXPECT_GT(nanoseconds_of("nobody"), longest / 4);
}

TEST_F(HtpasswdTest, WarnsOfSeveralCosts) {
  base::Logger logger(base::LogLevel::kWarn);
  const auto warns_of = [&](const std::string& content) {
    write(content);
    testing::internal::CaptureStderr();
    { HtpasswdFile file(path_, logger); }
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warns_of("ada:" + hash_of("one", 4) + "\nbob:" + hash_of("two", 4, "$2b$") + "\n"), "");
  EXPECT_EQ(warns_of(""), "");
  const std::string text = warns_of("ada:" + hash_of("one", 5) + "\nbob:" + hash_of("two", 4) + "\n");
  EXPECT_NE(text.find("lowest_cost=4 highest_cost=5"), std::string::npos) << text;
}

#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define LIGHTERD_SANITIZER_NEEDS_DESCRIPTORS
#endif
#endif

TEST_F(HtpasswdTest, IsReadAgainAfterItCouldNotBe) {
#ifdef LIGHTERD_SANITIZER_NEEDS_DESCRIPTORS
  GTEST_SKIP() << "UndefinedBehaviorSanitizer looks at memory through a pipe: without descriptors it fails by itself";
#endif
  write("ada:" + hash_of("one") + "\n");
  HtpasswdFile file(path_, logger_);
  write("ada:" + hash_of("two") + "\n");
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &usual), 0);
  rlimit none = usual;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const bool was_known = knows(file, "ada", "one") || knows(file, "ada", "two");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &usual), 0);
  EXPECT_FALSE(was_known);
  EXPECT_TRUE(knows(file, "ada", "two"));
}

TEST_F(HtpasswdTest, BeyondTheLimitsNothingIsHashed) {
  write("ada:" + hash_of("one") + "\n");
  HtpasswdFile file(path_, logger_, {.running = 0, .waiting = 0, .sharing = 0});
  for (const char* user : {"ada", "nobody"})
    for (const char* password : {"one", "two", ""}) {
      try {
        knows(file, user, password);
        ADD_FAILURE() << user << password;
      } catch (const RegistryFault& fault) {
        EXPECT_EQ(fault.status(), 429);
        EXPECT_EQ(fault.headers(), (RegistryFault::Headers{{"Retry-After", "1"}}));
        EXPECT_NE(fault.body().find("TOOMANYREQUESTS"), std::string::npos);
      }
    }
}

// A second hash would have no place.
TEST_F(HtpasswdTest, ACrowdOfOneUserCostsOneHash) {
  constexpr std::size_t kCrowd = 64;
  write("ada:" + hash_of("one", 9) + "\n");
  HtpasswdFile file(path_, logger_, {.running = 1, .waiting = 0, .sharing = kCrowd});
  std::atomic<std::size_t> known{0};
  std::latch start(kCrowd);
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kCrowd; ++i)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      try {
        if (knows(file, "ada", "one")) ++known;
      } catch (const base::Error& error) {
        ADD_FAILURE() << error.text();
      }
    });
  threads.clear();
  EXPECT_EQ(known, kCrowd);
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
