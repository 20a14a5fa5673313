# SPDX-License-Identifier: Apache-2.0
"""The chain base <- oci <- imagestore <- distribution <- api <- daemon: a file includes from its own folder and
from what stands left of it, and cli from base and oci; each C or large library has one owner. Usage: include_direction.py [root] [--self-test]"""

import fnmatch
import sys

import source_tree

LOWER = ["base", "oci", "imagestore", "distribution"]
# What each folder may include from; the longest name that fits a file counts.
ALLOWED = {
    "base": ["base"],
    "oci": LOWER[:2],
    "imagestore": LOWER[:3],
    "distribution": LOWER,
    "api/http": ["base", "api/http"],
    "api/engine": LOWER + ["api/http", "api/engine"],
    "api/registry": LOWER + ["api/http", "api/registry"],
    "daemon": LOWER + ["api/http", "api/engine", "api/registry", "daemon"],
    "cli": LOWER[:2] + ["cli"],
}

# Headers, the files that may include them, and whether it has to be one file only.
OWNERS = [
    (["sqlite3.h"], ["imagestore/sqlite.cpp"]),
    (["archive.h", "archive_entry.h"], []),
    (["bzlib.h"], ["imagestore/decompression_bzip2.cpp"]),
    (["lzma.h", "lzma/*"], ["imagestore/decompression_xz.cpp"]),
    (["curl/*"], ["base/curl_*", "distribution/curl_*", "cli/curl_*.cpp"]),
    (["CLI/*"], ["daemon/*.cpp", "cli/command_line.cpp"]),
    (["toml++/*", "toml.hpp"], ["distribution/hosts_toml.cpp"]),
    # Hashes, TLS of connections, and signatures of tokens.
    (["openssl/*"], ["oci/digest.cpp", "api/http/tls_*.cpp", "api/registry/token_key.cpp"]),
    (["crypt.h"], ["api/registry/password_hash.cpp"]),
    # Two libraries in one package: checksums, and gzip both ways.
    (["isa-l/crc*.h"], ["imagestore/partial_map.cpp"]),
    (["isa-l/igzip*", "isa-l.h", "igzip_lib.h"], ["imagestore/decompression_gzip.cpp", "imagestore/gzip_*.cpp"]),
    (["zstd.h", "zstd_errors.h"], ["*.cpp"]),
    (["pistache/*"], ["api/http/*"]),
]
SHARED_OWNERS = ("pistache/*", "curl/*", "CLI/*", "openssl/*", "isa-l/igzip*")
NEVER_IN_HEADERS = ["nlohmann/json.hpp", "spdlog/*"]


