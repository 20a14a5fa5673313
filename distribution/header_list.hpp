// SPDX-License-Identifier: Apache-2.0
// Headers of requests, put together from several places.
#pragma once

#include "distribution/http_client.hpp"

namespace lighterd::distribution {

// In the place of those of the same name.
void add_headers(HeaderList& headers, const HeaderList& more);

}  // namespace lighterd::distribution
