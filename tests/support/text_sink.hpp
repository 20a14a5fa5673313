// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/stream.hpp"

namespace lighterd::tests {

class TextSink final : public base::Sink {
 public:
  void write(base::Bytes data) override { text += base::as_text(data); }
  std::string text;
};

}  // namespace lighterd::tests
