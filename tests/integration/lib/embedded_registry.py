# SPDX-License-Identifier: Apache-2.0
"""A lighterd that is a registry as well."""
from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

from lib.daemon import Daemon
from lib.docker_registry import RegistryServer
from lib.process import find_free_port
from lib.registry_http import RegistryHttp


class EmbeddedRegistry(RegistryServer):
    """`daemon` has its other face, the Docker socket; with `tls`, a certificate and its key, it speaks https."""

    def __init__(self, binary: Path, folder: Path, arguments: Sequence[str] = (), *, listen: str = "127.0.0.1:0",
                 tls: tuple[Path, Path] | None = None, env: dict[str, str] | None = None, data_root: Path | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        pair = ("--registry-tls-cert", str(tls[0]), "--registry-tls-key", str(tls[1])) if tls else ()
        self._scheme = "https" if tls else "tcp"
        self.daemon = Daemon(binary, folder, env=env, data_root=data_root,
                             arguments=("--registry-listen", listen, *pair, *arguments))

    def start(self) -> "EmbeddedRegistry":
        self.daemon.start()
        self.host = self.daemon.listening_at(self._scheme)
        return self

    def client(self, headers: dict[str, str] | None = None, tls: ssl.SSLContext | None = None) -> RegistryHttp:
        return RegistryHttp(self.host, headers=headers, tls=tls)

    def stop(self) -> None:
        self.daemon.stop()


def fixed_address() -> str:
    """For a registry that has to come back where it was."""
    return f"127.0.0.1:{find_free_port()}"
