# SPDX-License-Identifier: Apache-2.0
"""Our own paths: several platforms in one pull, an index of some in one push (docs/lighter-api.md)."""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from image_maker import make_index
from lib.api import Answer, Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image

PLATFORMS = make_platforms(attestations=True, image_format="oci")
NAMES = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "lighter/app", "1")


def pull(api: Api, name: str, platforms: Sequence[str] = ()) -> Answer:
    return api.post("/lighter/v1/images/pull", [("fromImage", name), *(("platform", each) for each in platforms)])


def push(api: Api, name: str, platforms: Sequence[str] = ()) -> Answer:
    repository, _, tag = name.rpartition(":")
    return api.post(f"/lighter/v1/images/{repository}/push", [("tag", tag), *(("platform", each) for each in platforms)])


def here(api: Api, name: str) -> dict[str, bool]:
    shown = api.get(f"/lighter/v1/images/{name}/platforms").json()
    return {platform["Platform"]: platform["Complete"] for platform in shown["Platforms"]}


def tag_for(api: Api, source: str, registry: DockerRegistry, repository: str) -> str:
    name = f"{registry.host}/{repository}"
    assert api.post(f"/images/{source}/tag", {"repo": name, "tag": "1"}).status == 201
    return f"{name}:1"


@pytest.mark.parametrize("platforms, expected", [
    ((), {name: name == HOST_PLATFORM for name in NAMES}),
    (("linux/arm64", "linux/arm/v7"), {"linux/amd64": False, "linux/arm64/v8": True, "linux/arm/v7": True}),
    (("all",), {name: True for name in NAMES})])
def test_pull_of_several_platforms(api: Api, app: str, platforms: Sequence[str], expected: dict[str, bool]) -> None:
    answer = pull(api, app, platforms)
    assert (answer.status, answer.error) == (200, None)
    assert answer.statuses[0] == "Pulling from lighter/app"
    assert answer.statuses[-2:] == [f"Digest: {PLATFORMS.digest}", f"Status: Downloaded newer image for {app}"]
    layers = [record["id"] for record in answer.records if record.get("status") == "Pull complete"]
    assert len(layers) == len(set(layers)), "each layer has one line"
    assert here(api, app) == expected


def test_a_pull_adds_to_what_is_here(api: Api, app: str) -> None:
    api.pull_well(app, platform="linux/amd64")
    pull(api, app, ("linux/arm64",))
    assert here(api, app) == {"linux/amd64": True, "linux/arm64/v8": True, "linux/arm/v7": False}


def test_a_missing_platform_is_named_beside_those_that_there_are(api: Api, app: str) -> None:
    answer = pull(api, app, ("linux/amd64", "linux/s390x"))
    assert answer.status == 404
    assert answer.message.endswith("; there is linux/amd64, linux/arm64/v8, linux/arm/v7")
    assert answer.message.startswith("no matching manifest for linux/s390x in the manifest list entries")
    assert api.get("/images/json").json() == []


