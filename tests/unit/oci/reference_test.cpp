// SPDX-License-Identifier: Apache-2.0
#include "oci/reference.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.hpp"

namespace lighterd::oci {
namespace {

const std::string kHex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kDigest = "sha256:" + kHex;
const std::string kFormat = "invalid reference format";

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "no error";
}

std::string lower_case_error(const std::string& path) {
  return "invalid reference format: repository name (" + path + ") must be lowercase";
}

struct ValidCase {
  std::string text;
  std::string full;
  std::string familiar;
};

TEST(ReferenceTest, ValidOnesAreNormalised) {
  const std::string label63(63, 'a');
  const std::string tag128(128, 't');
  const ValidCase cases[] = {
      {"alpine", "docker.io/library/alpine", "alpine"},
      {"alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"},
      {"library/alpine", "docker.io/library/alpine", "alpine"},
      {"docker.io/alpine", "docker.io/library/alpine", "alpine"},
      {"docker.io/library/alpine", "docker.io/library/alpine", "alpine"},
      {"index.docker.io/alpine", "docker.io/library/alpine", "alpine"},
      {"index.docker.io/library/alpine:1", "docker.io/library/alpine:1", "alpine:1"},
      {"index.docker.io/a/b", "docker.io/a/b", "a/b"},
      {"a/b", "docker.io/a/b", "a/b"},
      {"a/b/c/d", "docker.io/a/b/c/d", "a/b/c/d"},
      {"docker.io/library/a/b", "docker.io/library/a/b", "library/a/b"},
      {"library", "docker.io/library/library", "library"},
      {"localhost", "docker.io/library/localhost", "localhost"},
      {"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
      {"example.com", "docker.io/library/example.com", "example.com"},
      {"example.com:8080", "docker.io/library/example.com:8080", "example.com:8080"},
      {"localhost/x", "localhost/x", "localhost/x"},
      {"localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"},
      {"localhost/library/x", "localhost/library/x", "localhost/library/x"},
      {"example.com/a", "example.com/a", "example.com/a"},
      {"example.com:8080/a/b:c", "example.com:8080/a/b:c", "example.com:8080/a/b:c"},
      {"ExAmPlE.com/a", "ExAmPlE.com/a", "ExAmPlE.com/a"},
      {"Foo/bar", "Foo/bar", "Foo/bar"},
      {"Foo/bar:TAG", "Foo/bar:TAG", "Foo/bar:TAG"},
      {"xn--n3h.com/myimage", "xn--n3h.com/myimage", "xn--n3h.com/myimage"},
      {"127.0.0.1:5000/a", "127.0.0.1:5000/a", "127.0.0.1:5000/a"},
      {"[::1]/a", "[::1]/a", "[::1]/a"},
      {"[2001:db8::1]:5000/a:b", "[2001:db8::1]:5000/a:b", "[2001:db8::1]:5000/a:b"},
      {"foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080", "foo/foo_bar.com:8080"},
      {"foo_bar.com:8080", "docker.io/library/foo_bar.com:8080", "foo_bar.com:8080"},
      {"a__b", "docker.io/library/a__b", "a__b"},
      {"a-b", "docker.io/library/a-b", "a-b"},
      {"a---b", "docker.io/library/a---b", "a---b"},
      {"a_b.c-d__e", "docker.io/library/a_b.c-d__e", "a_b.c-d__e"},
      {"0/0", "docker.io/0/0", "0/0"},
      {"test:5000/repo", "test:5000/repo", "test:5000/repo"},
      {"alpine:Tag_1.2-3", "docker.io/library/alpine:Tag_1.2-3", "alpine:Tag_1.2-3"},
      {"alpine:_", "docker.io/library/alpine:_", "alpine:_"},
      {"alpine:" + tag128, "docker.io/library/alpine:" + tag128, "alpine:" + tag128},
      {"alpine@" + kDigest, "docker.io/library/alpine@" + kDigest, "alpine@" + kDigest},
      {"alpine:3@" + kDigest, "docker.io/library/alpine:3@" + kDigest, "alpine:3@" + kDigest},
      {"localhost:5000/a:b@" + kDigest, "localhost:5000/a:b@" + kDigest, "localhost:5000/a:b@" + kDigest},
      {"a@sha512:" + kHex + kHex, "docker.io/library/a@sha512:" + kHex + kHex, "a@sha512:" + kHex + kHex},
      {"sha256:abcd", "docker.io/library/sha256:abcd", "sha256:abcd"},
      {kDigest, "docker.io/library/" + kDigest, kDigest},
      {"x/" + kHex, "docker.io/x/" + kHex, "x/" + kHex},
      {kHex.substr(1), "docker.io/library/" + kHex.substr(1), kHex.substr(1)},
      {label63 + "." + label63 + ".com/a", label63 + "." + label63 + ".com/a", label63 + "." + label63 + ".com/a"},
      {"localhost/" + std::string(255, 'a'), "localhost/" + std::string(255, 'a'),
       "localhost/" + std::string(255, 'a')},
      {std::string(247, 'a'), "docker.io/library/" + std::string(247, 'a'), std::string(247, 'a')},
  };
  for (const auto& [text, full, familiar] : cases) {
    SCOPED_TRACE(text);
    const Reference reference = parse_reference(text);
    EXPECT_EQ(reference.to_string(), full);
    EXPECT_EQ(reference.familiar(), familiar);
    EXPECT_EQ(parse_reference(full), reference);
    EXPECT_EQ(parse_reference(familiar), reference);
  }
}

struct InvalidCase {
  std::string text;
  std::string error;
};

TEST(ReferenceTest, InvalidOnesTellWhyAsDockerDoes) {
  const InvalidCase cases[] = {
      {"", kFormat},
      {":", kFormat},
      {":tag", kFormat},
      {"/", kFormat},
      {"//", kFormat},
      {"a/", kFormat},
      {"/a", kFormat},
      {"a//b", kFormat},
      {"alpine:", kFormat},
      {"alpine: ", kFormat},
      {" alpine", kFormat},
      {"alpine ", kFormat},
      {"alpine\n", kFormat},
      {std::string("alpine\0", 7), kFormat},
      {"https://example.com/a", kFormat},
      {"docker///docker", kFormat},
      {"docker.io/docker///docker", kFormat},
      {"docker.io/", kFormat},
      {"docker.io//x", kFormat},
      {"-busybox", kFormat},
      {"busybox-", kFormat},
      {"_a", kFormat},
      {"a_", kFormat},
      {"a___b", kFormat},
      {"a..b", kFormat},
      {"a._b", kFormat},
      {"a-_b", kFormat},
      {".", kFormat},
      {"..", kFormat},
      {"../etc/passwd", kFormat},
      {"a/../b", kFormat},
      {"a/./b", kFormat},
      {"-foo.com/x", kFormat},
      {"foo-.com/x", kFormat},
      {"foo..com/x", kFormat},
      {".com/x", kFormat},
      {"foo_bar.com/x/y", kFormat},
      {"foo.com:/x", kFormat},
      {"foo.com:80a/x", kFormat},
      {"foo.com:80:81/x", kFormat},
      {"[::1/a", kFormat},
      {"[]/a:b", kFormat},
      {"[::1]a/b", kFormat},
      {"[fe80::1%eth0]:5000/a", kFormat},
      {"user:pass@example.com/a", kFormat},
      {"user@example.com/a", kFormat},
      {"alpine:a:b", kFormat},
      {"alpine:.a", kFormat},
      {"alpine:-a", kFormat},
      {"alpine:a/b", kFormat},
      {"alpine:" + std::string(129, 't'), kFormat},
      {"alpine@", kFormat},
      {"alpine@sha256", kFormat},
      {"alpine@sha256:", kFormat},
      {"alpine@sha256:abcd", kFormat},
      {"alpine@" + kDigest + "@" + kDigest, kFormat},
      {"alpine@" + kDigest + ":tag", kFormat},
      {"alpine@256sha:" + kHex, kFormat},
      {"alpine@sha256+:" + kHex, kFormat},
      {"alpine@sha256:" + kHex + "/../x", kFormat},
      {"a%40b", kFormat},
      {"FOO", lower_case_error("library/FOO")},
      {"FOO:bar", lower_case_error("library/FOO")},
      {"Uppercase:tag", lower_case_error("library/Uppercase")},
      {"a/FOO", lower_case_error("a/FOO")},
      {"docker.io/FOO", lower_case_error("library/FOO")},
      {"localhost:5000/Foo/bar:x", lower_case_error("Foo/bar")},
      {"test:5000/Uppercase/lowercase:tag", lower_case_error("Uppercase/lowercase")},
      {"Foo/Bar", lower_case_error("Bar")},
      {"alpine@SHA256:" + kHex, lower_case_error("library/alpine@SHA256")},
      {kHex, "invalid repository name (" + kHex + "), cannot specify 64-byte hexadecimal strings"},
      {"localhost/" + std::string(256, 'a'), "repository name must not be more than 255 characters"},
      {std::string(248, 'a'), "repository name must not be more than 255 characters"},
      {std::string(248, 'a') + ":.", kFormat},
      {"alpine@sha256:" + kHex.substr(1), "invalid checksum digest length"},
      {"alpine@sha256:" + kHex + "0", "invalid checksum digest length"},
      {"alpine@sha256:BA" + kHex.substr(2), "invalid checksum digest format"},
      {"alpine:x@SHA256:" + kHex, "invalid checksum digest format"},
      {"alpine@md5:d41d8cd98f00b204e9800998ecf8427e", "unsupported digest algorithm"},
      {"alpine@sha384:" + kHex + kHex.substr(32), "unsupported digest algorithm"},
      {"alpine@a+b.c-d_e:" + kHex, "unsupported digest algorithm"},
  };
  for (const InvalidCase& bad : cases)
    EXPECT_EQ(error_of([&bad] { parse_reference(bad.text); }), bad.error) << bad.text;
}

TEST(ReferenceTest, HugeInputIsRefusedQuickly) {
  EXPECT_NE(error_of([] { parse_reference(std::string(1 << 20, '/')); }), "no error");
  EXPECT_NE(error_of([] { parse_reference(std::string(1 << 20, '-')); }), "no error");
  EXPECT_NE(error_of([] { parse_reference("a@" + std::string(1 << 20, 'a')); }), "no error");
}

TEST(ReferenceTest, DefaultTagOnlyWithoutTagAndDigest) {
  EXPECT_EQ(parse_reference("a").with_default_tag().familiar(), "a:latest");
  EXPECT_EQ(parse_reference("a:b").with_default_tag().familiar(), "a:b");
  EXPECT_EQ(parse_reference("a@" + kDigest).with_default_tag().familiar(), "a@" + kDigest);
  EXPECT_TRUE(parse_reference("a").is_name_only());
  EXPECT_FALSE(parse_reference("a@" + kDigest).is_name_only());
}

TEST(ReferenceTest, TagAndDigestAreAddedToTheOther) {
  EXPECT_EQ(parse_reference("a@" + kDigest).with_tag("x").familiar(), "a:x@" + kDigest);
  EXPECT_EQ(parse_reference("a:x").with_digest(parse_digest(kDigest)).familiar(), "a:x@" + kDigest);
  EXPECT_EQ(error_of([] { (void)parse_reference("a").with_tag("no tag"); }), "invalid tag format");
  EXPECT_EQ(error_of([] { Reference(parse_repository_name("docker.io/library/a"), "-"); }), "invalid tag format");
}

TEST(ReferenceTest, PartsOfTheRepository) {
  const Reference reference = parse_reference("localhost:5000/a/b:c");
  EXPECT_EQ(reference.repository().domain(), "localhost:5000");
  EXPECT_EQ(reference.repository().path(), "a/b");
  EXPECT_EQ(reference.tag(), "c");
  EXPECT_EQ(reference.digest(), std::nullopt);
}

TEST(RepositoryNameTest, TakesTheFullFormOnly) {
  EXPECT_EQ(parse_repository_name("docker.io/library/alpine").familiar(), "alpine");
  EXPECT_EQ(parse_repository_name("docker.io/a/b").familiar(), "a/b");
  EXPECT_EQ(parse_repository_name("localhost:5000/a").to_string(), "localhost:5000/a");
  for (const char* bad : {"", "alpine", "docker.io/", "/a", "docker.io/a:b", "docker.io/A", "docker.io/a@b", "_/a"})
    EXPECT_EQ(error_of([&] { parse_repository_name(bad); }), kFormat) << bad;
}

TEST(TagTest, Grammar) {
  for (const char* good : {"a", "A", "_", "0", "latest", "1.2.3-rc_4"}) EXPECT_TRUE(is_valid_tag(good)) << good;
  for (const char* bad : {"", ".", "-", "-a", "a b", "a/b", "a:b", "a\n", "\xC3\xA4"}) EXPECT_FALSE(is_valid_tag(bad));
  EXPECT_TRUE(is_valid_tag(std::string(128, 'a')));
  EXPECT_FALSE(is_valid_tag(std::string(129, 'a')));
}

TEST(ImageArgumentTest, IdsAndNames) {
  for (const std::string& id : {kHex, kDigest}) {
    const ImageArgument argument = parse_image_argument(id);
    ASSERT_TRUE(argument.id.has_value());
    EXPECT_EQ(argument.id->to_string(), kDigest);
    EXPECT_FALSE(argument.reference.has_value());
  }
  const ImageArgument sha512 = parse_image_argument("sha512:" + kHex + kHex);
  EXPECT_TRUE(sha512.id.has_value());
  const ValidCase names[] = {
      {"abcd1234", "docker.io/library/abcd1234", ""},
      {"sha256:abcd", "docker.io/library/sha256:abcd", ""},
      {"a:b@" + kDigest, "docker.io/library/a:b@" + kDigest, ""},
      {kHex.substr(0, 63), "docker.io/library/" + kHex.substr(0, 63), ""},
  };
  for (const auto& [text, full, unused] : names) {
    const ImageArgument argument = parse_image_argument(text);
    EXPECT_FALSE(argument.id.has_value()) << text;
    ASSERT_TRUE(argument.reference.has_value()) << text;
    EXPECT_EQ(argument.reference->to_string(), full);
  }
  EXPECT_EQ(error_of([] { parse_image_argument("BAD"); }), lower_case_error("library/BAD"));
}

struct PullCase {
  std::string image;
  std::string tag;
  std::string result;  // full form, or "!" and the error
};

TEST(PullReferenceTest, ImageAndTag) {
  const PullCase cases[] = {
      {"alpine", "", "docker.io/library/alpine"},
      {"alpine:", "", "docker.io/library/alpine"},
      {"alpine::", "", "!" + kFormat},
      {"alpine", "3", "docker.io/library/alpine:3"},
      {"alpine:", "3", "docker.io/library/alpine:3"},
      {"alpine:2", "3", "docker.io/library/alpine:3"},
      {"alpine:2", "", "docker.io/library/alpine:2"},
      {"localhost:5000/a", "b", "localhost:5000/a:b"},
      {"alpine", kDigest, "docker.io/library/alpine@" + kDigest},
      {"alpine:2", kDigest, "docker.io/library/alpine@" + kDigest},
      {"alpine@" + kDigest, "3", "docker.io/library/alpine:3@" + kDigest},
      {"alpine@" + kDigest, "", "docker.io/library/alpine@" + kDigest},
      {"alpine", "sha256:zz", "!invalid tag format"},
      {"alpine", "sha256:" + kHex.substr(1), "!invalid tag format"},
      {"alpine", "a b", "!invalid tag format"},
      {"", "3", "!" + kFormat},
      {"FOO", "3", "!" + lower_case_error("library/FOO")},
  };
  for (const auto& [image, tag, result] : cases) {
    SCOPED_TRACE(image + " and " + tag);
    if (result.starts_with('!')) {
      EXPECT_EQ("!" + error_of([&image = image, &tag = tag] { parse_pull_reference(image, tag); }), result);
    } else {
      EXPECT_EQ(parse_pull_reference(image, tag).to_string(), result);
    }
  }
}

}  // namespace
}  // namespace lighterd::oci
