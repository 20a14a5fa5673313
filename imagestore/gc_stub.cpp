// SPDX-License-Identifier: Apache-2.0
// Stands in until the real one is there, which replaces this file.
#include "imagestore/garbage_collector.hpp"
namespace lighterd::imagestore {
GarbageCollector::GarbageCollector(ContentStore& content, RegistryStore& registry, UploadStore& uploads,
                                   MetadataDb& database, CollectorOptions options, base::Logger& logger)
    : content_(content),
      registry_(registry),
      uploads_(uploads),
      database_(database),
      options_(options),
      logger_(logger) {}
}  // namespace lighterd::imagestore
