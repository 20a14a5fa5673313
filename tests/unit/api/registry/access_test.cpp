// SPDX-License-Identifier: Apache-2.0
// Every method on every endpoint, under every scheme, by everybody: what is let in, and how the rest is told so.
#include "api/registry/access.hpp"

#include <crypt.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <stop_token>

#include "api/registry/access_table.hpp"
#include "api/registry/registry_fault.hpp"
#include "base/encoding.hpp"
#include "base/error.hpp"
#include "tests/support/temp_dir.hpp"
#include "token_maker.hpp"

namespace lighterd::api::registry {
namespace {

using nlohmann::json;

const std::string kRepository = "team/app";

// What a request needs, as registry-protocol.md B2 says it, in letters: l(ogin), p(ull), w(rite), d(elete), c(atalog);
// "" for what does not exist.
std::string needs_of(const std::string& method, Endpoint endpoint) {
  static const std::map<std::pair<std::string, Endpoint>, std::string> kNeeds = {
      {{"GET", Endpoint::kBase}, "l"},         {{"HEAD", Endpoint::kBase}, "l"},
      {{"GET", Endpoint::kBlob}, "lp"},        {{"HEAD", Endpoint::kBlob}, "lp"},
      {{"DELETE", Endpoint::kBlob}, "ld"},     {{"GET", Endpoint::kManifest}, "lp"},
      {{"HEAD", Endpoint::kManifest}, "lp"},   {{"PUT", Endpoint::kManifest}, "lpw"},
      {{"DELETE", Endpoint::kManifest}, "ld"}, {{"POST", Endpoint::kUploads}, "lpw"},
      {{"GET", Endpoint::kUpload}, "lp"},      {{"HEAD", Endpoint::kUpload}, "lp"},
      {{"PATCH", Endpoint::kUpload}, "lpw"},   {{"PUT", Endpoint::kUpload}, "lpw"},
      {{"DELETE", Endpoint::kUpload}, "lw"},   {{"GET", Endpoint::kTags}, "lp"},
      {{"HEAD", Endpoint::kTags}, "lp"},       {{"GET", Endpoint::kReferrers}, "lp"},
      {{"HEAD", Endpoint::kReferrers}, "lp"},  {{"GET", Endpoint::kCatalog}, "lc"},
      {{"HEAD", Endpoint::kCatalog}, "lc"},
  };
  const auto found = kNeeds.find({method, endpoint});
  return found == kNeeds.end() ? "" : found->second;
}

std::string hash_of(const std::string& password) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  crypt_gensalt_rn("$2y$", 4, nullptr, 0, salt, sizeof salt);
  return ::crypt(password.c_str(), salt);
}

Request request_with(const std::string& authorization) {
  Request request;
  if (!authorization.empty()) request.headers.add("Authorization", authorization);
  return request;
}

std::string basic(const std::string& login) {
  return "Basic " + base::base64_encode(login);
}

// "ok", or the challenge of the refusal.
std::string verdict(const AccessController& access, const std::string& authorization,
                    const std::vector<Permission>& permissions) {
  try {
    access.authorize(request_with(authorization), permissions);
    return "ok";
  } catch (const RegistryFault& fault) {
    EXPECT_EQ(fault.status(), 401);
    EXPECT_EQ(json::parse(fault.body())["errors"][0]["code"], "UNAUTHORIZED");
    EXPECT_EQ(fault.headers().size(), 1u);
    EXPECT_EQ(fault.headers().front().first, "WWW-Authenticate");
    return fault.headers().front().second;
  }
}

class AccessTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_.path() / name) << content;
    return directory_.path() / name;
  }

  static AccessOptions anonymous_pull() {
    AccessOptions options;
    options.is_anonymous_pull_allowed = true;
    return options;
  }

  AccessController basic_access(AccessOptions options = {}) {
    options.scheme = AccessOptions::Scheme::kBasic;
    options.htpasswd = write("htpasswd", "ada:" + hash_of("secret") + "\n");
    return {options, logger_};
  }

  AccessOptions bearer_options() const {
    AccessOptions options;
    options.scheme = AccessOptions::Scheme::kBearer;
    options.realm = "https://auth.example/token";
    options.service = "registry";
    options.issuer = "issuer";
    options.keys = {write("key.pem", key_.public_pem())};
    return options;
  }

  std::string bearer(const std::string& access) const {
    json claims = good_claims();
    claims["access"] = json::parse(access);
    return "Bearer " + key_.token(claims);
  }

  std::string on_repository(const std::string& actions, const std::string& name = kRepository) const {
    return bearer(R"([{"type":"repository","name":")" + name + R"(","actions":[)" + actions + "]}]");
  }

  // Who is let in: the letters of what somebody may do.
  void expect_matrix(const AccessController& access, const std::string& authorization, const std::string& letters) {
    for (const char* method :
         {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "get", ""})
      for (int i = 0; i <= static_cast<int>(Endpoint::kCatalog); ++i) {
        const auto endpoint = static_cast<Endpoint>(i);
        const std::string needs = needs_of(method, endpoint);
        const auto permissions = required_permissions(method, endpoint, kRepository);
        ASSERT_EQ(permissions.has_value(), !needs.empty()) << method << i;
        if (!permissions) continue;
        const bool expected = needs.find_first_not_of(letters) == std::string::npos;
        EXPECT_EQ(verdict(access, authorization, *permissions) == "ok", expected) << method << ' ' << i;
      }
  }

  tests::TempDir directory_;
  base::Logger logger_{base::LogLevel::kError};
  const SigningKey key_{SigningKey::Kind::kP256};
};

