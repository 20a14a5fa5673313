// SPDX-License-Identifier: Apache-2.0
#include "api/engine/image_identity.hpp"

#include <algorithm>
#include <vector>

#include "api/engine/json_text.hpp"

namespace lighterd::api {
namespace {

std::string without_port(const std::string& domain) {
  const std::size_t colon = domain.rfind(':');
  const bool is_port =
      colon != std::string::npos && domain.find_first_not_of("0123456789", colon + 1) == std::string::npos;
  return is_port ? domain.substr(0, colon) : domain;
}

std::vector<std::string> list_origins(imagestore::ContentStore& content, const imagestore::ImageRecord& image,
                                      const oci::Digest& manifest) {
  std::vector<std::string> origins;
  for (const oci::RepositoryName& name : image.repositories()) {
    const auto sources = content.list_sources(manifest, name.domain());
    if (std::ranges::find(sources, name.path()) == sources.end()) continue;
    std::string origin = without_port(name.domain()) + "/" + name.path();
    if (std::ranges::find(origins, origin) == origins.end()) origins.push_back(std::move(origin));
  }
  return origins;
}

}  // namespace

std::string identity_json(imagestore::ContentStore& content, const imagestore::ImageRecord& image,
                          const oci::Digest& manifest) {
  std::string pulls;
  for (const std::string& origin : list_origins(content, image, manifest)) {
    if (!pulls.empty()) pulls += ',';
    pulls.append(R"({"Repository":)").append(json_string(origin)).append("}");
  }
  return pulls.empty() ? std::string() : R"({"Pull":[)" + pulls + "]}";
}

}  // namespace lighterd::api
