# SPDX-License-Identifier: Apache-2.0
"""Archives as the Engine API takes and gives them: several images in one, and a reader for what `docker save` sends."""
from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from typing import Union

import image_maker
from image_maker import Artifact, Image
from lib.api import Answer, Api
from lib.archives import layout_archive, make_archive

NamedImage = tuple[Image, Sequence[str]]


def docker_members(*images: NamedImage) -> list[tuple[str, bytes]]:
    """`<config>.json` and `<layer>/layer.tar` as the images have them, each once; manifest.json comes last."""
    members: dict[str, bytes] = {}
    for image, _ in images:
        members[_config_name(image)] = image.config.read()
        members |= {_layer_name(layer): layer.read() for layer in image.layers}
    manifest = [{"Config": _config_name(image), "RepoTags": list(names) or None,
                 "Layers": [_layer_name(layer) for layer in image.layers]} for image, names in images]
    return [*members.items(), ("manifest.json", json.dumps(manifest).encode())]


def docker_archive(*images: NamedImage) -> bytes:
    return make_archive(docker_members(*images))


def oci_archive(artifact: Artifact, name: str | None, leave_out: Iterable[str] = ()) -> bytes:
    return layout_archive([(name, artifact)], leave_out=leave_out)


def _config_name(image: Image) -> str:
    return image.config.digest.removeprefix("sha256:") + ".json"


def _layer_name(layer: image_maker.Blob) -> str:
    return layer.digest.removeprefix("sha256:") + "/layer.tar"


class Archive:
    """tarfile.ReadError when the bytes are not a whole archive."""

    def __init__(self, data: bytes):
        self._tar = tarfile.open(fileobj=io.BytesIO(data), mode="r:")
        self.names = self._tar.getnames()

    def read(self, name: str) -> bytes:
        file = self._tar.extractfile(name)
        assert file is not None, f"{name} is not a file"
        return file.read()

    def json(self, name: str) -> Union[dict, list]:
        return json.loads(self.read(name))

    def blob(self, digest: str) -> bytes:
        return self.read("blobs/" + digest.replace(":", "/"))

    @property
    def entries(self) -> list[dict]:
        """The descriptors of index.json."""
        return self.json("index.json")["manifests"] or []

    @property
    def items(self) -> list[dict]:
        """The images of manifest.json."""
        return self.json("manifest.json")


def load(api: Api, archive: bytes, query: dict | None = None, version: str = "") -> Answer:
    return api.post(f"{version}/images/load", query, {"Content-Type": "application/x-tar"}, archive)


def load_well(api: Api, archive: bytes, query: dict | None = None, version: str = "") -> list[str]:
    """What was loaded, as the lines of the answer say it without their line ends."""
    answer = load(api, archive, query, version)
    assert (answer.status, answer.error) == (200, None), answer.body
    return [record["stream"].removesuffix("\n") for record in answer.records if "stream" in record]


def save(api: Api, *names: str, version: str = "", **query: str) -> Archive:
    answer = api.get(f"{version}/images/get", [*(("names", name) for name in names), *query.items()])
    assert answer.status == 200, answer.body
    return Archive(answer.body)
