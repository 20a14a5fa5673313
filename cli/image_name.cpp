// SPDX-License-Identifier: Apache-2.0
#include "cli/image_name.hpp"

#include "cli/exit_code.hpp"
#include "oci/registry_host.hpp"

namespace lighterd::cli {

namespace {

template <typename F>
oci::Reference parse_name(const std::string& name, F parse) {
  try {
    return parse(name);
  } catch (const base::Error& error) {
    throw Failure(ExitCode::kUsage, "\"" + name + "\": " + error.text());
  }
}

}  // namespace

oci::Reference parse_image_name(const std::string& name) {
  return parse_name(name, [](const std::string& text) { return oci::parse_reference(text); });
}

oci::Reference parse_remote_name(const std::string& name) {
  return parse_name(name, [](const std::string& text) { return oci::parse_written_name(text); });
}

bool is_url(std::string_view name) {
  return name.find("://") != std::string_view::npos;
}

}  // namespace lighterd::cli
