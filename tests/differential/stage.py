# SPDX-License-Identifier: Apache-2.0
"""Registries, images and archives that both engines are shown, and the replay of the script on them."""
from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from image_maker import Image, Index, make_image, make_layer
from lib.api import Api, encode_auth
from lib.archives import compress, make_archive
from lib.engine_archives import docker_archive, docker_members
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.process import find_free_port
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image
from lib.search_index import SearchIndex
from normalise import Names, compare, normalise
from script import STEPS, Step

FOREIGN_PLATFORM = "linux/s390x"
OTHER_PLATFORM = "linux/arm64/v8"


@dataclasses.dataclass(frozen=True)
class Registries:
    open: DockerRegistry
    private: DockerRegistry  # wants a password
    token: DockerRegistry
    index: SearchIndex


@dataclasses.dataclass(frozen=True)
class Difference:
    step: str
    path: str  # dotted, in the normalised answer
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.step} {self.path}: {json.dumps(self.theirs)} | {json.dumps(self.ours)}"


class Engine:
    """One of the two: `id_kind` says what the ID of an image is, its config's digest or its manifest's."""

    def __init__(self, name: str, api: Api, id_kind: str):
        self.name = name
        self.api = api
        self.id_kind = id_kind
        self.names = Names()

    def id_of(self, artifact: Image | Index, platform: str = HOST_PLATFORM) -> str:
        image = artifact.image_for(platform) if isinstance(artifact, Index) else artifact
        return artifact.digest if self.id_kind == "manifest" else image.config.digest


def make_images() -> dict[str, Image | Index]:
    # What is older comes first, for `before` and `since`.
    images: dict[str, Image | Index] = {}
    for number, name in enumerate(("small", "many-a", "many-b", "oci")):
        images[name] = make_small_image(name, created=f"20{20 + number}-01-01T00:00:00Z",
                                        image_format="oci" if name == "oci" else "docker")
    images["app"] = make_platforms("differential")
    images["other"] = make_platforms("differential other")
    images["foreign"] = make_image([make_layer({"foreign": "1"})], FOREIGN_PLATFORM)
    return images


