// SPDX-License-Identifier: Apache-2.0
// An error for several threads: contexts are added to an exception on its way up, so each needs one of its own, and a
// shared std::exception_ptr would give all of them the same object.
#pragma once

#include <functional>

namespace lighterd::distribution {

// Inside a catch block: what throws a copy of the current exception, each time it is called and from any thread. The
// types of this folder are kept; anything else becomes an Error (kInternal).
std::function<void()> copy_current_error();

}  // namespace lighterd::distribution
