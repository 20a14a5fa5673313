# SPDX-License-Identifier: Apache-2.0
"""Looking at images of schema 1: what is shown of them, and what is refused."""
from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from image_maker import make_layer
from lib.api import Api
from lib.daemon import Daemon
from lib.fault_registry import FaultRegistry, Reply
from lib.remote import ask, ask_well
from lib.samples import random_bytes
from lib.schema1 import (SIGNED, UNSIGNED, Schema1Image, encode, image_id, make_chain, make_schema1, sign,
                         with_signatures)

LAYERS = [make_layer({f"file{number}": random_bytes(f"old-{number}", 3000)}) for number in range(3)]
# Docker's words, of whatever is named.
NO_LEGACY = (r"Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed\. Suggest"
             r" the author of \S+/team/app\S* to upgrade the image to the OCI Format or Docker Image manifest v2, schema"
             r" 2\. More information at https://docs\.docker\.com/go/deprecated-image-specs/")


def describe(api: Api, name: str) -> tuple[dict, dict]:
    distribution = api.get(f"/distribution/{name}/json")
    assert distribution.status == 200, distribution.body
    return distribution.json(), ask_well(api, name, "inspect")


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("media_type", [None, "application/json", "application/json; charset=utf-8", "text/plain"])
@pytest.mark.parametrize("signatures", [0, 1, 2])
def test_schema_1(api: Api, fault_registry: FaultRegistry, signatures: int, media_type: str | None, by: str) -> None:
    image = make_schema1([LAYERS[0], None, LAYERS[1], None], signatures=signatures, media_type=media_type,
                         labels={"a": "b"}, env=["A=b"])
    name = fault_registry.add(image, "team/app", "1").rpartition(":")[0]
    distribution, shown = describe(api, f"{name}:1" if by == "tag" else f"{name}@{image.digest}")
    kind = SIGNED if signatures else UNSIGNED
    assert distribution == {
        "Descriptor": {"mediaType": kind, "digest": image.digest, "size": image.manifest.size},
        "Platforms": [{"architecture": "amd64", "os": "linux"}]}
    assert (shown["Digest"], shown["MediaType"], shown["ManifestDigest"]) == (image.digest, kind, image.digest)
    assert [layer["Digest"] for layer in shown["Layers"]] == [layer.digest for layer in LAYERS[:2]]
    assert {layer["Size"] for layer in shown["Layers"]} == {-1}
    assert (shown["Architecture"], shown["Os"], shown["DockerVersion"], shown["Author"]) == (
        "amd64", "linux", "1.9.1", "schema1")
    assert (shown["Labels"], shown["Env"], shown["Config"]["Cmd"]) == ({"a": "b"}, ["A=b"], ["/bin/sh"])
    assert shown["Created"] == "2024-05-06T07:08:09Z"
    assert [entry["EmptyLayer"] for entry in shown["History"]] == [False, True, False, True]
    assert [request for request in fault_registry.requests if "/blobs/" in request.path] == [], "it has no config"


def test_schema_1_repeats_of_one_id_are_one(api: Api, fault_registry: FaultRegistry) -> None:
    chain = make_chain(LAYERS[:2])
    image = make_schema1([LAYERS[0], LAYERS[1], LAYERS[1]], chain=[chain[0], chain[1], chain[1]])
    _, shown = describe(api, fault_registry.add(image, "team/app", "1"))
    assert [layer["Digest"] for layer in shown["Layers"]] == [layer.digest for layer in LAYERS[:2]]


def change(number: int, **members: object) -> Callable[[dict], None]:
    """Of the row with that number in a manifest."""
    def edit(document: dict) -> None:
        row = json.loads(document["history"][number]["v1Compatibility"])
        document["history"][number]["v1Compatibility"] = json.dumps({**row, **members})
    return edit


def set_row(number: int, text: str) -> Callable[[dict], None]:
    return lambda document: document["history"][number].update(v1Compatibility=text)