TEST_F(AccessTest, AnOpenRegistryIsEverybodys) {
  const AccessController access({}, logger_);
  expect_matrix(access, "", "lpwdc");
  expect_matrix(access, basic("whoever:whatever"), "lpwdc");
}

TEST_F(AccessTest, APasswordOpensEverything) {
  const AccessController access = basic_access();
  expect_matrix(access, basic("ada:secret"), "lpwdc");
  expect_matrix(access, "bAsIc   " + base::base64_encode("ada:secret"), "lpwdc");
  for (const std::string& wrong :
       {std::string(), basic("ada:Secret"), basic("ada:"), basic("ada"), basic("bob:secret"), basic(":secret"),
        basic(":"), basic(std::string("ada:secret\0more", 15)), std::string("Basic"), std::string("Basic !"),
        bearer("[]"), std::string("Basicx") + base::base64_encode("ada:secret")})
    expect_matrix(access, wrong, "");
}

TEST_F(AccessTest, WithoutAPasswordOneMayBeAllowedToPull) {
  const AccessController access = basic_access(anonymous_pull());
  const auto on = [](Endpoint endpoint, const char* method) { return *required_permissions(method, endpoint, "a"); };
  for (const std::string& nobody : {std::string(), basic(":")}) {
    EXPECT_EQ(verdict(access, nobody, on(Endpoint::kManifest, "GET")), "ok");
    EXPECT_EQ(verdict(access, nobody, on(Endpoint::kBlob, "HEAD")), "ok");
    // Clients look for a challenge there only (registry-protocol.md D.3).
    EXPECT_EQ(verdict(access, nobody, on(Endpoint::kBase, "GET")), "Basic realm=\"lighterd\"");
    for (const auto& permissions :
         {on(Endpoint::kManifest, "PUT"), on(Endpoint::kManifest, "DELETE"), on(Endpoint::kUploads, "POST"),
          on(Endpoint::kUpload, "DELETE"), on(Endpoint::kCatalog, "GET")})
      EXPECT_NE(verdict(access, nobody, permissions), "ok");
  }
  EXPECT_NE(verdict(access, basic("ada:wrong"), on(Endpoint::kManifest, "GET")), "ok");
  const auto anonymous = access.authorize({}, on(Endpoint::kManifest, "GET"));
  EXPECT_TRUE(anonymous->may({Permission::Kind::kRepository, "b", Action::kPull}));
  EXPECT_FALSE(anonymous->may({Permission::Kind::kRepository, "b", Action::kPush}));
  EXPECT_EQ(anonymous->name(), "");
  expect_matrix(access, basic("ada:secret"), "lpwdc");
}

TEST_F(AccessTest, ATokenOpensWhatItNames) {
  const AccessController access(bearer_options(), logger_);
  expect_matrix(access, "", "");
  expect_matrix(access, basic("ada:secret"), "");
  expect_matrix(access, "Bearer x", "");
  expect_matrix(access, bearer("[]"), "l");
  expect_matrix(access, on_repository(R"("pull")"), "lp");
  expect_matrix(access, on_repository(R"("push")"), "lw");
  expect_matrix(access, on_repository(R"("pull","push")"), "lpw");
  expect_matrix(access, on_repository(R"("delete")"), "ld");
  expect_matrix(access, on_repository(R"("*")"), "lpwd");
  expect_matrix(access, on_repository(R"("PULL","pull,push","")"), "l");
  for (const char* other : {"team", "team/app2", "team/ap", "Team/app", "", "*", "team/*"})
    expect_matrix(access, on_repository(R"("*")", other), "l");
  expect_matrix(access, bearer(R"([{"type":"registry","name":"catalog","actions":["*"]}])"), "lc");
  expect_matrix(access, bearer(R"([{"type":"registry","name":"catalog","actions":["pull"]}])"), "l");
  expect_matrix(access, bearer(R"([{"type":"registry","name":"team/app","actions":["*"]}])"), "l");
  expect_matrix(access, bearer(R"([{"type":"repository","name":"catalog","actions":["*"]}])"), "l");
}

TEST_F(AccessTest, SeveralAuthorizationsAreNone) {
  const AccessController access = basic_access(anonymous_pull());
  Request request = request_with(basic("ada:secret"));
  request.headers.add("authorization", basic("ada:secret"));
  EXPECT_THROW(access.authorize(request, {{Permission::Kind::kRepository, "a", Action::kPull}}), RegistryFault);
}

