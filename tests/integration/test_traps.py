# SPDX-License-Identifier: Apache-2.0
"""What clients have stumbled over with other implementations of the Engine API: a test for each trap by its number."""
from __future__ import annotations

import json
import os
import re
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import docker
import pytest

from image_maker import CREATED, EPOCH, Blob, Image, Index, make_image, make_index, make_layer
from lib import skopeo
from lib.api import Answer, Api, encode_auth
from lib.archives import Link, compress, layout_archive, make_archive
from lib.engine_archives import docker_archive, docker_members, load, load_well, oci_archive, save
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry, Reply, Request, make_error
from lib.operations import image_id, push, read_events, tag
from lib.process import find_own_address
from lib.samples import (HOST_PLATFORM, OTHER_ARCHITECTURE, OTHER_PLATFORM, make_platforms, make_small_image,
                         random_bytes)
from lib.search_index import SearchIndex
from lib.store import check_store
from lib.wait import SANITIZED, SLOWNESS, wait_until

MAX_VERSION = "1.55"
MIN_VERSION = "1.22"
SMALL = make_small_image("traps")
PLATFORMS = make_platforms("traps")
HOST_IMAGE = PLATFORMS.image_for(HOST_PLATFORM)


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(SMALL, "traps/small", "1")


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "traps/app", "1")


@pytest.fixture
def client(daemon: Daemon) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=daemon.host, version="auto")
    yield client
    client.close()


def add_image(api: Api, *names: str, seed: str = "added", **more: object) -> Image:
    """An image that is there without a registry."""
    image = make_small_image(seed, **more)
    load_well(api, docker_archive((image, names)))
    return image


def list_names(api: Api, **query: object) -> list[str]:
    return sorted(name for item in api.get("/images/json", query).json() for name in item["RepoTags"])


