# SPDX-License-Identifier: Apache-2.0
"""Pushes of large layers over connections that break off, and of parts of an index."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Image, make_image, make_layer
from lib.api import Api
from lib.cutting_proxy import CuttingProxy
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.nginx_front import NginxFront
from lib.operations import push_well
from lib.samples import HOST_PLATFORM, make_platforms, random_bytes

LAYER_BYTES = 200 << 20
CHUNK_BYTES = 16 << 20
HEADS_BYTES = 256 << 10

MakeProxy = Callable[[int], CuttingProxy]


@pytest.fixture(scope="module")
def big(registry: DockerRegistry) -> tuple[str, Image]:
    """Name and image; the layer is not compressed, so its size is known."""
    image = make_image([make_layer({"big": random_bytes("big", LAYER_BYTES)}, compression="none")], HOST_PLATFORM)
    return registry.add(image, "push/big"), image


@pytest.fixture
def make_proxy() -> Iterator[MakeProxy]:
    made: list[CuttingProxy] = []

    def make(port: int) -> CuttingProxy:
        made.append(CuttingProxy(port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.stop()


@pytest.fixture
def front(folder: Path, second_registry: DockerRegistry) -> Iterator[NginxFront]:
    front = NginxFront(folder / "nginx", second_registry.port)
    yield front
    front.stop()


def carry(api: Api, source: str, target: str) -> None:
    """Pulls one and gives it the name of the other."""
    api.pull_well(source)
    repository, tag = target.rsplit(":", 1)
    assert api.post(f"/images/{source}/tag", {"repo": repository, "tag": tag}).status == 201


def check_is_there(registry: DockerRegistry, repository: str, image: Image) -> None:
    assert registry.get(repository, "1").digest == image.digest


def test_a_cut_at_ninety_percent_costs_one_chunk(make_daemon: Callable[..., Daemon], big: tuple[str, Image],
                                                 second_registry: DockerRegistry, front: NginxFront,
                                                 make_proxy: MakeProxy) -> None:
    # Long enough to be shown.
    api = make_daemon("patient", arguments=["--transfer-retry-delay", "1s"]).start().api
    source, image = big
    proxy = make_proxy(front.port)
    carry(api, source, f"{proxy.host}/push/resumed:1")
    proxy.cut_at(LAYER_BYTES * 9 // 10)
    records = push_well(api, f"{proxy.host}/push/resumed:1")
    assert proxy.cuts == 1
    assert any(record.get("status", "").startswith("Retrying in ") for record in records)
    assert proxy.sent_bytes <= LAYER_BYTES + CHUNK_BYTES + HEADS_BYTES
    check_is_there(second_registry, "push/resumed", image)
    counts = [record["progressDetail"]["current"] for record in records if record.get("status") == "Pushing"]
    assert counts == sorted(counts)


def test_a_registry_that_forgets_a_broken_upload_gets_all_of_it(api: Api, big: tuple[str, Image],
                                                                second_registry: DockerRegistry, make_proxy: MakeProxy
                                                                ) -> None:
    source, image = big
    proxy = make_proxy(second_registry.port)
    carry(api, source, f"{proxy.host}/push/again:1")
    proxy.cut_at(LAYER_BYTES * 9 // 10 + CHUNK_BYTES // 2)
    push_well(api, f"{proxy.host}/push/again:1")
    assert proxy.cuts == 1
    assert proxy.sent_bytes < 2 * LAYER_BYTES
    check_is_there(second_registry, "push/again", image)


def test_a_large_layer_is_mounted_from_the_nearest_repository(api: Api, big: tuple[str, Image],
                                                             registry: DockerRegistry) -> None:
    source, image = big
    carry(api, source, f"{registry.host}/push/copy:1")
    layer = image.layers[0].digest.removeprefix("sha256:")[:12]
    statuses = {record.get("id"): record.get("status") for record in push_well(api, f"{registry.host}/push/copy:1")}
    assert statuses[layer] == "Mounted from push/big"


def test_an_index_is_pushed_whole_where_the_repository_has_the_rest(api: Api, registry: DockerRegistry,
                                                                   second_registry: DockerRegistry) -> None:
    index = make_platforms("push-sparse")
    source = registry.add(index, "push/sparse")
    second_registry.add(index, "push/sparse", None)
    api.pull_well(source, platform=HOST_PLATFORM)
    target = f"{second_registry.host}/push/sparse"
    assert api.post(f"/images/{source}/tag", {"repo": target, "tag": "1"}).status == 201
    records = push_well(api, f"{target}:1")
    assert not any("manifestPushedInsteadOfIndex" in record.get("aux", {}) for record in records)
    assert second_registry.get("push/sparse", "1").digest == index.digest
    # Of another repository nothing is known: one platform goes instead, and it is said.
    elsewhere = f"{second_registry.host}/push/elsewhere"
    assert api.post(f"/images/{source}/tag", {"repo": elsewhere, "tag": "1"}).status == 201
    aux = [record["aux"] for record in push_well(api, f"{elsewhere}:1") if "aux" in record]
    assert aux[0]["manifestPushedInsteadOfIndex"] is True
    assert aux[0]["originalIndex"]["digest"] == index.digest
    assert second_registry.get("push/elsewhere", "1").digest == aux[0]["selectedManifest"]["digest"]
