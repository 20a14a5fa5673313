// SPDX-License-Identifier: Apache-2.0
// How a handler answers. One of send, send_file or start_stream, once, from the handler's thread. A handler
// that returns without answering is a bug: the server sends 500 then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "base/stream.hpp"

namespace lighterd::api {

using ResponseHeaders = std::vector<std::pair<std::string, std::string>>;

// A chunked body. Every write is one chunk and one send, flushed at once; it blocks while the client does not
// read, and throws kCancelled when the client is gone or took nothing for 60 s. Writes of different threads
// must be serialised by the caller. Destroyed without finish(), the connection is cut, so that the client sees
// a broken transfer and never a valid-looking end.
class ResponseStream : public base::Sink {
 public:
  virtual void finish() = 0;
  // Whether the client has read enough for a small write not to wait. One that sends its whole body first reads nothing
  // until then: waiting for it while it waits for its body to be read would be for ever.
  virtual bool has_room() const { return true; }
};

class Response {
 public:
  virtual ~Response() = default;

  // Set before answering; replaces a field of that name. Values are checked (no control characters):
  // kInvalidArgument. The server adds Content-Length or Transfer-Encoding, Date and Connection itself and refuses
  // them here, except for the Content-Length of a HEAD, which is then sent in place of the body's.
  virtual void set_header(std::string name, std::string value) = 0;
  // As set_header, but beside fields of that name, not in their place.
  virtual void add_header(std::string name, std::string value) = 0;

  // Complete answer. For HEAD the body is left out and its length kept.
  virtual void send(int status, std::string_view content_type, std::string_view body) = 0;
  // length_bytes of the file from offset_bytes by sendfile, once the handler has returned: a client that takes its time
  // holds up no thread. A file shorter than that cuts the connection.
  virtual void send_file(int status, std::string_view content_type, base::UniqueFd file, std::uint64_t offset_bytes,
                         std::uint64_t length_bytes) = 0;
  // Sends the head at once. The stream must not outlive the handler.
  virtual std::unique_ptr<ResponseStream> start_stream(int status, std::string_view content_type) = 0;
  // The same for a body whose length is known: not chunked. More than that cannot be written (kInternal), and finish()
  // before all of it was written is kInternal as well: the connection is cut.
  virtual std::unique_ptr<ResponseStream> start_sized_stream(int status, std::string_view content_type,
                                                             std::uint64_t length_bytes) = 0;

  // Whether the status line may already have been sent.
  virtual bool started() const = 0;
};

}  // namespace lighterd::api