def read_head(connection: socket.socket) -> list[str]:
    """The lines of an answer's head in lower case; what follows stays unread."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, received
        received += piece
    return received.decode().lower().split("\r\n")[:-2]


# ---- 1-10 -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("target, body", [
    ("/images/create?fromImage={small}", b""), ("/images/{small}/push", b""), ("/images/load", b"no archive"),
    ("/images/create?fromSrc=-&repo=imported", make_archive([("a", b"b")])), ("/events", None)])
def test_trap_01_streams_are_chunked(api: Api, small: str, target: str, body: bytes | None) -> None:
    api.pull_well(small)
    method, length = ("GET", "") if body is None else ("POST", f"Content-Length: {len(body)}\r\n")
    request = f"{method} {target.format(small=small)} HTTP/1.1\r\nHost: docker\r\n{length}\r\n".encode() + (body or b"")
    with api.connect() as connection:
        connection.sendall(request)
        head = read_head(connection)  # of /events too, where nothing ever happens
    assert head[0] == "http/1.1 200 ok"
    assert "transfer-encoding: chunked" in head
    assert not [line for line in head if line.startswith("content-length")]


def test_trap_02_content_types_have_no_charset(api: Api, small: str) -> None:
    answers = [api.get("/images/json"), api.get("/images/no/json"), api.get("/nowhere"), api.pull("BAD"),
               api.pull(small), load(api, b"no archive"), push(api, "no/such"), api.delete("/images/no"),
               api.get("/v1.99/info"), api.get("/images/json", {"filters": "{"})]
    assert [answer.headers["Content-Type"] for answer in answers] == ["application/json"] * len(answers)


def test_trap_03_load_fails_in_its_stream_and_pull_by_status(api: Api, small: str) -> None:
    for archive in (b"", b"abc", b"\0" * 4096):
        answer = load(api, archive)
        assert answer.status == 200
        assert answer.records[-1]["errorDetail"]["message"] == answer.error
        assert answer.error
    assert api.pull("a b").status == 400
    assert api.pull(small.replace("small", "none")).status == 404


def test_trap_04_progress_detail_is_there_for_layers_alone(api: Api, app: str) -> None:
    records = api.pull_well(app).records
    for record in records:
        is_message = record["status"].startswith(("Pulling from", "Digest:", "Status:"))
        assert ("progressDetail" in record) == (not is_message), record
    assert [record["progressDetail"] for record in records if record["status"] == "Pulling fs layer"] == [{}] * 3
    complete = [record["progressDetail"] for record in records if record["status"] == "Pull complete"]
    assert complete == [{"hidecounts": True}] * 3, "counts on a line that has ended"


def test_trap_05_a_pull_without_a_tag_is_of_all_tags(api: Api, registry: DockerRegistry) -> None:
    names = [registry.add(make_small_image(f"tag {name}"), "traps/tags", name) for name in ("one", "two")]
    api.pull_well(f"{registry.host}/traps/tags")
    assert list_names(api) == sorted(names)


def test_trap_06_tags_may_be_digests_and_names_have_any_character(api: Api, small: str) -> None:
    repository = small.removesuffix(":1")
    api.pull_well(repository, SMALL.digest)
    by_digest = f"{repository}@{SMALL.digest}"
    for written in (by_digest, by_digest.replace("@", "%40"), by_digest.replace("/", "%2F").replace(":", "%3A")):
        assert image_id(api, written) == SMALL.digest
    assert tag(api, by_digest.replace("@", "%40"), f"{repository}/deeper", "2").status == 201
    assert api.get(f"/images/{repository}/deeper:2/history").status == 200
    assert push(api, f"{repository}/deeper", "2").error is None
    deleted = api.delete(f"/images/{repository}/deeper:2")
    assert deleted.json() == [{"Untagged": f"{repository}/deeper:2"}]


def test_trap_07_booleans_as_python_writes_them(api: Api) -> None:
    image = add_image(api, "one:1", "two:2")
    for value in ("False", "None", "0", "", "no"):
        assert api.delete(f"/images/{image_id(api, 'one:1')}", {"force": value}).status == 409, value
    assert api.delete(f"/images/{image_id(api, 'one:1')}", {"force": "True"}).status == 200
    archive = docker_archive((image, ["one:1"]))

    def is_quiet(**query: str) -> bool:
        return all("progressDetail" not in record for record in load(api, archive, **query).records)

    assert is_quiet(), "absent is true"
    assert is_quiet(quiet="True")
    api.delete("/images/one:1")
    assert not is_quiet(quiet="False")


def test_trap_08_null_and_empty(api: Api) -> None:
    image = make_image([make_layer({"a": "b"})], HOST_PLATFORM)
    [line] = load_well(api, docker_archive((image, [])))
    name = line.removeprefix("Loaded image ID: ")
    [item] = api.get("/images/json").json()
    assert (item["RepoTags"], item["RepoDigests"], item["Labels"]) == ([], [], {})
    shown = api.get(f"/images/{name}/json").json()
    assert (shown["RepoTags"], shown["RepoDigests"]) == ([], [])
    assert isinstance(shown["Config"], dict)
    assert api.get("/v1.42/images/json").json()[0]["RepoTags"] == ["<none>:<none>"]
    api.delete(f"/images/{name}")
    assert api.get("/images/json").json() == []
    assert api.post("/images/prune").json()["ImagesDeleted"] in (None, [])


def test_trap_09_ids_begin_with_sha256(api: Api) -> None:
    full = re.compile("sha256:[0-9a-f]{64}")
    [loaded] = load_well(api, docker_archive((SMALL, [])))
    assert full.fullmatch(loaded.removeprefix("Loaded image ID: "))
    name = loaded.removeprefix("Loaded image ID: ")
    assert [item["Id"] for item in api.get("/images/json").json()] == [name]
    assert image_id(api, name[7:19]) == name
    first, *others = api.get(f"/images/{name}/history").json()
    assert first["Id"] == name
    assert {item["Id"] for item in others} == {"<missing>"}
    assert full.fullmatch(api.delete(f"/images/{name}").json()[-1]["Deleted"])


def test_trap_09_the_id_of_an_import_begins_with_sha256(api: Api) -> None:
    imported = api.post("/images/create", {"fromSrc": "-"}, body=make_archive([("a", b"b")]))
    assert re.fullmatch("sha256:[0-9a-f]{64}", imported.statuses[-1])


def test_trap_10_missing_images_and_conflicts_in_the_words_that_scripts_match(api: Api) -> None:
    for method, path in (("GET", "/images/none/json"), ("GET", "/images/none/history"), ("GET", "/images/none/get"),
                         ("DELETE", "/images/none"), ("POST", "/images/none/tag?repo=x")):
        answer = api.request(method, path)
        assert (answer.status, answer.message) == (404, "No such image: none:latest"), path
    add_image(api, "one:1", "two:2")
    name = image_id(api, "one:1")
    answer = api.delete(f"/images/{name}")
    assert answer.status == 409
    assert answer.message == (f"conflict: unable to delete {name[7:19]} (must be forced) - "
                              "image is referenced in multiple repositories")


# ---- 11-20 ----------------------------------------------------------------------------------------------------------

def test_trap_11_statuses_of_success(api: Api, registry: DockerRegistry, small: str) -> None:
    api.pull_well(small)
    tagged = tag(api, small, "mine", "1")
    assert (tagged.status, tagged.body) == (201, b"")
    deleted = api.delete("/images/mine:1")
    assert (deleted.status, deleted.json()) == (200, [{"Untagged": "mine:1"}])
    login = api.post("/auth", None, {}, json.dumps({"serveraddress": registry.host}).encode())
    assert (login.status, login.json()["Status"]) == (200, "Login Succeeded")


def test_trap_12_a_wrong_password_by_kind_of_registry(api: Api, cli: DockerCli, registry_htpasswd: DockerRegistry,
                                                      registry_token: DockerRegistry) -> None:
    def login(host: str, password: str) -> Answer:
        return api.post("/auth", None, {}, json.dumps({"username": USER, "password": password,
                                                       "serveraddress": host}).encode())

    for registry in (registry_htpasswd, registry_token):
        assert login(registry.host, PASSWORD).json()["Status"] == "Login Succeeded"
    basic = login(registry_htpasswd.host, "wrong")
    assert (basic.status, basic.message) == (
        500, f"login attempt to http://{registry_htpasswd.host}/v2/ failed with status: 401 Unauthorized")
    token = login(registry_token.host, "wrong")
    assert token.status == 401
    assert token.message.endswith("unauthorized: incorrect username or password")
    said = cli.fails("login", "-u", USER, "-p", "wrong", registry_token.host)
    assert "unauthorized: incorrect username or password" in said


@pytest.mark.parametrize("header", ["", "e30=", "!", "bm8ganNvbg==", encode_auth({"username": "a"})[:-3], "+/+/"])
def test_trap_13_credentials_that_cannot_be_read_are_none(api: Api, small: str, registry_htpasswd: DockerRegistry,
                                                          header: str) -> None:
    answer = api.post("/images/create", {"fromImage": small}, {"X-Registry-Auth": header})
    assert (answer.status, answer.error) == (200, None)
    private = registry_htpasswd.add(SMALL, "traps/private", "1")
    fine = encode_auth({"USERNAME": USER, "Password": PASSWORD})
    for written in (fine, fine.rstrip("=")):
        answer = api.post("/images/create", {"fromImage": private}, {"X-Registry-Auth": written})
        assert (answer.status, answer.error) == (200, None)


def test_trap_14_a_search_without_hits_is_an_empty_list(api: Api, search_index: SearchIndex) -> None:
    answer = api.get("/images/search", {"term": f"{search_index.host}/nothing"})
    assert (answer.status, answer.json()) == (200, [])
    search_index.add("found", stars=3)
    [hit] = api.get("/images/search", {"term": f"{search_index.host}/found"}).json()
    assert (hit["star_count"], hit["is_automated"]) == (3, False)


def test_trap_15_a_tag_that_moved_is_pulled_again(api: Api, registry: DockerRegistry) -> None:
    old, new = make_small_image("old"), make_small_image("new")
    name = registry.add(old, "traps/moving")
    api.pull_well(name)
    registry.add(new, "traps/moving")
    assert api.pull_well(name).statuses[-1] == f"Status: Downloaded newer image for {name}"
    assert image_id(api, name) == new.digest
    dangling = api.get("/images/json", {"filters": '{"dangling":["true"]}'}).json()
    assert [(item["Id"], item["RepoTags"]) for item in dangling] == [(old.digest, [])]


def test_trap_16_a_client_that_leaves_ends_its_pull_push_and_events(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("left", layers=1, layer_bytes=400_000)
    name = fault_registry.add(image, "traps/left")
    stall = fault_registry.stall(f"blobs/{image.layers[0].digest}", after=200_000)
    stream = api.start_pull(name)
    stall.wait_reached()
    stream.close()
    stall.wait_disconnect(5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(10 * SLOWNESS)
        target = f"127.0.0.1:{silent.getsockname()[1]}/traps/left"
        add_image(api, f"{target}:1")
        with api.connect() as connection:
            connection.sendall(f"POST /images/{target}/push?tag=1 HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
            read_head(connection)
            upstream, _ = silent.accept()
        with upstream:
            upstream.settimeout(5 * SLOWNESS)
            while upstream.recv(65536):
                pass  # until the daemon hangs up
    with api.connect() as connection:
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n")
        read_head(connection)
        wait_until(lambda: api.get("/info").json()["NEventsListener"] == 1, "somebody listens")
    wait_until(lambda: api.get("/info").json()["NEventsListener"] == 0, "the listener is gone")


def test_trap_17_an_archive_of_several_images_and_tags(api: Api) -> None:
    one, two = make_small_image("one"), make_small_image("two")
    lines = load_well(api, docker_archive((one, ["docker.io/library/app:1", "app:2"]), (two, ["host.test/x/y:1"])))
    assert sorted(lines) == ["Loaded image: app:1", "Loaded image: app:2", "Loaded image: host.test/x/y:1"]
    answer = load(api, docker_archive((one, ["app:1"])))
    assert [record["stream"] for record in answer.records if "stream" in record] == ["Loaded image: app:1\n"]
    assert len(api.get("/images/json").json()) == 2


def odd_members(image: Image) -> list[tuple]:
    """Shared layers as links, a colon in the config's name, `./` before names, the manifest last, legacy files."""
    real, linked = image.layers
    config = image.config.digest
    manifest = [{"Config": config, "RepoTags": ["odd:1"], "Layers": ["one/layer.tar", "two/layer.tar"]}]
    return [("./one/", None), ("./one/VERSION", b"1.0"), ("./one/json", b"{}"), ("./two/", None),
            ("./two/layer.tar", Link("../shared.tar")), ("./one/layer.tar", real.read()),
            ("./shared.tar", linked.read()), (f"./{config}", image.config.read()),
            ("./manifest.json", json.dumps(manifest).encode())]


