# SPDX-License-Identifier: Apache-2.0
"""Clients that have a storage of their own, and other commands that run to their end."""
from __future__ import annotations

import subprocess
from pathlib import Path

from lib.process import find_program
from lib.wait import SLOWNESS

TIMEOUT_SECONDS = 60


def run(program: str, *arguments: str, cwd: Path | None = None) -> str:
    """What it says on standard output."""
    done = subprocess.run([find_program(program), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS * SLOWNESS, check=False, cwd=cwd)
    assert done.returncode == 0, f"{program} {' '.join(arguments)}: {done.stderr.decode()}"
    return done.stdout.decode()


class Storage:
    """podman and buildah with a storage of their own that needs no mounts."""

    def __init__(self, folder: Path):
        self._options = ["--root", str(folder / "root"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]

    def podman(self, *arguments: str, cwd: Path | None = None) -> str:
        return run("podman", *self._options, "--cgroup-manager", "cgroupfs", "--events-backend", "none", *arguments,
                   cwd=cwd)

    def buildah(self, *arguments: str, cwd: Path | None = None) -> str:
        return run("buildah", *self._options, *arguments, cwd=cwd)
