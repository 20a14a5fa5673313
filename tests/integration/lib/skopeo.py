# SPDX-License-Identifier: Apache-2.0
"""skopeo: a second opinion on what is in a registry."""
from __future__ import annotations

import hashlib
import json
import subprocess

from lib.process import find_program


def run_skopeo(*arguments: str) -> bytes:
    done = subprocess.run([find_program("skopeo"), "--insecure-policy", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 0, f"skopeo {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout


def read_manifest(name: str, credentials: str | None = None) -> bytes:
    """The bytes that the registry has under host/repository:tag or @digest."""
    login = ["--creds", credentials] if credentials else []
    return run_skopeo("inspect", "--raw", "--tls-verify=false", *login, f"docker://{name}")


def read_digest(name: str, credentials: str | None = None) -> str:
    return "sha256:" + hashlib.sha256(read_manifest(name, credentials)).hexdigest()


def inspect(name: str) -> dict:
    return json.loads(run_skopeo("inspect", "--tls-verify=false", f"docker://{name}"))


def copy(source: str, target: str, *options: str) -> None:
    """Between transports (docker://, oci:, dir:); reading from a registry verifies every digest."""
    run_skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", *options, source, target)
