# SPDX-License-Identifier: Apache-2.0
"""What a plan says that a pull will fetch is what the pull fetches, to the byte."""
from __future__ import annotations

import json
import os
from collections.abc import Sequence

import pytest

from image_maker import (Artifact, Blob, Image, Index, make_artifact, make_attestation, make_image, make_index,
                         make_layer)
from lib.api import Answer, Api
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.lighter_cli import LighterCli
from lib.registry_front import RegistryFront
from lib.remote import ask_in_vain, ask_well
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.schema1 import EMPTY_LAYER, make_schema1
from lib.store import list_files, list_known_blobs, list_partials
from lib.wait import wait_until

PLATFORMS = make_platforms("plan", attestations=True, image_format="oci")
LAYERS = [make_layer({f"file{number}": random_bytes(f"plan-{number}", 40_000)}) for number in range(4)]
BIG = 4_000_000


def plan(api: Api, name: str, platforms: Sequence[str] = ()) -> dict:
    """Adds up, and leaves nothing behind."""
    shown = ask_well(api, name, "plan", [("platform", each) for each in platforms])
    blobs = shown["Blobs"]
    assert shown["Fetch"] == sum(blob["Fetch"] for blob in blobs)
    assert shown["Reuse"] == sum(blob["Reuse"] for blob in blobs)
    assert all(blob["Fetch"] + blob["Reuse"] == blob["Size"] for blob in blobs), blobs
    assert len({blob["Digest"] for blob in blobs}) == len(blobs), "each once"
    return shown


def pull(api: Api, name: str, platforms: Sequence[str] = ()) -> Answer:
    answer = api.post("/lighter/v1/images/pull", [("fromImage", name), *(("platform", each) for each in platforms)])
    assert (answer.status, answer.error) == (200, None), answer.body
    return answer


def pull_as_planned(api: Api, registry: FaultRegistry, name: str, platforms: Sequence[str] = ()) -> dict:
    """Plans, pulls, compares; what was planned."""
    planned = plan(api, name, platforms)
    registry.forget_requests()
    pull(api, name, platforms)
    assert registry.content_bytes() == planned["Fetch"]
    return planned


def state(daemon: Daemon) -> tuple:
    return (sorted(list_files(daemon.data_root)), sorted(list_known_blobs(daemon.data_root)),
            sorted(list_partials(daemon.data_root)), daemon.api.get("/images/json").json())


def whole(*blobs: Blob) -> dict[str, tuple[int, int]]:
    return {blob.digest: (blob.size, 0) for blob in blobs}


def shares(planned: dict) -> dict[str, tuple[int, int]]:
    """Of each blob what is fetched, and what is here."""
    return {blob["Digest"]: (blob["Fetch"], blob["Reuse"]) for blob in planned["Blobs"]}


# ---- nothing here ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("image_format", ["docker", "oci"])
def test_an_image(api: Api, daemon: Daemon, registry: DockerRegistry, front: RegistryFront, image_format: str) -> None:
    image = make_image(LAYERS[:2], HOST_PLATFORM, image_format=image_format)
    name = front.name_of(registry.add(image, "plan/one", image_format))
    before = state(daemon)
    planned = plan(api, name)
    assert state(daemon) == before, "a plan leaves nothing behind"
    assert (planned["Name"], planned["Tag"], planned["Digest"], planned["UpToDate"]) == (
        f"{front.host}/plan/one", image_format, image.digest, False)
    assert shares(planned) == whole(image.manifest, image.config, *image.layers)
    assert [(blob["Kind"], blob["MediaType"]) for blob in planned["Blobs"]] == [
        ("manifest", image.manifest.media_type), ("config", image.config.media_type),
        *(("layer", layer.media_type) for layer in image.layers)]
    assert not [request for request in front.requests
                if request.path.rpartition("/")[2] in {layer.digest for layer in image.layers}
                and request.method == "GET"], "no layer is fetched"
    pull_as_planned(api, front, name)


