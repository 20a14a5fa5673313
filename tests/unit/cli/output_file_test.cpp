// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "cli/exit_code.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::cli {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public testing::Test {
 protected:
  std::size_t count_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
  static void expect_usage(const fs::path& wrong) {
    try {
      const OutputFile file(wrong);
      ADD_FAILURE() << "opened " << wrong;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
    }
  }
  tests::TempDir folder;
  fs::path path = folder.path() / "a.tar";
};

TEST_F(OutputFileTest, HasItsNameWhenItIsWhole) {
  OutputFile file(path);
  file.write(base::as_bytes("half"));
  EXPECT_FALSE(fs::exists(path));
  file.write(base::as_bytes(" whole"));
  file.commit();
  EXPECT_EQ(base::read_file(path, 100), "half whole");
  EXPECT_EQ(file.size_bytes(), 10);
  EXPECT_EQ(count_files(), 1U);
}

TEST_F(OutputFileTest, LeavesNothingWithoutCommit) {
  base::write_file_atomically(path, "old");
  {
    OutputFile file(path);
    file.write(base::as_bytes("new"));
  }
  EXPECT_EQ(base::read_file(path, 100), "old");
  EXPECT_EQ(count_files(), 1U);
}

TEST_F(OutputFileTest, ALinkStaysALink) {
  base::write_file_atomically(folder.path() / "target", "old");
  fs::create_symlink("target", path);
  OutputFile file(path);
  file.write(base::as_bytes("new"));
  file.commit();
  EXPECT_TRUE(fs::is_symlink(path));
  EXPECT_EQ(base::read_file(folder.path() / "target", 100), "new");
}

TEST_F(OutputFileTest, ALinkToNothingYetStaysOneToo) {
  fs::create_directory(folder.path() / "other");
  fs::create_symlink("other/second", path);
  fs::create_symlink("target", folder.path() / "other" / "second");
  OutputFile file(path);
  file.write(base::as_bytes("new"));
  file.commit();
  EXPECT_TRUE(fs::is_symlink(path));
  EXPECT_EQ(base::read_file(folder.path() / "other" / "target", 100), "new");
}

TEST_F(OutputFileTest, TheModeIsTheOldOneOrTheUsersOwn) {
  const ::mode_t before = ::umask(027);
  OutputFile(path).commit();
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  fs::permissions(path, fs::perms(0606));
  OutputFile(path).commit();
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0606));
  ::umask(before);
}

TEST_F(OutputFileTest, ANameMayBeAsLongAsNamesAre) {
  path = folder.path() / std::string(255, 'x');
  OutputFile(path).commit();
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(OutputFileTest, ATerminalIsWrongUsage) {
  const base::UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master && ::grantpt(master.get()) == 0 && ::unlockpt(master.get()) == 0);
  fs::create_symlink(::ptsname(master.get()), path);
  expect_usage(path);
}

TEST_F(OutputFileTest, ADeviceIsWrittenTo) {
  OutputFile file("/dev/null");
  file.write(base::as_bytes("x"));
  file.commit();
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(OutputFileTest, WhatCannotBeOpenedIsWrongUsage) {
  fs::create_symlink("a.tar", path);
  for (const fs::path& wrong : {folder.path(), folder.path() / "missing" / "a.tar", path}) expect_usage(wrong);
}

}  // namespace
}  // namespace lighterd::cli
