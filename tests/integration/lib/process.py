# SPDX-License-Identifier: Apache-2.0
"""Programs that run beside a test: started, waited for, stopped and their output kept."""
from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.wait import SLOWNESS, wait_until

# What stands in for a program that the machine does not have.
SUBSTITUTES = {"docker": "docker-20.10"}
DEFAULT_TOOLS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lighterd-tools" / "bin"


def tools_folder() -> Path:
    """Where contrib/install-deps has put what it unpacked."""
    return Path(os.environ.get("LIGHTERD_TOOLS_BIN") or DEFAULT_TOOLS)


def find_program(name: str) -> str:
    """From the folder of unpacked tools, else from PATH, else what stands in for it."""
    tools = tools_folder()
    if (tools / name).exists():
        return str(tools / name)
    found = shutil.which(name)
    if found is None:
        if name in SUBSTITUTES:
            return find_program(SUBSTITUTES[name])
        raise RuntimeError(f"{name} is neither in {tools} nor in PATH: run contrib/install-deps test")
    return found


LOOPBACK = "127.0.0.1"


def find_free_port(address: str = LOOPBACK) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def is_listening(port: int, address: str = LOOPBACK) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def find_own_address() -> str | None:
    """An IPv4 address of this machine that is not loopback: loopback is insecure by rule and never proxied."""
    shown = subprocess.run(["hostname", "-I"], stdout=subprocess.PIPE, check=False).stdout.decode()
    return next((address for address in shown.split() if ":" not in address and not address.startswith("127.")), None)


_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """A test run that is killed leaves nothing running."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program in the background with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None):
        self.log = log
        with log.open("ab") as out:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                           preexec_fn=_die_with_parent)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._child.poll()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._child.wait(seconds * SLOWNESS)

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()

    def wait_for_port(self, port: int, address: str = LOOPBACK) -> bool:
        """False when the program ended instead (somebody else had the port, say)."""
        wait_until(lambda: self.exit_code is not None or is_listening(port, address),
                   f"{self.log.name}: port {port} is open")
        return self.exit_code is None