@pytest.mark.parametrize("outer", ["none", "gzip", "bzip2", "xz", "zstd"])
def test_trap_18_members_as_other_tools_write_them(api: Api, outer: str) -> None:
    image = make_small_image(f"odd {outer}")
    archive = make_archive(odd_members(image))
    assert load_well(api, compress(archive, outer)) == ["Loaded image: odd:1"]
    saved = save(api, "odd:1")
    assert len(saved.items[0]["Layers"]) == 2
    assert all(saved.content[layer] for layer in saved.items[0]["Layers"])
    assert not [name for name in saved.members if name.startswith("./")]


def test_trap_19_what_a_save_holds_by_the_form_of_its_names(api: Api) -> None:
    add_image(api, "app:1", "app:2", seed="a")
    add_image(api, "other:1", seed="b")
    assert sorted(name for item in save(api, "app").items for name in item["RepoTags"]) == ["app:1", "app:2"]
    [item] = save(api, image_id(api, "app:1")).items
    assert item["RepoTags"] is None
    both = save(api, "app:1", "other:1")
    assert sorted(item["RepoTags"] for item in both.items) == [["app:1"], ["other:1"]]


def test_trap_20_a_push_fails_in_its_stream_and_ends_with_the_digest(api: Api, registry: DockerRegistry,
                                                                   small: str) -> None:
    missing = push(api, f"{registry.host}/traps/none", "1")
    assert missing.status == 200
    assert missing.error.startswith("tag does not exist: ")
    assert missing.records[0] == {"status": f"The push refers to repository [{registry.host}/traps/none]"}
    api.pull_well(small)
    target = f"{registry.host}/traps/pushed"
    tag(api, small, target, "v")
    records = push(api, target, "v").records
    size = SMALL.manifest.size
    assert {"status": f"v: digest: {SMALL.digest} size: {size}"} in records
    assert records[-1]["aux"] == {"Tag": "v", "Digest": SMALL.digest, "Size": size}