def test_a_missing_layer_leaves_none_of_the_platforms(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(PLATFORMS, "lighter/broken", "1")
    layer = PLATFORMS.image_for("linux/arm/v7").layers[-1]
    fault_registry.on("GET", f"blobs/{layer.digest}", Reply(status=404))
    assert pull(api, name, ("all",)).error
    assert api.get("/images/json").json() == []


def test_what_is_pulled_whole_is_pushed_whole(api: Api, second_registry: DockerRegistry, app: str) -> None:
    pull(api, app, ("all",))
    assert api.get(f"/lighter/v1/images/{app}/platforms").json()["Complete"] is True
    name = tag_for(api, app, second_registry, "lighter/whole")
    assert push(api, name, ("all",)).records[-1]["aux"]["Digest"] == PLATFORMS.digest
    assert second_registry.get("lighter/whole", "1").read() == PLATFORMS.manifest.read()


def test_push_of_all_names_what_is_missing(api: Api, second_registry: DockerRegistry, app: str) -> None:
    pull(api, app, ("linux/amd64", "linux/arm64"))
    name = tag_for(api, app, second_registry, "lighter/missing")
    answer = push(api, name, ("all",))
    digest = PLATFORMS.image_for("linux/arm/v7").digest
    assert answer.error == (f"not all platforms of {name} are here; missing: linux/arm/v7 ({digest}), the attestation of"
                            f" {digest}")
    assert "contentMissing" in answer.records[-2]["aux"]


def test_push_of_some_is_an_index_of_their_entries(cli: DockerCli, api: Api, second_registry: DockerRegistry, app: str,
                                                   make_daemon: Callable[..., Daemon]) -> None:
    pull(api, app, ("all",))
    name = tag_for(api, app, second_registry, "lighter/some")
    answer = push(api, name, ("linux/arm64", "linux/amd64"))
    assert answer.error is None
    pushed = second_registry.get("lighter/some", "1")
    assert answer.records[-1]["aux"] == {"Tag": "1", "Digest": pushed.digest, "Size": pushed.size}
    whole = json.loads(PLATFORMS.manifest.read())["manifests"]
    gone = PLATFORMS.image_for("linux/arm/v7").digest
    assert json.loads(pushed.read())["manifests"] == [
        entry for entry in whole
        if entry["digest"] != gone and entry.get("annotations", {}).get("vnd.docker.reference.digest") != gone]
    # The image here is as it was, and another daemon takes the new one.
    assert cli.json("image", "inspect", app)[0]["Id"] == PLATFORMS.digest
    other = make_daemon().start()
    assert pull(other.api, name, ("linux/arm64", "linux/amd64")).error is None
    assert pull(other.api, name, ("linux/arm/v7",)).message.endswith("; there is linux/amd64, linux/arm64/v8")
    other.stop()


def test_push_of_one_platform_is_its_manifest(api: Api, second_registry: DockerRegistry, app: str) -> None:
    pull(api, app, ("linux/arm64",))
    name = tag_for(api, app, second_registry, "lighter/one")
    assert push(api, name, ("linux/arm64",)).error is None
    assert second_registry.get("lighter/one", "1").digest == PLATFORMS.image_for("linux/arm64/v8").digest
    assert push(api, name, ("linux/amd64",)).error.endswith("; there is linux/arm64/v8")


def test_an_image_without_index(api: Api, registry: DockerRegistry, second_registry: DockerRegistry) -> None:
    image = make_small_image("lighter")
    name = registry.add(image, "lighter/single", "1")
    assert pull(api, name, ("linux/amd64", "linux/arm64")).message == (
        "several platforms are wanted of an image that has only one: it has no index")
    assert pull(api, name, ("all",)).error is None
    shown = api.get(f"/lighter/v1/images/{name}/platforms").json()
    assert (shown["Complete"], [each["Digest"] for each in shown["Platforms"]]) == (True, [image.digest])
    target = tag_for(api, name, second_registry, "lighter/single")
    assert push(api, target, ("all",)).error is None
    assert second_registry.get("lighter/single", "1").digest == image.digest


def test_nested_indexes(api: Api, registry: DockerRegistry, second_registry: DockerRegistry) -> None:
    nested = make_index([PLATFORMS], image_format="oci")
    name = registry.add(nested, "lighter/nested", "1")
    assert pull(api, name, ("all",)).error is None
    assert here(api, name) == {platform: True for platform in NAMES}
    target = tag_for(api, name, second_registry, "lighter/nested")
    assert push(api, target, ("all",)).error is None
    assert second_registry.get("lighter/nested", "1").digest == nested.digest


def test_dockers_paths_know_nothing_of_it(api: Api, app: str) -> None:
    assert api.pull(app, platform="all").status == 400
    assert api.get(f"/v1.44/lighter/v1/images/{app}/platforms").message == "page not found"


def test_it_survives_a_restart(api: Api, daemon: Daemon, app: str) -> None:
    pull(api, app, ("all",))
    daemon.kill()
    daemon.start()
    assert here(api, app) == {name: True for name in NAMES}


@pytest.mark.parametrize("path", ["tags", "inspect", "plan"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_password_in_a_url_is_refused_and_not_told(api: Api, daemon: Daemon, scheme: str, path: str) -> None:
    answer = api.get(f"/lighter/v1/remote/{scheme}%3A%2F%2Fuser%3Ahunter2%40127.0.0.1%3A5%2Fapp/{path}")
    assert answer.status == 400
    assert "hunter2" not in answer.message
    assert api.get(f"/v1.44/distribution/{scheme}%3A%2F%2Fuser%3Ahunter2%40127.0.0.1%3A5%2Fapp/json").status == 400
    daemon.stop()
    assert "hunter2" not in daemon.log_text()


@pytest.mark.parametrize("identifier", ["zz", "sha256:ab", "a" * 63, "A" * 64, "../" + "a" * 61])
def test_an_id_is_looked_at_before_a_registry_is(api: Api, identifier: str) -> None:
    answer = api.get(f"/lighter/v1/remote/127.0.0.1:5/app/inspect?id={identifier}")
    assert (answer.status, answer.message) == (
        400, f'invalid image ID "{identifier}": neither a digest nor 64 hexadecimal digits')
    answer = api.get(f"/lighter/v1/remote/127.0.0.1:5/app:1/inspect?id=sha256:{'a' * 64}")
    assert (answer.status, answer.message) == (400, "id goes with a name that has neither tag nor digest")