IDS = [image_id(number) for number in range(3)]
WRONG: dict[str, tuple[Schema1Image, str]] = {
    "fewer rows": (make_schema1(LAYERS, edit=lambda document: document["history"].pop()),
                   "length of history not equal to number of layers for team/app"),
    "fewer layers": (make_schema1(LAYERS, edit=lambda document: document["fsLayers"].pop()),
                     "length of history not equal to number of layers for team/app"),
    "no layers": (make_schema1([]), "no FSLayers in manifest for team/app"),
    "a base with a parent": (make_schema1(LAYERS, edit=change(-1, parent=IDS[0])),
                             "Invalid parent ID in the base layer of the image."),
    "an ID again": (make_schema1(LAYERS, edit=change(0, id=IDS[0])),
                    f"ID {IDS[0]} appears multiple times in manifest"),
    "another parent": (make_schema1(LAYERS, edit=change(0, parent=IDS[0])),
                       f"Invalid parent ID. Expected {IDS[1]}, got {IDS[0]}."),
    "no parent": (make_schema1(LAYERS, edit=change(0, parent="")), f"Invalid parent ID. Expected {IDS[1]}, got ."),
    "an ID that is none": (make_schema1(LAYERS, edit=change(0, id="latest")), ""),
    "no ID": (make_schema1(LAYERS, edit=change(0, id=None)), ""),
    "a row that is no JSON": (make_schema1(LAYERS, edit=set_row(0, "{")), ""),
    "a row that is no object": (make_schema1(LAYERS, edit=set_row(0, "[]")), ""),
    "a layer that is no digest": (
        make_schema1(LAYERS, edit=lambda document: document["fsLayers"][0].update(blobSum="x")), ""),
    "another version": (make_schema1(LAYERS, edit=lambda document: document.update(schemaVersion=3)), ""),
    "members of another kind": (make_schema1(LAYERS, edit=lambda document: document.update(manifests=[])), ""),
}


@pytest.mark.parametrize("kind", WRONG)
def test_schema_1_that_is_wrong(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    image, text = WRONG[kind]
    name = fault_registry.add(image, "team/app", "1")
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), api.pull(name)):
        assert (answer.status, text in answer.message) == (400, True), answer.body


def with_other_signatures(**claims: object) -> bytes:
    return sign(make_schema1(LAYERS).payload, 2, [claims])


SIGNATURES = {
    "an end behind the body": with_other_signatures(formatLength=1 << 40),
    "an end before the body": with_other_signatures(formatLength=-1),
    "no end": with_other_signatures(formatLength=None),
    "an end that is no number": with_other_signatures(formatLength="12"),
    "a tail that is no base64": with_other_signatures(formatTail="***"),
    "no tail": with_other_signatures(formatTail=None),
    "ends that differ": with_other_signatures(formatLength=10),
    "tails that differ": with_other_signatures(formatTail=encode(b" }")),
    "none": with_signatures(make_schema1(LAYERS).payload, []),
    "no list": with_signatures(make_schema1(LAYERS).payload, {"protected": "e30"}),
    "nothing protected": with_signatures(make_schema1(LAYERS).payload, [{"signature": "x"}]),
    "something else protected": with_signatures(make_schema1(LAYERS).payload, [{"protected": encode(b"[1]")}]),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_schema_1_signatures_that_are_none(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    image = make_schema1(LAYERS)
    name = fault_registry.add(image, "team/app", "1")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(body=SIGNATURES[kind]))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect")):
        assert answer.status in (400, 500), answer.body
    assert api.pull(name).status in (400, 500)
    assert api.get("/images/json").json() == []


@pytest.mark.parametrize("signatures", [0, 1])
def test_schema_1_may_be_refused(make_daemon: Callable[..., Daemon], fault_registry: FaultRegistry,
                                 signatures: int) -> None:
    daemon = make_daemon(arguments=("--no-legacy",)).start()
    image = make_schema1(LAYERS, signatures=signatures)
    name = fault_registry.add(image, "team/app", "1")
    for reference in (name, f"{name.rpartition(':')[0]}@{image.digest}"):
        for answer in (daemon.api.get(f"/distribution/{reference}/json"), ask(daemon.api, reference, "inspect"),
                       ask(daemon.api, reference, "plan"), daemon.api.pull(reference)):
            assert answer.status == 400, answer.body
            assert re.fullmatch(NO_LEGACY, answer.message), answer.message
    daemon.stop()


@pytest.mark.parametrize("path", ["/distribution/{}/json", "/lighter/v1/remote/{}/inspect"])
@pytest.mark.parametrize("signatures", [0, 1])
def test_another_schema_1_image_than_the_digest_says(api: Api, fault_registry: FaultRegistry, path: str,
                                                     signatures: int) -> None:
    image, other = (make_schema1(LAYERS[:count], signatures=signatures) for count in (1, 2))
    name = fault_registry.add(image, "team/app", "1").rpartition(":")[0]
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(body=other.manifest.read()))
    for reference in (f"{name}@{image.digest}", f"{name}:1"):
        answer = api.get(path.format(reference))
        assert (answer.status, answer.message) == (500, f"image verification failed for digest {image.digest}")
