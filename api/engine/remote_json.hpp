// SPDX-License-Identifier: Apache-2.0
// Remote images as our own paths show them (docs/lighter-api.md).
#pragma once

#include <string>

#include "distribution/pull_plan.hpp"
#include "distribution/remote_inspector.hpp"

namespace lighterd::api {

std::string remote_tags_json(const oci::RepositoryName& repository, const std::vector<std::string>& tags);
std::string remote_image_json(const distribution::RemoteDescription& description);
std::string pull_plan_json(const distribution::PullPlan& plan);

}  // namespace lighterd::api
