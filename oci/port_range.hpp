// SPDX-License-Identifier: Apache-2.0
// Port specifications as docker/go-connections reads them in EXPOSE; the host's part is checked and means nothing
// there.
#pragma once

#include <string>
#include <string_view>

namespace lighterd::oci {

struct PortRange {
  int first;
  int last;              // not below first, at most 65535
  std::string protocol;  // "tcp", "udp" or "sctp"
};

// "[[ip:]host_port:]port[-port][/protocol]". kInvalidArgument with Docker's texts.
PortRange parse_port_range(std::string_view text);

}  // namespace lighterd::oci
