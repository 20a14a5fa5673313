# SPDX-License-Identifier: Apache-2.0
"""Bad input gets its status and its text, leaves nothing behind, and disturbs nobody.

Every test here runs beside another client's pull, which must end well (fixture bystander); what is left on disk is
checked when the daemon stops.
"""
from __future__ import annotations

import dataclasses
import json
import re
import socket
import struct
from collections.abc import Iterator

import pytest

from image_maker import Blob, Image, image_from_blobs, make_config, make_image, make_layer, to_json
from lib.api import Answer, Api
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry, Reply, make_error
from lib.process import find_free_port
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import list_known_blobs

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(autouse=True)
def bystander(daemon: Daemon) -> Iterator[None]:
    registry = FaultRegistry()
    image = make_small_image("bystander", layers=1)
    name = registry.add(image, "by/stander")
    stall = registry.stall(f"blobs/{image.layers[0].digest}", after=1000)
    stream = daemon.api.start_pull(name)
    try:
        stall.wait_reached()
        yield
        assert daemon.api.get("/_ping").body == b"OK"
        stall.release()
        assert "Status: Downloaded newer image" in list(stream.records())[-1]["status"]
        assert daemon.api.get(f"/images/{name}/json").json()["Id"] == image.digest
    finally:
        stream.close()
        registry.stop()


def assert_error(answer: Answer, status: int, text: str) -> None:
    """An error before the first byte, in the form that clients read."""
    assert (answer.status, answer.message) == (status, text)
    assert answer.headers["Content-Type"] == "application/json"


def assert_not_here(api: Api, name: str) -> None:
    assert api.get(f"/images/{name}/json").status == 404


# ---- what the registry does not have --------------------------------------------------------------------------------

@pytest.mark.parametrize("repository", ["bad/known", "bad/unknown"])
def test_unknown_tag_or_repository(api: Api, registry: DockerRegistry, repository: str) -> None:
    registry.add(make_small_image(), "bad/known", "1")
    name = f"{registry.host}/{repository}"
    answer = api.pull(name, "nope")
    assert answer.status == 404
    assert answer.message.startswith(f"manifest for {name}:nope not found: manifest unknown")


def test_unknown_digest(api: Api, registry: DockerRegistry) -> None:
    registry.add(make_small_image(), "bad/known", "1")
    answer = api.pull(f"{registry.host}/bad/known", "sha256:" + "0" * 64)
    assert answer.status == 404
    assert answer.message.startswith(
        f"manifest for {registry.host}/bad/known@sha256:{'0' * 64} not found: manifest unknown")


def test_all_tags_of_an_unknown_repository(api: Api, registry: DockerRegistry) -> None:
    answer = api.pull(f"{registry.host}/bad/unknown")
    assert answer.status == 404
    assert answer.message.startswith(f"repository {registry.host}/bad/unknown not found: name unknown")


def test_unknown_platform(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_platforms(), "bad/platforms", "1")
    assert_error(api.pull(name, platform="linux/s390x"), 404,
                 "no matching manifest for linux/s390x in the manifest list entries: no match for platform in "
                 "manifest: not found")
    assert_not_here(api, name)


# ---- what the registry refuses, or cannot be asked ------------------------------------------------------------------

def test_registry_that_is_down(api: Api) -> None:
    port = find_free_port()
    answer = api.pull(f"127.0.0.1:{port}/bad/down", "1")
    assert answer.status == 500
    assert re.search(rf'^(Get|Head) "https://127\.0\.0\.1:{port}/v2/.*": dial tcp 127\.0\.0\.1:{port}: '
                     r"connect: connection refused$", answer.message)


def test_registry_whose_name_nobody_knows(api: Api) -> None:
    answer = api.pull("registry.invalid/bad/name", "1")
    assert answer.status == 500
    assert "registry.invalid" in answer.message


