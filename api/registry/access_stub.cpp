// SPDX-License-Identifier: Apache-2.0
// Stands in until the real one is there, which replaces this file.
#include "api/registry/access.hpp"
namespace lighterd::api::registry {
struct AccessController::State {};
namespace {
class Open final : public Identity {
  std::string_view name() const override { return ""; }
  bool may(const Permission&) const override { return true; }
  std::vector<std::string> classes_of(const std::string&) const override { return {}; }
};
}  // namespace
AccessController::AccessController(AccessOptions, base::Logger&) {}
AccessController::~AccessController() = default;
std::shared_ptr<const Identity> AccessController::authorize(const Request&, const std::vector<Permission>&) const {
  return std::make_shared<Open>();
}
}  // namespace lighterd::api::registry
