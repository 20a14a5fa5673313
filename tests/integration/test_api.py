# SPDX-License-Identifier: Apache-2.0
"""The Engine API byte by byte: what clients rely on and their libraries hide."""
from __future__ import annotations

import json
import re

import pytest

from image_maker import EPOCH, make_image, make_index, make_layer
from lib.api import Answer, Api, decode_chunks, encode_auth
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.samples import HOST_PLATFORM, OTHER_ARCHITECTURE, OTHER_PLATFORM, make_platforms, make_small_image

OLDEST = "1.22"
VERSIONS = [OLDEST, "1.24", "1.25", "1.30", "1.40", "1.42", "1.43", "1.44", "1.47", "1.48", "1.50", "1.52", "1.55"]
PLATFORMS = make_platforms()
SMALL = make_small_image("api")


def number(version: str) -> int:
    return int(version.split(".")[1])


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(SMALL, "api/small", "1")


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "api/app", "1")


# ---- system ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("prefix", ["", "/v1.22", "/v1.44", "/v1.55"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ping(api: Api, method: str, prefix: str) -> None:
    answer = api.request(method, f"{prefix}/_ping")
    assert answer.status == 200
    assert answer.body == (b"OK" if method == "GET" else b"")
    assert answer.headers["Content-Length"] == ("2" if method == "GET" else "0")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert_common_headers(answer)
    assert answer.headers["Builder-Version"] in ("1", "2")
    assert answer.headers["Swarm"] == "inactive"
    assert answer.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert answer.headers["Pragma"] == "no-cache"


def assert_common_headers(answer: Answer) -> None:
    assert re.fullmatch(r"Docker/\S+ \(linux\)", answer.headers["Server"])
    assert answer.headers["Api-Version"] == VERSIONS[-1]
    assert answer.headers["Ostype"] == "linux"
    assert answer.headers["Docker-Experimental"] == "false"


@pytest.mark.parametrize("path", ["/version", "/info", "/images/json", "/images/nothing/json"])
def test_headers_of_every_answer(api: Api, path: str) -> None:
    answer = api.get(path)
    assert answer.headers["Content-Type"] == "application/json"
    assert_common_headers(answer)
    assert "Builder-Version" not in answer.headers


def test_version(api: Api) -> None:
    version = api.get("/version").json()
    assert (version["ApiVersion"], version["MinAPIVersion"]) == (VERSIONS[-1], OLDEST)
    assert version["Os"] == "linux"
    assert version["Arch"] == HOST_PLATFORM.split("/")[1]
    assert version["Platform"]["Name"]
    engine = version["Components"][0]
    assert engine["Name"] == "Engine"
    assert engine["Version"] == version["Version"]
    assert all(isinstance(value, str) for value in engine["Details"].values())
    assert engine["Details"]["ApiVersion"] == VERSIONS[-1]


def test_info(api: Api, small: str) -> None:
    info = api.get("/info").json()
    for key in ("ID", "Name", "LoggingDriver", "OperatingSystem", "NCPU", "OSType", "Architecture", "MemTotal",
                "KernelVersion", "Driver", "ServerVersion", "SystemTime", "DockerRootDir"):
        assert info[key], key
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["Architecture"] in ("x86_64", "aarch64")
    assert info["OSType"] == "linux"
    assert info["DriverStatus"] == [["driver-type", "io.containerd.snapshotter.v1"]]
    assert info["IndexServerAddress"] == "https://index.docker.io/v1/"
    assert info["RegistryConfig"]["IndexConfigs"]["docker.io"]["Official"] is True
    assert (info["Containers"], info["Images"]) == (0, 0)
    assert info["Labels"] == []
    assert info["Warnings"] is None
    api.pull_well(small)
    assert api.get("/info").json()["Images"] == 1
    assert api.get("/info").json()["ID"] == info["ID"]


def test_info_of_older_versions(api: Api) -> None:
    assert "Expected" in api.get("/v1.48/info").json()["RuncCommit"]
    assert "Expected" not in api.get("/v1.49/info").json()["RuncCommit"]
    assert api.get("/v1.49/info").json()["BridgeNfIptables"] is False
    assert "BridgeNfIptables" not in api.get("/v1.50/info").json()