@pytest.mark.parametrize("auth", [None, {}])
def test_htpasswd_registry_without_a_password(api: Api, registry_htpasswd: DockerRegistry, auth: dict | None) -> None:
    name = registry_htpasswd.add(make_small_image(), "bad/private", "1")
    # Not 401: the CLI would ask for a user name, and scripts would wait for ever.
    assert_error(api.pull(name, auth=auth), 403,
                 f'Head "http://{registry_htpasswd.host}/v2/bad/private/manifests/1": no basic auth credentials')
    assert_not_here(api, name)


def test_htpasswd_registry_with_a_wrong_password(api: Api, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(make_small_image(), "bad/private", "1")
    answer = api.pull(name, auth={"username": USER, "password": "wrong"})
    assert answer.status == 401
    assert "unauthorized" in answer.message
    assert_not_here(api, name)


def test_token_registry_with_a_wrong_password(api: Api, registry_token: DockerRegistry) -> None:
    name = registry_token.add(make_small_image(), "bad/private", "1")
    answer = api.pull(name, auth={"username": USER, "password": "wrong"})
    assert answer.status == 401
    assert answer.message.endswith("unauthorized: incorrect username or password")


def test_token_registry_without_a_password(api: Api, registry_token: DockerRegistry) -> None:
    name = registry_token.add(make_small_image(), "bad/private", "1")
    assert_error(api.pull(name), 404,
                 f"pull access denied for {registry_token.host}/bad/private, repository does not exist or may require "
                 "'docker login': denied: requested access to the resource is denied")


def test_credentials_for_another_host_are_not_sent(api: Api, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(make_small_image(), "bad/private", "1")
    right = {"username": USER, "password": PASSWORD}
    elsewhere = api.pull(name, auth={**right, "serveraddress": "registry.example"})
    assert elsewhere.status == 403
    assert elsewhere.message.endswith("no basic auth credentials")
    assert api.pull(name, auth={**right, "serveraddress": registry_htpasswd.host}).status == 200


@pytest.mark.parametrize("header", ["", "e30=", "!", "bnVsbA==", "eyJ1c2VybmFtZSI6", "e30=e30="])
def test_credentials_that_cannot_be_read_count_as_none(api: Api, registry: DockerRegistry, header: str) -> None:
    name = registry.add(make_small_image(), "bad/known", "1")
    answer = api.post("/images/create", {"fromImage": name}, {"X-Registry-Auth": header})
    assert (answer.status, answer.error) == (200, None)


@pytest.mark.parametrize("status, body, expected_status, text", [
    pytest.param(401, make_error("UNAUTHORIZED", "who are you", "x"), 401, "unauthorized: who are you", id="401"),
    pytest.param(403, make_error("DENIED", "requested access to the resource is denied"), 403, "denied", id="403"),
    pytest.param(429, make_error("TOOMANYREQUESTS", "slow down", "x"), 429, "toomanyrequests: slow down", id="429"),
    pytest.param(503, b"", 500, "received unexpected HTTP status: 503 Service Unavailable", id="503"),
])
def test_what_a_registry_says_when_it_refuses(api: Api, fault_registry: FaultRegistry, status: int, body: bytes,
                                              expected_status: int, text: str) -> None:
    name = fault_registry.add(make_small_image(), "bad/refused")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=status, body=body, headers={
        "Content-Type": "application/json", "Retry-After": "0"}))
    answer = api.pull(name)
    assert answer.status == expected_status
    assert text in answer.message


# ---- what the registry sends is not what it should be ---------------------------------------------------------------

