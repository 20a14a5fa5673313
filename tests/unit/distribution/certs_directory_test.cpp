// SPDX-License-Identifier: Apache-2.0
#include "distribution/certs_directory.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"

namespace lighterd::distribution {
namespace {

const std::string kCertificate = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
const std::string kKey = "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n";

class CertsDirectoryTest : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    const auto path = folder.path() / file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::string error_of(const std::string& host) {
    try {
      certs.read_tls(host);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument);
      return error.text();
    }
    return "no error";
  }
  std::string hosts_file(const std::string& host) {
    const auto found = certs.find_hosts_file(host);
    return found ? found->lexically_relative(folder.path()).string() : "none";
  }

  tests::TempDir folder;
  CertsDirectories certs{{folder.path() / "a", folder.path() / "b"}};
};

TEST_F(CertsDirectoryTest, ReadsCasAndThePair) {
  write("a/reg.example:5000/two.crt", kCertificate + "2");
  write("a/reg.example:5000/one.crt", kCertificate + "1");
  write("a/reg.example:5000/me.cert", kCertificate);
  write("a/reg.example:5000/me.key", kKey);
  write("a/reg.example:5000/notes.txt", "x");
  const TlsSettings tls = certs.read_tls("reg.example:5000");
  EXPECT_EQ(tls.extra_ca_pems, (std::vector<std::string>{kCertificate + "1", kCertificate + "2"}));
  EXPECT_EQ(tls.client_certificate_pem, kCertificate);
  EXPECT_EQ(tls.client_key_pem.reveal(), kKey);
  EXPECT_EQ(tls.verification, TlsVerification::kRequired);
  EXPECT_EQ(tls.ca_path_hint, (folder.path() / "a/reg.example:5000/ca.crt").string());
}

TEST_F(CertsDirectoryTest, AHostWithoutFolderHasTheHintOnly) {
  const TlsSettings tls = certs.read_tls("reg.example");
  EXPECT_TRUE(tls.extra_ca_pems.empty());
  EXPECT_EQ(tls.ca_path_hint, (folder.path() / "a/reg.example/ca.crt").string());
}

TEST_F(CertsDirectoryTest, ThePortIsPartOfTheName) {
  write("a/reg.example/ca.crt", kCertificate);
  EXPECT_TRUE(certs.read_tls("reg.example:5000").extra_ca_pems.empty());
  EXPECT_EQ(certs.read_tls("reg.example").extra_ca_pems.size(), 1U);
}

TEST_F(CertsDirectoryTest, KeyMayStandInTheCertificatesFile) {
  write("a/reg.example/me.cert", kCertificate + kKey);
  EXPECT_EQ(certs.read_tls("reg.example").client_key_pem.reveal(), kCertificate + kKey);
}

TEST_F(CertsDirectoryTest, MissingHalvesAreErrorsInDockersWords) {
  write("a/one.example/me.cert", kCertificate);
  EXPECT_EQ(error_of("one.example")
                .find("missing key me.key for client certificate me.cert. CA certificates must use "
                      "the extension .crt"),
            0U);
  write("a/two.example/me.key", kKey);
  EXPECT_EQ(error_of("two.example").find("missing client certificate me.cert for key me.key"), 0U);
}

TEST_F(CertsDirectoryTest, AFileWithoutCertificateIsAnError) {
  write("a/reg.example/ca.crt", "junk");
  EXPECT_NE(error_of("reg.example").find("ca.crt"), std::string::npos);
}

TEST_F(CertsDirectoryTest, FollowsLinks) {
  write("elsewhere.pem", kCertificate);
  std::filesystem::create_directories(folder.path() / "a/reg.example");
  std::filesystem::create_symlink(folder.path() / "elsewhere.pem", folder.path() / "a/reg.example/ca.crt");
  EXPECT_EQ(certs.read_tls("reg.example").extra_ca_pems, std::vector<std::string>{kCertificate});
}

TEST_F(CertsDirectoryTest, HostsFileIsLookedForInOrder) {
  EXPECT_EQ(hosts_file("reg.example:5000"), "none");
  write("b/_default/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example:5000"), "b/_default/hosts.toml");
  write("b/reg.example:5000/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example:5000"), "b/reg.example:5000/hosts.toml");
  write("b/reg.example_5000_/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example:5000"), "b/reg.example_5000_/hosts.toml");
  write("a/reg.example:5000/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example:5000"), "a/reg.example:5000/hosts.toml");
  // A folder of its own without the file: what holds for all others does not for this one.
  write("a/own.example/ca.crt", kCertificate);
  EXPECT_EQ(hosts_file("own.example"), "none");
}

TEST_F(CertsDirectoryTest, ACertificateInOneRootHidesNoHostsFileInAnother) {
  write("a/reg.example/ca.crt", kCertificate);
  write("a/_default/hosts.toml", "");
  write("b/reg.example/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example"), "b/reg.example/hosts.toml");
  EXPECT_EQ(certs.read_tls("reg.example").extra_ca_pems.size(), 1U);
}

TEST_F(CertsDirectoryTest, AHostsFileThatLeadsNowhereIsThere) {
  std::filesystem::create_directories(folder.path() / "a/reg.example");
  std::filesystem::create_symlink("missing", folder.path() / "a/reg.example/hosts.toml");
  write("b/reg.example/hosts.toml", "");
  EXPECT_EQ(hosts_file("reg.example"), "a/reg.example/hosts.toml");
}

TEST_F(CertsDirectoryTest, WhatCannotBeReadIsAMistakeInTheConfiguration) {
  write("large", std::string(100, 'x'));
  std::filesystem::create_symlink("loop", folder.path() / "loop");
  for (const char* name : {"missing", "loop", "large", "."}) {
    try {
      read_configuration(folder.path() / name, 50);
      FAIL() << name;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidArgument) << name;
    }
  }
}

TEST_F(CertsDirectoryTest, DefaultHasNoCertificates) {
  write("a/_default/ca.crt", kCertificate);
  EXPECT_TRUE(certs.read_tls("reg.example").extra_ca_pems.empty());
}

TEST_F(CertsDirectoryTest, NoNameOfAHostLeadsElsewhere) {
  write("ca.crt", kCertificate);
  write("a/_default/ca.crt", kCertificate);
  for (const char* host : {"..", ".", "../", "a/../..", "_default", "", "..:5000"}) {
    const TlsSettings tls = certs.read_tls(host);
    EXPECT_TRUE(tls.extra_ca_pems.empty()) << host;
    EXPECT_EQ(tls.ca_path_hint, "") << host;
  }
}

}  // namespace
}  // namespace lighterd::distribution
