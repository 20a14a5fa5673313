# SPDX-License-Identifier: Apache-2.0
"""Looking at images of schema 1: what is shown of them, and what is refused."""
from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable

import pytest

from image_maker import Image, make_layer, sha256
from lib.api import Api
from lib.daemon import Daemon
from lib.fault_registry import FaultRegistry, Reply
from lib.remote import ask, ask_well
from lib.samples import make_small_image, random_bytes
from lib.schema1 import (SIGNED, UNSIGNED, Schema1Image, encode, image_id, make_chain, make_schema1, sign,
                         with_signatures)
from lib.store import list_files

LAYERS = [make_layer({f"file{number}": random_bytes(f"old-{number}", 3000)}) for number in range(3)]
SMALL = make_small_image("beside-schema-1")
# Docker's words, of whatever is named.
NO_LEGACY = (r"Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed\. Suggest"
             r" the author of \S+/team/app\S* to upgrade the image to the OCI Format or Docker Image manifest v2,"
             r" schema 2\. More information at https://docs\.docker\.com/go/deprecated-image-specs/")


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
    "an ID that is none": (make_schema1(LAYERS, edit=change(0, id="latest")),
                           'history[0]: image ID "latest" is invalid'),
    "no ID": (make_schema1(LAYERS, edit=change(0, id=None)), 'history[0]: image ID "" is invalid'),
    "a row that is no JSON": (make_schema1(LAYERS, edit=set_row(0, "{")), "history[0]: v1Compatibility: syntax error"),
    "a row that is no object": (make_schema1(LAYERS, edit=set_row(0, "[]")), "history[0]: expected an object"),
    "a layer that is no digest": (
        make_schema1(LAYERS, edit=lambda document: document["fsLayers"][0].update(blobSum="x")),
        "history[0]: invalid checksum digest format"),
    "another version": (make_schema1(LAYERS, edit=lambda document: document.update(schemaVersion=3)),
                        "unrecognized Docker image manifest schema 3"),
    "members of another kind": (make_schema1(LAYERS, edit=lambda document: document.update(manifests=[])),
                                'schema 1 manifest has "manifests"'),
}


@pytest.mark.parametrize("kind", WRONG)
def test_schema_1_that_is_wrong(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    image, text = WRONG[kind]
    name = fault_registry.add(image, "team/app", "1")
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), api.pull(name)):
        assert (answer.status, text in answer.message) == (400, True), answer.body


PAYLOAD = make_schema1(LAYERS).payload


def claim(**claims: object) -> bytes:
    """Two signatures that agree."""
    return sign(PAYLOAD, 2, [claims, claims])


# One more than the body has; and all of it.
TOO_LONG = len(claim(formatLength=1000)) + 1
assert len(claim(formatLength=TOO_LONG)) == TOO_LONG - 1
ALL_OF_IT = len(claim(formatLength=1000, formatTail=""))
DISAGREEMENT = "the signatures are not of the same payload"
SIGNATURES: dict[str, tuple[bytes, str]] = {
    "an end far behind the body": (claim(formatLength=1 << 40), f'"formatLength" is {1 << 40}, and the manifest has '),
    "an end just behind the body": (claim(formatLength=TOO_LONG),
                                    f'"formatLength" is {TOO_LONG}, and the manifest has {TOO_LONG - 1} bytes'),
    "an end with the body": (claim(formatLength=ALL_OF_IT, formatTail=""), "has signatures in what was signed"),
    "an end before the body": (claim(formatLength=-1), '"formatLength" is negative'),
    "an end that no number can hold": (claim(formatLength=1 << 64), '"formatLength" must be an integer'),
    "no end": (claim(formatLength=None), '"formatLength" is missing'),
    "an end that is no number": (claim(formatLength="12"), '"formatLength" must be an integer'),
    "a tail that is no base64": (claim(formatTail="***"), '"formatTail" is not base64url'),
    "no tail": (claim(formatTail=None), '"formatTail" is missing'),
    "ends that differ": (sign(PAYLOAD, 2, [{"formatLength": 10}]), DISAGREEMENT),
    "tails that differ": (sign(PAYLOAD, 2, [{"formatTail": encode(b" }")}]), DISAGREEMENT),
    "none": (with_signatures(PAYLOAD, []), "no signatures"),
    "no list": (with_signatures(PAYLOAD, {"protected": "e30"}), '"signatures" must be an array'),
    "nothing protected": (with_signatures(PAYLOAD, [{"signature": "x"}]), '"protected" is missing'),
    "something else protected": (with_signatures(PAYLOAD, [{"protected": encode(b"[1]")}]), "expected an object"),
    "protected that is no base64": (with_signatures(PAYLOAD, [{"protected": "{}"}]), '"protected" is not base64url'),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_schema_1_signatures_that_are_none(api: Api, daemon: Daemon, fault_registry: FaultRegistry, kind: str) -> None:
    """No digest is claimed: nothing else would refuse it."""
    body, text = SIGNATURES[kind]
    name = fault_registry.add(make_schema1(LAYERS), "team/app", "1")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=200, body=body, headers={
        "Content-Type": SIGNED, "Docker-Content-Digest": ""}))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), ask(api, name, "plan"),
                   api.pull(name)):
        assert (answer.status, text in answer.message) == (400, True), answer.body
    assert api.get("/images/json").json() == [] and list_files(daemon.data_root) == {}


