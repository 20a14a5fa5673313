# SPDX-License-Identifier: Apache-2.0
"""One lighterd with a data root and a socket of its own."""
from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.api import Api
from lib.process import Process
from lib.store import check_store
from lib.wait import SANITIZED, wait_until

# dockerd's promise to systemd is ours as well: what runs has 5 s to end, and 5 s more to be cancelled.
STOP_SECONDS = 10
LISTENING = re.compile(r"msg=listening address=(\w+)://(\S+)$", re.MULTILINE)
SANITIZER_REPORT = re.compile(
    r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:|SUMMARY: \w+Sanitizer")


class Daemon:
    """`folder` has everything of it; two daemons can share a data root or a socket by naming the same paths."""

    def __init__(self, binary: Path, folder: Path, *, data_root: Path | None = None, socket: Path | None = None,
                 arguments: Sequence[str] = (), env: Mapping[str, str] | None = None, retry_delay: str | None = "20ms"):
        self.data_root = data_root or folder / "data"
        self.socket = socket or folder / "lighterd.sock"
        self.log = folder / "lighterd.log"
        has_delay = retry_delay is None or "--transfer-retry-delay" in arguments
        delay = () if has_delay else ("--transfer-retry-delay", retry_delay)
        self.command = [str(binary), "-H", f"unix://{self.socket}", "--data-root", str(self.data_root), "--debug",
                        *delay, *arguments]
        self.api = Api(self.socket)
        self._env = {**os.environ, **(env or {})}
        self._process: Process | None = None

    @property
    def host(self) -> str:
        """As DOCKER_HOST takes it."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.exit_code is None

    def start(self) -> "Daemon":
        """Returns when the daemon answers."""
        self._process = process = Process(self.command, self.log, self._env)
        wait_until(lambda: process.exit_code is not None or self.answers(), "lighterd answers /_ping")
        assert process.exit_code is None, f"lighterd ended with {process.exit_code}:\n{self.log_text()}"
        return self

    def run_in_vain(self) -> tuple[int, str]:
        """Starts a daemon that is expected to give up; its exit code and what it said."""
        result = subprocess.run(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=30, check=False)
        return result.returncode, result.stdout.decode(errors="replace")

    def answers(self) -> bool:
        try:
            return self.api.get("/_ping").body == b"OK"
        except (OSError, http.client.HTTPException):
            return False

    def listening_at(self, scheme: str) -> str:
        """The address:port of the listener of that scheme ("tcp", "https"), as of the last start."""
        return [host for kind, host in LISTENING.findall(self.log_text()) if kind == scheme][-1]

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def memory_kib(self, field: str) -> int:
        """A figure of /proc/PID/status: VmRSS now, VmHWM at most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1])

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._running().send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        return self._running().wait(seconds)

    def kill(self) -> None:
        """As the kernel does when memory is short: no destructor runs."""
        self._running().kill()

    def stop(self) -> None:
        """What each test ends with: the store is sound, and SIGTERM ends the daemon in time and cleanly."""
        check_store(self.data_root)
        self.terminate()
        code = self.wait()
        assert code == 0, f"lighterd ended with {code}:\n{self.log_text()[-4000:]}"
        assert not self.socket.exists(), "the socket is still there"
        self.check_log()

    def check_log(self) -> None:
        if SANITIZED:
            report = SANITIZER_REPORT.search(self.log_text())
            assert report is None, self.log_text()[report.start() - 200:report.start() + 6000]

    def discard(self) -> None:
        """Whatever state it is in, nothing of it keeps running."""
        if self.is_running:
            self.kill()

    def _running(self) -> Process:
        assert self._process is not None, "the daemon was not started"
        return self._process
