# SPDX-License-Identifier: Apache-2.0
"""What the commands of contrib/ that measure a daemon have in common."""
from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def load_bench() -> ModuleType:
    """contrib/bench has what starts servers and makes images."""
    loader = importlib.machinery.SourceFileLoader("lighterd_bench", str(ROOT / "contrib/bench"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


bench = load_bench()


def memory_mb(pid: int, key: str) -> float:
    """VmRSS now or VmHWM at most, of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {key} of process {pid}")


@contextlib.contextmanager
def running_lighterd(binary: Path, folder: Path) -> Iterator[tuple[int, Path]]:
    """Its process and its socket; the data root is folder/data."""
    socket = folder / "lighterd.sock"
    command = [str(binary), "--data-root", str(folder / "data"), "-H", f"unix://{socket}"]
    with bench.started(command, folder / "daemon.log", lambda: bench.answers_ping(socket)) as wrapper:
        yield bench.process_tree(wrapper)[-1], socket  # the daemon runs below time(1)
