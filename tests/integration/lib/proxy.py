# SPDX-License-Identifier: Apache-2.0
"""Debian's tinyproxy, which wants a user name and a password."""
from __future__ import annotations

from pathlib import Path

from lib.process import LOOPBACK, Process, find_free_port, find_program

USER = "proxyuser"
PASSWORD = "proxyword"


class Proxy:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "requests.log"
        for _ in range(20):
            self.port = find_free_port()
            config = folder / "tinyproxy.conf"
            config.write_text(f"""
Port {self.port}
Listen {LOOPBACK}
Timeout 60
Allow {LOOPBACK}
MaxClients 50
LogFile "{self._log}"
LogLevel Connect
BasicAuth {USER} {PASSWORD}
""")
            self._process = Process([find_program("tinyproxy"), "-d", "-c", str(config)], folder / "tinyproxy.log")
            if self._process.wait_for_port(self.port):
                return
        raise RuntimeError(f"tinyproxy does not start:\n{self._process.log_text()}")

    @property
    def host(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_text(self) -> str:
        return self._log.read_text(errors="replace")

    def count(self, text: str) -> int:
        """Of the lines that it logged for requests: "CONNECT host:port", or "GET http://...". """
        return sum(1 for line in self.log_text.splitlines() if "Request (file" in line and text in line)

    def stop(self) -> None:
        self._process.kill()
