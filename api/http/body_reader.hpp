// SPDX-License-Identifier: Apache-2.0
// The body of a request, pulled from its connection: what the client sends is read when the handler asks for
// it, which is the whole flow control. Belongs to one thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "api/http/chunked_decoder.hpp"
#include "api/http/head_parser.hpp"
#include "api/http/wire.hpp"
#include "base/stream.hpp"

namespace lighterd::api {

class BodyReader final : public base::Source {
 public:
  // `buffered` holds what arrived behind the head; behind the body it holds the start of the next request.
  // on_complete is called once, when the last byte of the body has been read.
  BodyReader(Wire& wire, std::string& buffered, const BodyFraming& framing, std::chrono::milliseconds idle_timeout,
             std::function<void()> on_complete);

  // As Request::body says.
  std::size_t read(std::span<std::byte> buffer) override;

  bool complete() const { return complete_; }
  // Tells a client that waits for it to go on; at most once.
  void send_continue();
  // Reads and drops what is there without waiting, up to a bound; returns whether the body is complete then.
  bool discard_available() noexcept;

 private:
  enum class Waiting { kYes, kNo };

  // Bytes put into buffer; 0 at the end, or when there is nothing without waiting.
  std::size_t read_some(std::span<std::byte> buffer, Waiting waiting);
  std::size_t read_length(std::span<std::byte> buffer, Waiting waiting);
  std::size_t read_chunked(std::span<std::byte> buffer, Waiting waiting);
  // From the connection; 0 only when there is nothing without waiting.
  std::size_t receive(std::span<std::byte> buffer, Waiting waiting);
  bool fill_buffer(Waiting waiting);
  void set_complete();

  Wire& wire_;
  std::string& buffered_;
  std::chrono::milliseconds idle_timeout_;
  std::function<void()> on_complete_;
  BodyKind kind_;
  std::uint64_t left_bytes_;
  bool continue_due_;
  bool complete_ = false;
  std::size_t used_bytes_ = 0;  // of buffered_
  ChunkedDecoder decoder_;
};

}  // namespace lighterd::api
