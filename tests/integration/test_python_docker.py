# SPDX-License-Identifier: Apache-2.0
"""python3-docker works as its documentation shows it."""
from __future__ import annotations

import json
from collections.abc import Iterator

import docker
import docker.errors
import pytest

from lib import skopeo
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.samples import HOST_PLATFORM, OTHER_ARCHITECTURE, OTHER_PLATFORM, make_platforms, make_small_image

PLATFORMS = make_platforms()
SMALL = make_small_image("python")
HOST_IMAGE = PLATFORMS.image_for(HOST_PLATFORM)


@pytest.fixture
def client(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    monkeypatch.setenv("DOCKER_HOST", daemon.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(daemon.data_root.parent / "docker-config"))
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    registry.add(make_platforms("2.0"), "python/app", "2.0")
    return registry.add(PLATFORMS, "python/app", "1.0").removesuffix(":1.0")


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(SMALL, "python/small", "1").removesuffix(":1")


def test_connect(client: docker.DockerClient) -> None:
    assert client.ping() is True
    assert client.version()["ApiVersion"]
    info = client.info()
    assert info["ID"] and info["Name"]
    assert info["Images"] == 0


def test_pull_with_a_tag(client: docker.DockerClient, app: str) -> None:
    image = client.images.pull(app, tag="1.0")
    assert image.id == PLATFORMS.digest
    assert image.short_id == PLATFORMS.digest[:17]
    assert image.tags == [f"{app}:1.0"]
    assert image.labels == json.loads(HOST_IMAGE.config.read())["config"]["Labels"]
    assert client.images.pull(f"{app}:1.0").id == image.id
    assert client.info()["Images"] == 1


def test_pull_with_a_platform(client: docker.DockerClient, app: str) -> None:
    image = client.images.pull(app, tag="1.0", platform=OTHER_PLATFORM)
    assert image.attrs["Architecture"] == OTHER_ARCHITECTURE


def test_pull_by_digest(client: docker.DockerClient, app: str) -> None:
    image = client.images.pull(f"{app}@{PLATFORMS.digest}")
    assert image.id == PLATFORMS.digest
    assert image.attrs["RepoDigests"] == [f"{app}@{PLATFORMS.digest}"]


def test_pull_of_all_tags(client: docker.DockerClient, app: str) -> None:
    images = client.images.pull(app, all_tags=True)
    assert sorted(tag for image in images for tag in image.tags) == [f"{app}:1.0", f"{app}:2.0"]


def test_pull_stream(client: docker.DockerClient, small: str) -> None:
    records = list(client.api.pull(small, tag="1", stream=True, decode=True))
    assert records[0] == {"status": "Pulling from python/small", "id": "1"}
    assert [record["status"] for record in records[-2:]] == [
        f"Digest: {SMALL.digest}", f"Status: Downloaded newer image for {small}:1"]


def test_pull_with_credentials(client: docker.DockerClient, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(SMALL, "python/private", "1")
    with pytest.raises(docker.errors.APIError, match="no basic auth credentials"):
        client.images.pull(name)
    assert client.images.pull(name, auth_config={"username": USER, "password": PASSWORD}).id == SMALL.digest


def test_list(client: docker.DockerClient, app: str, small: str) -> None:
    assert client.images.list() == []
    client.images.pull(app, tag="1.0")
    client.images.pull(small, tag="1")
    assert {image.id for image in client.images.list()} == {PLATFORMS.digest, SMALL.digest}
    assert [image.id for image in client.images.list(name=small)] == [SMALL.digest]
    assert [image.id for image in client.images.list(filters={"label": "seed=python"})] == [SMALL.digest]
    assert client.images.list(filters={"dangling": True}) == []
    assert len(client.images.list(all=True)) == 2


def test_get(client: docker.DockerClient, small: str) -> None:
    client.images.pull(small, tag="1")
    for name in (f"{small}:1", SMALL.digest, SMALL.digest[7:], SMALL.digest[7:19], f"{small}@{SMALL.digest}"):
        image = client.images.get(name)
        assert image.id == SMALL.digest
        assert image.attrs["RootFS"]["Layers"] == json.loads(SMALL.config.read())["rootfs"]["diff_ids"]


def test_history(client: docker.DockerClient, small: str) -> None:
    history = client.images.pull(small, tag="1").history()
    assert [entry["CreatedBy"] for entry in history] == ['CMD ["/bin/sh"]', "COPY layer1 /", "COPY layer0 /"]
    assert history[0]["Id"] == SMALL.digest
    assert history[0]["Tags"] == [f"{small}:1"]
    assert [entry["Id"] for entry in history[1:]] == ["<missing>"] * 2
    assert history[0]["Size"] == 0
    assert all(entry["Size"] > 0 for entry in history[1:])


def test_tag(client: docker.DockerClient, small: str) -> None:
    image = client.images.pull(small, tag="1")
    assert image.tag("mine", tag="v1") is True
    image.reload()
    assert sorted(image.tags) == sorted([f"{small}:1", "mine:v1"])
    assert client.images.get("mine:v1").id == image.id


def test_push(client: docker.DockerClient, second_registry: DockerRegistry, small: str) -> None:
    repository = f"{second_registry.host}/python/pushed"
    client.images.pull(small, tag="1").tag(repository, tag="v1")
    records = list(client.images.push(repository, tag="v1", stream=True, decode=True))
    assert records[0] == {"status": f"The push refers to repository [{repository}]"}
    assert {"Tag": "v1", "Digest": SMALL.digest, "Size": SMALL.manifest.size} in [
        record["aux"] for record in records if "aux" in record]
    assert not [record for record in records if "error" in record]
    assert skopeo.read_digest(f"{repository}:v1") == SMALL.digest
    assert SMALL.digest in client.images.push(repository, tag="v1")


def test_push_with_credentials(client: docker.DockerClient, registry_token: DockerRegistry, small: str) -> None:
    repository = f"{registry_token.host}/python/pushed"
    client.images.pull(small, tag="1").tag(repository, tag="v1")
    assert "denied" in client.images.push(repository, tag="v1")
    client.images.push(repository, tag="v1", auth_config={"username": USER, "password": PASSWORD})
    assert skopeo.read_digest(f"{repository}:v1", f"{USER}:{PASSWORD}") == SMALL.digest


def test_registry_data(client: docker.DockerClient, app: str) -> None:
    data = client.images.get_registry_data(f"{app}:1.0")
    assert data.id == PLATFORMS.digest
    assert data.attrs["Descriptor"] == {"mediaType": PLATFORMS.manifest.media_type, "digest": PLATFORMS.digest,
                                        "size": PLATFORMS.manifest.size}
    assert {"os": "linux", "architecture": "amd64"} in data.attrs["Platforms"]
    assert data.has_platform("linux/amd64")
    assert data.has_platform({"os": "linux", "architecture": "arm64", "variant": "v8"})
    assert not data.has_platform("linux/s390x")
    image = data.pull(platform=OTHER_PLATFORM)
    assert image.attrs["Architecture"] == OTHER_ARCHITECTURE
    assert image.attrs["RepoDigests"] == [f"{app}@{PLATFORMS.digest}"]


def test_remove(client: docker.DockerClient, small: str) -> None:
    image = client.images.pull(small, tag="1")
    image.tag("mine")
    client.images.remove(f"{small}:1")
    assert image.tags == [f"{small}:1"], "what was read before does not change"
    assert client.images.get("mine").id == SMALL.digest
    client.images.get("mine").tag("mine", tag="2")
    with pytest.raises(docker.errors.APIError, match="must be forced") as conflict:
        client.images.remove(SMALL.digest)
    assert conflict.value.status_code == 409
    client.images.remove(SMALL.digest, force=True, noprune=False)
    assert client.images.list() == []


def test_unknown_images_raise_image_not_found(client: docker.DockerClient, registry: DockerRegistry) -> None:
    with pytest.raises(docker.errors.ImageNotFound, match="No such image: nothing:latest"):
        client.images.get("nothing")
    with pytest.raises(docker.errors.ImageNotFound):
        client.images.remove("nothing")
    with pytest.raises(docker.errors.NotFound):
        client.images.pull(f"{registry.host}/no/such", tag="1")
    with pytest.raises(docker.errors.NotFound):
        client.images.get_registry_data(f"{registry.host}/no/such:1")