# ---- 21-30 ----------------------------------------------------------------------------------------------------------

def test_trap_21_disk_usage_has_old_and_new_keys(api: Api) -> None:
    add_image(api, "app:1")
    usage = api.get("/v1.52/system/df").json()
    assert usage["LayersSize"] > 0
    assert len(usage["Images"]) == 1
    assert usage["ImageUsage"]["TotalCount"] == 1
    assert "Items" not in usage["ImageUsage"]
    assert set(api.get("/v1.51/system/df").json()) == {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}


def test_trap_22_events_have_the_fields_of_old_clients(api: Api) -> None:
    add_image(api, "app:1")
    api.delete("/images/app:1")
    events = read_events(api, "/v1.51")
    assert [event["Action"] for event in events][-2:] == ["untag", "delete"]
    for event in events:
        assert (event["status"], event["id"]) == (event["Action"], event["Actor"]["ID"])
        assert event["timeNano"] // 10**9 == event["time"] > 0
    assert not [event for event in read_events(api, "/v1.52") if "status" in event or "id" in event]


def test_trap_23_filters_in_both_encodings(api: Api) -> None:
    add_image(api, "app:1", seed="a")
    add_image(api, "app:2", seed="b")

    def found(filters: object) -> list[str]:
        return list_names(api, filters=filters if isinstance(filters, str) else json.dumps(filters))

    both = ["app:1", "app:2"]
    assert found("") == found({}) == both
    assert found({"label": {"seed=a": True}}) == found({"label": ["seed=a"]}) == ["app:1"]
    assert found({"label": ["seed=a", "seed=a"]}) == ["app:1"]
    assert found({"label": ["seed=a"], "reference": ["app:2"]}) == []
    for broken in ("{", '{"label":"seed"}', "[]", '{"no":["such"]}'):
        assert api.get("/images/json", {"filters": broken}).status == 400, broken