def test_schema_1_a_payload_that_is_cut_out_elsewhere(api: Api, fault_registry: FaultRegistry) -> None:
    """Where the signatures agree on another payload it is that which is read, and has the digest."""
    other = make_schema1(LAYERS[:1], labels={"which": "tail"}).payload
    body = sign(PAYLOAD, 2, [{"formatLength": 0, "formatTail": encode(other)}] * 2)
    name = fault_registry.add(make_schema1(LAYERS), "team/app", "1")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=200, body=body, headers={
        "Content-Type": SIGNED, "Docker-Content-Digest": ""}))
    distribution, shown = describe(api, name)
    assert distribution["Descriptor"]["digest"] == shown["Digest"] == sha256(other)
    assert (shown["Labels"], len(shown["Layers"])) == ({"which": "tail"}, 1)


# ---- what the answers say of themselves -----------------------------------------------------------------------------

OTHER_TYPES = ["application/vnd.docker.distribution.manifest.v2+json",
               "application/vnd.docker.distribution.manifest.list.v2+json",
               "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"]


@pytest.mark.parametrize("media_type", OTHER_TYPES)
def test_schema_1_under_another_type(api: Api, fault_registry: FaultRegistry, media_type: str) -> None:
    image = make_schema1(LAYERS, media_type=media_type)
    name = fault_registry.add(image, "team/app", "1")
    # With the digest of a payload, which no other type has.
    text = f"manifest verification failed for digest {image.digest}"
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), api.pull(name)):
        assert (answer.status, answer.message) == (500, text)
    body = image.manifest.read()
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=200, body=body, headers={
        "Content-Type": media_type, "Docker-Content-Digest": sha256(body)}))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), api.pull(name)):
        assert (answer.status, answer.message) == (400, f"media-type: schema 1 not supported ({media_type})")


@pytest.mark.parametrize("members, media_type", [
    *(([], media_type) for media_type in ("application/json", "text/plain", SIGNED, UNSIGNED, *OTHER_TYPES)),
    *((["config", "layers"], media_type) for media_type in ("application/json", *OTHER_TYPES)),
    *((["manifests"], media_type) for media_type in ("application/json", *OTHER_TYPES)),
    *((["fsLayers", "history"], media_type) for media_type in ("application/json", SIGNED, UNSIGNED))])
def test_a_schema_that_nobody_knows(api: Api, daemon: Daemon, fault_registry: FaultRegistry, media_type: str,
                                    members: list[str]) -> None:
    document = {"schemaVersion": 3, "name": "team/app", **{
        key: {} if key == "config" else [] for key in members}}
    body = json.dumps(document).encode()
    name = fault_registry.add(SMALL, "team/app", "1").rpartition(":")[0]
    for reference in (":1", f"@{sha256(body)}"):
        fault_registry.on("GET|HEAD", f"manifests/{reference[1:]}", Reply(status=200, body=body, headers={
            "Content-Type": media_type, "Docker-Content-Digest": sha256(body)}))
        for answer in (api.get(f"/distribution/{name}{reference}/json"), ask(api, name + reference, "inspect")):
            assert (answer.status, answer.message) == (400, "unrecognized Docker image manifest schema 3")
    assert list_files(daemon.data_root) == {}


@pytest.mark.parametrize("kind", [SIGNED, UNSIGNED])
def test_schema_2_as_schema_1(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(headers={"Content-Type": kind}))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), api.pull(name)):
        assert (answer.status, answer.message) == (400, 'schema 1 manifest has "config"')


IMAGES: dict[str, Schema1Image | Image] = {"schema 1": make_schema1(LAYERS), "schema 2": SMALL}


