// SPDX-License-Identifier: Apache-2.0
// How a host is spoken to over TLS: what its certificate is checked against, and what we show of ourselves. The files
// have been read: what is edited later counts for the settings that are made then.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/secret.hpp"

namespace lighterd::distribution {

enum class TlsVerification { kRequired, kOff };

// A value: connections are shared by requests of equal settings only. The texts for errors do not count.
struct TlsSettings {
  TlsVerification verification = TlsVerification::kRequired;
  // PEM files, trusted beside the system's roots.
  std::vector<std::string> extra_ca_pems;
  // PEM; both or none.
  std::string client_certificate_pem;
  base::Secret client_key_pem;
  // Where a CA that is missing is to be put; named by the error of a certificate that nobody vouches for. May be empty.
  std::string ca_path_hint;
  // Where the certificates above came from, for the errors about them.
  std::string origin;

  bool operator==(const TlsSettings& other) const {
    return verification == other.verification && extra_ca_pems == other.extra_ca_pems &&
           client_certificate_pem == other.client_certificate_pem && client_key_pem == other.client_key_pem;
  }
};

// Null: the defaults.
using TlsSettingsPtr = std::shared_ptr<const TlsSettings>;

}  // namespace lighterd::distribution
