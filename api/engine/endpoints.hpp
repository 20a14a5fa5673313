// SPDX-License-Identifier: Apache-2.0
// The endpoints, each in the file of its name. What they do is engine-api.md's; each answers through the call or
// throws.
#pragma once

#include "api/engine/engine_call.hpp"

namespace lighterd::api {

void images_create(EngineCall& call);
void images_load(EngineCall& call);
void images_import(EngineCall& call);  // by images_create, which has the route
void images_list(EngineCall& call);
void images_inspect(EngineCall& call);
void images_history(EngineCall& call);
void images_tag(EngineCall& call);
void images_delete(EngineCall& call);
void images_push(EngineCall& call);
void images_save(EngineCall& call);      // of the names in the query
void images_save_one(EngineCall& call);  // of the name in the path
void images_prune(EngineCall& call);
void images_attestations(EngineCall& call);
void images_search(EngineCall& call);
void distribution_inspect(EngineCall& call);

void ping(EngineCall& call);  // does not block
void version(EngineCall& call);
void info(EngineCall& call);
void events(EngineCall& call);
void auth(EngineCall& call);
void system_df(EngineCall& call);

// Our own paths, docs/lighter-api.md.
void lighter_pull(EngineCall& call);
void lighter_push(EngineCall& call);
void lighter_platforms(EngineCall& call);
void remote_tags(EngineCall& call);
void remote_inspect(EngineCall& call);
void remote_plan(EngineCall& call);

// What an engine without containers, networks, volumes, plugins and swarm answers (section 7, traps 42 and 43).
void empty_list(EngineCall& call);
void empty_volume_list(EngineCall& call);
void unknown_container(EngineCall& call);
void unknown_network(EngineCall& call);
void unknown_volume(EngineCall& call);
void unknown_plugin(EngineCall& call);
void no_swarm(EngineCall& call);
// What `docker system prune` asks beside images.
void prune_no_containers(EngineCall& call);
void prune_no_networks(EngineCall& call);
void prune_no_volumes(EngineCall& call);
void prune_no_build_cache(EngineCall& call);

}  // namespace lighterd::api
