# SPDX-License-Identifier: Apache-2.0
"""What users have reported of other daemons that speak Docker's API, one test for each by its number."""
from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Image, make_image, make_layer
from lib.api import Api
from lib.archives import layout_members, make_archive
from lib.engine_archives import Archive, docker_archive, load_well, oci_archive, save
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.fault_registry import FaultRegistry
from lib.operations import image_id, push, replay_events
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import list_files

SMALL = make_small_image("user traps")
PLATFORMS = make_platforms("user traps")
DONE_TEXTS = ("Image is up to date", "Downloaded newer image", "Download complete", ": downloaded")


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(SMALL, "users/small", "1")


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "users/app", "1")


@pytest.fixture
def hub(make_daemon: Callable[..., Daemon], registry: DockerRegistry, folder: Path) -> Iterator[Daemon]:
    """A daemon that finds the registry of the tests where Docker Hub would be."""
    host = folder / "certs.d" / "docker.io"
    host.mkdir(parents=True)
    (host / "hosts.toml").write_text(f'server = "{registry.url}"\n')
    daemon = make_daemon("hub", arguments=["--certs-dir", str(host.parent)]).start()
    yield daemon
    daemon.stop()


def test_user_trap_01_a_digest_as_tag_and_tags_in_both_places(api: Api, small: str) -> None:
    repository = small.removesuffix(":1")
    assert api.pull_well(repository, SMALL.digest).statuses[-1].endswith(f"{repository}@{SMALL.digest}")
    assert image_id(api, f"{repository}@{SMALL.digest}") == SMALL.digest
    assert api.pull_well(f"{repository}:none", "1").records[0]["id"] == "1"
    rootfs = make_archive([("a", b"b")])
    answer = api.post("/images/create", {"fromSrc": "-", "repo": "imported", "tag": "of-parameter"}, body=rootfs)
    assert image_id(api, "imported:of-parameter") == answer.statuses[-1]


def test_user_trap_02_short_names_are_docker_hubs(hub: Daemon, registry: DockerRegistry) -> None:
    registry.add(SMALL, "library/short", "1")
    hub.api.pull_well("short:1")
    [item] = hub.api.get("/images/json").json()
    assert item["RepoTags"] == ["short:1"]
    assert item["RepoDigests"] == [f"short@{SMALL.digest}"]
    for name in ("short:1", "library/short:1", "docker.io/short:1", "docker.io/library/short:1",
                 "index.docker.io/library/short:1"):
        assert image_id(hub.api, name) == SMALL.digest, name
    assert hub.api.get("/images/localhost/short:1/json").status == 404
    assert push(hub.api, "short", "1").records[0] == {
        "status": "The push refers to repository [docker.io/library/short]"}


def test_user_trap_03_ids_carry_their_algorithm_everywhere(api: Api, small: str) -> None:
    api.pull_well(small)
    assert api.get("/images/json").json()[0]["Id"] == SMALL.digest
    assert image_id(api, small) == SMALL.digest
    assert api.get(f"/images/{small}/history").json()[0]["Id"] == SMALL.digest


def test_user_trap_04_the_last_status_of_a_pull(api: Api, small: str) -> None:
    for _ in range(2):
        last = api.pull_well(small).statuses[-1]
        assert any(text in last for text in DONE_TEXTS), last


def test_user_trap_05_early_failures_are_statuses_and_late_ones_records(api: Api, small: str,
                                                                     fault_registry: FaultRegistry) -> None:
    assert api.pull("UPPER").status == 400
    assert api.pull(small.replace(":1", ":none")).status == 404
    image = make_small_image("late")
    wrong = make_image([make_layer({"other": "content"})], HOST_PLATFORM, config=image.config.read())
    late = api.pull(fault_registry.add(wrong, "users/late"))
    assert late.status == 200
    assert late.records[-1] == {"error": late.error, "errorDetail": {"message": late.error}}
    assert late.error


def test_user_trap_06_a_pull_asks_the_registry_though_the_tag_is_here(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_small_image("was"), "users/moving")
    api.pull_well(name)
    now = make_small_image("is")
    registry.add(now, "users/moving")
    api.pull_well(name)
    assert image_id(api, name) == now.digest


