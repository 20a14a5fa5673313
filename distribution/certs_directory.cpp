// SPDX-License-Identifier: Apache-2.0
#include "distribution/certs_directory.hpp"

#include <algorithm>
#include <system_error>

#include "base/error.hpp"
#include "base/file.hpp"

namespace lighterd::distribution {
namespace {

namespace fs = std::filesystem;
using base::Error;
using base::ErrorCode;

constexpr std::size_t kMaxFiles = 200;
constexpr std::size_t kMaxPemBytes = 1024 * 1024;

// A host that a server named must not lead elsewhere: no separators, no "..", no name of ours such as "_default".
bool can_be_folder(std::string_view authority) {
  if (authority.empty() || authority.size() > 255 || authority.find("..") != std::string_view::npos) return false;
  if (authority.front() == '.' || authority.front() == '_') return false;
  return std::all_of(authority.begin(), authority.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '[' || c == ']';
  });
}

std::vector<std::string> folder_names(std::string_view authority) {
  const std::string name(authority);
  const std::size_t colon = name.rfind(':');
  if (colon == std::string::npos || name.ends_with(']')) return {name};
  return {name.substr(0, colon) + "_" + name.substr(colon + 1) + "_", name};
}

std::string read_pem(const fs::path& file) {
  return read_configuration(file, kMaxPemBytes);
}

// Also what cannot be looked at, or leads nowhere: reading it says why.
bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::symlink_status(file, error).type() != fs::file_type::not_found;
}

std::vector<fs::path> list_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error)) {
    if (files.size() == kMaxFiles) throw Error(ErrorCode::kInvalidArgument, folder.string() + ": too many files");
    files.push_back(each->path());
  }
  if (error) throw Error(ErrorCode::kInvalidArgument, "open " + folder.string() + ": " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

bool contains(const std::vector<fs::path>& files, const fs::path& file) {
  return std::binary_search(files.begin(), files.end(), file);
}

bool has_key(std::string_view pem) {
  return pem.find("PRIVATE KEY-----") != std::string_view::npos;
}

fs::path with_extension(fs::path file, const char* extension) {
  return file.replace_extension(extension);
}

std::vector<ClientFiles> pair_up(const std::vector<fs::path>& files) {
  std::vector<ClientFiles> pairs;
  for (const fs::path& file : files) {
    if (file.extension() == ".key" && !contains(files, with_extension(file, ".cert"))) {
      throw Error(ErrorCode::kInvalidArgument, "missing client certificate " +
                                                   with_extension(file, ".cert").filename().string() + " for key " +
                                                   file.filename().string() + " in " + file.parent_path().string());
    }
    if (file.extension() != ".cert") continue;
    const fs::path key = with_extension(file, ".key");
    if (contains(files, key)) {
      pairs.push_back({file, key});
    } else if (has_key(read_pem(file))) {
      pairs.push_back({file, {}});
    } else {
      throw Error(ErrorCode::kInvalidArgument,
                  "missing key " + key.filename().string() + " for client certificate " + file.filename().string() +
                      ". CA certificates must use the extension .crt in " + file.parent_path().string());
    }
  }
  return pairs;
}

}  // namespace

std::string read_configuration(const fs::path& file, std::size_t limit_bytes) {
  try {
    std::error_code error;
    const fs::path target = fs::canonical(file, error);
    if (error) throw base::errno_error(error.value(), "open " + file.string());
    return base::read_file(target, limit_bytes);
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument, error.text());
  }
}

void add_ca(TlsSettings& settings, const fs::path& file) {
  std::string pem = read_pem(file);
  if (pem.find("CERTIFICATE-----") == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, file.string() + ": there is no PEM certificate in it");
  }
  settings.extra_ca_pems.push_back(std::move(pem));
}

void set_client_certificate(TlsSettings& settings, const ClientFiles& files) {
  std::string certificate = read_pem(files.certificate);
  const fs::path& key_file = files.key.empty() ? files.certificate : files.key;
  base::Secret key(read_pem(key_file));
  if (certificate.find("CERTIFICATE-----") == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, files.certificate.string() + ": there is no PEM certificate in it");
  }
  if (!has_key(key.reveal())) {
    throw Error(ErrorCode::kInvalidArgument, key_file.string() + ": there is no PEM private key in it");
  }
  settings.client_certificate_pem = std::move(certificate);
  settings.client_key_pem = std::move(key);
}

std::optional<fs::path> CertsDirectories::find_folder(std::string_view authority) const {
  if (!can_be_folder(authority)) return std::nullopt;
  for (const fs::path& root : roots_) {
    for (const std::string& name : folder_names(authority)) {
      std::error_code error;
      const fs::file_type type = fs::status(root / name, error).type();
      if (type == fs::file_type::directory || type == fs::file_type::none) return root / name;
    }
  }
  return std::nullopt;
}

std::optional<fs::path> CertsDirectories::find_hosts_file(std::string_view authority) const {
  std::vector<std::string> names{"_default"};
  if (find_folder(authority)) names = folder_names(authority);
  for (const fs::path& root : roots_) {
    for (const std::string& name : names) {
      fs::path file = root / name / "hosts.toml";
      if (is_there(file)) return file;
    }
  }
  return std::nullopt;
}

TlsSettings CertsDirectories::read_tls(std::string_view authority) const {
  TlsSettings settings;
  const auto folder = find_folder(authority);
  if (!roots_.empty() && can_be_folder(authority)) {
    settings.ca_path_hint = (folder.value_or(roots_.front() / authority) / "ca.crt").string();
  }
  if (!folder) return settings;
  settings.origin = folder->string();
  const std::vector<fs::path> files = list_files(*folder);
  for (const fs::path& file : files) {
    if (file.extension() == ".crt") add_ca(settings, file);
  }
  const std::vector<ClientFiles> pairs = pair_up(files);
  if (!pairs.empty()) set_client_certificate(settings, pairs.front());
  return settings;
}

}  // namespace lighterd::distribution