TEST_F(AccessTest, AFileWithoutUsersLetsNobodyIn) {
  for (const AccessOptions& given : {AccessOptions{}, anonymous_pull()}) {
    AccessOptions options = given;
    options.scheme = AccessOptions::Scheme::kBasic;
    options.htpasswd = write("empty", "");
    const AccessController access(options, logger_);
    const auto put = *required_permissions("PUT", Endpoint::kManifest, kRepository);
    for (const std::string& authorization :
         {std::string(), basic(":"), basic("ada:secret"), basic("ada:"), basic(":secret")})
      for (const std::vector<Permission>& permissions : {std::vector<Permission>{}, put})
        EXPECT_NE(verdict(access, authorization, permissions), "ok") << authorization;
  }
}

TEST_F(AccessTest, WhoIsGoneCostsNoHash) {
  const AccessController access = basic_access();
  std::stop_source gone;
  gone.request_stop();
  Request request = request_with(basic("ada:secret"));
  request.stop = gone.get_token();
  try {
    access.authorize(request, {});
    ADD_FAILURE();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kCancelled);
  }
}

TEST_F(AccessTest, AMountNeedsToPullFromTheOther) {
  const AccessController access(bearer_options(), logger_);
  const auto mount = [](const std::string& from) {
    return *required_permissions("POST", Endpoint::kUploads, kRepository, from);
  };
  const std::string own = on_repository(R"("pull","push")");
  EXPECT_EQ(verdict(access, own, mount(kRepository)), "ok");
  EXPECT_EQ(verdict(access, own, mount("other")),
            R"(Bearer realm="https://auth.example/token",service="registry",)"
            R"(scope="repository:team/app:pull,push repository:other:pull",error="insufficient_scope")");
  const std::string both = bearer(R"([{"type":"repository","name":"team/app","actions":["pull","push"]},
                                      {"type":"repository","name":"other","actions":["pull"]}])");
  EXPECT_EQ(verdict(access, both, mount("other")), "ok");
}

TEST_F(AccessTest, ChallengesSayWhatIsMissing) {
  const AccessController access(bearer_options(), logger_);
  const std::string begin = R"(Bearer realm="https://auth.example/token",service="registry")";
  const auto of = [&](const char* method, Endpoint endpoint, const std::string& authorization) {
    return verdict(access, authorization, *required_permissions(method, endpoint, kRepository));
  };
  EXPECT_EQ(of("GET", Endpoint::kBase, ""), begin);
  EXPECT_EQ(of("GET", Endpoint::kBase, "Bearer x.y.z"), begin + R"(,error="invalid_token")");
  EXPECT_EQ(of("GET", Endpoint::kBlob, ""), begin + R"(,scope="repository:team/app:pull")");
  EXPECT_EQ(of("DELETE", Endpoint::kManifest, on_repository(R"("pull")")),
            begin + R"(,scope="repository:team/app:delete",error="insufficient_scope")");
  EXPECT_EQ(of("GET", Endpoint::kCatalog, "Bearer x"), begin + R"(,scope="registry:catalog:*",error="invalid_token")");
  EXPECT_EQ(verdict(access, "", {{Permission::Kind::kRepository, "a\"\\\r\n", Action::kPull}}),
            begin + R"(,scope="repository:a\"\\??:pull")");
}

TEST_F(AccessTest, TokensNameClasses) {
  const AccessController access(bearer_options(), logger_);
  const auto holder =
      access.authorize(request_with(bearer(R"j([{"type":"repository(plugin)","name":"a","actions":["pull"]},
                              {"type":"repository","name":"a","actions":["push"]}])j")),
                       {});
  EXPECT_EQ(holder->name(), "ada");
  EXPECT_EQ(holder->classes_of("a"), (std::vector<std::string>{"plugin", "image"}));
  EXPECT_TRUE(holder->classes_of("b").empty());
}

TEST_F(AccessTest, OptionsOfNoUseAreRefused) {
  const auto is_refused = [&](AccessOptions options) {
    try {
      const AccessController access(std::move(options), logger_);
      return false;
    } catch (const base::Error& error) {
      return error.code() == base::ErrorCode::kInvalidArgument;
    }
  };
  AccessOptions no_file;
  no_file.scheme = AccessOptions::Scheme::kBasic;
  EXPECT_TRUE(is_refused(no_file));
  no_file.htpasswd = directory_.path() / "none";
  EXPECT_TRUE(is_refused(no_file));
  EXPECT_FALSE(is_refused(bearer_options()));
  const std::function<void(AccessOptions&)> changes[] = {
      [](AccessOptions& options) { options.keys.clear(); },
      [this](AccessOptions& options) { options.keys = {write("empty.pem", "")}; },
      [this](AccessOptions& options) { options.keys.push_back(write("text.pem", "no key\n")); },
      [](AccessOptions& options) { options.issuer.clear(); },
      [](AccessOptions& options) { options.service.clear(); },
      [](AccessOptions& options) { options.service = "a\r\nb"; },
      [](AccessOptions& options) { options.realm = "lighterd"; },
  };
  for (const auto& change : changes) {
    AccessOptions options = bearer_options();
    change(options);
    EXPECT_TRUE(is_refused(options));
  }
}

}  // namespace
}  // namespace lighterd::api::registry
