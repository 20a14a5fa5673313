// SPDX-License-Identifier: Apache-2.0
// Which code an action fails with.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "base/error.hpp"

namespace lighterd::tests {

// A failure of the test if nothing is thrown.
inline base::ErrorCode code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return base::ErrorCode::kInternal;
}

}  // namespace lighterd::tests
