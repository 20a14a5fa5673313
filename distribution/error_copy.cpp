// SPDX-License-Identifier: Apache-2.0
#include "distribution/error_copy.hpp"

#include "base/error.hpp"
#include "distribution/http_client.hpp"
#include "distribution/registry_error.hpp"

namespace lighterd::distribution {

std::function<void()> copy_current_error() {
  try {
    throw;
  } catch (const RegistryError& error) {
    return [error] { throw error; };
  } catch (const TransportError& error) {
    return [error] { throw error; };
  } catch (const base::Error& error) {
    return [error] { throw error; };
  } catch (const std::exception& error) {
    return [copy = base::Error(base::ErrorCode::kInternal, error.what())] { throw copy; };
  } catch (...) {
    return [] { throw base::Error(base::ErrorCode::kInternal, "unknown error"); };
  }
}

}  // namespace lighterd::distribution
