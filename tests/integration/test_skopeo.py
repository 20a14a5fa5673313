# SPDX-License-Identifier: Apache-2.0
"""Images that other tools made go through unchanged: skopeo writes them, lighterd carries them, skopeo reads them."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_maker import CompressionUnavailable, make_image, make_index, make_layer, write_layout
from lib import skopeo
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image, random_bytes


def carry(cli: DockerCli, source: str, target: str) -> None:
    cli.ok("pull", source)
    cli.ok("tag", source, target)
    cli.ok("push", target)


@pytest.mark.parametrize("options", [
    pytest.param(("--format", "oci"), id="oci"),
    pytest.param(("--format", "v2s2"), id="schema 2"),
    pytest.param(("--format", "oci", "--dest-compress-format", "zstd"), id="zstd"),
])
def test_images_that_skopeo_wrote(cli: DockerCli, registry: DockerRegistry, second_registry: DockerRegistry,
                                  folder: Path, request: pytest.FixtureRequest, options: tuple[str, ...]) -> None:
    tag = request.node.callspec.id.replace(" ", "")
    source, target = f"{registry.host}/skopeo/made:{tag}", f"{second_registry.host}/skopeo/carried:{tag}"
    layers = [make_layer({f"file{number}": random_bytes(number, 5000)}, "none") for number in range(3)]
    write_layout(make_image(layers, HOST_PLATFORM, image_format="oci"), folder / "layout", "1")
    skopeo.copy(f"oci:{folder}/layout:1", f"docker://{source}", *options)
    carry(cli, source, target)
    assert skopeo.read_manifest(target) == skopeo.read_manifest(source)
    # Reading into a layout hashes every blob.
    skopeo.copy(f"docker://{target}", f"oci:{folder}/back:1")
    assert json.loads((folder / "back" / "index.json").read_text())["manifests"]


def test_an_index_keeps_every_byte(cli: DockerCli, registry: DockerRegistry, second_registry: DockerRegistry,
                                   folder: Path) -> None:
    index = make_platforms(image_format="oci")
    source = registry.add(index, "skopeo/index", "1")
    target = f"{second_registry.host}/skopeo/index:1"
    for platform in ("linux/amd64", "linux/arm64/v8", "linux/arm/v7"):
        cli.ok("pull", "--platform", platform, source)
    carry(cli, source, target)
    assert skopeo.read_manifest(target) == index.manifest.read()
    skopeo.copy(f"docker://{target}", f"dir:{folder}/back", "--all")


def test_an_image_below_nested_indexes(cli: DockerCli, registry: DockerRegistry) -> None:
    image = make_small_image("nested", image_format="oci")
    index = make_index([make_index([image], image_format="oci")], image_format="oci")
    source = registry.add(index, "skopeo/nested", "1")
    cli.ok("pull", source)
    shown = cli.json("inspect", source)[0]
    assert shown["Id"] == index.digest
    assert shown["Config"]["Labels"] == {"seed": "nested"}


def test_attestations_are_never_taken_for_the_image(cli: DockerCli, registry: DockerRegistry) -> None:
    index = make_platforms("attested", image_format="oci", attestations=True)
    source = registry.add(index, "skopeo/attested", "1")
    cli.ok("pull", source)
    assert cli.json("inspect", source)[0]["Architecture"] == HOST_PLATFORM.split("/")[1]


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_every_compression_of_layers(cli: DockerCli, registry: DockerRegistry, second_registry: DockerRegistry,
                                     compression: str) -> None:
    try:
        layers = [make_layer({"file": random_bytes(compression, 300_000)}, compression), make_layer({}, compression)]
    except CompressionUnavailable as error:
        pytest.skip(str(error))
    image = make_image(layers, HOST_PLATFORM, image_format="oci")
    source = registry.add(image, "skopeo/compressed", compression)
    target = f"{second_registry.host}/skopeo/compressed:{compression}"
    carry(cli, source, target)
    assert skopeo.read_digest(target) == image.digest
