// SPDX-License-Identifier: Apache-2.0
// The endpoints of the OCI distribution API (registry-protocol.md B1), each family in the file of its name. HEAD is the
// GET's: the server leaves the body out.
#pragma once

#include "api/registry/registry_call.hpp"

namespace lighterd::api::registry {

void version_check(RegistryCall& call);
void catalog(RegistryCall& call);
void tags_list(RegistryCall& call);
void referrers(RegistryCall& call);

void manifest_get(RegistryCall& call);
void manifest_put(RegistryCall& call);
void manifest_delete(RegistryCall& call);

void blob_get(RegistryCall& call);
void blob_delete(RegistryCall& call);

void upload_start(RegistryCall& call);
void upload_status(RegistryCall& call);
void upload_patch(RegistryCall& call);
void upload_finish(RegistryCall& call);
void upload_cancel(RegistryCall& call);

}  // namespace lighterd::api::registry
