// SPDX-License-Identifier: Apache-2.0
// Which tokens are taken: those of a configured key, and none that says otherwise.
#include "api/registry/token_verifier.hpp"

#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"
#include "token_maker.hpp"

namespace lighterd::api::registry {
namespace {

using base::ErrorCode;
using namespace std::string_literals;
using nlohmann::json;

class TokenTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_.path() / name) << content;
    return directory_.path() / name;
  }

  TokenVerifier verifier_of(const SigningKey& key) const {
    return {"issuer", "registry", TokenKey::load(write("key.pem", key.public_pem()))};
  }

  static bool is_taken(const TokenVerifier& verifier, const std::string& token) {
    try {
      verifier.verify(token);
      return true;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnauthenticated) << error.text();
      return false;
    }
  }

  tests::TempDir directory_;
};

TEST_F(TokenTest, OfEachKindOfKeyIsTaken) {
  for (const auto kind : {SigningKey::Kind::kRsa, SigningKey::Kind::kP256, SigningKey::Kind::kEd25519}) {
    const SigningKey key(kind);
    const TokenVerifier by_key = verifier_of(key);
    const TokenVerifier by_certificate("issuer", "registry", TokenKey::load(write("c.pem", key.certificate_pem())));
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(is_taken(by_key, key.token(good_claims()))) << key.algorithm();
      EXPECT_TRUE(is_taken(by_certificate, key.token(good_claims()))) << key.algorithm();
    }
    EXPECT_FALSE(is_taken(verifier_of(SigningKey(kind)), key.token(good_claims()))) << key.algorithm();
  }
}

TEST_F(TokenTest, SaysWhoMayDoWhat) {
  const SigningKey key(SigningKey::Kind::kP256);
  json claims = good_claims();
  claims["access"] = json::parse(R"j([{"type":"repository","name":"a/b","actions":["pull","push"]},
                                     {"type":"repository(plugin)","name":"p","actions":["*"]}])j");
  const TokenClaims found = verifier_of(key).verify(key.token(claims));
  EXPECT_EQ(found.subject, "ada");
  ASSERT_EQ(found.grants.size(), 2u);
  EXPECT_EQ(found.grants[0].actions, (std::vector<std::string>{"pull", "push"}));
  EXPECT_EQ(found.grants[1].type, "repository");
  EXPECT_EQ(found.grants[1].klass, "plugin");
}

TEST_F(TokenTest, OneOfSeveralKeysIsEnoughWhateverTheKid) {
  const SigningKey first(SigningKey::Kind::kP256);
  const SigningKey second(SigningKey::Kind::kRsa);
  const SigningKey third(SigningKey::Kind::kP256);
  const TokenVerifier verifier("issuer", "registry",
                               TokenKey::load(write("all.pem", first.public_pem() + second.certificate_pem())));
  const json header = json::object({{"alg", "ES256"}, {"kid", "whatever"}});
  EXPECT_TRUE(is_taken(verifier, first.token(good_claims(), &header)));
  EXPECT_TRUE(is_taken(verifier, second.token(good_claims())));
  EXPECT_FALSE(is_taken(verifier, third.token(good_claims(), &header)));
}

TEST_F(TokenTest, BringsNoKeyOfItsOwn) {
  const SigningKey ours(SigningKey::Kind::kP256);
  const SigningKey theirs(SigningKey::Kind::kP256);
  const TokenVerifier verifier = verifier_of(ours);
  std::string certificate = theirs.certificate_pem();
  certificate = certificate.substr(28, certificate.find("-----END") - 28);
  for (const json& claim :
       {json::object({{"jwk", {{"kty", "EC"}, {"crv", "P-256"}}}}), json::object({{"x5c", json::array({certificate})}}),
        json::object({{"jku", "http://a/"}}), json::object({{"kid", theirs.public_pem()}})}) {
    json header = json::object({{"alg", "ES256"}});
    header.update(claim);
    EXPECT_FALSE(is_taken(verifier, theirs.token(good_claims(), &header))) << header;
    EXPECT_TRUE(is_taken(verifier, ours.token(good_claims(), &header))) << header;
  }
}

TEST_F(TokenTest, ChoosesNoAlgorithm) {
  const SigningKey rsa(SigningKey::Kind::kRsa);
  const TokenVerifier verifier = verifier_of(rsa);
  const std::string secret = rsa.public_pem();
  for (const char* algorithm : {"HS256", "none", "None", "NONE", "", "RS384", "RS512", "PS256", "ES256", "EdDSA"}) {
    const json header = json::object({{"alg", algorithm}});
    EXPECT_FALSE(is_taken(verifier, rsa.token(good_claims(), &header))) << algorithm;
    const std::string text = base64url(header.dump()) + "." + base64url(good_claims().dump());
    unsigned char mac[32];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    EXPECT_FALSE(is_taken(verifier, text + "." + base64url({reinterpret_cast<char*>(mac), size}))) << algorithm;
    EXPECT_FALSE(is_taken(verifier, text + ".")) << algorithm;
  }
  for (const json& header : {json::object(), json::object({{"alg", nullptr}}), json::object({{"alg", 5}}),
                             json::object({{"alg", "RS256"}, {"crit", json::array({"exp"})}}), json::array()})
    EXPECT_FALSE(is_taken(verifier, rsa.token(good_claims(), &header))) << header;
}

