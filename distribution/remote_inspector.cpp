// SPDX-License-Identifier: Apache-2.0
#include "distribution/remote_inspector.hpp"

#include "base/error.hpp"
#include "oci/image_config.hpp"

namespace lighterd::distribution {
namespace {

std::vector<oci::Platform> platforms_of(RegistryClient& client, const oci::Document& document,
                                        const std::stop_token& stop) {
  std::vector<oci::Platform> platforms;
  if (const auto* index = std::get_if<oci::Index>(&document)) {
    for (const auto& entry : index->manifests)
      if (entry.platform) platforms.push_back(*entry.platform);
    return platforms;
  }
  const auto& manifest = std::get<oci::Manifest>(document);
  if (!manifest.is_image()) return platforms;
  const auto config = oci::parse_image_config(client.read_blob(manifest.config, oci::kMaxConfigBytes, stop));
  if (!config.platform.os.empty() || !config.platform.architecture.empty()) platforms.push_back(config.platform);
  return platforms;
}

}  // namespace

RemoteImage RemoteInspector::inspect(const oci::Reference& reference, const OperationContext& context,
                                     std::stop_token stop) {
  RegistryClient client(services_.http, services_.registries, reference.repository(), Access::kPull, context,
                        services_.logger);
  try {
    const FetchedManifest fetched = reference.digest() ? client.get_manifest(*reference.digest(), stop)
                                                       : client.get_manifest_by_tag(*reference.tag(), stop);
    const oci::Document document =
        oci::parse_document(fetched.bytes, fetched.descriptor.media_type, reference.familiar());
    RemoteImage image{.descriptor = {.media_type = oci::media_type_of(document),
                                     .digest = fetched.descriptor.digest,
                                     .size_bytes = static_cast<std::int64_t>(fetched.bytes.size())},
                      .platforms = {}};
    image.platforms = platforms_of(client, document, stop);
    return image;
  } catch (const TransportError& error) {
    throw base::Error(base::ErrorCode::kInternal, error.text());
  }
}

}  // namespace lighterd::distribution
