# SPDX-License-Identifier: Apache-2.0
"""Pull, save, remove, load, push: every kind of content ends at the other registry with the digests that it had."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest

from image_maker import (MEDIA_TYPES, Artifact, Blob, CompressionUnavailable, Image, all_blobs, all_manifests,
                         make_image, make_index, make_layer)
from lib import skopeo
from lib.api import Api
from lib.engine_archives import Archive, load_well
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.operations import push_well
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import list_files
from lib.wait import wait_until

ALL = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_MANIFEST = MEDIA_TYPES["oci"]["manifest"]


@dataclasses.dataclass(frozen=True)
class Case:
    """`platforms` are pulled one after the other; `left_out` is content that never leaves the first registry."""

    artifact: Artifact
    platforms: Sequence[str | None] = (None,)
    left_out: frozenset[str] = frozenset()


def layers_of(kind: str, compression: str) -> list:
    return [make_layer({f"{kind}{number}": random_bytes(f"{kind}{number}", 9000)}, compression) for number in range(2)]


def make_compressed(compression: str) -> Case:
    return Case(make_image(layers_of(f"corpus {compression}", compression), HOST_PLATFORM, image_format="oci"))


def make_index_case(platforms: Sequence[str], image_format: str = "oci", *, attestations: bool = False) -> Case:
    index = make_platforms(f"corpus {image_format} {attestations} {len(platforms)}", image_format=image_format,
                           attestations=attestations)
    kept: set[str] = set()
    for platform in platforms:
        image = index.image_for(platform)
        kept |= {image.digest, *(blob.digest for blob in image.blobs)}
        for entry in index.manifests:  # an attestation comes with the image that it is of
            if (entry.annotations or {}).get("vnd.docker.reference.digest") == image.digest:
                kept |= {entry.digest, *(blob.digest for blob in entry.blobs)}
    everything = {child.digest for child in all_manifests(index)} | {blob.digest for blob in all_blobs(index)}
    return Case(index, platforms, frozenset(everything - kept - {index.digest}))


def make_artifact(subject: Image | None) -> Case:
    """What no engine runs: a document with an empty config."""
    empty = Blob.of(b"{}", "application/vnd.oci.empty.v1+json")
    document = Blob.of(b'{"sbom":"of nothing"}', "application/spdx+json")
    manifest: dict = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.sbom",
                      "config": empty.descriptor(), "layers": [document.descriptor()]}
    if subject:
        manifest["subject"] = subject.manifest.descriptor()
    return Case(Image(Blob.of(json.dumps(manifest).encode(), OCI_MANIFEST), (empty, document)))


def make_foreign() -> Case:
    """A layer that is not to be passed on; registries have the rest."""
    image = make_image(layers_of("corpus foreign", "gzip"), HOST_PLATFORM)
    manifest = json.loads(image.manifest.read())
    manifest["layers"][1] |= {"mediaType": FOREIGN_LAYER, "urls": ["https://layers.example/1"]}
    changed = Blob.of(json.dumps(manifest).encode(), image.manifest.media_type)
    return Case(dataclasses.replace(image, manifest=changed), left_out=frozenset({image.layers[1].digest}))


SUBJECT = make_small_image("corpus subject", image_format="oci")
CASES = {
    "schema 2": lambda: Case(make_small_image("corpus")),
    "OCI": lambda: Case(make_small_image("corpus", image_format="oci")),
    "manifest list": lambda: make_index_case(ALL, "docker"),
    "OCI index": lambda: make_index_case(ALL),
    "one of three platforms": lambda: make_index_case([HOST_PLATFORM]),
    "two of three platforms": lambda: make_index_case(ALL[:2], "docker"),
    "attestations": lambda: make_index_case(ALL, attestations=True),
    "attestations, one platform": lambda: make_index_case([HOST_PLATFORM], attestations=True),
    "zstd layers": lambda: make_compressed("zstd"),
    "plain layers": lambda: make_compressed("none"),
    "nested index": lambda: Case(make_index([make_index([make_small_image("nested", image_format="oci")],
                                                        image_format="oci")], image_format="oci")),
    "artifact": lambda: make_artifact(None),
    "artifact with a subject": lambda: make_artifact(SUBJECT),
    "foreign layer": make_foreign,
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    try:
        return CASES[request.param]()
    except CompressionUnavailable as error:
        pytest.skip(str(error))


def save(api: Api, name: str) -> bytes:
    answer = api.get("/images/get", {"names": name})
    assert answer.status == 200, answer.body
    return answer.body


def remove_all(api: Api, daemon: Daemon) -> None:
    for item in api.get("/images/json").json():
        assert api.delete(f"/images/{item['Id']}", {"force": "1"}).status == 200

    def is_empty() -> bool:
        assert api.post("/images/prune", {"filters": '{"dangling":["false"]}'}).status == 200
        return list_files(daemon.data_root) == {}

    # The save holds its blobs for a moment after its last byte; a load is not to find what it does not bring.
    wait_until(is_empty, "no blob is left")


def contents(artifact: Artifact) -> dict[str, bytes]:
    """Everything below an artifact by its digest."""
    blobs = (*all_blobs(artifact), *(child.manifest for child in all_manifests(artifact)))
    return {blob.digest: blob.read() for blob in blobs}


def check_archive(data: bytes, case: Case) -> None:
    """Holds exactly what is there of it, byte for byte."""
    archive = Archive(data)
    expected = {digest: content for digest, content in contents(case.artifact).items() if digest not in case.left_out}
    found = {name for name in archive.members if name.count("/") == 2}
    assert found == {"blobs/" + digest.replace(":", "/") for digest in expected}
    for digest, content in expected.items():
        assert archive.blob(digest) == content


def check_shown(api: Api, name: str) -> None:
    """It is an image, and not only content."""
    shown = api.get(f"/images/{name}/json").json()
    assert shown["Os"] == "linux" and shown["Architecture"] and shown["RootFS"]["Layers"]
    assert api.get(f"/images/{name}/history").json()


def test_digests_stay(api: Api, daemon: Daemon, registry: DockerRegistry, second_registry: DockerRegistry,
                      request: pytest.FixtureRequest, case: Case) -> None:
    repository = "corpus/" + request.node.callspec.params["case"].lower().replace(",", "").replace(" ", "-")
    source, target = (f"{host.host}/{repository}:1" for host in (registry, second_registry))
    registry.add(case.artifact, repository, "1")
    for platform in case.platforms:
        api.pull_well(source, platform=platform)
    api.post(f"/images/{source}/tag", {"repo": target.removesuffix(":1"), "tag": "1"})
    saved = save(api, target)
    check_archive(saved, case)

    remove_all(api, daemon)
    assert load_well(api, saved) == [f"Loaded image: {target}"]
    again = save(api, target)
    check_archive(again, case)
    if "manifest.json" in Archive(saved).members:
        check_shown(api, target)
        assert Archive(again).items == Archive(saved).items

    for child in all_manifests(case.artifact):
        if child.digest in case.left_out:  # what is not here has to be there already, or the index cannot go
            second_registry.add(child, repository, None)
    push_well(api, target)
    assert skopeo.read_digest(target) == case.artifact.digest
    assert second_registry.get(repository, "1").read() == case.artifact.manifest.read()


def test_an_image_by_digest_is_kept_without_a_name(api: Api, daemon: Daemon, registry: DockerRegistry,
                                                 second_registry: DockerRegistry) -> None:
    index = make_platforms("corpus by digest")
    name = registry.add(index, "corpus/by-digest", None)
    for platform in ALL:
        api.pull_well(name, platform=platform)
    saved = save(api, name)
    assert [item["RepoTags"] for item in Archive(saved).items] == [None]
    remove_all(api, daemon)
    assert load_well(api, saved) == [f"Loaded image ID: {index.digest}"]
    target = f"{second_registry.host}/corpus/by-digest"
    assert api.post(f"/images/{index.digest}/tag", {"repo": target, "tag": "1"}).status == 201
    push_well(api, f"{target}:1")
    assert skopeo.read_digest(f"{target}:1") == index.digest


def test_archives_of_many_images_hold_each_blob_once(api: Api, daemon: Daemon, registry: DockerRegistry) -> None:
    shared = make_layer({"shared": random_bytes("corpus shared", 5000)})
    images = [make_image([shared, make_layer({"own": str(number)})], HOST_PLATFORM) for number in range(3)]
    names = [registry.add(image, "corpus/many", str(number)) for number, image in enumerate(images)]
    for name in names:
        api.pull_well(name)
    answer = api.get("/images/get", [("names", name) for name in names])
    archive = Archive(answer.body)
    assert sorted(item["RepoTags"] for item in archive.items) == [[name] for name in names]
    remove_all(api, daemon)
    assert sorted(load_well(api, answer.body)) == [f"Loaded image: {name}" for name in names]
    assert [api.get(f"/images/{name}/json").json()["Id"] for name in names] == [image.digest for image in images]
