# SPDX-License-Identifier: Apache-2.0
"""What lists and inspection show, sentence by sentence of engine-api.md 6.1 to 6.3 where test_api.py has no case."""
from __future__ import annotations

import json
import time

import docker
import pytest

from image_maker import make_image, make_layer
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image

PLATFORMS = make_platforms(attestations=True, image_format="oci")
HOST_IMAGE = PLATFORMS.image_for(HOST_PLATFORM)
HOST = {"architecture": HOST_PLATFORM.split("/")[1], "os": "linux",
        **({"variant": HOST_PLATFORM.split("/")[2]} if HOST_PLATFORM.count("/") == 2 else {})}


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "list/app", "1")


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(make_small_image("list"), "list/small", "1")


def names(api: Api, filters: dict | None = None, version: str = "1.55", **query: object) -> list[str]:
    if filters is not None:
        query["filters"] = json.dumps(filters)
    return [item["RepoTags"][0] for item in api.get(f"/v{version}/images/json", query).json()]


def content_bytes(image: object) -> int:
    return image.manifest.size + sum(blob.size for blob in image.blobs)


# ---- Names ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.24", "1.42", "1.43", "1.55"])
def test_a_digest_reference_is_a_repo_digest_and_no_repo_tag(api: Api, small: str, version: str) -> None:
    repository, _, _ = small.rpartition(":")
    digest = make_small_image("list").digest
    api.pull_well(repository, digest)
    [item] = api.get(f"/v{version}/images/json").json()
    assert (item["RepoTags"], item["RepoDigests"]) == ([], [f"{repository}@{digest}"])
    assert api.get("/images/json", {"filters": '{"dangling":["true"]}'}).json() == []
    shown = api.get(f"/v{version}/images/{repository}@{digest}/json").json()
    assert (shown["RepoTags"], shown["RepoDigests"]) == ([], [f"{repository}@{digest}"])


def test_every_name_has_its_repo_digest(api: Api, small: str) -> None:
    api.pull_well(small)
    digest = make_small_image("list").digest
    for repository in ("localhost:5000/other", "team/third"):
        api.post(f"/images/{small}/tag", {"repo": repository})
    expected = sorted(f"{name}@{digest}" for name in (small.rpartition(":")[0], "localhost:5000/other", "team/third"))
    assert sorted(api.get("/images/json").json()[0]["RepoDigests"]) == expected
    assert sorted(api.get(f"/images/{digest}/json").json()["RepoDigests"]) == expected


def test_a_reference_filter_limits_the_names_shown(api: Api, small: str) -> None:
    api.pull_well(small)
    api.post(f"/images/{small}/tag", {"repo": "team/third", "tag": "x"})
    [item] = api.get("/images/json", {"filters": '{"reference":["team/*"]}'}).json()
    assert item["RepoTags"] == ["team/third:x"]
    assert item["RepoDigests"] == [f"team/third@{make_small_image('list').digest}"]


@pytest.mark.parametrize("value", ["1", "True", "true", "yes", "0", "False", ""])
def test_dockers_parameters_that_change_nothing(api: Api, small: str, value: str) -> None:
    api.pull_well(small)
    for parameter in ("all", "digests", "only_ids"):
        assert names(api, **{parameter: value}) == [small]


# ---- Filters --------------------------------------------------------------------------------------------------------

def test_until_compares_when_an_image_came_here(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_small_image("until", created="2001-01-01T00:00:00Z"), "list/until", "1")
    began = time.time() - 1
    api.pull_well(name)
    assert names(api, {"until": [f"{began:.3f}"]}) == []
    assert names(api, {"until": ["2002-01-01"]}) == []
    assert names(api, {"until": ["1h"]}) == []
    assert names(api, {"until": [f"{time.time() + 1:.3f}"]}) == [name]
    assert names(api, {"until": ["-1m"]}) == [name]


def test_before_and_since_compare_what_the_configs_say(cli: DockerCli, registry: DockerRegistry) -> None:
    for year in (2023, 2021, 2022):  # pulled in this order
        name = registry.add(make_small_image(f"order{year}", created=f"{year}-01-01T00:00:00Z"), "list/order", str(year))
        cli.ok("pull", name)
    repository = name.rpartition(":")[0]

    def shown(*filters: str) -> list[str]:
        arguments = [word for each in filters for word in ("-f", each)]
        return cli.ok("images", "--format", "{{.Tag}}", *arguments).lines
    assert shown() == ["2023", "2022", "2021"]
    assert shown(f"before={repository}:2022") == ["2021"]
    assert shown(f"since={repository}:2022") == ["2023"]
    assert shown(f"since={repository}:2021", f"before={repository}:2023") == ["2022"]
    assert "No such image: nope:latest" in cli.fails("images", "-f", "since=nope")


def test_filters_of_several_keys_must_all_hold(api: Api, small: str, app: str) -> None:
    api.pull_well(small)
    api.pull_well(app)
    assert names(api, {"reference": {"*/*/small": True, "*/*/app": True}, "label": {"seed=list": True}}) == [small]
    assert names(api, {"reference": {"*/*/small": True}, "label!": {"seed": True}}) == []
    assert names(api, {"label": ["seed!=other"]}) in ([small], [small, app], [app, small])