class Stage:
    def __init__(self, registries: Registries):
        self._registries = registries
        self._images = make_images()
        for name in ("small", "app", "oci", "other", "foreign"):
            registries.open.add(self._images[name], f"diff/{name}", "1")
        for registry in (registries.private, registries.token):
            registry.add(self._images["small"], "diff/small", "1")
        registries.open.add(self._images["many-a"], "diff/many", "a")
        registries.open.add(self._images["many-b"], "diff/many", "b")
        for stars, name in ((9, "app"), (3, "my/app"), (0, "other")):
            registries.index.add(name, stars, is_official="/" not in name)
        self._closed = f"127.0.0.1:{find_free_port()}"
        self._bodies = {**make_archives(), **self._logins()}

    def replay(self, theirs: Engine, ours: Engine) -> Iterator[Difference]:
        for engine in (theirs, ours):
            self._name_content(engine)
        for step in STEPS:
            left, right = (self._play(step, engine) for engine in (theirs, ours))
            for path, their_value, our_value in compare(left, right):
                yield Difference(step.name, path, their_value, our_value)

    def _play(self, step: Step, engine: Engine) -> dict:
        values = self._values(engine)
        fill = lambda text: _fill(text, values)  # noqa: E731
        body = self._bodies[step.body] if isinstance(step.body, str) else step.body
        answer = engine.api.request(step.method, fill(step.path), [(key, fill(value)) for key, value in step.query],
                                    {key: fill(value) for key, value in step.headers.items()}, body)
        for image, name in step.learn.items():
            shown = engine.api.get(f"/images/{image}/json")
            if shown.status == 200:
                engine.names.add(shown.json()["Id"], f"config {name}")
        return normalise(answer, step.kind, engine.names, self._scrub(engine))

    def _values(self, engine: Engine) -> dict[str, str]:
        values = {
            "registry": self._registries.open.host, "registry-url": self._registries.open.url,
            "private": self._registries.private.host, "token": self._registries.token.host,
            "index": self._registries.index.host, "closed": self._closed, "now": f"{time.time():.9f}",
            "own": f"{self._registries.open.host}/{engine.name}/own",
            "own-private": f"{self._registries.private.host}/{engine.name}/own",
            "auth:none": encode_auth({}), "auth:right": encode_auth({"username": USER, "password": PASSWORD}),
            "auth:wrong": encode_auth({"username": USER, "password": "wrong"}),
        }
        for name, artifact in self._images.items():
            own_id = engine.id_of(artifact, FOREIGN_PLATFORM if name == "foreign" else HOST_PLATFORM)
            values |= {f"manifest:{name}": artifact.digest, f"id:{name}": own_id, f"digits:{name}": own_id[7:],
                       f"short:{name}": own_id[7:19]}
        return values

    def _scrub(self, engine: Engine) -> Mapping[str, str]:
        hosts = {"registry": self._registries.open, "private": self._registries.private,
                 "token": self._registries.token, "index": self._registries.index}
        return {**{registry.host: f"<{name}>" for name, registry in hosts.items()}, self._closed: "<closed>",
                f">/{engine.name}/own": ">/<engine>/own"}

    def _name_content(self, engine: Engine) -> None:
        for name, artifact in self._images.items():
            engine.names.add(artifact.digest, f"manifest {name}")
            platform = OTHER_PLATFORM if name == "other" else HOST_PLATFORM
            image = artifact.image_for(platform) if isinstance(artifact, Index) else artifact
            engine.names.add(image.digest, f"manifest {name} {platform}")
            engine.names.add(image.config.digest, f"config {name}")
            diff_ids = json.loads(image.config.read())["rootfs"]["diff_ids"]
            for number, (layer, diff_id) in enumerate(zip(image.layers, diff_ids)):
                short = f"layer {name} {number}"  # lines of progress have the one or the other
                engine.names.add(layer.digest, f"blob {name} {number}", short)
                engine.names.add(diff_id, f"diff {name} {number}", short)

    def _logins(self) -> dict[str, bytes]:
        def body(host: str, user: str = "", password: str = "") -> bytes:
            return json.dumps({"username": user, "password": password, "serveraddress": host}).encode()

        hosts = self._registries
        return {"login:open": body(hosts.open.host), "login:basic": body(hosts.private.host, USER, PASSWORD),
                "login:basic-wrong": body(hosts.private.host, USER, "wrong"),
                "login:token": body(hosts.token.host, USER, PASSWORD),
                "login:token-wrong": body(hosts.token.host, USER, "wrong"),
                "login:closed": body(self._closed, "a", "b")}


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def make_archives() -> dict[str, bytes]:
    """Archives of images that no registry has; `rootfs` is a plain tar."""
    one, two, three, fresh = (make_small_image(f"archived {number}") for number in range(1, 5))
    return {
        "archive": docker_archive((one, ["loaded:1"])),
        "archive-two": docker_archive((two, ["loaded:2"]), (three, ["loaded:3"])),
        "archive-gzip": compress(docker_archive((one, ["loaded:gzip"])), "gzip"),
        "archive-moved": docker_archive((two, ["loaded:1"])),
        "archive-nameless": docker_archive((three, [])),
        "archive-bad-tag": break_archive(one, tags=["BAD:1"]),
        "archive-stored-layer": break_archive(one, without_layer=1),  # its content is there by then
        "archive-missing-layer": break_archive(fresh, without_layer=1),
        "archive-wrong-layer": break_archive(fresh, layers=(1, 0)),
        "archive-too-few-layers": break_archive(fresh, layers=(0,)),
        "rootfs": make_archive([("etc/", None), ("etc/name", b"imported")]),
    }


def break_archive(image: Image, tags: Sequence[str] = ("broken:1",), layers: Sequence[int] = (0, 1),
                  without_layer: int | None = None) -> bytes:
    """manifest.json names the layers of these numbers; the file of one may be missing."""
    members = docker_members((image, tags))
    manifest = json.loads(members[-1][1])
    names = manifest[0]["Layers"]
    manifest[0]["Layers"] = [names[number] for number in layers]
    missing = None if without_layer is None else names[without_layer]
    return make_archive([*(member for member in members[:-1] if member[0] != missing),
                         ("manifest.json", json.dumps(manifest).encode())])