def test_user_trap_07_a_client_that_hangs_up_stops_the_work(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("hang up", layers=1, layer_bytes=400_000)
    name = fault_registry.add(image, "users/hangup")
    stall = fault_registry.stall(f"blobs/{image.layers[0].digest}", after=100_000)
    stream = api.start_pull(name)
    stall.wait_reached()
    stream.close()
    stall.wait_disconnect(5)
    assert api.get(f"/images/{name}/json").status == 404


def test_user_trap_08_archives_of_many_images_and_of_both_layouts(api: Api) -> None:
    one, two = make_small_image("eight one"), make_small_image("eight two")
    assert len(load_well(api, docker_archive((one, ["one:1"]), (two, ["two:1"])))) == 2
    # Both descriptions of the same files, as docker save writes them since 25.
    members = layout_members({"docker.io/library/both:1": SMALL})
    item = {"Config": "blobs/" + SMALL.config.digest.replace(":", "/"), "RepoTags": ["both:1"],
            "Layers": ["blobs/" + layer.digest.replace(":", "/") for layer in SMALL.layers]}
    members.append(("manifest.json", json.dumps([item]).encode()))
    assert load_well(api, make_archive(members)) == ["Loaded image: both:1"]
    # And what is written by others has the paths of an OCI layout without being one.
    plain = make_archive([member for member in members if member[0] not in ("oci-layout", "index.json")])
    assert load_well(api, plain)[-1] == "Loaded image: both:1"
    assert len(save(api, "one:1", "two:1", "both:1").items) == 3


def test_user_trap_08_several_platforms_of_a_save(api: Api) -> None:
    index = make_platforms("eight", image_format="oci")
    load_well(api, oci_archive(index, "docker.io/library/several:1"))
    wanted = [("names", "several:1"), ("platform", '{"os":"linux","architecture":"amd64"}'),
              ("platform", '{"os":"linux","architecture":"arm64"}')]
    answer = api.get("/v1.52/images/get", wanted)
    assert answer.status == 200, answer.body
    saved = Archive(answer.body)
    assert [entry["digest"] for entry in saved.entries] == [index.digest]
    for platform, is_there in (("linux/amd64", True), ("linux/arm64/v8", True), ("linux/arm/v7", False)):
        own = index.image_for(platform).layers[1].digest
        assert ("blobs/" + own.replace(":", "/") in saved.members) == is_there, platform
    assert api.get("/v1.51/images/get", wanted).status == 400


def test_user_trap_09_a_push_tells_tag_digest_and_size(api: Api, registry: DockerRegistry, small: str) -> None:
    api.pull_well(small)
    assert api.post(f"/images/{small}/tag", {"repo": f"{registry.host}/users/pushed", "tag": "1"}).status == 201
    aux = [record["aux"] for record in push(api, f"{registry.host}/users/pushed", "1").records if "aux" in record]
    assert aux == [{"Tag": "1", "Digest": SMALL.digest, "Size": SMALL.manifest.size}]


def test_user_trap_10_what_is_in_use_is_a_conflict(api: Api, small: str) -> None:
    api.pull_well(small)
    api.post(f"/images/{small}/tag", {"repo": "second"})
    answer = api.delete(f"/images/{SMALL.digest}")
    assert (answer.status, answer.message.partition(":")[0]) == (409, "conflict")


def test_user_trap_11_shared_size_on_demand_and_virtual_size_until_1_43(api: Api, small: str) -> None:
    api.pull_well(small)
    assert api.get("/images/json").json()[0]["SharedSize"] == -1
    assert api.get("/images/json", {"shared-size": "1"}).json()[0]["SharedSize"] == 0
    for path in ("images/json", f"images/{small}/json"):
        old, new = (api.get(f"/v1.{version}/{path}").json() for version in (43, 44))
        old, new = (answer[0] if isinstance(answer, list) else answer for answer in (old, new))
        assert old["VirtualSize"] == old["Size"]
        assert "VirtualSize" not in new


def test_user_trap_12_filters_and_what_a_prune_says(api: Api) -> None:
    load_well(api, docker_archive((make_small_image("twelve"), ["twelve:1"]), (make_small_image("13"), ["other:1"])))
    both = {"label": ["seed=twelve"], "reference": ["other"]}
    assert api.get("/images/json", {"filters": json.dumps(both)}).json() == []
    pruned = api.post("/images/prune", {"filters": '{"dangling":["false"],"label":["seed=twelve"]}'}).json()
    assert pruned["SpaceReclaimed"] > 0
    assert pruned["ImagesDeleted"][0] == {"Untagged": "twelve:1"}
    assert pruned["ImagesDeleted"][1]["Deleted"].startswith("sha256:")
    assert [item["RepoTags"] for item in api.get("/images/json").json()] == [["other:1"]]


@pytest.mark.parametrize("accept, expected, mark", [
    (None, None, b""), ("application/jsonl", "application/jsonl", b""),
    ("application/x-ndjson", "application/x-ndjson", b""), ("application/json-seq", "application/json-seq", b"\x1e"),
    ("application/jsonl;q=0.1, application/json-seq", "application/json-seq", b"\x1e")])
@pytest.mark.parametrize("version", ["1.44", "1.55"])
def test_user_trap_13_events_are_named_and_framed_as_dockers(api: Api, version: str, accept: str | None,
                                                           expected: str | None, mark: bytes) -> None:
    load_well(api, docker_archive((SMALL, ["thirteen:1"])))
    api.delete("/images/thirteen:1")
    answer = replay_events(api, f"/v{version}", {"Accept": accept} if accept else {})
    default = "application/json" if version == "1.44" else "application/jsonl"
    assert answer.headers["Content-Type"] == (expected or default)
    lines = answer.body.splitlines()
    assert all(line.startswith(mark + b"{") for line in lines)
    events = [json.loads(line.removeprefix(mark)) for line in lines]
    assert [event["Action"] for event in events] == ["load", "untag", "delete"]
    assert all(event["timeNano"] > 10**18 for event in events)


def test_user_trap_14_paths_with_and_without_a_version(api: Api, small: str) -> None:
    for prefix in ("", "/v1.22", "/v1.40", "/v1.55"):
        assert api.pull(small, version=prefix).status == 200
        for path in ("/_ping", "/version", "/info", "/images/json", f"/images/{small}/json"):
            assert api.get(prefix + path).status == 200, prefix + path


def test_user_trap_15_headers_of_the_ping(api: Api) -> None:
    headers = api.get("/_ping").headers
    assert headers["Api-Version"] == "1.55"
    assert headers["OSType"] == "linux"
    assert headers["Docker-Experimental"] == "false"
    assert "no-cache" in headers["Cache-Control"]


def test_user_trap_16_progress_has_totals(api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("sixteen", layer_bytes=3_000_000)
    name = fault_registry.add(image, "users/totals")
    stall = fault_registry.stall(f"blobs/{image.layers[0].digest}", after=1_000_000)
    stream = api.start_pull(name)
    records = []
    for record in stream.records():
        records.append(record)
        if record["status"] == "Downloading" and record["id"] == image.layers[0].digest[7:19]:
            stall.release()
    counted = [record for record in records if record["status"] in ("Downloading", "Extracting")]
    assert counted
    sizes = {layer.digest[7:19]: layer.size for layer in image.layers}
    assert all(record["progressDetail"]["total"] == sizes[record["id"]] for record in counted)


def test_user_trap_17_inspect_leaves_out_what_is_empty(api: Api) -> None:
    bare = make_image([make_layer({"a": "seventeen"})], HOST_PLATFORM, config={
        "architecture": HOST_PLATFORM.split("/")[1], "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [make_layer({"a": "seventeen"}).diff_id]}})
    load_well(api, docker_archive((bare, ["bare:1"])))
    new, old = (api.get(f"/v1.{version}/images/bare:1/json").json() for version in (52, 51))
    for key in ("Parent", "Comment", "DockerVersion", "Author"):
        assert key not in new
        assert old[key] == ""
    assert new["Config"] == {}
    assert {"Cmd", "Env", "Labels", "User", "WorkingDir"} <= set(old["Config"])


def test_user_trap_18_old_keys_of_the_disk_usage_end_with_verbose(api: Api) -> None:
    load_well(api, docker_archive((SMALL, ["eighteen:1"])))
    old = {"LayersSize", "Images", "Containers", "Volumes", "BuildCache"}
    verbose = api.get("/v1.53/system/df", {"verbose": "1"}).json()
    assert not old & set(verbose)
    assert [item["RepoTags"] for item in verbose["ImageUsage"]["Items"]] == [["eighteen:1"]]
    assert old <= set(api.get("/v1.51/system/df").json())


def test_user_trap_19_a_save_that_breaks_is_cut_off(daemon: Daemon, api: Api) -> None:
    layer = make_layer({"rotten": random_bytes("nineteen", 3_000_000)}, "none")
    image = make_image([layer], HOST_PLATFORM)
    load_well(api, docker_archive((image, ["rotten:1"])))
    path = list_files(daemon.data_root)[layer.digest]
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(good[:2_500_000] + bytes([good[2_500_000] ^ 1]) + good[2_500_001:])
    try:
        received = api.exchange(b"GET /images/rotten:1/get HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    finally:
        path.write_bytes(good)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert not body.endswith(b"0\r\n\r\n"), "the chunked body ends as if it were whole"
    assert b'"message"' not in body[-1000:]
    assert b'"errorDetail"' not in body[-1000:]
    with pytest.raises((tarfile.ReadError, EOFError, KeyError, ValueError, AssertionError)):
        check_whole(body, image)


def check_whole(body: bytes, image: Image) -> None:
    """What a reader would do that does not look at the end of the chunks."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        data, body = data + body[:int(size, 16)], body[int(size, 16) + 2:]
    archive = Archive(data)
    assert archive.entries
    for layer in image.layers:
        archive.blob(layer.digest)
