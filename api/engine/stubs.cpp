// SPDX-License-Identifier: Apache-2.0
#include "api/engine/endpoints.hpp"
#include "base/error.hpp"

namespace lighterd::api {

using base::Error;
using base::ErrorCode;

void empty_list(EngineCall& call) {
  send_json(call, 200, "[]");
}

void empty_volume_list(EngineCall& call) {
  send_json(call, 200, R"({"Volumes":[],"Warnings":null})");
}

void unknown_container(EngineCall& call) {
  throw Error(ErrorCode::kNotFound, "No such container: " + call.name());
}

void unknown_network(EngineCall& call) {
  throw Error(ErrorCode::kNotFound, "network " + call.name() + " not found");
}

void unknown_volume(EngineCall& call) {
  throw Error(ErrorCode::kNotFound, "get " + call.name() + ": no such volume");
}

void unknown_plugin(EngineCall& call) {
  throw Error(ErrorCode::kNotFound, "plugin \"" + call.name() + "\" not found");
}

void prune_no_containers(EngineCall& call) {
  send_json(call, 200, R"({"ContainersDeleted":null,"SpaceReclaimed":0})");
}

void prune_no_networks(EngineCall& call) {
  send_json(call, 200, R"({"NetworksDeleted":null})");
}

void prune_no_volumes(EngineCall& call) {
  send_json(call, 200, R"({"VolumesDeleted":null,"SpaceReclaimed":0})");
}

void prune_no_build_cache(EngineCall& call) {
  send_json(call, 200, R"({"CachesDeleted":null,"SpaceReclaimed":0})");
}

void no_swarm(EngineCall& /*call*/) {
  throw Error(ErrorCode::kUnavailable,
              "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
              "node to swarm and try again.");
}

}  // namespace lighterd::api
