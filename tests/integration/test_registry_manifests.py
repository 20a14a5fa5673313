# SPDX-License-Identifier: Apache-2.0
"""What a registry does with manifests beyond the specification: negotiation, conditions, limits, what it refuses."""
from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import EMPTY, MEDIA_TYPES, Artifact, Blob, Image, Index, edit_manifest, image_from_blobs, make_index, to_json
from lib.embedded_registry import EmbeddedRegistry
from lib.registry_content import (DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, SCHEMA2, make_oci_image, make_platform_index,
                                  note)
from lib.registry_http import OCTETS, Answer, RegistryHttp, blob_at, manifest_at, uploads
from lib.samples import make_small_image

LIMIT = 4 << 20
AMD64, ARM64 = "linux/amd64", "linux/arm64/v8"
NO_OCI_MANIFEST = "OCI manifest found, but accept header does not support OCI manifests"
NO_OCI_INDEX = "OCI index found, but accept header does not support OCI indexes"
UNKNOWN = Blob.of(b"nobody has this").digest


def make_docker_image(seed: str, platform: str = AMD64) -> Image:
    return dataclasses.replace(make_small_image(seed, 1, 2000), platform=dict(zip(("os", "architecture", "variant"),
                                                                                  platform.split("/"))))


SCHEMA2_IMAGE = make_docker_image("schema2")
OCI_IMAGE = make_oci_image("oci")
LIST = make_index([make_docker_image("arm", ARM64), make_docker_image("amd"), make_docker_image("second amd")])
INDEX = make_platform_index("negotiated")
DOCUMENTS: dict[str, Artifact] = {"schema2": SCHEMA2_IMAGE, "oci": OCI_IMAGE, "list": LIST, "index": INDEX}


@pytest.fixture(scope="module")
def pushed(embedded: EmbeddedRegistry) -> str:
    """The repository in which each of DOCUMENTS has its name as its tag."""
    with embedded.client() as http:
        for tag, artifact in DOCUMENTS.items():
            http.push("it/negotiation", artifact, tag)
    return "it/negotiation"


def check_is(answer: Answer, artifact: Artifact) -> None:
    answer.expect(200)
    assert answer.body == artifact.manifest.read()
    assert answer.headers["Content-Type"] == artifact.manifest.media_type
    assert answer.headers["Docker-Content-Digest"] == artifact.digest
    assert answer.headers["ETag"] == f'"{artifact.digest}"'


# ---- Accept ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("accept", [(), ("*/*",), ("application/*",), ("application/json", "*/*;q=0.1"),
                                    (SCHEMA2, "*/*"), (DOCKER_LIST, SCHEMA2, OCI_INDEX, OCI_MANIFEST),
                                    (f"{OCI_INDEX};q=0.5", f"{OCI_MANIFEST}; q=0.1", DOCKER_LIST, SCHEMA2)])
@pytest.mark.parametrize("kind", DOCUMENTS)
def test_whoever_accepts_everything_gets_it_as_it_is(http: RegistryHttp, pushed: str, kind: str,
                                                     accept: tuple[str, ...]) -> None:
    check_is(http.get_manifest(pushed, kind, *accept), DOCUMENTS[kind])
    check_is(http.get_manifest(pushed, DOCUMENTS[kind].digest, *accept), DOCUMENTS[kind])


@pytest.mark.parametrize("order", range(4))
def test_accept_in_lines_of_any_order(http: RegistryHttp, pushed: str, order: int) -> None:
    lines = [OCI_MANIFEST, OCI_INDEX, DOCKER_LIST, SCHEMA2]
    random.Random(order).shuffle(lines)
    for kind, artifact in DOCUMENTS.items():
        accept = "".join(f"Accept: {line}\r\n" for line in lines)
        answer = http.exchange(f"GET {manifest_at(pushed, kind)} HTTP/1.1\r\nHost: {http.host}\r\n{accept}"
                               "Connection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n" + artifact.manifest.read())


@pytest.mark.parametrize("accept", [(SCHEMA2,), (SCHEMA2, DOCKER_LIST), (OCI_INDEX,), ("application/json",)])
def test_oci_manifest_that_is_not_accepted(http: RegistryHttp, pushed: str, accept: tuple[str, ...]) -> None:
    for reference in ("oci", OCI_IMAGE.digest):
        answer = http.get_manifest(pushed, reference, *accept).expect(404, "MANIFEST_UNKNOWN")
        assert answer.json()["errors"][0]["message"] == NO_OCI_MANIFEST
        http.head(manifest_at(pushed, reference), {"Accept": ", ".join(accept)}).expect(404)


