# SPDX-License-Identifier: Apache-2.0
"""Prune, disk usage, info and version, as clients and users see them."""
from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from image_maker import Image, make_image, make_layer
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.process import find_free_port
from lib.samples import HOST_PLATFORM, make_small_image, random_bytes
from lib.store import check_store, list_files, list_known_blobs
from lib.wait import wait_until

SHARED = make_layer({"shared": random_bytes("shared", 50_000)})
ALL = json.dumps({"dangling": {"false": True}})


def disk_bytes(daemon: Daemon) -> int:
    """Of content: blobs and what has arrived of others."""
    partials = sum(path.stat().st_size for path in (daemon.data_root / "ingest").iterdir())
    return sum(path.stat().st_size for path in list_files(daemon.data_root).values()) + partials


def leave_a_partial(daemon: Daemon, registry: FaultRegistry) -> str:
    """A pull that was broken off: one layer whole, of the other a part. The name of the image."""
    image = make_small_image("partial", layer_bytes=3_000_000)
    name = registry.add(image, "system/partial")
    stall = registry.stall(f"blobs/{image.layers[-1].digest}", 1_000_000)
    stream = daemon.api.start_pull(name)
    stall.wait_reached()
    wait_for_parts(daemon, image)
    stream.close()
    stall.wait_disconnect(5)
    registry.on("GET", f"blobs/{image.layers[-1].digest}", Reply())
    check_store(daemon.data_root)  # waits for the end of what was cancelled
    return name


def wait_for_parts(daemon: Daemon, image: Image) -> None:
    """Of a pull that stalls in its last layer: the first one is whole, and a part of the last one is here."""
    first, last = (layer.digest for layer in image.layers)
    part = daemon.data_root / "ingest" / f"{last.replace(':', '-')}.part"
    wait_until(lambda: first in list_known_blobs(daemon.data_root) and part.exists() and part.stat().st_size > 500_000,
               "the first layer and a part of the second are here")


@pytest.fixture(scope="module")
def pair(registry: DockerRegistry) -> tuple[str, str]:
    """Two images with a layer in common."""
    return tuple(registry.add(make_image([SHARED, make_layer({"own": random_bytes(name, 20_000)})], HOST_PLATFORM,
                                         labels={"which": name}), f"system/{name}", "1") for name in ("one", "two"))


def prune(api: Api, filters: str = "") -> dict:
    answer = api.post("/images/prune", {"filters": filters} if filters else None)
    assert answer.status == 200, answer.body
    return answer.json()


# ---- prune ----------------------------------------------------------------------------------------------------------

def test_prune_reclaims_what_it_says(daemon: Daemon, api: Api, pair: tuple[str, str]) -> None:
    for name in pair:
        api.pull_well(name)
    assert prune(api) == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    before = disk_bytes(daemon)
    report = prune(api, json.dumps({"dangling": ["0"], "label": ["which=one"]}))
    [first, second] = report["ImagesDeleted"]
    assert first == {"Untagged": pair[0]}
    assert second["Deleted"].startswith("sha256:")
    assert report["SpaceReclaimed"] == before - disk_bytes(daemon)
    check_store(daemon.data_root)
    before = disk_bytes(daemon)
    assert prune(api, ALL)["SpaceReclaimed"] == before
    assert disk_bytes(daemon) == 0
    assert api.get("/images/json").json() == []


def test_prune_takes_what_a_broken_pull_left(daemon: Daemon, api: Api, fault_registry: FaultRegistry) -> None:
    name = leave_a_partial(daemon, fault_registry)
    before = disk_bytes(daemon)
    assert prune(api)["SpaceReclaimed"] == before
    assert disk_bytes(daemon) == 0
    api.pull_well(name)


def test_prune_leaves_alone_what_a_pull_has_so_far(daemon: Daemon, api: Api, fault_registry: FaultRegistry) -> None:
    image = make_small_image("running", layer_bytes=3_000_000)
    name = fault_registry.add(image, "system/running")
    stall = fault_registry.stall(f"blobs/{image.layers[-1].digest}", 1_000_000)
    stream = api.start_pull(name)
    stall.wait_reached()
    wait_for_parts(daemon, image)
    before = disk_bytes(daemon)
    assert prune(api, ALL) == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    assert disk_bytes(daemon) >= before
    stall.release()
    assert "Status: " in list(stream.records())[-1]["status"]
    for layer in image.layers:
        assert fault_registry.count("GET", f"blobs/{layer.digest}") == 1