def test_manifest_that_is_not_what_its_digest_says(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("asked")
    fault_registry.add(image, "bad/manifest")
    fake = make_small_image("fake").manifest
    fault_registry.on("GET", f"manifests/{image.digest}", Reply(body=fake.read()))
    answer = api.pull(f"{fault_registry.host}/bad/manifest", image.digest)
    assert answer.status == 500
    assert image.digest in answer.message
    assert_not_here(api, f"{fault_registry.host}/bad/manifest@{image.digest}")


@pytest.mark.parametrize("methods", ["GET|HEAD", "GET"])
def test_manifest_whose_header_names_another_digest(api: Api, fault_registry: FaultRegistry, methods: str) -> None:
    image = make_small_image("header")
    name = fault_registry.add(image, "bad/header")
    fault_registry.on(methods, "manifests/.*", Reply(status=200, body=image.manifest.read(), headers={
        "Content-Type": image.manifest.media_type, "Docker-Content-Digest": "sha256:" + "1" * 64}))
    assert api.pull(name).status == 500
    assert_not_here(api, name)


def test_platform_manifest_that_is_not_what_the_index_says(api: Api, fault_registry: FaultRegistry) -> None:
    index = make_platforms("lied")
    name = fault_registry.add(index, "bad/child")
    child = index.image_for(HOST_PLATFORM)
    fault_registry.on("GET", f"manifests/{child.digest}", Reply(body=make_small_image("fake").manifest.read()))
    answer = api.pull(name)
    assert answer.status == 500
    assert child.digest in answer.message
    assert_not_here(api, name)


def test_config_that_is_not_what_its_digest_says(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("config")
    name = fault_registry.add(image, "bad/config")
    fake = image.config.read().replace(b"image_maker", b"somebody_el")
    fault_registry.on("GET", f"blobs/{image.config.digest}", Reply(body=fake))
    answer = api.pull(name)
    assert answer.status == 200
    assert "error pulling image configuration" in answer.error
    assert image.config.digest in answer.error
    assert_not_here(api, name)


def test_layer_that_is_not_what_its_digest_says(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    image = make_small_image("layer", layer_bytes=200_000)
    name = fault_registry.add(image, "bad/layer")
    bad = bytearray(image.layers[1].read())
    bad[len(bad) // 2] ^= 1
    fault_registry.on("GET", f"blobs/{image.layers[1].digest}", Reply(body=bytes(bad)))
    answer = api.pull(name)
    assert answer.status == 200
    assert f"filesystem layer verification failed for digest {image.layers[1].digest}" in answer.error
    assert_not_here(api, name)
    assert image.layers[1].digest not in list_known_blobs(daemon.data_root)


@pytest.mark.parametrize("kept", [0, 1, 100_000])
def test_layer_that_is_cut_short(api: Api, daemon: Daemon, fault_registry: FaultRegistry, kept: int) -> None:
    image = make_small_image("cut", layer_bytes=200_000)
    name = fault_registry.add(image, "bad/cut")
    fault_registry.on("GET", f"blobs/{image.layers[0].digest}", Reply(cut_after=kept))
    answer = api.pull(name)
    assert answer.status == 200
    assert answer.error
    assert_not_here(api, name)
    assert image.layers[0].digest not in list_known_blobs(daemon.data_root)


@pytest.mark.parametrize("change", [-1, 1])
def test_layer_that_has_another_size(api: Api, fault_registry: FaultRegistry, change: int) -> None:
    image = make_small_image("size")
    manifest = json.loads(image.manifest.read())
    manifest["layers"][0]["size"] += change
    name = fault_registry.add(dataclasses.replace(image, manifest=Blob.of(to_json(manifest), DOCKER_MANIFEST)),
                              "bad/size")
    answer = api.pull(name)
    assert answer.status == 200
    assert answer.error
    assert_not_here(api, name)


def make_image_with_diff_ids(diff_ids: list[str], layers: int) -> Image:
    content = [make_layer({f"file{number}": f"{number}"}) for number in range(layers)]
    config = make_config(content, HOST_PLATFORM)
    config["rootfs"]["diff_ids"] = diff_ids or [layer.diff_id for layer in content][:2]
    config["history"] = []
    return make_image(content, HOST_PLATFORM, config=config)


def test_layer_with_another_diff_id(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(make_image_with_diff_ids(["sha256:" + "2" * 64], 1), "bad/diff")
    answer = api.pull(name)
    assert answer.status == 200
    assert "layers from manifest don't match image configuration" in answer.error
    assert_not_here(api, name)


def test_more_layers_than_diff_ids(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(make_image_with_diff_ids([], 3), "bad/count")
    answer = api.pull(name)
    assert answer.status == 200
    assert "layers from manifest don't match image configuration" in answer.error
    assert_not_here(api, name)


def test_layer_that_is_no_gzip(api: Api, fault_registry: FaultRegistry) -> None:
    layer = make_layer({"file": random_bytes("gzip", 50_000)})
    broken = layer.blob.read()[:-2000] + random_bytes("tail", 2000)
    layer = dataclasses.replace(layer, blob=Blob.of(broken))
    name = fault_registry.add(make_image([layer], HOST_PLATFORM), "bad/gzip")
    answer = api.pull(name)
    assert answer.status == 200
    assert "gzip" in answer.error
    assert_not_here(api, name)


# ---- documents ------------------------------------------------------------------------------------------------------

def refuse_manifest(api: Api, fault_registry: FaultRegistry, body: bytes, media_type: str = DOCKER_MANIFEST) -> Answer:
    """Pulls a tag that stands for these bytes, and expects an answer before the first byte of a stream."""
    manifest = Blob.of(body, media_type)
    name = fault_registry.add(Image(manifest, ()), "bad/document")
    answer = api.pull(name)
    assert answer.status >= 400, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert_not_here(api, name)
    return answer


def test_manifest_of_5_mib(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    manifest = json.loads(make_small_image().manifest.read())
    manifest["annotations"] = {"padding": "x" * (5 << 20)}
    answer = refuse_manifest(api, fault_registry, to_json(manifest))
    assert answer.status in (400, 500)
    assert "4194304" in answer.message or "4 MiB" in answer.message or "large" in answer.message


def test_index_that_is_labelled_as_manifest(api: Api, fault_registry: FaultRegistry) -> None:
    assert refuse_manifest(api, fault_registry, make_platforms().manifest.read()).status == 400


def test_document_that_is_manifest_and_index(api: Api, fault_registry: FaultRegistry) -> None:
    both = {**json.loads(make_platforms().manifest.read()), **json.loads(make_small_image().manifest.read())}
    assert refuse_manifest(api, fault_registry, to_json(both)).status == 400


@pytest.mark.parametrize("body", [
    pytest.param(b"", id="nothing"),
    pytest.param(b"<html>hello</html>", id="html"),
    pytest.param(b"[" * 100_000, id="deep"),
    pytest.param(b"[]", id="array"),
    pytest.param(b'{"schemaVersion":2}', id="empty"),
    pytest.param(b'{"schemaVersion":2,"config":{},"layers":null}', id="null"),
    pytest.param(b'\xff\xfe{}', id="encoding"),
])
def test_document_that_is_no_manifest(api: Api, fault_registry: FaultRegistry, body: bytes) -> None:
    assert refuse_manifest(api, fault_registry, body).status == 400


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha256:" + "A" * 64, "sha256:" + "a" * 63,
                                    "md5:" + "a" * 32, ""])
def test_digest_that_is_none(api: Api, fault_registry: FaultRegistry, digest: str) -> None:
    manifest = json.loads(make_small_image().manifest.read())
    manifest["layers"][0]["digest"] = digest
    assert refuse_manifest(api, fault_registry, to_json(manifest)).status == 400


@pytest.mark.parametrize("size", [-1, 2**63, 1e30, 1.5, "7", None])
def test_size_that_is_none(api: Api, fault_registry: FaultRegistry, size: object) -> None:
    manifest = json.loads(make_small_image().manifest.read())
    manifest["layers"][0]["size"] = size
    assert refuse_manifest(api, fault_registry, to_json(manifest)).status == 400


@pytest.mark.parametrize("config", [b"{", b"[]", b'{"rootfs":{}}', b'{"rootfs":{"type":"layers","diff_ids":[7]}}'])
def test_config_that_is_none(api: Api, fault_registry: FaultRegistry, config: bytes) -> None:
    layer = make_layer({"a": "b"})
    blobs = (Blob.of(config, "application/vnd.docker.container.image.v1+json"), layer.as_blob("docker"))
    name = fault_registry.add(image_from_blobs(blobs, platform=HOST_PLATFORM), "bad/config2")
    answer = api.pull(name)
    assert answer.status == 200
    assert "error pulling image configuration" in answer.error
    assert_not_here(api, name)


# ---- names ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, tag, status, text", [
    pytest.param(" ", None, 400, "invalid reference format", id="blank"),
    pytest.param("a//b", "1", 400, "invalid reference format", id="empty component"),
    pytest.param("-a", "1", 400, "invalid reference format", id="dash first"),
    pytest.param("FOO", "1", 400,
                 "invalid reference format: repository name (library/FOO) must be lowercase", id="upper case"),
    pytest.param("a" * 256, "1", 400, "repository name must not be more than 255 characters", id="long"),
    pytest.param("a" * 0 + "0" * 64, "1", 400,
                 f"invalid repository name ({'0' * 64}), cannot specify 64-byte hexadecimal strings", id="hex"),
    pytest.param("app", "not/a/tag", 400, "invalid tag format", id="tag"),
    pytest.param("app", "t" * 129, 400, "invalid tag format", id="long tag"),
    pytest.param("app", "sha256:zz", 400, "invalid tag format", id="digest as tag"),
    pytest.param("scratch", "latest", 403, "'scratch' is a reserved name", id="scratch"),
])
def test_pull_of_a_name_that_is_none(api: Api, name: str, tag: str | None, status: int, text: str) -> None:
    assert_error(api.pull(name, tag), status, text)


@pytest.mark.parametrize("platform, text", [
    ("foobar", '"foobar": unknown operating system or architecture: invalid argument'),
    ("linux/*", None), ("a/b/c/d", None), ("linux/", None),
])
def test_platform_that_is_none(api: Api, registry: DockerRegistry, platform: str, text: str | None) -> None:
    answer = api.pull(registry.add(make_small_image(), "bad/known", "1"), platform=platform)
    assert answer.status == 400
    assert text is None or answer.message == text


@pytest.mark.parametrize("repo, tag, text", [
    ("FOO", "1", "invalid reference format: repository name (library/FOO) must be lowercase"),
    ("app", "not/a/tag", "invalid tag format"),
    ("app@sha256:" + "0" * 64, "1", "cannot import digest reference"),
    ("sha256", "1", "refusing to create an ambiguous tag using digest algorithm as name"),
])
def test_tag_with_a_name_that_is_none(api: Api, registry: DockerRegistry, repo: str, tag: str, text: str) -> None:
    name = registry.add(make_small_image(), "bad/known", "1")
    api.pull_well(name)
    assert_error(api.post(f"/images/{name}/tag", {"repo": repo, "tag": tag}), 400, text)


@pytest.mark.parametrize("method, path, query, text", [
    ("GET", "/images/nothing/json", None, "No such image: nothing:latest"),
    ("GET", "/images/a.example/no/thing:7/json", None, "No such image: a.example/no/thing:7"),
    ("GET", f"/images/sha256:{'0' * 64}/json", None, f"No such image: sha256:{'0' * 64}"),
    ("GET", f"/images/{'0' * 64}/json", None, f"No such image: sha256:{'0' * 64}"),
    ("GET", "/images/abcd1234/json", None, "No such image: abcd1234:latest"),
    ("GET", "/images/nothing/history", None, "No such image: nothing:latest"),
    ("POST", "/images/nothing/tag", {"repo": "mine"}, "No such image: nothing:latest"),
    ("DELETE", "/images/nothing", None, "No such image: nothing:latest"),
])
def test_image_that_is_not_here(api: Api, method: str, path: str, query: dict | None, text: str) -> None:
    assert_error(api.request(method, path, query), 404, text)


# ---- parameters and routes ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("filters, text", [
    ("{", "invalid filter"),
    ("[]", "invalid filter"),
    ('"x"', "invalid filter"),
    ('{"dangling":"true"}', "invalid filter"),
    ('{"unknown":["x"]}', "invalid filter 'unknown'"),
    ('{"dangling":["x"]}', "invalid filter 'dangling=[x]'"),
    ('{"dangling":{"x":true}}', "invalid filter 'dangling=[x]'"),
])
def test_filters_that_are_none(api: Api, filters: str, text: str) -> None:
    assert_error(api.get("/images/json", {"filters": filters}), 400, text)


def test_filters_with_an_unknown_image(api: Api) -> None:
    answer = api.get("/images/json", {"filters": '{"since":["nothing"]}'})
    assert answer.status == 404
    assert "No such image: nothing:latest" in answer.message


@pytest.mark.parametrize("method, path", [
    ("GET", "/nothing"), ("GET", "/v1.44/nothing"), ("DELETE", "/_ping"), ("POST", "/images/json"),
    ("HEAD", "/version"), ("GET", "/"), ("GET", "/v1.44"), ("PUT", "/images/x/tag"), ("GET", "/images/x/tag"),
])
def test_unknown_routes(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert answer.body == b'{"message":"page not found"}\n'
    for header in ("Api-Version", "Ostype", "Docker-Experimental"):
        assert header not in answer.headers


def test_api_version_that_is_too_new(api: Api) -> None:
    newest = api.get("/version").json()["ApiVersion"]
    assert_error(api.get("/v1.999/images/json"), 400,
                 f"client version 1.999 is too new. Maximum supported API version is {newest}")
    assert api.get("/v2/version").status == 400


@pytest.mark.parametrize("version", ["1.21", "1.0", "1", "0.9"])
def test_api_version_that_is_too_old(api: Api, version: str) -> None:
    answer = api.get(f"/v{version}/images/json")
    assert answer.status == 400
    # Clients of that time read no JSON.
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == (f"client version {version} is too old. Minimum supported API version is 1.22, "
                                    "please upgrade your client to a newer version\n")


# ---- HTTP -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data, status", [
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, id="TLS hello"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None, id="HTTP/2"),
    pytest.param(b"hello\r\n\r\n", 400, id="no request line"),
    pytest.param(b"GET /_ping\r\n\r\n", 400, id="HTTP/0.9"),
    pytest.param(b"GET /_ping HTTP/1.1\r\n\r\n", 400, id="no host"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, id="two hosts"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400, id="NUL"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, id="folded header"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400, id="blank before colon"),
    pytest.param(b"POST /images/create HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0"
                 b"\r\n\r\n", 400, id="length and chunked"),
    pytest.param(b"POST /images/create HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, id="negative length"),
    pytest.param(b"POST /images/create HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400,
                 id="two lengths"),
    pytest.param(b"GET /_ping HTTP/3.0\r\nHost: a\r\n\r\n", 505, id="version"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n",
                 431, id="many headers"),
    pytest.param(b"GET /_ping HTTP/1.1\r\nHost: a\r\nX: " + b"y" * (1 << 20), 431, id="long header"),
    pytest.param(b"GET /" + b"a" * (1 << 20), 414, id="long target"),
    pytest.param(b"GET /images/%zz/json HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="bad escape"),
    pytest.param(bytes(range(256)) * 40, 400, id="noise"),
])
def test_garbage_is_refused_and_the_connection_closed(api: Api, data: bytes, status: int | None) -> None:
    answer = api.exchange(data)
    if status is None:
        return
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    assert match, answer[:200]
    assert int(match[1]) == status


def test_a_client_that_resets_in_the_middle_of_a_head(api: Api) -> None:
    with api.connect() as connection:
        connection.sendall(b"POST /images/create?fromImage=x HTTP/1.1\r\nHo")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_body_that_never_comes_keeps_nobody_waiting(api: Api) -> None:
    with api.connect() as connection:
        connection.sendall(b"POST /images/x/push HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhalf")
        assert api.get("/_ping").body == b"OK"


def test_many_idle_connections(api: Api) -> None:
    connections = [api.connect() for _ in range(300)]
    try:
        assert api.get("/_ping").body == b"OK"
        assert api.get("/images/json").status == 200
    finally:
        for connection in connections:
            connection.close()