@pytest.mark.parametrize("platforms", [(), (OTHER_PLATFORM,), ("linux/amd64", "linux/arm64"), ("all",)])
def test_an_index(api: Api, registry: DockerRegistry, front: RegistryFront, platforms: Sequence[str]) -> None:
    name = front.name_of(registry.add(PLATFORMS, "plan/index", "1"))
    planned = pull_as_planned(api, front, name, platforms)
    kinds = {blob["Digest"]: blob["Kind"] for blob in planned["Blobs"]}
    expected = wanted_kinds(PLATFORMS, platforms or (HOST_PLATFORM,))
    assert kinds == expected
    assert planned["Digest"] == PLATFORMS.digest


def wanted_kinds(index: Index, platforms: Sequence[str]) -> dict[str, str]:
    """The blobs of those platforms with their attestations."""
    kinds = {index.digest: "index"}
    digests = set()
    for image in index.manifests:
        assert isinstance(image, Image)
        name = "/".join(image.platform[key] for key in ("os", "architecture", "variant") if key in image.platform)
        about = (image.annotations or {}).get("vnd.docker.reference.digest")
        if about in digests:
            kinds.update({blob.digest: "attestation" for blob in (image.manifest, *image.blobs)})
        elif about is None and any(wanted in ("all", name) or name.startswith(wanted + "/") for wanted in platforms):
            digests.add(image.digest)
            kinds.update({image.digest: "manifest", image.config.digest: "config"})
            kinds.update({layer.digest: "layer" for layer in image.layers})
    return kinds


