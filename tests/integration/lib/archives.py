# SPDX-License-Identifier: Apache-2.0
"""Archives of images as the tools write them, made from the images of image_maker."""
from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Union

from image_maker import Artifact, Blob, Image, all_blobs, all_manifests

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class Link(str):
    """A symbolic link to that target."""


class HardLink(str):
    """A hard link to that member."""


Members = Iterable[tuple[str, Union[bytes, Link, HardLink, None]]]


def make_archive(members: Members) -> bytes:
    """A tar in the order given; None makes a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, Link):
                info.type, info.linkname = tarfile.SYMTYPE, str(content)
            elif isinstance(content, HardLink):
                info.type, info.linkname = tarfile.LNKTYPE, str(content)
            elif content is None:
                info.type = tarfile.DIRTYPE
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def compress(data: bytes, compression: str) -> bytes:
    if compression == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return {"none": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[compression](data)


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plain_layers(image: Image) -> list[bytes]:
    """The uncompressed tars of gzip layers."""
    return [gzip.decompress(layer.read()) for layer in image.layers]


def docker_manifest(config: str, layers: Sequence[str], tags: Sequence[str] | None) -> bytes:
    return json.dumps([{"Config": config, "RepoTags": tags, "Layers": list(layers)}]).encode()


def skopeo_archive(image: Image, *tags: str) -> bytes:
    """As containers/image writes docker-archive: plain layers, links for old readers, manifest.json last."""
    members: list = []
    names = []
    for layer in plain_layers(image):
        digest = hex_of(layer)
        names.append(f"{digest}.tar")
        legacy = hex_of(digest.encode())
        members += [(f"{digest}.tar", layer), (f"{legacy}/VERSION", b"1.0"),
                    (f"{legacy}/layer.tar", Link(f"../{digest}.tar")), (f"{legacy}/json", b"{}")]
    config = f"{image.config.digest[7:]}.json"
    members += [(config, image.config.read()), ("repositories", b"{}"),
                ("manifest.json", docker_manifest(config, names, tags or None))]
    return make_archive(members)


def old_docker_archive(image: Image, *tags: str, reverse: bool = False) -> bytes:
    """As docker save wrote it up to version 24: a folder for each layer."""
    members: list = []
    names = []
    for number, layer in enumerate(plain_layers(image)):
        folder = hex_of(f"{number}".encode() + layer)
        names.append(f"{folder}/layer.tar")
        members += [(folder + "/", None), (f"{folder}/VERSION", b"1.0"), (f"{folder}/json", b"{}"),
                    (f"{folder}/layer.tar", layer)]
    config = f"{image.config.digest[7:]}.json"
    repositories = {tag.rpartition(":")[0]: {tag.rpartition(":")[2]: names[-1].split("/")[0]} for tag in tags}
    members += [(config, image.config.read()), ("manifest.json", docker_manifest(config, names, tags or None)),
                ("repositories", json.dumps(repositories).encode())]
    return make_archive(reversed(members) if reverse else members)


def ggcr_archive(image: Image, *tags: str) -> bytes:
    """As go-containerregistry writes it: compressed layers, a colon in the config's name."""
    names = [f"{layer.digest[7:]}.tar.gz" for layer in image.layers]
    members = [(image.config.digest, image.config.read()),
               *zip(names, (layer.read() for layer in image.layers)),
               ("manifest.json", docker_manifest(image.config.digest, names, tags or None))]
    return make_archive(members)


def blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def layout_members(artifacts: Mapping[str | None, Artifact] | Sequence[tuple[str | None, Artifact]],
                   leave_out: Iterable[str] = (), annotation: str = "io.containerd.image.name") -> list:
    """As [S] writes it; `leave_out` are digests of blobs that are not there."""
    pairs = list(artifacts.items()) if isinstance(artifacts, Mapping) else list(artifacts)
    blobs: dict[str, bytes] = {}
    entries = []
    for name, artifact in pairs:
        entries.append(artifact.manifest.descriptor(**({"annotations": {annotation: name}} if name else {})))
        for manifest in all_manifests(artifact):
            blobs[manifest.manifest.digest] = manifest.manifest.read()
        for blob in all_blobs(artifact):
            blobs[blob.digest] = blob.read()
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    kept = [(blob_name(digest), data) for digest, data in sorted(blobs.items()) if digest not in set(leave_out)]
    return [("blobs/", None), ("blobs/sha256/", None), *kept, ("index.json", json.dumps(index).encode()),
            ("oci-layout", LAYOUT)]


def layout_archive(artifacts: Mapping[str | None, Artifact] | Sequence[tuple[str | None, Artifact]],
                   **more: object) -> bytes:
    return make_archive(layout_members(artifacts, **more))