@pytest.mark.parametrize("accept", [(SCHEMA2,), (SCHEMA2, DOCKER_LIST), (OCI_MANIFEST,)])
def test_oci_index_that_is_not_accepted_is_never_rewritten(http: RegistryHttp, pushed: str,
                                                           accept: tuple[str, ...]) -> None:
    for reference in ("index", INDEX.digest):
        answer = http.get_manifest(pushed, reference, *accept).expect(404, "MANIFEST_UNKNOWN")
        assert answer.json()["errors"][0]["message"] == NO_OCI_INDEX


@pytest.mark.parametrize("accept", [(OCI_MANIFEST,), (OCI_INDEX,), (DOCKER_LIST,), ("text/plain",)])
def test_schema2_is_always_given(http: RegistryHttp, pushed: str, accept: tuple[str, ...]) -> None:
    check_is(http.get_manifest(pushed, "schema2", *accept), SCHEMA2_IMAGE)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_old_clients_get_the_default_platform_of_a_list(http: RegistryHttp, pushed: str, method: str) -> None:
    answer = http.request(method, manifest_at(pushed, "list"), {"Accept": SCHEMA2}).expect(200)
    child = LIST.manifests[1]
    assert answer.body == (child.manifest.read() if method == "GET" else b"")
    assert answer.headers["Content-Type"] == SCHEMA2
    assert answer.headers["Content-Length"] == str(child.manifest.size)
    assert answer.headers["Docker-Content-Digest"] == child.digest
    assert answer.headers["ETag"] == f'"{child.digest}"'


def test_a_list_by_digest_is_given_as_it_is(http: RegistryHttp, pushed: str) -> None:
    check_is(http.get_manifest(pushed, LIST.digest, SCHEMA2), LIST)


def test_a_list_without_the_default_platform(http: RegistryHttp, repository: str) -> None:
    only_arm = make_index([make_docker_image("arm", ARM64)])
    http.push(repository, only_arm, "1")
    http.get_manifest(repository, "1", SCHEMA2).expect(404, "MANIFEST_UNKNOWN")
    check_is(http.get_manifest(repository, "1", DOCKER_LIST), only_arm)


def test_a_list_for_who_wants_oci_manifests_alone(http: RegistryHttp, pushed: str) -> None:
    answer = http.get_manifest(pushed, "list", OCI_MANIFEST).expect(400, "MANIFEST_INVALID")
    assert answer.json()["errors"][0]["message"] == "Schema 2 manifest not supported by client"


# ---- conditions -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("form", ["{0}", '"{0}"', '"other", "{0}"', 'W/"{0}"', "*"])
def test_who_has_it_is_not_sent_it_again(http: RegistryHttp, pushed: str, kind: str, form: str) -> None:
    """Before any look at Accept."""
    digest = DOCUMENTS[kind].digest
    for reference in (kind, digest):
        for method in ("GET", "HEAD"):
            answer = http.request(method, manifest_at(pushed, reference),
                                  {"If-None-Match": form.format(digest), "Accept": SCHEMA2}).expect(304)
            assert answer.body == b""
            assert answer.headers["ETag"] == f'"{digest}"'


def test_who_has_another_one_is_sent_it(http: RegistryHttp, pushed: str) -> None:
    for condition in (f'"{UNKNOWN}"', UNKNOWN, '""', "nonsense", '"*"', 'W/"*"', "W/*"):
        check_is(http.get(manifest_at(pushed, "oci"), {"If-None-Match": condition}), OCI_IMAGE)


# ---- put: what it is ------------------------------------------------------------------------------------------------

def fill_up(image: Image, size: int) -> Image:
    """The image with a manifest of exactly that many bytes."""
    annotations = {"filler": ""}
    missing = size - edit_manifest(image, annotations=annotations).manifest.size
    return edit_manifest(image, annotations={"filler": "x" * missing})


def test_put_of_the_largest_manifest(http: RegistryHttp, repository: str) -> None:
    image = fill_up(OCI_IMAGE, LIMIT)
    assert image.manifest.size == LIMIT
    http.push(repository, image, "1")
    check_is(http.get_manifest(repository, "1"), image)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_put_of_a_manifest_that_is_too_large(http: RegistryHttp, repository: str, framing: str) -> None:
    image = fill_up(OCI_IMAGE, LIMIT + 1)
    http.push_content(repository, image)
    data = image.manifest.read()
    body = data if framing == "length" else iter([data[:LIMIT], data[LIMIT:]])
    answer = http.request("PUT", manifest_at(repository, "1"), {"Content-Type": OCI_MANIFEST}, body)
    answer.expect(413, "MANIFEST_INVALID")
    http.get_manifest(repository, "1").expect(404)


