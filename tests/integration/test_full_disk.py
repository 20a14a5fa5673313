# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, and then is not."""
from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Blob
from lib.daemon import Daemon
from lib.embedded_registry import EmbeddedRegistry
from lib.fault_registry import FaultRegistry
from lib.registry_http import blob_at
from lib.samples import make_small_image, random_bytes
from lib.store import list_partials

MIB = 1 << 20


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_is_named_at_once_and_what_arrived_is_kept(
        small_disk: Path, make_daemon: Callable[..., Daemon], fault_registry: FaultRegistry) -> None:
    daemon = make_daemon(data_root=small_disk / "data", arguments=["--transfer-retry-delay", "10s"]).start()
    image = make_small_image("large", layers=1, layer_bytes=5 * MIB)
    name = fault_registry.add(image, "team/app")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 * MIB))

    started = time.monotonic()
    stream = daemon.api.pull(name)
    assert "No space left on device" in stream.error and "free space" in stream.error, stream.error
    # No try again, which would have waited.
    assert time.monotonic() - started < 7
    assert fault_registry.count("GET", f"blobs/{image.layers[0].digest}") == 1
    assert list_partials(daemon.data_root)

    ballast.unlink()
    assert daemon.api.pull(name).error is None
    again = [r for r in fault_registry.requests if r.path.endswith(f"blobs/{image.layers[0].digest}")][-1]
    assert again.headers.get("Range", "").startswith("bytes=")
    daemon.stop()


def test_a_push_to_a_full_disk_is_refused_and_can_come_again(
        small_disk: Path, make_embedded: Callable[..., EmbeddedRegistry]) -> None:
    registry = make_embedded(data_root=small_disk / "data").start()
    blob = Blob.of(random_bytes("full disk", 5 * MIB))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4 * MIB))
    with registry.client() as http:
        location = http.start_upload("team/app")
    with registry.client() as http:
        answer = http.commit(location, blob.digest, blob.read())
        assert answer.status == 507
        assert "No space left on device" in answer.json()["errors"][0]["message"]
    with registry.client() as http:
        http.head(blob_at("team/app", blob.digest)).expect(404)
        http.delete(location)
        ballast.unlink()
        http.push_blob("team/app", blob)
        assert http.get(blob_at("team/app", blob.digest)).expect(200).body == blob.read()
    registry.stop()