def test_trap_24_reference_filters_know_familiar_and_full_names(api: Api) -> None:
    add_image(api, "foo:1", "foo:2", "deep/foo:1")
    for pattern in ("foo", "docker.io/library/foo", "f*", "docker.io/library/f?o"):
        assert list_names(api, filters=json.dumps({"reference": [pattern]})) == ["foo:1", "foo:2"], pattern
    assert list_names(api, filters='{"reference":["*"]}') == ["foo:1", "foo:2"]
    assert list_names(api, filters='{"reference":["*/foo"]}') == ["deep/foo:1"]
    assert list_names(api, filters='{"reference":["foo:2"]}') == ["foo:2"]


def test_trap_25_names_win_over_short_ids_and_ambiguity_is_an_error(api: Api) -> None:
    found: dict[str, Image] = {}
    for number in range(5000):
        second = make_small_image(f"short {number}", layers=1, layer_bytes=10, image_format="oci")
        first = found.setdefault(second.digest[7:11], second)
        if first is not second:
            break
    assert first is not second, "no two of the images begin alike"
    alone = next(image for image in found.values() if image is not first)
    load_well(api, layout_archive([("n:1", first), ("n:2", second), ("n:3", alone)]))
    answer = api.get(f"/images/{first.digest[7:11]}/json")
    assert answer.status == 404
    assert "ambiguous reference" in answer.message
    assert image_id(api, alone.digest[7:11]) == alone.digest
    assert tag(api, first.digest, alone.digest[7:11]).status == 201
    assert image_id(api, alone.digest[7:11]) == first.digest


def test_trap_26_unknown_sizes_and_counts_are_minus_one(api: Api) -> None:
    add_image(api, "app:1")
    [item] = api.get("/v1.50/images/json").json()
    assert (item["SharedSize"], item["Containers"]) == (-1, -1)
    [item] = api.get("/images/json", {"shared-size": "1"}).json()
    assert (item["SharedSize"], item["Containers"]) == (0, 0)


def test_trap_27_platforms_as_text_and_as_json(api: Api, registry: DockerRegistry) -> None:
    bare = make_index([make_small_image("bare"), make_image([make_layer({"b": "b"})], "linux/arm64")],
                      attestations=True)
    name = registry.add(bare, "traps/bare")
    api.pull_well(name, platform="linux/arm64/v8")
    assert api.get(f"/images/{name}/json", {"platform": '{"os":"linux","architecture":"arm64","variant":"v8"}'}
                   ).json()["Architecture"] == "arm64"
    exact = registry.add(make_platforms("exact", attestations=True), "traps/exact")
    api.pull_well(exact, platform="linux/arm64")
    api.pull_well(exact, platform=HOST_PLATFORM)
    assert api.get(f"/images/{exact}/json").json()["Architecture"] == HOST_PLATFORM.split("/")[1]
    assert api.pull(exact, platform="unknown/unknown").status == 404
    if HOST_PLATFORM != "linux/amd64":
        return
    old = registry.add(make_index([make_image([make_layer({"c": "c"})], "linux/386")]), "traps/old")
    api.pull_well(old)
    assert api.get(f"/images/{old}/json").json()["Architecture"] == "386"
    strict = api.get(f"/images/{old}/json", {"platform": '{"os":"linux","architecture":"amd64"}'})
    assert strict.status == 404


def test_trap_28_the_digest_is_the_indexs(api: Api, app: str) -> None:
    answer = api.pull_well(app)
    assert f"Digest: {PLATFORMS.digest}" in answer.statuses
    assert {record["id"] for record in answer.records if "progressDetail" in record} == {
        layer.digest[7:19] for layer in HOST_IMAGE.layers}
    repository = app.removesuffix(":1")
    shown = api.get(f"/images/{repository}@{PLATFORMS.digest}/json").json()
    assert shown["RepoDigests"] == [f"{repository}@{PLATFORMS.digest}"]


