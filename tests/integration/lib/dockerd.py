# SPDX-License-Identifier: Apache-2.0
"""Debian's dockerd 20.10 with a data root and a socket of its own: it runs nothing and touches no network settings."""
from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from lib.api import Api
from lib.process import Process, find_program
from lib.wait import wait_until

START_SECONDS = 30


class DockerdUnavailable(RuntimeError):
    """It cannot run here; the text says why."""


class Dockerd:
    def __init__(self, folder: Path, config: dict | None = None, env: dict[str, str] | None = None):
        self.folder = folder
        self.socket = folder / "docker.sock"
        self.api = Api(self.socket)
        if os.geteuid() != 0:
            raise DockerdUnavailable("dockerd needs root")
        try:
            program = find_program("dockerd")
            tools = {Path(find_program(name)).parent for name in ("containerd", "runc")}
        except RuntimeError as error:
            raise DockerdUnavailable(str(error)) from None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "daemon.json").write_text(json.dumps(config or {}))
        path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])
        # vfs works on every file system, and without mounts.
        self._process = Process(
            [program, "--config-file", str(folder / "daemon.json"), "--iptables=false", "--ip6tables=false",
             "--bridge=none", "--storage-driver=vfs", "--data-root", str(folder / "data"), "--exec-root",
             str(folder / "exec"), "--pidfile", str(folder / "pid"), "--host", self.host],
            folder / "dockerd.log", {**os.environ, "PATH": path, **(env or {})})
        wait_until(lambda: self._process.exit_code is not None or self.answers(), "dockerd answers", START_SECONDS)
        if self._process.exit_code is not None:
            raise DockerdUnavailable(f"dockerd does not start: {self._process.log_text()[-500:]}")

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    def answers(self) -> bool:
        try:
            return self.api.get("/_ping").body == b"OK"
        except (OSError, http.client.HTTPException):
            return False

    def stop(self) -> None:
        """Its containerd goes with it; what it may have mounted is taken down."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for line in Path("/proc/mounts").read_text().splitlines():
            target = line.split()[1]
            if target.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", target], check=False)
        shutil.rmtree(self.folder / "data", ignore_errors=True)