def test_a_nested_index(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    nested = make_index([PLATFORMS], image_format="oci")
    name = front.name_of(registry.add(nested, "plan/nested", "1"))
    planned = pull_as_planned(api, front, name)
    assert [blob["Digest"] for blob in planned["Blobs"] if blob["Kind"] == "index"] == [nested.digest, PLATFORMS.digest]


def test_an_attestation_that_the_registry_has_not_got(api: Api, fault_registry: FaultRegistry) -> None:
    """It is not missed by a pull, and so no part of a plan."""
    image = make_small_image("unattested", image_format="oci")
    attestation = make_attestation(image)
    name = fault_registry.add(make_index([image, attestation], image_format="oci"), "plan/unattested", "1")
    fault_registry.on("GET|HEAD", f"manifests/{attestation.digest}", Reply(status=404, body=b""))
    planned = pull_as_planned(api, fault_registry, name)
    assert "attestation" not in [blob["Kind"] for blob in planned["Blobs"] if blob["Fetch"]]


def test_an_artifact(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    artifact = make_artifact("application/x.notes", [Blob.of(b"notes" * 100, "text/plain")])
    pull_as_planned(api, front, front.name_of(registry.add(artifact, "plan/artifact", "1")))


def test_a_layer_that_is_there_twice(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    image = make_image([LAYERS[0], LAYERS[1], LAYERS[0]], HOST_PLATFORM)
    planned = pull_as_planned(api, front, front.name_of(registry.add(image, "plan/twice", "1")))
    assert [blob["Kind"] for blob in planned["Blobs"]].count("layer") == 2


def test_by_digest(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    image = make_small_image("by-digest")
    name = front.name_of(registry.add(image, "plan/digest", None))
    planned = pull_as_planned(api, front, name)
    assert (planned["Tag"], planned["Digest"]) == ("", image.digest)


def test_without_a_tag_it_is_latest_as_of_a_pull(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    image = make_small_image("default")
    name = front.name_of(registry.add(image, "plan/default", "latest")).removesuffix(":latest")
    planned = pull_as_planned(api, front, name)
    assert (planned["Tag"], planned["Digest"]) == ("latest", image.digest)


@pytest.mark.parametrize("signatures", [0, 1])
def test_schema_1(api: Api, fault_registry: FaultRegistry, signatures: int) -> None:
    image = make_schema1([LAYERS[0], None, LAYERS[1], None], signatures=signatures)
    name = fault_registry.add(image, "plan/schema1", "1")
    planned = pull_as_planned(api, fault_registry, name)
    assert planned["Digest"] == image.digest
    fetched = {blob["Digest"]: blob["Fetch"] for blob in planned["Blobs"] if blob["Kind"] == "layer" and blob["Fetch"]}
    assert fetched == {layer.digest: layer.blob.size for layer in LAYERS[:2]}
    assert EMPTY_LAYER.digest not in fetched
    # What it was converted to is here, and the manifest has to be read to know that.
    again = pull_as_planned(api, fault_registry, name)
    assert again["UpToDate"] and shares(again) == {
        image.digest: (image.manifest.size, 0), **{layer.digest: (0, layer.blob.size) for layer in LAYERS[:2]}}


@pytest.mark.parametrize("signatures", [0, 1])
def test_schema_1_of_another_repository(api: Api, fault_registry: FaultRegistry, signatures: int) -> None:
    first = make_schema1(LAYERS[:2], signatures=signatures)
    second = make_schema1([LAYERS[0], None, LAYERS[2]], signatures=signatures, seed="second")
    pull(api, fault_registry.add(first, "plan/first", "1"))
    for image, here in ((second, LAYERS[:1]), (first, LAYERS[:2])):
        planned = pull_as_planned(api, fault_registry, fault_registry.add(image, "plan/second", image.digest[7:19]))
        assert not planned["UpToDate"] and planned["Digest"] == image.digest
        fetched = {layer for layer in image.layers if layer not in {layer.digest for layer in here}}
        assert {digest for digest, (fetch, _) in shares(planned).items() if fetch} == {image.digest, *fetched}
        assert planned["Reuse"] == sum(layer.blob.size for layer in here)


def test_lighter_says_the_same(lighter: LighterCli, api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    name = front.name_of(registry.add(PLATFORMS, "plan/lighter", "1"))
    options = ("--platform", "linux/amd64", "--platform", "linux/arm64")
    planned = lighter.document("plan", *options, name)
    assert planned == {**plan(api, name, ("linux/amd64", "linux/arm64")), "DiskFree": planned["DiskFree"]}
    front.forget_requests()
    lighter.ok("pull", *options, name)
    assert front.content_bytes() == planned["Fetch"]


# ---- something here -------------------------------------------------------------------------------------------------

def test_layers_that_another_image_brought(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    api.pull_well(registry.add(make_image(LAYERS[:2], HOST_PLATFORM), "plan/base", "1"))
    image = make_image(LAYERS, HOST_PLATFORM)
    planned = pull_as_planned(api, front, front.name_of(registry.add(image, "plan/derived", "1")))
    for layer in image.layers[:2]:
        assert shares(planned)[layer.digest] == (0, layer.size)
    for blob in (image.manifest, image.config, *image.layers[2:]):
        assert shares(planned)[blob.digest] == (blob.size, 0)


def test_a_second_platform(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    name = front.name_of(registry.add(PLATFORMS, "plan/second", "1"))
    pull(api, name)
    planned = pull_as_planned(api, front, name, (OTHER_PLATFORM,))
    shared = PLATFORMS.image_for(OTHER_PLATFORM).layers[0]
    assert shares(planned)[shared.digest] == (0, shared.size)
    assert not planned["UpToDate"]


@pytest.mark.parametrize("make", [lambda: make_small_image("again"), lambda: PLATFORMS])
def test_what_is_here_already(api: Api, registry: DockerRegistry, front: RegistryFront, make) -> None:
    image: Artifact = make()
    name = front.name_of(registry.add(image, "plan/again", "1"))
    pull_as_planned(api, front, name)
    planned = pull_as_planned(api, front, name)
    assert (planned["UpToDate"], planned["Fetch"], planned["DiskNeeded"]) == (True, 0, 0)
    assert planned["Reuse"] > 0


def test_a_tag_that_moved(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    old, new = make_image(LAYERS[:2], HOST_PLATFORM), make_image(LAYERS[1:3], HOST_PLATFORM)
    name = front.name_of(registry.add(old, "plan/moved", "1"))
    pull(api, name)
    registry.add(new, "plan/moved", "1")
    planned = pull_as_planned(api, front, name)
    assert (planned["Digest"], planned["UpToDate"]) == (new.digest, False)
    assert shares(planned)[new.layers[0].digest] == (0, new.layers[0].size)


def test_all_of_it_is_here_under_another_name(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    image = make_small_image("renamed")
    api.pull_well(registry.add(image, "plan/renamed", "1"))
    planned = pull_as_planned(api, front, front.name_of(registry.add(image, "plan/renamed", "2")))
    assert not planned["UpToDate"], "the tag is not here"


@pytest.mark.parametrize("how", ["the client leaves", "the daemon is killed"])
def test_a_part_of_a_layer(api: Api, daemon: Daemon, registry: DockerRegistry, front: RegistryFront, how: str) -> None:
    image = make_small_image(f"part-{how}", layer_bytes=BIG)
    name = front.name_of(registry.add(image, "plan/part", "1"))
    layer = image.layers[-1]
    stall = front.stall(f"blobs/{layer.digest}", BIG // 2)
    stream = api.start_pull(name)
    stall.wait_reached()
    part = daemon.data_root / "ingest" / f"{layer.digest.replace(':', '-')}.part"
    wait_until(lambda: part.exists() and part.stat().st_blocks * 512 >= BIG // 4, "a part of it is on the disk")
    wait_until(lambda: image.layers[0].digest in list_known_blobs(daemon.data_root), "the other layer is here")
    if how == "the client leaves":
        stream.close()
        stall.wait_disconnect(5)
    else:
        daemon.kill()
        stream.close()
    front.on("GET", f"blobs/{layer.digest}", Reply())
    if not daemon.is_running:
        daemon.start()
    wait_until(lambda: list_partials(daemon.data_root), "the part is kept")
    before = state(daemon)
    planned = plan(api, name)
    assert state(daemon) == before
    fetch, reuse = shares(planned)[layer.digest]
    assert reuse >= 65536 and fetch > 0
    assert shares(planned)[image.layers[0].digest] == (0, image.layers[0].size)
    pull_as_planned(api, front, name)


# ---- the disk, and what goes wrong ----------------------------------------------------------------------------------

def test_the_disk(api: Api, daemon: Daemon, registry: DockerRegistry) -> None:
    image = make_small_image("disk", layer_bytes=BIG)
    shown = plan(api, registry.add(image, "plan/disk", "1"))
    disk = os.statvfs(daemon.data_root)
    assert shown["DiskFree"] == pytest.approx(disk.f_bavail * disk.f_frsize, rel=0.05, abs=64 << 20)
    assert shown["DiskNeeded"] == sum(blob.size for blob in (image.manifest, *image.blobs))


def test_errors(api: Api, daemon: Daemon, registry: DockerRegistry) -> None:
    name = registry.add(PLATFORMS, "plan/errors", "1")
    before = state(daemon)
    missing = f"{registry.host}/plan/errors:missing"
    assert ask_in_vain(api, missing, "plan") == (404, api.pull(missing).message), "as of a pull"
    assert ask_in_vain(api, f"{registry.host}/no/such:1", "plan")[0] == 404
    status, text = ask_in_vain(api, name, "plan", {"platform": "linux/s390x"})
    assert (status, text.startswith("no matching manifest for linux/s390x")) == (404, True)
    assert ask_in_vain(api, name, "plan", {"platform": "nonsense"})[0] == 400
    assert state(daemon) == before


def test_a_manifest_that_is_an_index_too(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("confused", image_format="oci")
    document = {**json.loads(image.manifest.read()), "manifests": [image.manifest.descriptor()]}
    body = json.dumps(document).encode()
    name = fault_registry.add(image, "plan/confused", "1")
    fault_registry.on("GET|HEAD", "manifests/.+", Reply(status=200, body=body, headers={
        "Docker-Content-Digest": Blob.of(body).digest}))
    assert ask_in_vain(api, name, "plan")[0] == 400


@pytest.mark.parametrize("poor", [Reply(status=405, body=b""), Reply(headers={"Docker-Content-Digest": ""})],
                         ids=["not allowed", "without a digest"])
@pytest.mark.parametrize("kind", ["image", "index", "schema 1"])
def test_a_head_that_is_of_no_use(api: Api, fault_registry: FaultRegistry, poor: Reply, kind: str) -> None:
    """The manifest that is fetched by its tag then is the one that is pulled, and fetched once."""
    image = {"image": lambda: make_small_image("headless"), "index": lambda: PLATFORMS,
             "schema 1": lambda: make_schema1(LAYERS[:2])}[kind]()
    name = fault_registry.add(image, "plan/headless", "1")
    fault_registry.on("HEAD", "manifests/.+", poor)
    planned = pull_as_planned(api, fault_registry, name)
    assert planned["Digest"] == image.digest
    assert fault_registry.count("GET", "manifests/1") == 1
    assert fault_registry.count("GET", f"manifests/{image.digest}") == 0
