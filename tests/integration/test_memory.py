# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with what is transferred. LIGHTERD_FULL=1 takes a layer of 1 GiB instead of 256 MiB."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from image_maker import make_bulk_layer, make_image
from lib import skopeo
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.samples import HOST_PLATFORM
from lib.wait import SANITIZED

LAYER_MIB = 1024 if os.environ.get("LIGHTERD_FULL") else 256
PEAK_MIB = 64
# Code that is not optimised is larger: the bar is for what people run.
IDLE_MIB = 19 if os.environ.get("LIGHTERD_BUILD_TYPE") == "Debug" else 15

pytestmark = pytest.mark.skipif(SANITIZED, reason="sanitizers keep shadow memory and a quarantine of their own")


def test_idle_memory(daemon: Daemon) -> None:
    assert daemon.memory_kib("VmRSS") < IDLE_MIB * 1024


def test_peak_memory_of_a_large_layer(daemon: Daemon, cli: DockerCli, registry: DockerRegistry,
                                      second_registry: DockerRegistry, folder: Path) -> None:
    layer = make_bulk_layer(folder / "bulk", LAYER_MIB << 20)
    image = make_image([layer], HOST_PLATFORM)
    source, target = registry.add(image, "memory/large", "1"), f"{second_registry.host}/memory/large:1"
    cli.ok("pull", source)
    after_pull = daemon.memory_kib("VmHWM")
    assert after_pull < PEAK_MIB * 1024
    cli.ok("tag", source, target)
    cli.ok("push", target)
    assert skopeo.read_digest(target) == image.digest
    assert daemon.memory_kib("VmHWM") < PEAK_MIB * 1024