@pytest.mark.parametrize("kind", IMAGES)
def test_a_head_with_the_type_of_the_other(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    """What counts is the body."""
    image = IMAGES[kind]
    name = fault_registry.add(image, "team/app", "1")
    fault_registry.on("HEAD", "manifests/.*", Reply(headers={"Content-Type": other_than(kind).manifest.media_type}))
    distribution, shown = describe(api, name)
    assert distribution["Descriptor"]["mediaType"] == shown["MediaType"] == image.manifest.media_type
    assert ask_well(api, name, "plan")["Digest"] == image.digest
    assert f"Digest: {image.digest}" in api.pull_well(name).statuses


def other_than(kind: str) -> Schema1Image | Image:
    return next(image for name, image in IMAGES.items() if name != kind)


@pytest.mark.parametrize("kind, what", [("schema 1", "image"), ("schema 2", "manifest")])
def test_a_head_with_the_digest_of_the_other(api: Api, daemon: Daemon, fault_registry: FaultRegistry, kind: str,
                                             what: str) -> None:
    """Who asks for the head first is not given something else by that digest."""
    image, other = IMAGES[kind], other_than(kind)
    name = fault_registry.add(image, "team/app", "1")
    fault_registry.on("HEAD", "manifests/1", Reply(headers={
        "Content-Type": other.manifest.media_type, "Docker-Content-Digest": other.digest}))
    fault_registry.on("GET", f"manifests/{other.digest}", Reply(status=200, body=image.manifest.read(), headers={
        "Content-Type": image.manifest.media_type}))
    text = f"{what} verification failed for digest {other.digest}"
    for answer in (ask(api, name, "plan"), api.pull(name)):
        assert (answer.status, answer.message) == (500, text)
    assert list_files(daemon.data_root) == {}
    assert ask_well(api, name, "inspect")["Digest"] == image.digest, "which needs no head"


@pytest.mark.parametrize("kind", IMAGES)
def test_a_digest_of_another_algorithm(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    image = IMAGES[kind]
    payload = image.payload if isinstance(image, Schema1Image) else image.manifest.read()
    name = fault_registry.add(image, "team/app", "1")

    def claim_digest(digest: str) -> None:
        fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=200, body=image.manifest.read(), headers={
            "Content-Type": image.manifest.media_type, "Docker-Content-Digest": digest}))

    wrong = "sha512:" + "0" * 128
    claim_digest(wrong)
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), ask(api, name, "plan"),
                   api.pull(name)):
        assert answer.status == 500 and answer.message.endswith(f"verification failed for digest {wrong}")
    right = f"sha512:{hashlib.sha512(payload).hexdigest()}"
    claim_digest(right)
    distribution, shown = describe(api, name)
    assert distribution["Descriptor"]["digest"] == shown["Digest"] == ask_well(api, name, "plan")["Digest"] == right
    assert f"Digest: {right}" in api.pull_well(name).statuses
    assert api.get(f"/images/{name.rpartition(':')[0]}@{right}/json").json()["RepoTags"] == [name]


@pytest.mark.parametrize("digest", ["md5:" + "0" * 32, "sha256:xyz", "latest"])
def test_a_digest_that_is_none(api: Api, fault_registry: FaultRegistry, digest: str) -> None:
    """It is as if the registry had said none."""
    for tag, image in (("1", IMAGES["schema 1"]), ("2", SMALL)):
        name = fault_registry.add(image, "team/app", tag)
        fault_registry.on("GET|HEAD", f"manifests/{tag}", Reply(headers={"Docker-Content-Digest": digest}))
        assert ask_well(api, name, "inspect")["Digest"] == image.digest
        assert f"Digest: {image.digest}" in api.pull_well(name).statuses


@pytest.mark.parametrize("kind, expected", [
    ("schema 1", (400, "manifest: holds a NUL byte")),
    ("schema 2", (500, f"manifest verification failed for digest {SMALL.digest}"))])
def test_compressed_manifests_were_not_asked_for(api: Api, daemon: Daemon, fault_registry: FaultRegistry, kind: str,
                                                 expected: tuple[int, str]) -> None:
    image = IMAGES[kind]
    name = fault_registry.add(image, "team/app", "1")
    body = gzip.compress(image.manifest.read(), mtime=0)
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(body=body, headers={"Content-Encoding": "gzip"}))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), ask(api, name, "plan"),
                   api.pull(name)):
        assert (answer.status, answer.message) == expected
    assert list_files(daemon.data_root) == {}
    assert {request.header("Accept-Encoding") for request in fault_registry.requests} == {"identity"}


# ---- what is not wanted, or not what was asked for ------------------------------------------------------------------


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