@pytest.mark.parametrize("path, body", [
    ("/containers/json", []), ("/networks", []), ("/plugins", []), ("/volumes", {"Volumes": [], "Warnings": None})])
def test_what_we_do_not_have_is_an_empty_list(api: Api, path: str, body: object) -> None:
    answer = api.get(path)
    assert (answer.status, answer.json()) == (200, body)


@pytest.mark.parametrize("path, status, text", [
    ("/containers/x/json", 404, "No such container: x"), ("/networks/x", 404, "network x not found"),
    ("/volumes/x", 404, "get x: no such volume"), ("/swarm", 503, None), ("/nodes", 503, None)])
def test_docker_inspect_can_walk_on(api: Api, path: str, status: int, text: str | None) -> None:
    answer = api.get(path)
    assert answer.status == status
    assert text is None or answer.message == text


def test_options_of_any_path(api: Api) -> None:
    assert api.request("OPTIONS", "/whatever").status == 200


def test_many_requests_on_one_connection(api: Api) -> None:
    ping = b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n"
    last = b"GET /version HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    answers = api.exchange(ping * 50 + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 51
    assert answers.rstrip().endswith(b"}")


# ---- pull stream ----------------------------------------------------------------------------------------------------

def test_pull_stream_as_bytes(api: Api, small: str) -> None:
    request = f"POST /v1.44/images/create?fromImage={small} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    head, _, body = api.exchange(request.encode()).partition(b"\r\n\r\n")
    headers = head.decode().lower().split("\r\n")
    assert headers[0] == "http/1.1 200 ok"
    assert "content-type: application/json" in headers
    assert "transfer-encoding: chunked" in headers
    assert not [header for header in headers if header.startswith("content-length")]
    chunks = decode_chunks(body)
    assert len(chunks) > 5
    for chunk in chunks:
        assert chunk.endswith(b"\r\n")
        json.loads(chunk)  # exactly one object
    assert chunks[0] == b'{"status":"Pulling from api/small","id":"1"}\r\n'


def test_pull_stream_tells_lines_of_layers_from_messages(api: Api, app: str) -> None:
    records = api.pull_well(app).records
    image = PLATFORMS.image_for(HOST_PLATFORM)
    assert records[0] == {"status": "Pulling from api/app", "id": "1"}
    assert records[-2:] == [{"status": f"Digest: {PLATFORMS.digest}"},
                            {"status": f"Status: Downloaded newer image for {app}"}]
    layers = {layer.digest[7:19] for layer in image.layers}
    for record in records[1:-2]:
        assert record["id"] in layers, "index, manifest and config have no lines"
        assert isinstance(record["progressDetail"], dict)
        if record["status"] == "Pulling fs layer":
            assert record["progressDetail"] == {}
    for layer in layers:
        lines = [record["status"] for record in records if record.get("id") == layer]
        assert lines[0] == "Pulling fs layer"
        assert lines[-2:] == ["Download complete", "Pull complete"]