TEST_F(TokenTest, HoldsForItsTimeIssuerAndAudience) {
  const SigningKey key(SigningKey::Kind::kP256);
  const TokenVerifier verifier = verifier_of(key);
  const std::time_t now = std::time(nullptr);
  const auto is_taken_with = [&](const char* claim, const json& value) {
    json claims = good_claims();
    if (value.is_discarded())
      claims.erase(claim);
    else
      claims[claim] = value;
    return is_taken(verifier, key.token(claims));
  };
  const json absent(json::value_t::discarded);
  EXPECT_TRUE(is_taken_with("exp", now - 50));
  EXPECT_TRUE(is_taken_with("exp", static_cast<double>(now) + 0.5));
  for (const json& expiry : {json(now - 61), json(0), json(-1), json("later"), json(nullptr), absent, json::array()})
    EXPECT_FALSE(is_taken_with("exp", expiry)) << expiry;
  for (const char* claim : {"nbf", "iat"}) {
    EXPECT_TRUE(is_taken_with(claim, absent));
    EXPECT_TRUE(is_taken_with(claim, now + 50));
    EXPECT_FALSE(is_taken_with(claim, now + 100));
    EXPECT_FALSE(is_taken_with(claim, 1e300));
    EXPECT_FALSE(is_taken_with(claim, "now"));
  }
  for (const json& issuer : {json("Issuer"), json(""), json(1), json::array({"issuer"}), absent})
    EXPECT_FALSE(is_taken_with("iss", issuer)) << issuer;
  EXPECT_TRUE(is_taken_with("aud", json::array({"other", "registry"})));
  for (const json& audience : {json("other"), json::array(), json::array({1}), json(1), absent})
    EXPECT_FALSE(is_taken_with("aud", audience)) << audience;
  for (const json& access : {json("all"), json::array({1}), json::array({json::object()}),
                             json::parse(R"([{"type":"repository","name":"a","actions":"pull"}])")})
    EXPECT_FALSE(is_taken_with("access", access)) << access;
  EXPECT_TRUE(is_taken_with("access", absent));
}

TEST_F(TokenTest, MustBeWhole) {
  const SigningKey key(SigningKey::Kind::kP256);
  const TokenVerifier verifier = verifier_of(key);
  const std::string token = key.token(good_claims());
  ASSERT_TRUE(is_taken(verifier, token));
  for (std::size_t size = 0; size < token.size(); ++size)
    EXPECT_FALSE(is_taken(verifier, token.substr(0, size))) << size;
  for (std::size_t i = 0; i < token.size() - 1; ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'Q' : 'A';
    EXPECT_FALSE(is_taken(verifier, changed)) << i;
  }
  for (const std::string& more : {"."s + token, token + ".", token + ".e30", token + "=", " " + token, token + "+"})
    EXPECT_FALSE(is_taken(verifier, more));
  json large = good_claims();
  large["more"] = std::string(16 * 1024, 'x');
  EXPECT_FALSE(is_taken(verifier, key.token(large)));
  EXPECT_FALSE(is_taken(verifier, std::string(1'000'000, '.')));
}

TEST_F(TokenTest, HasNoSecondReading) {
  const SigningKey key(SigningKey::Kind::kEd25519);
  const std::string header = base64url(R"({"alg":"EdDSA"})");
  std::string claims = good_claims().dump();
  claims.insert(1, R"("iss":"issuer",)");
  const std::string text = header + "." + base64url(claims);
  EXPECT_FALSE(is_taken(verifier_of(key), text + "." + base64url(key.sign(text))));
}

TEST_F(TokenTest, KeysOfNoUseAreNamed) {
  const auto failure = [&](const std::filesystem::path& file) {
    try {
      TokenKey::load(file);
      return std::string("none");
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.text();
    }
  };
  const SigningKey good(SigningKey::Kind::kP256);
  const std::string broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
  for (const std::string& content :
       {std::string(), std::string("no key"), good.private_pem(), good.public_pem() + good.private_pem(), broken,
        SigningKey(SigningKey::Kind::kSmallRsa).public_pem(), SigningKey(SigningKey::Kind::kP384).public_pem()})
    EXPECT_NE(failure(write("bad.pem", content)).find("bad.pem"), std::string::npos) << content;
  EXPECT_NE(failure("/nowhere.pem").find("/nowhere.pem"), std::string::npos);
}

}  // namespace
}  // namespace lighterd::api::registry
