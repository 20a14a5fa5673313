// SPDX-License-Identifier: Apache-2.0
// The events of images as dockerd words them: who the actor is, and which attributes it has (engine-api.md section 7).
// Each is called after the change it tells of was committed; an event that cannot be made is logged, never thrown.
#pragma once

#include <string_view>
#include <vector>

#include "api/engine/engine_call.hpp"
#include "oci/digest.hpp"
#include "oci/reference.hpp"

namespace lighterd::api {

// load, save, import: one for each of `ids`, where an image stands once for each of its names. ID and name are the
// image's digest, with the labels of an image that is still there.
void add_image_events(EngineCall& call, std::string_view action, const std::vector<oci::Digest>& ids);
// delete: as above for an image that is gone.
void add_delete_event(EngineCall& call, const oci::Digest& id);
// tag, untag: the digest, and "name:tag" or "name@digest".
void add_name_event(EngineCall& call, std::string_view action, const oci::Digest& id, const oci::Reference& name);
// prune: after those of what it removed.
void add_prune_event(EngineCall& call, std::int64_t reclaimed_bytes);
// pull, push: "name:tag" and the labels, with the bare name.
void add_transfer_event(const EngineServices& services, std::string_view action, const oci::Reference& reference);

}  // namespace lighterd::api
