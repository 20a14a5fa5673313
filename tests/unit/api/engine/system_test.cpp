// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/api/engine/engine_fixture.hpp"

namespace lighterd::tests {
namespace {

class System : public EngineTest {};

TEST_F(System, PingIsOk) {
  for (const char* target : {"/_ping", "/v1.22/_ping", "/v1.55/_ping"}) {
    const FakeResponse response = get(target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "OK");
    EXPECT_EQ(response.content_type, "text/plain; charset=utf-8");
    EXPECT_EQ(response.headers.at("Builder-Version"), "1");
    EXPECT_EQ(response.headers.at("Swarm"), "inactive");
    EXPECT_EQ(response.headers.at("Cache-Control"), "no-cache, no-store, must-revalidate");
    EXPECT_EQ(response.headers.at("Pragma"), "no-cache");
  }
  const FakeResponse head = ask({"HEAD", "/_ping"});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.headers.at("Api-Version"), "1.55");
}

TEST_F(System, VersionHasWhatClientsRead) {
  const Json version = get_json("/version");
  EXPECT_EQ(version["Version"], "1.2.3");
  EXPECT_EQ(version["ApiVersion"], "1.55");
  EXPECT_EQ(version["MinAPIVersion"], "1.22");
  EXPECT_EQ(version["Os"], "linux");
  EXPECT_EQ(version["Arch"], "amd64");
  EXPECT_EQ(version["GitCommit"], "abcdef");
  EXPECT_EQ(version["BuildTime"], "2025-01-02T03:04:05Z");
  EXPECT_TRUE(version["Platform"]["Name"].is_string());
  EXPECT_TRUE(version["KernelVersion"].is_string());
  ASSERT_EQ(version["Components"].size(), 1u);
  const Json& engine = version["Components"][0];
  EXPECT_EQ(engine["Name"], "Engine");
  EXPECT_EQ(engine["Version"], "1.2.3");
  for (const auto& [name, value] : engine["Details"].items()) EXPECT_TRUE(value.is_string()) << name;
  EXPECT_EQ(engine["Details"]["ApiVersion"], "1.55");
}

TEST_F(System, InfoHasEveryKey) {
  store_.publish(make_image(), "a:1");
  const Json info = get_json("/info");
  for (const char* name : {"ID",
                           "Containers",
                           "ContainersRunning",
                           "ContainersPaused",
                           "ContainersStopped",
                           "Images",
                           "Driver",
                           "DriverStatus",
                           "Plugins",
                           "MemoryLimit",
                           "Debug",
                           "NFd",
                           "NGoroutines",
                           "SystemTime",
                           "LoggingDriver",
                           "CgroupDriver",
                           "NEventsListener",
                           "KernelVersion",
                           "OperatingSystem",
                           "OSVersion",
                           "OSType",
                           "Architecture",
                           "IndexServerAddress",
                           "RegistryConfig",
                           "NCPU",
                           "MemTotal",
                           "GenericResources",
                           "DockerRootDir",
                           "HttpProxy",
                           "HttpsProxy",
                           "NoProxy",
                           "Name",
                           "Labels",
                           "ExperimentalBuild",
                           "ServerVersion",
                           "Runtimes",
                           "DefaultRuntime",
                           "Swarm",
                           "LiveRestoreEnabled",
                           "Isolation",
                           "InitBinary",
                           "ContainerdCommit",
                           "RuncCommit",
                           "InitCommit",
                           "SecurityOptions",
                           "CDISpecDirs",
                           "Warnings"})
    EXPECT_TRUE(info.contains(name)) << name;
  EXPECT_EQ(info["ID"], "the-id");
  EXPECT_EQ(info["Images"], 1);
  EXPECT_EQ(info["DriverStatus"], Json::parse(R"([["driver-type","io.containerd.snapshotter.v1"]])"));
  EXPECT_EQ(info["Swarm"]["LocalNodeState"], "inactive");
  EXPECT_EQ(info["OSType"], "linux");
  EXPECT_EQ(info["DockerRootDir"], "/data");
  EXPECT_EQ(info["Debug"], true);
  EXPECT_EQ(info["HttpProxy"], "http://proxy");
  EXPECT_GT(info["NCPU"].get<int>(), 0);
  EXPECT_GT(info["MemTotal"].get<std::int64_t>(), 1024 * 1024);
  EXPECT_GT(info["NFd"].get<int>(), 2);
  for (const char* name :
       {"OperatingSystem", "Architecture", "KernelVersion", "Name", "LoggingDriver", "ServerVersion"})
    EXPECT_FALSE(info[name].get<std::string>().empty()) << name;
  const Json& registries = info["RegistryConfig"];
  EXPECT_EQ(registries["InsecureRegistryCIDRs"], Json({"::1/128", "127.0.0.0/8", "10.0.0.0/8"}));
  EXPECT_EQ(registries["Mirrors"], Json::array({"https://m"}));
  EXPECT_EQ(registries["IndexConfigs"]["docker.io"],
            Json::parse(R"({"Name":"docker.io","Mirrors":["https://m"],"Secure":true,"Official":true})"));
  EXPECT_EQ(registries["IndexConfigs"]["reg:5000"]["Secure"], false);
}

TEST_F(System, InfoByVersion) {
  EXPECT_TRUE(get_json("/v1.48/info")["RuncCommit"].contains("Expected"));
  EXPECT_FALSE(get_json("/v1.49/info")["RuncCommit"].contains("Expected"));
  EXPECT_EQ(get_json("/v1.49/info")["BridgeNfIptables"], false);
  EXPECT_FALSE(get_json("/v1.50/info").contains("BridgeNfIptables"));
}

TEST_F(System, WhatThereIsNotIsEmpty) {
  const std::pair<const char*, const char*> lists[] = {{"/v1.44/containers/json?all=1", "[]\n"},
                                                       {"/networks", "[]\n"},
                                                       {"/volumes", "{\"Volumes\":[],\"Warnings\":null}\n"},
                                                       {"/plugins", "[]\n"}};
  for (const auto& [target, body] : lists) {
    EXPECT_EQ(get(target).status, 200) << target;
    EXPECT_EQ(get(target).body, body) << target;
  }
}

TEST_F(System, InspectWalksOverWhatThereIsNot) {
  struct Case {
    const char* target;
    int status;
    const char* message;
  };
  const char* const swarm =
      "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to "
      "swarm and try again.";
  for (const auto& [target, status, message] :
       {Case{"/containers/a/b/json", 404, "No such container: a/b"}, Case{"/networks/a", 404, "network a not found"},
        Case{"/volumes/a", 404, "get a: no such volume"},
        Case{"/plugins/a/b:c/json", 404, "plugin \"a/b:c\" not found"}, Case{"/services/a", 503, swarm},
        Case{"/nodes/a", 503, swarm}, Case{"/secrets/a", 503, swarm}, Case{"/configs/a", 503, swarm},
        Case{"/tasks", 503, swarm}, Case{"/swarm", 503, swarm}}) {
    const FakeResponse response = get(target);
    EXPECT_EQ(response.status, status) << target;
    EXPECT_EQ(message_of(response), message) << target;
  }
}

}  // namespace
}  // namespace lighterd::tests
