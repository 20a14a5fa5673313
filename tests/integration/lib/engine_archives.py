# SPDX-License-Identifier: Apache-2.0
"""Archives as the Engine API takes and gives them: several images in one, and a reader for what `docker save` sends."""
from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence

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
    """What a save answered, read with Python's own tarfile; tarfile.ReadError when it is not a whole archive."""

    def __init__(self, data: bytes):
        self.members: dict[str, tarfile.TarInfo] = {}
        self.content: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                assert member.name not in self.members, f"{member.name} twice"
                self.members[member.name] = member
                if member.isfile():
                    self.content[member.name] = tar.extractfile(member).read()

    def blob(self, digest: str) -> bytes:
        return self.content["blobs/" + digest.replace(":", "/")]

    @property
    def index(self) -> dict:
        return json.loads(self.content["index.json"])

    @property
    def entries(self) -> list[dict]:
        """The descriptors of index.json."""
        return self.index["manifests"] or []

    @property
    def items(self) -> list[dict]:
        """The images of manifest.json."""
        return json.loads(self.content["manifest.json"])

    @property
    def digests(self) -> set[str]:
        """Of its blobs, each hashed."""
        found = set()
        for name, data in self.content.items():
            if name.startswith("blobs/sha256/"):
                assert image_maker.sha256(data) == "sha256:" + name.removeprefix("blobs/sha256/")
                found.add(image_maker.sha256(data))
        return found


def load(api: Api, archive: bytes, version: str = "", **query: object) -> Answer:
    answer = api.post(f"{version}/images/load", query, {"Content-Type": "application/x-tar"}, archive)
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    return answer


def streams(answer: Answer) -> list[str]:
    """What was loaded, as the answer says it."""
    assert answer.error is None, answer.error
    return [record["stream"] for record in answer.records if "stream" in record]


def load_well(api: Api, archive: bytes, version: str = "", **query: object) -> list[str]:
    """What was loaded, without the line ends."""
    return [line.removesuffix("\n") for line in streams(load(api, archive, version, **query))]


def save(api: Api, *names: str, version: str = "", **query: object) -> Archive:
    answer = api.get(f"{version}/images/get", [*(("names", name) for name in names), *query.items()])
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    return Archive(answer.body)