def test_pull_stream_counts_bytes(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("counted", layer_bytes=2_000_000)
    name = fault_registry.add(image, "api/counted")
    stall = fault_registry.stall(f"blobs/{image.layers[1].digest}", after=1_500_000)
    stream = api.start_pull(name)
    record = next(record for record in stream.records() if record["status"] == "Downloading"
                  and record["id"] == image.layers[1].digest[7:19] and record["progressDetail"]["current"] == 1_500_000)
    assert record["progressDetail"]["total"] == image.layers[1].size
    stall.release()
    assert "Status: " in list(stream.records())[-1]["status"]


def test_up_to_date_pull_has_three_lines(api: Api, small: str) -> None:
    api.pull_well(small)
    assert api.pull_well(small).records == [
        {"status": "Pulling from api/small", "id": "1"}, {"status": f"Digest: {SMALL.digest}"},
        {"status": f"Status: Image is up to date for {small}"}]


@pytest.mark.parametrize("in_name", [True, False])
def test_pull_by_digest_names_the_whole_reference(api: Api, small: str, in_name: bool) -> None:
    name = f"{small.removesuffix(':1')}@{SMALL.digest}"
    answer = api.pull_well(name) if in_name else api.pull_well(small.removesuffix(":1"), SMALL.digest)
    assert answer.records[0] == {"status": "Pulling from api/small", "id": name}
    assert answer.statuses[-1] == f"Status: Downloaded newer image for {name}"


def test_pull_without_tag_pulls_all_tags(api: Api, registry: DockerRegistry) -> None:
    for tag in ("a", "b"):
        registry.add(make_small_image(tag), "api/all", tag)
    api.pull_well(f"{registry.host}/api/all")
    names = [name for item in api.get("/images/json").json() for name in item["RepoTags"]]
    assert sorted(names) == [f"{registry.host}/api/all:a", f"{registry.host}/api/all:b"]


def test_all_tags_end_at_the_tag_that_fails(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(make_small_image("good"), "api/mixed", "a").removesuffix(":a")
    fault_registry.add(make_small_image("bad"), "api/mixed", "b")
    fault_registry.on("GET|HEAD", "manifests/b", Reply(status=404, body=b""))
    answer = api.pull(name)
    assert answer.status == 200
    assert answer.error.startswith(f"error pulling {name}:b: ")
    assert api.get(f"/images/{name}:a/json").status == 200


def test_the_tag_parameter_wins_over_the_name(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_small_image("wins"), "api/wins", "yes").removesuffix(":yes")
    assert api.pull_well(f"{name}:no", "yes").records[0]["id"] == "yes"


def test_parameters_in_a_form(api: Api, small: str) -> None:
    body = f"fromImage={small.replace(':', '%3A').replace('/', '%2F')}".encode()
    answer = api.post("/images/create", None, {"Content-Type": "application/x-www-form-urlencoded"}, body)
    assert (answer.status, answer.error) == (200, None)


def test_platform_is_ignored_before_1_32(api: Api, app: str) -> None:
    api.pull_well(app, platform=OTHER_PLATFORM, version="/v1.31")
    assert api.get(f"/images/{app}/json").json()["Architecture"] == HOST_PLATFORM.split("/")[1]


def test_a_single_manifest_of_another_platform_is_pulled(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_image([make_layer({"a": "b"})], OTHER_PLATFORM), "api/foreign", "1")
    api.pull_well(name, platform=HOST_PLATFORM)
    assert api.get(f"/images/{name}/json").json()["Architecture"] == OTHER_ARCHITECTURE


@pytest.mark.parametrize("keys", [("username", "password"), ("Username", "Password")])
def test_credentials_in_any_case(api: Api, registry_htpasswd: DockerRegistry, keys: tuple[str, str]) -> None:
    name = registry_htpasswd.add(SMALL, "api/private", "1")
    api.pull_well(name, auth=dict(zip(keys, (USER, PASSWORD))))


def test_credentials_without_padding(api: Api, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(SMALL, "api/private", "1")
    header = encode_auth({"username": USER, "password": PASSWORD}).rstrip("=")
    assert api.post("/images/create", {"fromImage": name}, {"X-Registry-Auth": header}).status == 200


def test_a_registry_hears_who_the_client_is(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(SMALL, "api/agent")
    api.post("/images/create", {"fromImage": name}, {"User-Agent": "Tester/1.0 (x)"})
    agent = fault_registry.requests[0].headers["User-Agent"]
    assert r"UpstreamClient(Tester/1.0 \(x\))" in agent


# ---- list -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", VERSIONS)
def test_list_item_by_version(api: Api, app: str, version: str) -> None:
    api.pull_well(app)
    [item] = api.get(f"/v{version}/images/json").json()
    repository = app.removesuffix(":1")
    config = json.loads(PLATFORMS.image_for(HOST_PLATFORM).config.read())
    assert item["Id"] == PLATFORMS.digest
    assert item["RepoTags"] == [app]
    assert item["RepoDigests"] == [f"{repository}@{PLATFORMS.digest}"]
    assert item["Created"] == EPOCH
    assert item["Labels"] == config["config"]["Labels"]
    assert item["ParentId"] == ""
    assert item["SharedSize"] == -1
    assert item["Size"] >= sum(blob.size for blob in PLATFORMS.image_for(HOST_PLATFORM).blobs)
    assert item["Containers"] == (0 if number(version) >= 51 else -1)
    assert item.get("VirtualSize") == (item["Size"] if number(version) < 44 else None)
    assert ("Descriptor" in item) == (number(version) >= 48)
    assert "Manifests" not in item


@pytest.mark.parametrize("version", VERSIONS)
def test_names_of_an_image_without_names(api: Api, registry: DockerRegistry, version: str) -> None:
    old = make_small_image("nameless-old")
    name = registry.add(old, f"api/nameless{number(version)}", "1")
    api.pull_well(name)
    registry.add(make_small_image("nameless-new"), f"api/nameless{number(version)}", "1")
    api.pull_well(name)
    items = {item["Id"]: item for item in api.get(f"/v{version}/images/json").json()}
    assert len(items) == 2
    item = items[old.digest]
    if number(version) < 43:
        assert (item["RepoTags"], item["RepoDigests"]) == (["<none>:<none>"], ["<none>@<none>"])
    else:
        assert (item["RepoTags"], item["RepoDigests"]) == ([], [])
    dangling = api.get(f"/v{version}/images/json", {"filters": '{"dangling":{"true":true}}'}).json()
    assert [item["Id"] for item in dangling] == [old.digest]


def test_list_of_nothing_is_an_array(api: Api) -> None:
    assert api.get("/images/json").body.strip() == b"[]"


def test_list_is_newest_first_and_has_each_image_once(api: Api, registry: DockerRegistry) -> None:
    for year in (2021, 2023, 2022):
        name = registry.add(make_small_image(f"y{year}", created=f"{year}-01-01T00:00:00Z"), "api/years", str(year))
        api.pull_well(name)
    api.post(f"/images/{name}/tag", {"repo": "again"})
    items = api.get("/images/json").json()
    assert [item["RepoTags"][-1].rsplit(":", 1)[1] for item in items[::2]] == ["2023", "2021"]
    assert len(items) == 3
    assert set(items[1]["RepoTags"]) == {name, "again:latest"}


@pytest.mark.parametrize("filters, expected", [
    ({"reference": {"app": True}}, ["app:1", "app:2"]),
    ({"reference": ["app:2"]}, ["app:2"]),
    ({"reference": ["a*"]}, ["app:1", "app:2"]),
    ({"reference": ["*"]}, ["app:1", "app:2"]),  # a star does not cross a slash
    ({"reference": ["*/*"]}, ["deep/app:1"]),
    ({"reference": ["docker.io/library/app"]}, ["app:1", "app:2"]),
    ({"reference": ["ap[op]:?"]}, ["app:1", "app:2"]),
    ({"reference": ["app:2", "deep/app"]}, ["app:2", "deep/app:1"]),
    ({"label": ["seed=api"]}, None), ({"label": ["seed=api", "none"]}, []), ({"label!": ["seed"]}, []),
    ({"dangling": ["false"]}, None), ({"dangling": ["true"]}, []), ({}, None), (None, None),
    ({"until": ["2001-01-01"]}, []),
])
def test_list_filters(api: Api, small: str, filters: dict | None, expected: list[str] | None) -> None:
    api.pull_well(small)
    names = {"app:1", "app:2", "deep/app:1"}
    for name in names:
        repo, tag = name.split(":")
        api.post(f"/images/{small}/tag", {"repo": repo, "tag": tag})
    query = None if filters is None else {"filters": json.dumps(filters)}
    found = [name for item in api.get("/images/json", query).json() for name in item["RepoTags"]]
    assert sorted(found) == sorted(names | {small} if expected is None else expected)


@pytest.mark.parametrize("version, filtered", [("1.24", True), ("1.25", False)])
def test_old_filter_parameter(api: Api, small: str, version: str, filtered: bool) -> None:
    api.pull_well(small)
    assert len(api.get(f"/v{version}/images/json", {"filter": "nothing"}).json()) == (0 if filtered else 1)


def test_manifests_of_an_index(api: Api, app: str) -> None:
    api.pull_well(app)
    assert "Manifests" not in api.get("/v1.46/images/json", {"manifests": "1"}).json()[0]
    [item] = api.get("/v1.47/images/json", {"manifests": "1"}).json()
    by_id = {entry["ID"]: entry for entry in item["Manifests"]}
    assert list(by_id) == [child.digest for child in PLATFORMS.manifests]
    host = by_id[PLATFORMS.image_for(HOST_PLATFORM).digest]
    other = by_id[PLATFORMS.image_for(OTHER_PLATFORM).digest]
    assert (host["Available"], other["Available"]) == (True, False)
    assert host["Kind"] == "image"
    assert host["ImageData"]["Platform"]["architecture"] == HOST_PLATFORM.split("/")[1]
    assert host["Size"]["Content"] > other["Size"]["Content"]
    assert host["Descriptor"]["digest"] == host["ID"]


def test_shared_size_is_of_layers_that_two_images_have(api: Api, registry: DockerRegistry) -> None:
    shared = make_layer({"shared": "x" * 1000})
    for tag in ("1", "2"):
        image = make_image([shared, make_layer({"own": tag})], HOST_PLATFORM)
        api.pull_well(registry.add(image, "api/sharing", tag))
    for item in api.get("/images/json", {"shared-size": "1"}).json():
        assert item["SharedSize"] == shared.blob.size


# ---- inspect --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", VERSIONS)
def test_inspect_by_version(api: Api, app: str, version: str) -> None:
    api.pull_well(app)
    minor = number(version)
    image = api.get(f"/v{version}/images/{app}/json").json()
    config = json.loads(PLATFORMS.image_for(HOST_PLATFORM).config.read())
    assert image["Id"] == PLATFORMS.digest
    assert image["Created"] == config["created"]
    assert image["RootFS"] == {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]}
    assert re.match(r"20\d\d-.*Z$|20\d\d-.*[+-]\d\d:\d\d$", image["Metadata"]["LastTagTime"])
    assert ("VirtualSize" in image) == (minor < 44)
    assert ("Container" in image) == ("ContainerConfig" in image) == (minor < 45)
    assert ("Descriptor" in image) == (minor >= 48)
    for key in ("Parent", "Comment", "DockerVersion", "GraphDriver"):
        assert (key in image) == (minor < 52), key
    assert image["Author"] == "image_maker"
    for key in ("Hostname", "AttachStdin", "Tty", "Image"):
        assert (key in image["Config"]) == (minor < 50), key
    for key in ("Entrypoint", "Volumes", "OnBuild", "User"):
        assert (key in image["Config"]) == (minor < 52), key
    assert image["Config"]["Env"] == config["config"]["Env"]
    assert ("Identity" in image) == (minor >= 53)


def test_inspect_of_one_platform(api: Api, app: str) -> None:
    for platform in (HOST_PLATFORM, OTHER_PLATFORM):
        api.pull_well(app, platform=platform)
    other = PLATFORMS.image_for(OTHER_PLATFORM)
    query = {"platform": json.dumps(other.platform)}
    image = api.get(f"/v1.49/images/{app}/json", query).json()
    assert (image["Id"], image["Architecture"]) == (other.digest, OTHER_ARCHITECTURE)
    assert image["RepoDigests"] == [f"{app.removesuffix(':1')}@{PLATFORMS.digest}"]
    assert image["Descriptor"]["digest"] == other.digest
    assert api.get(f"/v1.48/images/{app}/json", query).json()["Id"] == PLATFORMS.digest
    absent = api.get(f"/images/{app}/json", {"platform": '{"os":"linux","architecture":"s390x"}'})
    assert (absent.status, absent.message) == (
        404, f"image with reference {app} was found but does not provide the specified platform (linux/s390x)")


@pytest.mark.parametrize("query, text", [
    ({"platform": "{"}, None),
    ({"platform": '{"variant":"v8"}'}, "optional platform fields provided, but OS and Architecture are missing"),
    ({"platform": '{"os":"linux"}'}, "both OS and Architecture must be provided"),
    ({"platform": '{"os":"linux","architecture":"amd64"}', "manifests": "1"},
     "conflicting options: manifests and platform options cannot both be set")])
def test_inspect_with_bad_options(api: Api, small: str, query: dict, text: str | None) -> None:
    api.pull_well(small)
    answer = api.get(f"/images/{small}/json", query)
    assert answer.status == 400
    assert answer.message == text or text is None and answer.message.startswith("failed to parse platform: ")


@pytest.mark.parametrize("encode", [lambda name: name, lambda name: name.replace("@", "%40"),
                                    lambda name: name.replace("/", "%2F").replace(":", "%3A")])
def test_names_in_paths_may_be_encoded(api: Api, small: str, encode: object) -> None:
    api.pull_well(small)
    for name in (small, f"{small.removesuffix(':1')}@{SMALL.digest}"):
        assert api.get(f"/images/{encode(name)}/json").json()["Id"] == SMALL.digest


def test_a_name_wins_over_an_id(api: Api, small: str, app: str) -> None:
    api.pull_well(small)
    api.pull_well(app)
    short = SMALL.digest[7:15]
    assert api.get(f"/images/{short}/json").json()["Id"] == SMALL.digest
    api.post(f"/images/{app}/tag", {"repo": short})
    assert api.get(f"/images/{short}/json").json()["Id"] == PLATFORMS.digest
    assert api.get(f"/images/{SMALL.digest[7:16]}/json").json()["Id"] == SMALL.digest


def test_docker_hub_names(api: Api, small: str) -> None:
    api.pull_well(small)
    assert api.post(f"/images/{small}/tag", {"repo": "docker.io/library/app", "tag": "1"}).status == 201
    for name in ("app:1", "library/app:1", "docker.io/app:1", "index.docker.io/library/app:1"):
        assert "app:1" in api.get(f"/images/{name}/json").json()["RepoTags"]


# ---- history --------------------------------------------------------------------------------------------------------

def test_history(api: Api, app: str) -> None:
    api.pull_well(app)
    items = api.get(f"/images/{app}/history").json()
    image = PLATFORMS.image_for(HOST_PLATFORM)
    history = json.loads(image.config.read())["history"]
    sizes = [0] + [layer.size for layer in reversed(image.layers)]
    assert len(items) == len(history)
    assert all(set(item) == {"Id", "Created", "CreatedBy", "Tags", "Size", "Comment"} for item in items)
    assert [item["CreatedBy"] for item in items] == [entry["created_by"] for entry in reversed(history)]
    assert {item["Created"] for item in items} == {EPOCH}
    assert (items[0]["Id"], items[0]["Tags"]) == (PLATFORMS.digest, [app])
    assert [(item["Id"], item["Tags"]) for item in items[1:]] == [("<missing>", None)] * (len(items) - 1)
    assert [item["Size"] for item in items] == sizes


def test_history_of_an_image_without_history(api: Api, registry: DockerRegistry) -> None:
    layer = make_layer({"a": "b"})
    config = {"os": "linux", "architecture": HOST_PLATFORM.split("/")[1],
              "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    name = registry.add(make_image([layer], HOST_PLATFORM, config=config), "api/bare", "1")
    api.pull_well(name)
    assert api.get(f"/images/{name}/history").json() == []
    image = api.get(f"/images/{name}/json").json()
    assert image["Config"] == {}
    assert image["RepoTags"] == [name]


# ---- tag and delete -------------------------------------------------------------------------------------------------

def test_tag_answers_201_without_body(api: Api, small: str) -> None:
    api.pull_well(small)
    answer = api.post(f"/images/{small}/tag", {"repo": "mine", "tag": "v1"})
    assert (answer.status, answer.body) == (201, b"")
    assert api.post(f"/images/{SMALL.digest[7:15]}/tag", {"repo": "mine:v2", "force": "True"}).status == 201
    assert set(api.get("/images/mine:v1/json").json()["RepoTags"]) == {small, "mine:v1", "mine:v2"}
    assert api.post(f"/images/{small}/tag").status == 400


def test_delete_untags_first(api: Api, small: str) -> None:
    api.pull_well(small)
    api.pull_well(f"{small.removesuffix(':1')}@{SMALL.digest}")
    api.post(f"/images/{small}/tag", {"repo": "mine"})
    assert api.delete("/images/mine").json() == [{"Untagged": "mine:latest"}]
    assert api.delete(f"/images/{small}").json() == [
        {"Untagged": small}, {"Untagged": f"{small.removesuffix(':1')}@{SMALL.digest}"}, {"Deleted": SMALL.digest}]
    assert api.get("/images/json").json() == []


def test_delete_by_id(api: Api, small: str) -> None:
    api.pull_well(small)
    api.post(f"/images/{small}/tag", {"repo": "mine"})
    conflict = api.delete(f"/images/{SMALL.digest}")
    assert (conflict.status, conflict.message) == (
        409, f"conflict: unable to delete {SMALL.digest[7:19]} (must be forced) - image is referenced in multiple "
             "repositories")
    deleted = api.delete(f"/images/{SMALL.digest[7:19]}", {"force": "True"}).json()
    assert deleted[-1] == {"Deleted": SMALL.digest}
    assert sorted(item["Untagged"] for item in deleted[:-1]) == sorted(["mine:latest", small])


def test_force_with_a_name_keeps_the_other_names(api: Api, small: str) -> None:
    api.pull_well(small)
    api.post(f"/images/{small}/tag", {"repo": "mine"})
    assert api.delete(f"/images/{small}", {"force": "1"}).json() == [{"Untagged": small}]
    assert api.get("/images/mine/json").status == 200


@pytest.mark.parametrize("name", ["%20", "%09"])
def test_delete_of_a_blank_name(api: Api, name: str) -> None:
    answer = api.delete(f"/images/{name}")
    assert (answer.status, answer.message) == (400, "image name cannot be blank")


def test_delete_removes_the_files(api: Api, daemon: Daemon, small: str) -> None:
    api.pull_well(small)
    api.delete(f"/images/{small}")
    assert not list((daemon.data_root / "blobs" / "sha256").iterdir())


# ---- push -----------------------------------------------------------------------------------------------------------

def test_push_stream(api: Api, second_registry: DockerRegistry, small: str) -> None:
    api.pull_well(small)
    repository = f"{second_registry.host}/api/pushed"
    api.post(f"/images/{small}/tag", {"repo": repository, "tag": "v1"})
    answer = api.post(f"/v1.44/images/{repository}/push", {"tag": "v1"}, {"X-Registry-Auth": encode_auth({})})
    assert answer.status == 200
    assert answer.headers["Transfer-Encoding"] == "chunked"
    records = answer.records
    assert records[0] == {"status": f"The push refers to repository [{repository}]"}
    assert records[-2:] == [
        {"status": f"v1: digest: {SMALL.digest} size: {SMALL.manifest.size}"},
        {"progressDetail": {}, "aux": {"Tag": "v1", "Digest": SMALL.digest, "Size": SMALL.manifest.size}}]
    for layer in SMALL.layers:
        lines = [record for record in records if record.get("id") == layer.digest[7:19]]
        assert lines[-1] == {"status": "Pushed", "progressDetail": {}, "id": layer.digest[7:19]}


def test_push_of_a_part_of_an_index_says_so(api: Api, second_registry: DockerRegistry, app: str) -> None:
    api.pull_well(app)
    repository = f"{second_registry.host}/api/part"
    api.post(f"/images/{app}/tag", {"repo": repository})
    records = api.post(f"/images/{repository}/push", {"tag": "latest"}).records
    note = records[1]["aux"]
    assert note["manifestPushedInsteadOfIndex"] is True
    assert note["originalIndex"]["digest"] == PLATFORMS.digest
    assert note["selectedManifest"]["digest"] == PLATFORMS.image_for(HOST_PLATFORM).digest


def test_push_of_a_chosen_platform(api: Api, second_registry: DockerRegistry, app: str) -> None:
    for platform in (HOST_PLATFORM, OTHER_PLATFORM):
        api.pull_well(app, platform=platform)
    repository = f"{second_registry.host}/api/chosen"
    api.post(f"/images/{app}/tag", {"repo": repository})
    other = PLATFORMS.image_for(OTHER_PLATFORM)
    answer = api.post(f"/v1.46/images/{repository}/push", {"tag": "latest", "platform": json.dumps(other.platform)})
    assert answer.error is None
    assert second_registry.get("api/chosen", "latest").digest == other.digest


@pytest.mark.parametrize("query, text", [({"tag": "1"}, "does not exist"), ({}, "does not exist locally")])
def test_push_of_what_is_not_here_is_an_error_in_the_stream(api: Api, registry: DockerRegistry, query: dict, text: str
                                                            ) -> None:
    answer = api.post(f"/images/{registry.host}/api/nothing/push", query)
    assert answer.status == 200
    assert answer.records[0]["status"].startswith("The push refers to repository [")
    assert text in answer.error
    assert answer.records[-1]["errorDetail"] == {"message": answer.error}


def test_push_that_is_refused_is_not_tried_again(api: Api, fault_registry: FaultRegistry, small: str) -> None:
    api.pull_well(small)
    repository = f"{fault_registry.host}/api/refused"
    api.post(f"/images/{small}/tag", {"repo": repository})
    fault_registry.on("POST", "uploads/.*", Reply(
        status=403, body=b'{"errors":[{"code":"DENIED","message":"no pushing today","detail":"x"}]}'))
    answer = api.post(f"/images/{repository}/push", {"tag": "latest"})
    assert answer.status == 200
    assert "no pushing today" in answer.error
    posts = [request for request in fault_registry.requests if request.method == "POST"]
    assert len(posts) <= len(SMALL.blobs)


# ---- distribution ---------------------------------------------------------------------------------------------------

def test_distribution_of_an_index(api: Api, app: str) -> None:
    answer = api.get(f"/distribution/{app}/json")
    assert answer.json() == {
        "Descriptor": {"mediaType": PLATFORMS.manifest.media_type, "digest": PLATFORMS.digest,
                       "size": PLATFORMS.manifest.size},
        "Platforms": [{"architecture": "amd64", "os": "linux"},
                      {"architecture": "arm64", "os": "linux", "variant": "v8"},
                      {"architecture": "arm", "os": "linux", "variant": "v7"}]}
    assert api.get("/images/json").json() == []


@pytest.mark.parametrize("image_format", ["docker", "oci"])
def test_distribution_of_a_manifest(api: Api, registry: DockerRegistry, image_format: str) -> None:
    image = make_small_image("remote", image_format=image_format)
    name = registry.add(image, "api/remote", image_format)
    for reference in (name, f"{registry.host}/api/remote@{image.digest}"):
        answer = api.get(f"/distribution/{reference}/json").json()
        assert answer["Descriptor"] == {"mediaType": image.manifest.media_type, "digest": image.digest,
                                        "size": image.manifest.size}
        assert answer["Platforms"][0]["architecture"] == HOST_PLATFORM.split("/")[1]


def test_distribution_errors(api: Api, registry: DockerRegistry, registry_htpasswd: DockerRegistry) -> None:
    assert api.get(f"/distribution/{registry.host}/no/such/json").status == 404
    assert api.get("/distribution/BAD/json").status == 400
    assert api.get("/distribution/scratch/json").message == "'scratch' is a reserved name"
    private = api.get(f"/distribution/{registry_htpasswd.host}/api/private/json")
    assert private.message.endswith("no basic auth credentials")
    old = api.get("/v1.29/distribution/x/json")
    assert (old.status, old.message) == (
        400, "GET /distribution/{name:.*}/json requires minimum API version 1.30")


def test_an_index_with_the_same_child_twice(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("twice", image_format="oci")
    name = fault_registry.add(make_index([image, image], image_format="oci"), "api/twice")
    api.pull_well(name)
    assert fault_registry.count("GET", image.digest) == 1