def test_pulls_and_prunes_at_the_same_time(daemon: Daemon, api: Api, registry: DockerRegistry) -> None:
    names = [registry.add(make_image([SHARED, make_layer({"own": random_bytes(number, 9000)})], HOST_PLATFORM),
                          f"system/race{number}", "1") for number in range(4)]
    failures: list[object] = []

    def pull(name: str) -> None:
        for _ in range(12):
            answer = api.pull(name)
            if answer.status != 200 or answer.error:
                failures.append((answer.status, answer.body[-300:]))

    threads = [threading.Thread(target=pull, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    prunes = 0
    while any(thread.is_alive() for thread in threads):
        prune(api, ALL)
        prunes += 1
    assert failures == []
    assert prunes > 3
    check_store(daemon.data_root)
    for name in names:
        api.pull_well(name)
    check_store(daemon.data_root)


def test_one_prune_at_a_time(api: Api, registry: DockerRegistry) -> None:
    statuses: list[int] = []
    for number in range(40):
        api.pull_well(registry.add(make_small_image(f"busy{number}", layers=1, layer_bytes=10), "system/busy", "1"))

    def run() -> None:
        statuses.append(api.post("/images/prune", {"filters": ALL}).status)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 200 in statuses
    assert set(statuses) <= {200, 409}


# ---- disk usage -----------------------------------------------------------------------------------------------------

def test_disk_usage_is_what_is_on_the_disk(daemon: Daemon, api: Api, pair: tuple[str, str],
                                           fault_registry: FaultRegistry) -> None:
    assert api.get("/v1.51/system/df").json() == {"Images": [], "Containers": [], "Volumes": [], "BuildCache": []}
    for name in pair:
        api.pull_well(name)
    usage = api.get("/v1.51/system/df").json()
    assert usage["LayersSize"] == disk_bytes(daemon)
    assert [image["SharedSize"] for image in usage["Images"]] == [SHARED.blob.size] * 2
    sizes = sum(image["Size"] - image["SharedSize"] for image in usage["Images"])
    assert sizes + SHARED.blob.size == usage["LayersSize"]
    summary = api.get("/v1.52/system/df", {"verbose": "1"}).json()["ImageUsage"]
    assert (summary["TotalCount"], summary["TotalSize"], summary["Reclaimable"]) == (2, disk_bytes(daemon), sizes)
    leave_a_partial(daemon, fault_registry)
    usage = api.get("/system/df").json()
    assert usage["LayersSize"] == disk_bytes(daemon)
    assert (usage["ImageUsage"]["TotalSize"], usage["ImageUsage"]["Reclaimable"]) == (summary["TotalSize"], sizes)


def test_what_a_broken_pull_left_is_no_image(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    leave_a_partial(daemon, fault_registry)
    assert api.get("/v1.52/system/df", {"type": "image", "verbose": "1"}).json() == {"ImageUsage": {}}
    assert api.get("/v1.51/system/df", {"type": "image"}).json() == {"LayersSize": disk_bytes(daemon), "Images": []}


# ---- clients --------------------------------------------------------------------------------------------------------

def test_docker_system_df(any_cli: DockerCli, api: Api, pair: tuple[str, str]) -> None:
    for name in pair:
        api.pull_well(name)
    row = any_cli.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}").lines[0]
    kind, total, active, size, reclaimable = row.split("|")
    assert (kind, total, active) == ("Images", "2", "0")
    assert reclaimable == f"{size} (100%)"
    lines = any_cli.ok("system", "df").lines
    assert [line.split("  ")[0] for line in lines] == ["TYPE", "Images", "Containers", "Local Volumes", "Build Cache"]
    verbose = any_cli.ok("system", "df", "-v").out
    for name in pair:
        assert name.removesuffix(":1") in verbose


def test_docker_image_prune(any_cli: DockerCli, api: Api, pair: tuple[str, str]) -> None:
    for name in pair:
        api.pull_well(name)
    assert any_cli.ok("image", "prune", "-f").out.strip() == "Total reclaimed space: 0B"
    out = any_cli.ok("image", "prune", "-a", "-f", "--filter", "label=which=one").out
    assert f"untagged: {pair[0]}\ndeleted: sha256:" in out
    assert re.search(r"Total reclaimed space: [1-9][0-9.]*kB", out)
    assert "untagged" not in any_cli.ok("image", "prune", "-af", "--filter", "until=2000-01-01").out
    assert "failed to parse" in any_cli.fails("image", "prune", "-af", "--filter", "until=soon")


def test_docker_system_prune(any_cli: DockerCli, api: Api, pair: tuple[str, str]) -> None:
    api.pull_well(pair[0])
    assert "Total reclaimed space: " in any_cli.ok("system", "prune", "-f").out
    assert api.get(f"/images/{pair[0]}/json").status == 200
    assert f"untagged: {pair[0]}" in any_cli.ok("system", "prune", "-af", "--volumes").out
    assert api.get("/images/json").json() == []


def test_docker_info(any_cli: DockerCli, daemon: Daemon, api: Api, pair: tuple[str, str]) -> None:
    api.pull_well(pair[0])
    result = any_cli.ok("info")
    assert "WARNING" not in result.err + result.out
    text = result.out
    for line in ("Images: 1", "Containers: 0", "Swarm: inactive", f"Docker Root Dir: {daemon.data_root}",
                 "Live Restore Enabled: false"):
        assert line in text, line
    assert any_cli.ok("info", "--format", "{{.Swarm.LocalNodeState}} {{.OSType}}").out.strip() == "inactive linux"


def test_docker_version(any_cli: DockerCli) -> None:
    result = any_cli.ok("version")
    assert result.err == ""
    assert "Server:" in result.out
    server = json.loads(any_cli.ok("version", "--format", "{{json .Server}}").out)
    assert server["Components"][0]["Name"] == "Engine"
    assert server["MinAPIVersion"] == "1.22"


def test_docker_inspect_walks_on(any_cli: DockerCli) -> None:
    assert re.search("no such object: nothing", any_cli.fails("inspect", "nothing"), re.IGNORECASE)


@pytest.fixture
def client(daemon: Daemon) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=daemon.host)
    yield client
    client.close()


def test_python_docker(client: docker.DockerClient, daemon: Daemon, api: Api, pair: tuple[str, str]) -> None:
    api.pull_well(pair[0])
    usage = client.df()
    assert usage["LayersSize"] == disk_bytes(daemon)
    assert len(usage["Images"]) == 1
    assert client.info()["Images"] == 1
    report = client.images.prune(filters={"dangling": False})
    assert report["ImagesDeleted"][0] == {"Untagged": pair[0]}
    assert report["SpaceReclaimed"] == usage["LayersSize"]
    assert client.images.prune() == {"ImagesDeleted": None, "SpaceReclaimed": 0}


# ---- info -----------------------------------------------------------------------------------------------------------

def test_info_has_no_secrets_of_proxies(make_daemon: Callable[..., Daemon]) -> None:
    env = {"HTTP_PROXY": "http://user:pass%40word@proxy.example:3128", "HTTPS_PROXY": "proxyuser:secret@p.example:1",
           "NO_PROXY": "localhost,.example", "http_proxy": "", "https_proxy": "", "no_proxy": ""}
    env = {**env, **{name: env[name.upper()] for name in ("http_proxy", "https_proxy", "no_proxy")}}
    daemon = make_daemon("p", env=env).start()
    info = daemon.api.get("/info").json()
    assert info["HttpProxy"] == "http://xxxxx:xxxxx@proxy.example:3128"
    assert info["HttpsProxy"] == "xxxxx:xxxxx@p.example:1"
    assert info["NoProxy"] == "localhost,.example"
    daemon.stop()


def test_info_names_mirrors_and_insecure_registries(make_daemon: Callable[..., Daemon]) -> None:
    daemon = make_daemon("m", arguments=["--registry-mirror", "https://mirror.example", "--insecure-registry",
                                         "10.1.0.0/16", "--insecure-registry", "reg.example:5000"]).start()
    config = daemon.api.get("/info").json()["RegistryConfig"]
    assert config["Mirrors"] == config["IndexConfigs"]["docker.io"]["Mirrors"]
    assert [mirror.rstrip("/") for mirror in config["Mirrors"]] == ["https://mirror.example"]
    assert config["InsecureRegistryCIDRs"] == ["::1/128", "127.0.0.0/8", "10.1.0.0/16"]
    assert config["IndexConfigs"]["reg.example:5000"] == {"Name": "reg.example:5000", "Mirrors": [], "Secure": False,
                                                          "Official": False}
    daemon.stop()


def test_info_warns_of_an_open_port(make_daemon: Callable[..., Daemon], folder: Path) -> None:
    port = find_free_port()
    daemon = make_daemon("t", arguments=["-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp"]).start()
    warning = f"WARNING: API is accessible on http://127.0.0.1:{port} without encryption."
    assert daemon.api.get("/info").json()["Warnings"] == [warning]
    assert warning in DockerCli(daemon.host, folder / "docker-config").ok("info").err
    daemon.stop()


def test_images_counts_distinct_ids(api: Api, pair: tuple[str, str]) -> None:
    for name in pair:
        api.pull_well(name)
    api.post(f"/images/{pair[0]}/tag", {"repo": "another"})
    assert api.get("/info").json()["Images"] == 2
