// SPDX-License-Identifier: Apache-2.0
#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "api/engine/endpoints.hpp"

namespace lighterd::api {

void version(EngineCall& call) {
  using Ordered = nlohmann::ordered_json;
  const EngineInfo& info = call.services.info;
  const oci::Platform& host = call.services.host;
  utsname kernel = {};
  ::uname(&kernel);
  const Ordered details = {
      {"ApiVersion", kMaxApiVersion},    {"Arch", host.architecture},       {"BuildTime", info.build_time},
      {"Experimental", "false"},         {"GitCommit", info.git_commit},    {"GoVersion", ""},
      {"KernelVersion", kernel.release}, {"MinAPIVersion", kMinApiVersion}, {"Os", host.os}};
  // Clients print the component of exactly that name, and parse Version as a semantic version.
  const Ordered engine = {{"Name", "Engine"}, {"Version", info.version}, {"Details", details}};
  const Ordered body = {{"Platform", {{"Name", "lighterd"}}},
                        {"Version", info.version},
                        {"ApiVersion", kMaxApiVersion},
                        {"MinAPIVersion", kMinApiVersion},
                        {"Os", host.os},
                        {"Arch", host.architecture},
                        {"Components", Ordered::array({engine})},
                        {"GitCommit", info.git_commit},
                        {"GoVersion", ""},
                        {"KernelVersion", kernel.release},
                        {"BuildTime", info.build_time}};
  send_json(call, 200, body.dump());
}

}  // namespace lighterd::api