def fits(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def folder_of(name):
    found = [folder for folder in ALLOWED if name.startswith(folder + "/")]
    return max(found, key=len) if found else None


def check_direction(relative, includes):
    folder = folder_of(relative)
    if folder is None:
        yield f"{relative}:1: the file stands in no folder of the chain"
        return
    for number, name in includes:
        target = folder_of(name)
        if target is not None and target not in ALLOWED[folder]:
            yield f"{relative}:{number}: {folder} may not include from {target}"
        if target is None and name.split("/")[0] in source_tree.PRODUCT_FOLDERS + ("tests",):
            yield f"{relative}:{number}: {name} stands in no folder of the chain"


def check_headers(relative, includes):
    for number, name in includes:
        if relative.endswith(".hpp") and fits(name, NEVER_IN_HEADERS):
            yield f"{relative}:{number}: {name} belongs in .cpp files"


def check_owners(relative, includes, owners):
    for number, name in includes:
        for headers, files in OWNERS:
            if not fits(name, headers):
                continue
            owner = owners.setdefault(headers[0], relative)
            if not fits(relative, files):
                yield f"{relative}:{number}: {name} is owned by {' or '.join(files) or 'nobody'}"
            elif owner != relative and headers[0] not in SHARED_OWNERS:
                yield f"{relative}:{number}: {name} is owned by {owner}"


def check(root):
    owners = {}
    for path in source_tree.sources(root):
        relative = path.relative_to(root).as_posix()
        includes = list(source_tree.includes(path))
        yield from check_direction(relative, includes)
        yield from check_headers(relative, includes)
        yield from check_owners(relative, includes, owners)


def include(name):
    return f'#include "{name}"\n'


SELF_TESTS = [
    ("good", {"oci/digest.cpp": include("oci/digest.hpp") + include("base/error.hpp") + include("openssl/evp.h"),
              "cli/a.cpp": include("oci/reference.hpp") + include("cli/a.hpp"),
              "daemon/main.cpp": include("api/engine/a.hpp") + include("api/http/server.hpp"),
              "api/http/a.cpp": include("base/log.hpp") + include("nlohmann/json.hpp"),
              "imagestore/sqlite.cpp": "#include <sqlite3.h>\n",
              "imagestore/decompression_xz.cpp": "#include <lzma.h>\n"}, []),
    ("base upward", {"base/a.cpp": "\n" + include("oci/digest.hpp")}, ["base/a.cpp:2"]),
    ("oci upward", {"oci/a.hpp": include("imagestore/a.hpp")}, ["oci/a.hpp:1"]),
    ("imagestore upward", {"imagestore/a.hpp": include("distribution/a.hpp")}, ["imagestore/a.hpp:1"]),
    ("distribution upward", {"distribution/a.cpp": include("api/http/a.hpp")}, ["distribution/a.cpp:1"]),
    ("http knows nothing of images", {"api/http/a.cpp": include("oci/digest.hpp")}, ["api/http/a.cpp:1"]),
    ("http knows nothing of Docker", {"api/http/a.cpp": include("api/engine/a.hpp")}, ["api/http/a.cpp:1"]),
    ("engine and registry are apart", {"api/engine/a.cpp": include("api/registry/a.hpp")}, ["api/engine/a.cpp:1"]),
    ("nothing includes tests", {"daemon/a.cpp": include("tests/support/a.hpp")}, ["daemon/a.cpp:1"]),
    ("the client stands beside the daemon", {"cli/a.cpp": include("distribution/a.hpp") + include("api/http/a.hpp") + include("daemon/a.hpp")},
     ["cli/a.cpp:1", "cli/a.cpp:2", "cli/a.cpp:3"]),
    ("the daemon knows nothing of the client", {"daemon/a.cpp": include("cli/a.hpp")}, ["daemon/a.cpp:1"]),
    ("no loose files", {"api/a.cpp": ""}, ["api/a.cpp:1"]),
    ("sqlite", {"imagestore/metadata_db.cpp": "#include <sqlite3.h>\n"}, ["imagestore/metadata_db.cpp:1"]),
    ("libarchive", {"imagestore/image_store.cpp": "#include <archive.h>\n"}, ["imagestore/image_store.cpp:1"]),
    ("liblzma in a wrong file", {"imagestore/a.cpp": "#include <lzma.h>\n"}, ["imagestore/a.cpp:1"]),
    ("bzip2 in a header", {"imagestore/a.hpp": "#include <bzlib.h>\n"}, ["imagestore/a.hpp:1"]),
    ("curl", {"distribution/puller.cpp": "#include <curl/curl.h>\n"}, ["distribution/puller.cpp:1"]),
    ("curl of the client", {"cli/curl_client.cpp": "#include <curl/curl.h>\n", "cli/curl_client.hpp": "#include <curl/curl.h>\n",
                            "cli/main.cpp": "#include <curl/curl.h>\n"}, ["cli/curl_client.hpp:1", "cli/main.cpp:1"]),
    ("CLI11", {"cli/commands.cpp": "#include <CLI/CLI.hpp>\n", "api/engine/a.cpp": "#include <CLI/CLI.hpp>\n",
               "cli/command_line.cpp": "#include <CLI/CLI.hpp>\n", "daemon/config.cpp": "#include <CLI/CLI.hpp>\n"},
     ["cli/commands.cpp:1", "api/engine/a.cpp:1"]),
    ("openssl", {"api/http/tls.cpp": "#include <openssl/ssl.h>\n"}, ["api/http/tls.cpp:1"]),
    ("passwords", {"api/registry/a.cpp": "#include <crypt.h>\n"}, ["api/registry/a.cpp:1"]),
    ("zstd twice", {"imagestore/a.cpp": "#include <zstd.h>\n", "imagestore/b.cpp": "#include <zstd.h>\n"}, ["imagestore/b.cpp:1"]),
    ("isa-l twice", {"imagestore/a.cpp": "#include <isa-l/crc.h>\n", "imagestore/gzip_b.cpp": "#include <isa-l/igzip_lib.h>\n"},
     ["imagestore/a.cpp:1"]),
    ("json in a header", {"base/json.hpp": "#include <nlohmann/json.hpp>\n"}, ["base/json.hpp:1"]),
    ("spdlog in a header", {"base/log.hpp": "#include <spdlog/spdlog.h>\n"}, ["base/log.hpp:1"]),
    ("pistache outside", {"daemon/a.cpp": "#include <pistache/http.h>\n"}, ["daemon/a.cpp:1"]),
]

if __name__ == "__main__":
    sys.exit(source_tree.run(check, SELF_TESTS))
