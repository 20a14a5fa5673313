# SPDX-License-Identifier: Apache-2.0
"""Every kind of content that a registry has to take: the data sets of the OCI conformance suite, and Docker's own."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

from image_maker import (EMPTY, MEDIA_TYPES, Artifact, Blob, Image, Index, all_manifests, edit_manifest, image_from_blobs,
                         make_artifact, make_image, make_index, make_layer, readdress)
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_small_image, random_bytes

OCI_MANIFEST = MEDIA_TYPES["oci"]["manifest"]
OCI_INDEX = MEDIA_TYPES["oci"]["index"]
SCHEMA2 = MEDIA_TYPES["docker"]["manifest"]
DOCKER_LIST = MEDIA_TYPES["docker"]["index"]
EVERYTHING = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, SCHEMA2)
LARGE_ANNOTATIONS = 390
LARGE_VALUE = 10_000


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Artifacts in the order in which they are pushed; tags of some of them."""

    artifacts: tuple[Artifact, ...]
    tags: dict[str, Artifact]
    algorithm: str = "sha256"

    @property
    def manifests(self) -> list[Artifact]:
        """Each once, children before parents."""
        return list({each.digest: each for artifact in self.artifacts for each in all_manifests(artifact)}.values())

    @property
    def blobs(self) -> list[Blob]:
        return list({blob.digest: blob for each in self.manifests for blob in each.blobs}.values())


def describe_referrer(artifact: Artifact) -> dict:
    """How a list of referrers has it."""
    document = json.loads(artifact.manifest.read())
    found = artifact.manifest.descriptor()
    kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
    if kind:
        found["artifactType"] = kind
    if "annotations" in document:
        found["annotations"] = document["annotations"]
    return found


def find_subject(artifact: Artifact) -> str | None:
    return json.loads(artifact.manifest.read()).get("subject", {}).get("digest")


def make_oci_image(seed: object, platform: str = HOST_PLATFORM, compression: str = "gzip") -> Image:
    layers = [make_layer({f"file{number}": random_bytes(f"{seed}-{platform}-{number}", 3000)}, compression)
              for number in range(2)]
    return make_image(layers, platform, image_format="oci", labels={"seed": str(seed)})


def make_platform_index(seed: object) -> Index:
    return make_index([make_oci_image(seed, each) for each in (HOST_PLATFORM, OTHER_PLATFORM)], image_format="oci")


def note(text: str) -> Blob:
    return Blob.of(text.encode(), "text/plain")


def make_signature(subject: Artifact, number: int = 1, kind: str = "application/vnd.example.signature") -> Image:
    return make_artifact(kind, [note(f"signature {number}")], subject=subject, annotations={"number": str(number)})


def _one(artifact: Artifact, *more: Artifact) -> DataSet:
    return DataSet((artifact, *more), {"one": artifact, "two": artifact})


def _large() -> DataSet:
    annotations = {f"annotation-{number:03}": str(number % 10) * LARGE_VALUE for number in range(LARGE_ANNOTATIONS)}
    return _one(edit_manifest(make_oci_image("large"), annotations=annotations))


def _artifact_index() -> DataSet:
    children = [make_artifact(f"application/vnd.example.{kind}", [note(kind)]) for kind in ("chart", "model")]
    return _one(edit_manifest(make_index(children, image_format="oci"), artifactType="application/vnd.example.set"))


def _with_subject() -> DataSet:
    image = make_oci_image("subject")
    by_config = make_artifact(None, [note("by config")], config=Blob.of(b'{"a":1}', "application/vnd.example.config"),
                              subject=image)
    sbom = make_signature(image, 3, "application/vnd.example.sbom")
    return _one(image, make_signature(image, 1), make_signature(image, 2), sbom, by_config)


def _index_with_subject() -> DataSet:
    index = make_platform_index("index-subject")
    attached = edit_manifest(make_index([make_artifact("application/vnd.example.part", [note("part")])],
                                        image_format="oci", annotations={"kind": "index"}),
                             subject=index.manifest.descriptor(), artifactType="application/vnd.example.bundle")
    plain = edit_manifest(make_index([], image_format="oci"), subject=index.manifest.descriptor())
    return _one(index, attached, plain)


def _missing_subject() -> DataSet:
    signature = make_signature(make_oci_image("never pushed"))
    return DataSet((signature,), {"signature": signature})


def _data_field() -> DataSet:
    artifact = make_artifact("application/vnd.example.data", [EMPTY])
    document = json.loads(artifact.manifest.read())
    for descriptor in (document["config"], *document["layers"]):
        descriptor["data"] = "e30="
    return _one(edit_manifest(artifact, **document))


def _non_distributable() -> DataSet:
    image = make_oci_image("foreign")
    document = json.loads(image.manifest.read())
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        layer["urls"] = [f"https://store.example.com/blobs/{layer['digest']}"]
    image = edit_manifest(image, layers=document["layers"])
    return _one(dataclasses.replace(image, blobs=image.blobs[:1]))


def _custom_fields() -> DataSet:
    image = make_oci_image("custom")
    document = json.loads(image.manifest.read())
    document["config"]["org.example.more"] = {"nested": [1, "two", None]}
    return _one(edit_manifest(image, config=document["config"], **{"org.example.own": "field"}))


def _sparse() -> DataSet:
    index = make_platform_index("sparse")
    return _one(dataclasses.replace(index, manifests=index.manifests[:1]))


def _sha512() -> DataSet:
    index = readdress(make_platform_index("sha512"), "sha512")
    signature = readdress(make_signature(index), "sha512")
    return DataSet((index, signature), {"one": index}, "sha512")


DATA_SETS: dict[str, Callable[[], DataSet]] = {
    "image": lambda: _one(make_oci_image("image")),
    "image-uncompressed": lambda: _one(make_oci_image("uncompressed", compression="none")),
    "large-manifest": _large,
    "index": lambda: _one(make_platform_index("index")),
    "nested-index": lambda: _one(make_index([make_platform_index("nested"), make_oci_image("beside")],
                                            image_format="oci")),
    "empty-index": lambda: _one(make_index([], image_format="oci")),
    "artifact": lambda: _one(make_artifact("application/vnd.example.thing", [note("one"), note("two")])),
    "artifact-index": _artifact_index,
    "artifact-without-layers": lambda: _one(make_artifact("application/vnd.example.bare", [])),
    "artifacts-with-subject": _with_subject,
    "index-with-subject": _index_with_subject,
    "missing-subject": _missing_subject,
    "data-field": _data_field,
    "non-distributable-layers": _non_distributable,
    "custom-fields": _custom_fields,
    "no-layers": lambda: _one(image_from_blobs([make_oci_image("no layers").config], image_format="oci")),
    "sparse": _sparse,
    "sha512": _sha512,
    # Beyond the suite: what Docker itself pushes.
    "schema2": lambda: _one(make_small_image("schema2", layer_bytes=3000)),
    "docker-list": lambda: _one(make_index([make_small_image(each, layer_bytes=3000) for each in "ab"])),
}
