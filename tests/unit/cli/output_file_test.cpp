// SPDX-License-Identifier: Apache-2.0
#include "cli/output_file.hpp"

#include <gtest/gtest.h>

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

TEST_F(OutputFileTest, ADeviceIsWrittenTo) {
  OutputFile file("/dev/null");
  file.write(base::as_bytes("x"));
  file.commit();
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(OutputFileTest, WhatCannotBeOpenedIsWrongUsage) {
  for (const fs::path& wrong : {folder.path(), folder.path() / "missing" / "a.tar"}) {
    try {
      const OutputFile file(wrong);
      ADD_FAILURE() << "opened " << wrong;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.exit_code(), ExitCode::kUsage);
    }
  }
}

}  // namespace
}  // namespace lighterd::cli
