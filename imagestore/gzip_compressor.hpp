// SPDX-License-Identifier: Apache-2.0
// gzip by ISA-L, for layers that come in a form that registries do not take.
#pragma once

#include <memory>

#include "base/stream.hpp"

namespace lighterd::imagestore {

// Not thread-safe; holds about 1 MiB. The same bytes always give the same stream on one machine, however the writes cut
// them: no time and no name is in it. The sink must outlive it.
class GzipCompressor final : public base::Sink {
 public:
  explicit GzipCompressor(base::Sink& sink);
  ~GzipCompressor() override;

  void write(base::Bytes data) override;
  // The end of the stream; once.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lighterd::imagestore