def test_trap_29_versions_and_routes_that_are_not_there(api: Api) -> None:
    too_new = api.get("/v1.99/images/json")
    assert (too_new.status, too_new.message) == (
        400, f"client version 1.99 is too new. Maximum supported API version is {MAX_VERSION}")
    too_old = api.get("/v1.10/images/json")
    assert too_old.status == 400
    assert too_old.body.decode().rstrip() == (f"client version 1.10 is too old. Minimum supported API version is "
                                              f"{MIN_VERSION}, please upgrade your client to a newer version")
    for method, path in (("GET", "/nowhere"), ("PUT", "/images/json"), ("HEAD", "/images/json")):
        answer = api.request(method, path)
        assert answer.status == 404
        assert answer.body == (b"" if method == "HEAD" else b'{"message":"page not found"}\n')
        assert "Api-Version" not in answer.headers


def test_trap_30_clients_find_the_version_in_the_ping(api: Api, cli: DockerCli, client: docker.DockerClient) -> None:
    answer = api.request("HEAD", "/_ping")
    assert answer.headers["Api-Version"] == MAX_VERSION
    assert answer.headers["Ostype"] == "linux"
    assert client.api._version == MAX_VERSION
    assert cli.ok("version", "--format", "{{.Server.APIVersion}} {{.Server.Os}}").out.split()[1] == "linux"


# ---- 31-40 ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("headers", [
    pytest.param("Content-Length: {length}\r\nContent-Type: application/x-www-form-urlencoded\r\n", id="form"),
    pytest.param("Content-Length: {length}\r\n", id="no type"),
    pytest.param("Content-Length: {length}\r\nExpect: 100-continue\r\n", id="expect"),
    pytest.param("Transfer-Encoding: chunked\r\n", id="chunked")])
def test_trap_31_bodies_are_raw_however_they_come(api: Api, headers: str) -> None:
    archive = docker_archive((SMALL, ["raw:1"]))
    pieces = (archive[:10], archive[10:5000], archive[5000:], b"")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    body = chunks if "chunked" in headers else archive
    with api.connect() as connection:
        connection.sendall(("POST /images/load HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n"
                            + headers.format(length=len(archive)) + "\r\n").encode())
        if "Expect" in headers:
            assert read_head(connection) == ["http/1.1 100 continue"]
        connection.sendall(body)
        assert read_head(connection)[0] == "http/1.1 200 ok"
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert b"Loaded image: raw:1" in received
    bare = api.exchange(b"POST /images/raw:1/tag?repo=b HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")
    assert bare.startswith(b"HTTP/1.1 201")


def test_trap_32_large_numbers_are_whole(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("large")
    huge = 2**53 + 1
    here = image.manifest.descriptor(platform={"os": "linux", "architecture": HOST_PLATFORM.split("/")[1]})
    there = {**here, "digest": "sha256:" + "5" * 64, "size": huge, "platform": {"os": "linux", "architecture": "mips"}}
    kind = PLATFORMS.manifest.media_type
    index = Index(Blob.of(json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [here, there]}).encode(),
                          kind), (image,))
    api.pull_well(fault_registry.add(index, "traps/large"))
    assert b'"size":%d' % huge in api.get("/images/json", {"manifests": "1"}).body
    raw = api.get("/events", {"since": "0", "until": f"{time.time():.9f}"}).body
    assert re.search(rb'"timeNano":\d{19}[,}]', raw)


def test_trap_33_created_in_three_forms(api: Api) -> None:
    add_image(api, "app:1")
    assert api.get("/images/json").json()[0]["Created"] == EPOCH
    assert api.get("/images/app:1/json").json()["Created"] == CREATED
    assert api.get("/images/app:1/history").json()[0]["Created"] == EPOCH
    assert datetime.fromisoformat(CREATED.replace("Z", "+00:00")).timestamp() == EPOCH


def test_trap_34_plain_http_is_for_loopback_and_hubs_credentials_for_hub(
        api: Api, app: str, fault_registry: FaultRegistry, make_daemon: Callable[..., Daemon]) -> None:
    api.pull_well(app.replace("127.0.0.1", "localhost"))
    mirrored = make_daemon("mirrored", arguments=["--registry-mirror", f"http://{fault_registry.host}"]).start()
    fault_registry.add(SMALL, "library/traps")
    mirrored.api.pull_well("traps:latest", auth={"username": "u", "password": "p",
                                                 "serveraddress": "https://index.docker.io/v1/"})
    assert fault_registry.requests
    assert not [request for request in fault_registry.requests if "Authorization" in request.headers]
    mirrored.stop()
    address = find_own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback's")
    with socket.socket() as listener:
        listener.bind((address, 0))
        listener.listen()
        heard: list[bytes] = []

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(1))

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        assert api.pull(f"{address}:{listener.getsockname()[1]}/traps/none", "1").status != 200
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert heard
    assert set(heard) <= {b"\x16", b""}, "something but a TLS hello was sent"