@pytest.mark.parametrize("parameters", ["; charset=utf-8", ";charset=UTF-8;a=b", " ; x=\"y;z\""])
def test_put_with_parameters_of_the_type(http: RegistryHttp, repository: str, parameters: str) -> None:
    http.push_content(repository, OCI_IMAGE)
    http.request("PUT", manifest_at(repository, "1"), {"Content-Type": OCI_MANIFEST + parameters},
                 OCI_IMAGE.manifest.read()).expect(201)
    check_is(http.get_manifest(repository, "1"), OCI_IMAGE)


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", OCTETS, "nonsense",
                                        "application/vnd.docker.distribution.manifest.v1+json",
                                        "application/vnd.docker.distribution.manifest.v1+prettyjws",
                                        "application/vnd.oci.image.config.v1+json"])
def test_put_of_an_unknown_type(http: RegistryHttp, repository: str, media_type: str) -> None:
    http.push_content(repository, OCI_IMAGE)
    answer = http.request("PUT", manifest_at(repository, "1"), {"Content-Type": media_type}, OCI_IMAGE.manifest.read())
    answer.expect(400, "MANIFEST_INVALID")
    http.get_manifest(repository, "1").expect(404)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_put_under_another_type(http: RegistryHttp, repository: str, kind: str) -> None:
    artifact = DOCUMENTS[kind]
    http.push_content(repository, artifact)
    for media_type in {SCHEMA2, OCI_MANIFEST, DOCKER_LIST, OCI_INDEX} - {artifact.manifest.media_type}:
        manifest = dataclasses.replace(artifact.manifest, media_type=media_type)
        http.put_manifest(repository, "1", manifest).expect(400, "MANIFEST_INVALID")
    http.get_manifest(repository, "1").expect(404)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
def test_put_without_a_type_in_the_body(http: RegistryHttp, repository: str, media_type: str) -> None:
    """The OCI specification asks for none."""
    artifact = edit_manifest(OCI_IMAGE if media_type == OCI_MANIFEST else INDEX, mediaType=None)
    http.push(repository, artifact, "1")
    check_is(http.get_manifest(repository, "1"), artifact)