# ---- Manifests ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path, since", [("/images/json", 47), ("/images/{name}/json", 48)])
def test_manifests_from_their_version_on(api: Api, app: str, path: str, since: int) -> None:
    api.pull_well(app)

    def ask(minor: int, **query: object) -> dict:
        answer = api.get(f"/v1.{minor}" + path.replace("{name}", app), query).json()
        return answer[0] if isinstance(answer, list) else answer
    assert "Manifests" not in ask(since - 1, manifests="1")
    assert "Manifests" not in ask(since)
    assert "Manifests" not in ask(since, manifests="0")
    assert len(ask(since, manifests="true")["Manifests"]) == len(PLATFORMS.manifests)


def test_members_of_a_manifest_summary(api: Api, app: str) -> None:
    api.pull_well(app)
    [item] = api.get("/v1.55/images/json", {"manifests": "1"}).json()
    by_id = {entry["ID"]: entry for entry in item["Manifests"]}
    here, = (entry for entry in item["Manifests"] if entry["Kind"] == "image" and entry["Available"])
    size = content_bytes(HOST_IMAGE)
    described = next(entry for entry in json.loads(PLATFORMS.manifest.read())["manifests"]
                     if entry["digest"] == HOST_IMAGE.digest)
    assert here == {"ID": HOST_IMAGE.digest, "Descriptor": described, "Available": True,
                    "Size": {"Content": size, "Total": size}, "Kind": "image",
                    "ImageData": {"Platform": HOST, "Size": {"Unpacked": 0}, "Containers": []}}
    for child in PLATFORMS.manifests:
        entry = by_id[child.digest]
        if child.annotations:
            assert set(entry) == {"ID", "Descriptor", "Available", "Size", "Kind", "AttestationData"}
            assert entry["AttestationData"] == {"For": child.annotations["vnd.docker.reference.digest"]}
        elif child is not HOST_IMAGE:
            assert (entry["Available"], entry["Size"]) == (False, {"Content": 0, "Total": 0})
            assert entry["ImageData"]["Platform"]["os"] == "linux"


def test_manifests_of_an_image_without_index(api: Api, small: str) -> None:
    api.pull_well(small)
    image = make_small_image("list")
    [item] = api.get("/images/json", {"manifests": "1"}).json()
    [entry] = item["Manifests"]
    assert entry["ID"] == entry["Descriptor"]["digest"] == item["Id"] == image.digest
    assert (entry["Available"], entry["Kind"], entry["Size"]["Content"]) == (True, "image", item["Size"])
    assert entry["Descriptor"] == item["Descriptor"]


# ---- Identity -------------------------------------------------------------------------------------------------------

def test_identity_is_where_an_image_was_pulled_from(api: Api, small: str) -> None:
    api.pull_well(small)
    api.post(f"/images/{small}/tag", {"repo": "team/third"})
    expected = {"Pull": [{"Repository": "127.0.0.1/list/small"}]}
    assert "Identity" not in api.get(f"/v1.52/images/{small}/json").json()
    assert api.get(f"/v1.53/images/{small}/json").json()["Identity"] == expected

    def listed(version: str, query: dict) -> dict:
        return api.get(f"/v{version}/images/json", query).json()[0]["Manifests"][0]["ImageData"]
    assert "Identity" not in listed("1.53", {"manifests": "1", "identity": "1"})
    assert "Identity" not in listed("1.54", {"manifests": "1"})
    assert listed("1.54", {"manifests": "1", "identity": "1"})["Identity"] == expected
    refused = api.get("/v1.54/images/json", {"identity": "1"})
    assert (refused.status, refused.message) == (400, "conflicting options: identity requires manifests=1")
    assert api.get("/v1.53/images/json", {"identity": "1"}).status == 200


# ---- Sizes ----------------------------------------------------------------------------------------------------------

def test_size_is_what_is_here_each_blob_once(api: Api, registry: DockerRegistry) -> None:
    layer = make_layer({"file": "x" * 3000})
    image = make_image([layer, make_layer({"more": "y"}), layer], HOST_PLATFORM)
    api.pull_well(registry.add(image, "list/twice", "1"))
    distinct = {blob.digest: blob.size for blob in (*image.blobs, image.manifest)}
    [item] = api.get("/images/json").json()
    assert item["Size"] == sum(distinct.values())
    assert api.get(f"/images/{image.digest}/json").json()["Size"] == item["Size"]


def test_shared_size_of_platforms_is_counted_once(api: Api, registry: DockerRegistry) -> None:
    base = make_layer({"base": "b" * 2000})
    first, second = (make_image([base, make_layer({"own": own})], HOST_PLATFORM) for own in "12")
    for tag, image in (("1", first), ("2", second)):
        api.pull_well(registry.add(image, "list/shared", tag))
    items = api.get("/v1.42/images/json", {"shared-size": "True"}).json()
    assert [item["SharedSize"] for item in items] == [base.blob.size] * 2
    api.delete(f"/images/{first.digest}", {"force": "1"})
    assert [item["SharedSize"] for item in api.get("/images/json", {"shared-size": "1"}).json()] == [0]
    assert [item["SharedSize"] for item in api.get("/v1.41/images/json", {"shared-size": "1"}).json()] == [-1]


# ---- Clients --------------------------------------------------------------------------------------------------------

def test_python_docker_lists_with_filters(daemon: Daemon, api: Api, small: str, app: str) -> None:
    api.pull_well(small)
    api.pull_well(app)
    client = docker.DockerClient(base_url=daemon.host)
    try:
        assert len(client.images.list()) == 2
        assert len(client.images.list(all=True)) == 2
        [image] = client.images.list(filters={"label": "seed=list"})
        assert image.tags == [small]
        [image] = client.images.list(name=app.rpartition(":")[0])
        assert image.id == PLATFORMS.digest
        assert client.images.list(filters={"dangling": True}) == []
    finally:
        client.close()