def test_trap_35_what_clients_need_of_info_and_version(api: Api, cli: DockerCli, daemon: Daemon) -> None:
    assert api.get("/info").json()["Swarm"]["LocalNodeState"] == "inactive"
    assert api.get("/version").json()["ApiVersion"] == MAX_VERSION
    shown = cli.ok("info")
    assert "Swarm: inactive" in shown.out
    assert "Is Manager" not in shown.out
    docker.DockerClient(base_url=daemon.host, version="auto").close()


def test_trap_36_the_ping_is_ok(api: Api) -> None:
    head, full = api.request("HEAD", "/_ping"), api.get("/_ping")
    assert (head.status, head.body) == (200, b"")
    assert (full.status, full.body) == (200, b"OK")


def test_trap_37_operations_at_the_same_time(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    shared, own = make_layer({"shared": random_bytes("37", 50_000)}), make_layer({"own": random_bytes("own", 50_000)})
    here = make_image([shared], HOST_PLATFORM)
    coming = make_image([shared, own], HOST_PLATFORM)
    api.pull_well(fault_registry.add(here, "traps/here"))
    name = fault_registry.add(coming, "traps/coming")
    stall = fault_registry.stall(f"blobs/{own.digest}", after=10_000)
    streams = [api.start_pull(name) for _ in range(2)]
    for stream in streams:
        stream.read_until("Already exists")
    stall.wait_reached()
    # The layer that the pull counts on belongs to nobody else any more.
    assert api.delete(f"/images/{fault_registry.host}/traps/here:latest").status == 200
    pruned = api.post("/images/prune", {"filters": '{"dangling":["false"]}'})
    assert (pruned.status, pruned.json()["SpaceReclaimed"]) == (200, 0), "the pull holds what nobody else has"
    stall.release()
    for stream in streams:
        assert "Status: " in list(stream.records())[-1]["status"]
    assert fault_registry.count("GET", f"blobs/{own.digest}") == 1
    assert fault_registry.count("GET", f"blobs/{shared.digest}") == 1
    check_store(daemon.data_root)


def test_trap_38_a_config_digest_is_a_name_too(api: Api, app: str) -> None:
    api.pull_well(app)
    assert image_id(api, HOST_IMAGE.config.digest) == PLATFORMS.digest
    assert tag(api, HOST_IMAGE.config.digest, "by-config", "1").status == 201
    assert image_id(api, "by-config:1") == PLATFORMS.digest


def test_trap_39_a_single_manifest_of_another_platform_is_pulled(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_image([make_layer({"a": "39"})], OTHER_PLATFORM), "traps/foreign")
    answer = api.pull_well(name, platform=HOST_PLATFORM)
    assert answer.statuses[-1].startswith("Status: Downloaded newer image")
    assert api.get(f"/images/{name}/json").json()["Architecture"] == OTHER_ARCHITECTURE


def test_trap_40_what_cannot_be_done_is_an_error(api: Api, small: str) -> None:
    api.pull_well(small)
    assert api.post(f"/images/{small}/tag").status == 400
    assert api.get("/images/search", {"term": "x", "limit": "-1"}).status == 400


# ---- 41-48 ----------------------------------------------------------------------------------------------------------

def test_trap_41_versions_of_old_clients(api: Api, daemon: Daemon, small: str, folder: Path) -> None:
    for version in ("1.22", "1.23"):
        api.pull_well(small, version=f"/v{version}")
        assert len(api.get(f"/v{version}/images/json").json()) == 1
    skopeo.run_skopeo("copy", "--src-daemon-host", daemon.host, f"docker-daemon:{small}", f"dir:{folder}/out")
    assert json.loads((folder / "out/manifest.json").read_text())["layers"]


@pytest.mark.parametrize("path, expected", [
    ("/containers/json", []), ("/networks", []), ("/plugins", []), ("/volumes", {"Volumes": [], "Warnings": None})])
def test_trap_42_harnesses_find_empty_lists(api: Api, path: str, expected: object) -> None:
    for prefix in ("", "/v1.24", "/v1.44"):
        answer = api.get(prefix + path)
        assert (answer.status, answer.json()) == (200, expected)


def test_trap_43_docker_inspect_walks_on_to_the_end(api: Api, cli: DockerCli) -> None:
    assert api.get("/containers/x/json").message == "No such container: x"
    assert api.get("/networks/x").message == "network x not found"
    assert api.get("/volumes/x").message == "get x: no such volume"
    assert api.get("/plugins/x/json").status == 404
    service = api.get("/services/x")
    assert service.status == 503
    assert service.message.startswith("This node is not a swarm manager")
    assert cli.fails("inspect", "nothing").splitlines()[-1].lower() == "error: no such object: nothing"


def test_trap_44_registries_hear_who_asks(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(SMALL, "traps/agent")
    api.post("/images/create", {"fromImage": name}, {"User-Agent": "Tester/1.0 (linux\\x)"})
    assert r"UpstreamClient(Tester/1.0 \(linux\\x\))" in fault_registry.requests[0].headers["User-Agent"]


def test_trap_45_info_claims_what_is_true(api: Api) -> None:
    info = api.get("/info").json()
    assert info["OSType"] == "linux"
    assert info["DriverStatus"] == [["driver-type", "io.containerd.snapshotter.v1"]]
    assert info["SecurityOptions"] in ([], None), "nothing is run, so nothing is confined"
    assert info["ExperimentalBuild"] is False


def test_trap_46_frozen_images(api: Api) -> None:
    shared, own = make_layer({"shared": "46"}), make_layer({"own": "46"})
    one, two = make_image([shared], HOST_PLATFORM), make_image([shared, own], OTHER_PLATFORM)
    members = docker_members((one, ["frozen:1"]), (two, ["frozen:2"]))
    folders = [name for name, _ in members if name.endswith("/layer.tar")]
    assert len(folders) == 2, "one layer folder is shared"
    members.insert(0, ("repositories", b'{"frozen":{"1":"x","2":"y"}}'))
    assert sorted(load_well(api, make_archive(members))) == ["Loaded image: frozen:1", "Loaded image: frozen:2"]
    assert api.get("/images/frozen:2/json").json()["Architecture"] == OTHER_ARCHITECTURE


def test_trap_46_large_layers_of_nothing(api: Api, daemon: Daemon) -> None:
    before = daemon.memory_kib("VmHWM")
    answer = api.post("/images/create", {"fromSrc": "-", "repo": "zeros"}, body=tar_of_zeros(ZEROS_BYTES))
    assert (answer.status, answer.error) == (200, None)
    assert SANITIZED or daemon.memory_kib("VmHWM") - before < 32 << 10


# What grows with the size shows at half a gigabyte as well.
ZEROS_BYTES = (8 << 30) if os.environ.get("LIGHTERD_FULL") else (512 << 20)
MEBIBYTE = bytes(1 << 20)


def tar_of_zeros(size: int) -> Iterator[bytes]:
    info = tarfile.TarInfo("zeros")
    info.size = size
    yield info.tobuf()
    for _ in range(size // len(MEBIBYTE) + 1):  # the last one ends the archive
        yield MEBIBYTE


def test_trap_47_authorization_does_not_follow_redirects(api: Api, fault_registry: FaultRegistry) -> None:
    origin = BasicRegistry(fault_registry)
    try:
        fault_registry.add(SMALL, "traps/cdn")
        name = origin.add(SMALL, "traps/cdn")
        api.pull_well(name, auth={"username": USER, "password": PASSWORD})
        assert [request for request in origin.requests if "Authorization" in request.headers]
        assert {request.method for request in fault_registry.requests} == {"GET"}
        assert not [request for request in fault_registry.requests if "Authorization" in request.headers]
    finally:
        origin.stop()


class BasicRegistry(FaultRegistry):
    """Wants a password, and has its blobs at another host."""

    def __init__(self, storage: FaultRegistry):
        super().__init__()
        self._storage = storage

    def reply_to(self, request: Request) -> tuple[int, dict[str, str], bytes, Reply]:
        if "Authorization" not in request.headers:
            self.requests.append(request)
            return 401, {"WWW-Authenticate": 'Basic realm="r"'}, make_error("UNAUTHORIZED", "who are you"), Reply()
        status, headers, body, rule = super().reply_to(request)
        if "/blobs/" in request.path and status == 200:
            return 307, {"Location": f"http://{self._storage.host}{request.path}"}, b"", rule
        return status, headers, body, rule


def test_trap_48_digests_stay_through_load_and_push(api: Api, registry: DockerRegistry) -> None:
    index = make_platforms("load and push", image_format="oci")
    name = f"{registry.host}/traps/kept:1"
    assert load_well(api, oci_archive(index, name)) == [f"Loaded image: {name}"]
    assert image_id(api, name) == index.digest
    assert push(api, name.removesuffix(":1"), "1").error is None
    assert skopeo.read_digest(name) == index.digest