CONFIG = OCI_IMAGE.config.descriptor()
BAD_BODIES = {
    "empty": b"",
    "no JSON": b"not json",
    "cut": OCI_IMAGE.manifest.read()[:-20],
    "more behind it": OCI_IMAGE.manifest.read() + b"{}",
    "a list": b"[]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "a key twice": OCI_IMAGE.manifest.read().replace(b'"schemaVersion": 2,', b'"schemaVersion": 2, "schemaVersion": 2,'),
    "two kinds at once": edit_manifest(OCI_IMAGE, manifests=[]).manifest.read(),
    "schema 1": to_json({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": []}),
    "layers of schema 1": edit_manifest(OCI_IMAGE, fsLayers=[]).manifest.read(),
    "another version": edit_manifest(OCI_IMAGE, schemaVersion=1).manifest.read(),
    "no config": edit_manifest(OCI_IMAGE, config=None).manifest.read(),
    "config with a bad digest": edit_manifest(OCI_IMAGE, config={**CONFIG, "digest": "sha256:../../x"}).manifest.read(),
    "config of an unknown algorithm": edit_manifest(OCI_IMAGE, config={**CONFIG, "digest": "md5:" + "0" * 32}).manifest.read(),
    "config of a negative size": edit_manifest(OCI_IMAGE, config={**CONFIG, "size": -1}).manifest.read(),
    "config of half a byte": edit_manifest(OCI_IMAGE, config={**CONFIG, "size": 1.5}).manifest.read(),
    "layers that are none": edit_manifest(OCI_IMAGE, layers={"a": 1}).manifest.read(),
    "subject that is none": edit_manifest(OCI_IMAGE, subject={"digest": "x"}).manifest.read(),
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_put_of_what_is_no_manifest(http: RegistryHttp, repository: str, what: str) -> None:
    http.push_content(repository, OCI_IMAGE)
    body = Blob.of(BAD_BODIES[what], OCI_MANIFEST)
    http.put_manifest(repository, "1", body).expect(400, "MANIFEST_INVALID")
    http.put_manifest(repository, body.digest, body).expect(400, "MANIFEST_INVALID")
    http.get_manifest(repository, "1").expect(404)


def test_put_of_an_index_that_is_an_image_too(http: RegistryHttp, repository: str) -> None:
    both = edit_manifest(OCI_IMAGE, manifests=[], mediaType=None).manifest.read()
    http.push_content(repository, OCI_IMAGE)
    for media_type in (OCI_MANIFEST, OCI_INDEX, SCHEMA2, DOCKER_LIST):
        http.put_manifest(repository, "1", Blob.of(both, media_type)).expect(400, "MANIFEST_INVALID")


def test_put_by_another_digest(http: RegistryHttp, repository: str) -> None:
    http.push_content(repository, OCI_IMAGE)
    for digest in (UNKNOWN, Blob.of(b"x", algorithm="sha512").digest):
        http.put_manifest(repository, digest, OCI_IMAGE.manifest).expect(400, "DIGEST_INVALID")
        http.get_manifest(repository, digest).expect(404)


def test_put_to_a_tag_that_cannot_be(http: RegistryHttp, repository: str) -> None:
    http.push_content(repository, OCI_IMAGE)
    http.put_manifest(repository, ".bad", OCI_IMAGE.manifest).expect(400, "TAG_INVALID")


@pytest.mark.parametrize("name", ["UPPER", "a/-b", "a__/b", "a...b", "x" * 256, "a/" * 130 + "b"])
def test_put_to_a_name_that_cannot_be(http: RegistryHttp, name: str) -> None:
    http.put_manifest(name, "1", OCI_IMAGE.manifest).expect(400, "NAME_INVALID")
    http.post(uploads(name)).expect(400, "NAME_INVALID")
    http.get(f"/v2/{name}/tags/list").expect(400, "NAME_INVALID")


def test_pushed_bytes_are_kept(http: RegistryHttp, repository: str) -> None:
    document = json.loads(OCI_IMAGE.manifest.read())
    for number, text in enumerate((json.dumps(document, separators=(",", ":")), json.dumps(document, indent=7) + "\n\n",
                                   json.dumps({"z": "\u00e9\u2028", **document}, ensure_ascii=False),
                                   json.dumps({"unknown": [1.0, 1e5, None], **document}))):
        manifest = Blob.of(text.encode(), OCI_MANIFEST)
        http.push_content(repository, OCI_IMAGE)
        http.put_manifest(repository, str(number), manifest).expect(201)
        assert http.get_manifest(repository, str(number)).expect(200).body == text.encode()


def test_put_that_breaks_off(embedded: EmbeddedRegistry, http: RegistryHttp, repository: str) -> None:
    """The client leaves in the middle: that is no error of the registry's, and nothing is stored."""
    http.push_content(repository, OCI_IMAGE)
    data = OCI_IMAGE.manifest.read()
    with http.connect() as connection:
        connection.sendall(f"PUT {manifest_at(repository, '1')} HTTP/1.1\r\nHost: {http.host}\r\nContent-Type: "
                           f"{OCI_MANIFEST}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data[:-1])
    http.get_manifest(repository, "1").expect(404)
    http.put_manifest(repository, "1", OCI_IMAGE.manifest).expect(201)
    assert "level=error" not in embedded.daemon.log_text()


# ---- put: what it needs ---------------------------------------------------------------------------------------------

def check_missing(answer: Answer, digests: set[str]) -> None:
    """One error for each."""
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * len(digests)
    assert set(answer.details) == digests


@pytest.mark.parametrize("image", [OCI_IMAGE, SCHEMA2_IMAGE], ids=["oci", "schema2"])
def test_put_needs_config_and_layers(http: RegistryHttp, repository: str, image: Image) -> None:
    check_missing(http.put_manifest(repository, "1", image.manifest), {blob.digest for blob in image.blobs})
    http.push_blob(repository, image.config)
    check_missing(http.put_manifest(repository, "1", image.manifest), {blob.digest for blob in image.layers})
    http.get_manifest(repository, "1").expect(404)
    http.push_content(repository, image)
    http.put_manifest(repository, "1", image.manifest).expect(201)


def test_put_needs_them_in_this_repository(http: RegistryHttp, repository: str) -> None:
    http.push(f"{repository}-other", OCI_IMAGE, "1")
    check_missing(http.put_manifest(repository, "1", OCI_IMAGE.manifest), {blob.digest for blob in OCI_IMAGE.blobs})


def test_put_of_a_list_needs_its_manifests(http: RegistryHttp, repository: str) -> None:
    for child in LIST.manifests[:1]:
        http.push(repository, child)
    check_missing(http.put_manifest(repository, "1", LIST.manifest), {child.digest for child in LIST.manifests[1:]})
    http.get_manifest(repository, "1").expect(404)


def test_put_of_an_index_needs_nothing(http: RegistryHttp, repository: str) -> None:
    http.put_manifest(repository, "1", INDEX.manifest).expect(201)
    check_is(http.get_manifest(repository, "1"), INDEX)


FOREIGN = {SCHEMA2: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
           OCI_MANIFEST: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"}


def make_foreign(image: Image, urls: list[str] | None) -> Image:
    """All its layers are elsewhere."""
    document = json.loads(image.manifest.read())
    layers = [{**layer, "mediaType": FOREIGN[document["mediaType"]], **({"urls": urls} if urls is not None else {})}
              for layer in document["layers"]]
    return dataclasses.replace(edit_manifest(image, layers=layers), blobs=image.blobs[:1])


@pytest.mark.parametrize("image", [OCI_IMAGE, SCHEMA2_IMAGE], ids=["oci", "schema2"])
def test_put_with_foreign_layers(http: RegistryHttp, repository: str, image: Image) -> None:
    foreign = make_foreign(image, ["https://layers.example/blob", "http://layers.example/blob?a=b"])
    http.push(repository, foreign, "1")
    check_is(http.get_manifest(repository, "1"), foreign)


@pytest.mark.parametrize("urls", [["ftp://layers.example/blob"], ["https://layers.example/blob#part"], ["file:///x"],
                                  ["/relative"], ["https://fine.example/", "javascript:x"]])
def test_put_with_foreign_layers_from_nowhere(http: RegistryHttp, repository: str, urls: list[str]) -> None:
    foreign = make_foreign(OCI_IMAGE, urls)
    http.push_content(repository, foreign)
    answer = http.put_manifest(repository, "1", foreign.manifest).expect(400)
    assert set(answer.codes) <= {"MANIFEST_INVALID", "MANIFEST_BLOB_UNKNOWN"}


# ---- resource policy ------------------------------------------------------------------------------------------------

def with_config_type(image: Image, media_type: str) -> Image:
    document = json.loads(image.manifest.read())
    return edit_manifest(image, config={**document["config"], "mediaType": media_type})


PLUGIN = "application/vnd.docker.plugin.v1+json"


@pytest.fixture(scope="module")
def images_only(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRegistry]:
    registry = EmbeddedRegistry(binary, tmp_path_factory.mktemp("class"), ["--registry-class", "image"])
    try:
        yield registry.start()
        registry.stop()
    finally:
        registry.daemon.discard()


@pytest.mark.parametrize("artifact, message", [
    (SCHEMA2_IMAGE, None), (OCI_IMAGE, None), (LIST, None), (INDEX, None),
    (with_config_type(SCHEMA2_IMAGE, PLUGIN), "registry does not allow plugin manifest"),
    (with_config_type(SCHEMA2_IMAGE, "application/x"), "unknown manifest class for application/x"),
    (with_config_type(OCI_IMAGE, "application/y"), "unknown manifest class for application/y"),
    (image_from_blobs([EMPTY, note("n")], image_format="oci"), f"unknown manifest class for {EMPTY.media_type}"),
], ids=["schema2", "oci", "list", "index", "plugin", "other", "other OCI", "artifact"])
def test_classes_of_content(images_only: EmbeddedRegistry, repository: str, artifact: Artifact,
                            message: str | None) -> None:
    with images_only.client() as http:
        http.push_content(repository, artifact)
        answer = http.put_manifest(repository, "1", artifact.manifest)
        if message is None:
            answer.expect(201)
        else:
            answer.expect(403, "DENIED")
            assert answer.json()["errors"][0]["message"] == message


def test_without_classes_everything_is_taken(http: RegistryHttp, repository: str) -> None:
    http.push(repository, with_config_type(SCHEMA2_IMAGE, PLUGIN), "plugin")
    http.push(repository, with_config_type(OCI_IMAGE, "application/y"), "other")


# ---- delete, read only ----------------------------------------------------------------------------------------------

def test_delete_by_digest_takes_all_tags(http: RegistryHttp, repository: str) -> None:
    http.push(repository, OCI_IMAGE, "1", "2")
    http.push(repository, SCHEMA2_IMAGE, "3")
    http.delete(manifest_at(repository, OCI_IMAGE.digest)).expect(202)
    assert http.list_tags(repository) == ["3"]
    http.get_manifest(repository, OCI_IMAGE.digest).expect(404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("reference", ["absent", UNKNOWN])
def test_delete_of_what_is_not_there(http: RegistryHttp, repository: str, reference: str) -> None:
    http.delete(manifest_at(repository, reference)).expect(404)
    http.push(repository, OCI_IMAGE, "1")
    http.delete(manifest_at(repository, reference)).expect(404, "MANIFEST_UNKNOWN")


@pytest.mark.parametrize("reference", ["md5:" + "0" * 32, "sha384:" + "0" * 96, "sha256:bad"])
def test_delete_by_a_digest_of_another_kind(http: RegistryHttp, repository: str, reference: str) -> None:
    http.push(repository, OCI_IMAGE, "1")
    http.delete(manifest_at(repository, reference)).expect(400, "DIGEST_INVALID")
    assert http.list_tags(repository) == ["1"]


def test_a_child_can_go_before_its_index(http: RegistryHttp, repository: str) -> None:
    http.push(repository, INDEX, "1")
    http.delete(manifest_at(repository, INDEX.manifests[0].digest)).expect(202)
    http.get_manifest(repository, INDEX.manifests[0].digest).expect(404)
    check_is(http.get_manifest(repository, "1"), INDEX)


def test_read_only(make_embedded: Callable[..., EmbeddedRegistry], repository: str) -> None:
    registry = make_embedded().start()
    with registry.client() as http:
        http.push(repository, OCI_IMAGE, "1")
        waiting = http.start_upload(repository)
    registry.stop()
    reader = make_embedded("--registry-read-only").start()
    with reader.client() as http:
        check_is(http.get_manifest(repository, "1"), OCI_IMAGE)
        http.head(blob_at(repository, OCI_IMAGE.config.digest)).expect(200)
        assert http.list_tags(repository) == ["1"]
        http.put_manifest(repository, "2", OCI_IMAGE.manifest).expect(405, "UNSUPPORTED")
        http.post(uploads(repository)).expect(405, "UNSUPPORTED")
        http.patch(waiting, b"x").expect(405, "UNSUPPORTED")
        for target in (manifest_at(repository, "1"), manifest_at(repository, OCI_IMAGE.digest),
                       blob_at(repository, OCI_IMAGE.config.digest), waiting):
            http.delete(target).expect(405, "UNSUPPORTED")
        assert http.list_tags(repository) == ["1"]
    reader.stop()


# ---- digests of another algorithm -----------------------------------------------------------------------------------

def test_one_manifest_under_two_digests(http: RegistryHttp, repository: str) -> None:
    sha512 = Blob.of(OCI_IMAGE.manifest.read(), OCI_MANIFEST, "sha512")
    http.push(repository, OCI_IMAGE, "one")
    http.put_manifest(repository, f"{sha512.digest}?tag=two", sha512).expect(201)
    assert http.get_manifest(repository, "one").headers["Docker-Content-Digest"] == OCI_IMAGE.digest
    assert http.get_manifest(repository, "two").headers["Docker-Content-Digest"] == sha512.digest
    for digest in (OCI_IMAGE.digest, sha512.digest):
        answer = http.get_manifest(repository, digest).expect(200)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.body == OCI_IMAGE.manifest.read()
    http.delete(manifest_at(repository, sha512.digest)).expect(202)
    assert http.list_tags(repository) == ["one"]
    check_is(http.get_manifest(repository, "one"), OCI_IMAGE)


def test_media_types_are_of_the_repository(http: RegistryHttp, repository: str) -> None:
    """The same bytes without a type of their own, pushed as two kinds."""
    untyped = edit_manifest(OCI_IMAGE, mediaType=None)
    http.push(repository, untyped, "1")
    other = f"{repository}-other"
    http.push_content(other, untyped)
    answer = http.put_manifest(other, "1", dataclasses.replace(untyped.manifest, media_type=SCHEMA2))
    assert answer.status in (201, 400)
    check_is(http.get_manifest(repository, "1"), untyped)


def test_indexes_list_what_is_deep(http: RegistryHttp, repository: str) -> None:
    nested: Index = make_index([make_index([INDEX], image_format="oci")], image_format="oci")
    http.push(repository, nested, "1")
    check_is(http.get_manifest(repository, "1", MEDIA_TYPES["oci"]["index"]), nested)
