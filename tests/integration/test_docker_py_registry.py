# SPDX-License-Identifier: Apache-2.0
"""What python3-docker knows of an image before it is pulled: get_registry_data, has_platform, and the pull of that."""
from __future__ import annotations

from collections.abc import Iterator

import docker
import docker.errors
import pytest

from image_maker import Artifact, Image, Index, make_artifact, make_layer
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry
from lib.samples import (HOST_PLATFORM, OTHER_ARCHITECTURE, OTHER_PLATFORM, make_platforms, make_small_image,
                         random_bytes)
from lib.schema1 import Schema1Image, make_schema1

LOGIN = {"username": USER, "password": PASSWORD}
LAYERS = [make_layer({f"file{number}": random_bytes(f"registry-data-{number}", 5000)}) for number in range(2)]
IMAGES: dict[str, Artifact] = {
    "schema2": make_small_image("registry-data"),
    "oci": make_small_image("registry-data", image_format="oci"),
    "list": make_platforms("registry-data"),
    "index": make_platforms("registry-data", image_format="oci", attestations=True),
}
# Both kinds, and one with rows that have no layer.
SCHEMA1 = {
    "signed": make_schema1(LAYERS, name="python/data", tag="signed"),
    "signed-twice": make_schema1([LAYERS[0], None, LAYERS[1], None], signatures=2, name="python/data"),
    "unsigned": make_schema1(LAYERS, signatures=0, name="python/data", tag="unsigned"),
}


@pytest.fixture
def client(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    monkeypatch.setenv("DOCKER_CONFIG", str(daemon.data_root.parent / "docker-config"))
    client = docker.DockerClient(base_url=daemon.host)
    yield client
    client.close()


@pytest.fixture(scope="module")
def name(registry: DockerRegistry) -> str:
    for tag, image in IMAGES.items():
        registry.add(image, "python/data", tag)
    return f"{registry.host}/python/data"


@pytest.fixture
def old_name(fault_registry: FaultRegistry) -> str:
    for tag, image in SCHEMA1.items():
        fault_registry.add(image, "python/data", tag)
    return f"{fault_registry.host}/python/data"


def reference(name: str, tag: str, image: Artifact | Schema1Image, by: str) -> str:
    return f"{name}:{tag}" if by == "tag" else f"{name}@{image.digest}"


def descriptor(image: Artifact | Schema1Image) -> dict:
    return {"mediaType": image.manifest.media_type, "digest": image.digest, "size": image.manifest.size}


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("tag", ["schema2", "oci"])
def test_a_manifest(client: docker.DockerClient, name: str, tag: str, by: str) -> None:
    image = IMAGES[tag]
    assert isinstance(image, Image)
    data = client.images.get_registry_data(reference(name, tag, image, by))
    assert (data.id, data.attrs["Descriptor"]) == (image.digest, descriptor(image))
    assert data.has_platform(HOST_PLATFORM)
    assert not data.has_platform(OTHER_PLATFORM)
    pulled = data.pull()
    assert pulled.id == image.digest
    assert pulled.attrs["RepoDigests"] == [f"{name}@{image.digest}"]
    assert client.images.get(image.digest).id == image.digest


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("tag", ["list", "index"])
def test_an_index(client: docker.DockerClient, name: str, tag: str, by: str) -> None:
    index = IMAGES[tag]
    assert isinstance(index, Index)
    data = client.images.get_registry_data(reference(name, tag, index, by))
    assert (data.id, data.attrs["Descriptor"]) == (index.digest, descriptor(index))
    assert data.attrs["Platforms"] == [child.platform for child in index.manifests]
    for platform in ("linux/amd64", {"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm/v7"):
        assert data.has_platform(platform)
    assert not data.has_platform("windows/amd64")
    with pytest.raises(docker.errors.InvalidArgument):
        data.has_platform("linux/arm/v7/more")
    pulled = data.pull(platform=OTHER_PLATFORM)
    assert (pulled.id, pulled.attrs["Architecture"]) == (index.digest, OTHER_ARCHITECTURE)
    assert pulled.attrs["RepoDigests"] == [f"{name}@{index.digest}"]


def test_an_artifact_is_told_from_an_image(client: docker.DockerClient, registry: DockerRegistry) -> None:
    artifact = make_artifact("application/vnd.example.sbom")
    name = registry.add(artifact, "python/artifact", "1")
    data = client.images.get_registry_data(name)
    assert (data.id, data.attrs["Descriptor"]) == (artifact.digest, descriptor(artifact))
    assert not data.has_platform(HOST_PLATFORM), "it is for none"
    pulled = data.pull()
    assert (pulled.id, pulled.attrs["Architecture"], pulled.attrs["Os"]) == (artifact.digest, "", "")
    assert pulled.attrs["RepoDigests"] == [f"{registry.host}/python/artifact@{artifact.digest}"]
    assert client.images.get(f"{registry.host}/python/artifact@{artifact.digest}").id == artifact.digest


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize("tag", SCHEMA1)
def test_schema_1(client: docker.DockerClient, old_name: str, tag: str, by: str) -> None:
    image = SCHEMA1[tag]
    data = client.images.get_registry_data(reference(old_name, tag, image, by))
    assert (data.id, data.attrs["Descriptor"]) == (image.digest, descriptor(image))
    assert data.attrs["Platforms"] == [{"architecture": "amd64", "os": "linux"}]
    assert data.has_platform("linux/amd64")
    assert not data.has_platform("linux/arm64")
    pulled = data.pull()
    assert pulled.attrs["RootFS"]["Layers"] == list(image.diff_ids)
    assert client.images.get(f"{old_name}@{image.digest}").id == pulled.id
    assert client.images.get(image.digest).id == pulled.id


def test_schema_1_by_tag_and_then_by_its_digest_is_one_image(client: docker.DockerClient, old_name: str) -> None:
    pulled = client.images.pull(old_name, tag="signed")
    assert pulled.tags == [f"{old_name}:signed"]
    again = client.images.get_registry_data(f"{old_name}:signed").pull()
    assert again.id == pulled.id
    assert [image.id for image in client.images.list()] == [pulled.id]


@pytest.mark.parametrize("server", ["registry_htpasswd", "registry_token"])
def test_credentials(client: docker.DockerClient, server: str, request: pytest.FixtureRequest) -> None:
    image = IMAGES["schema2"]
    name = request.getfixturevalue(server).add(image, "python/private", "1")
    with pytest.raises(docker.errors.APIError):
        client.images.get_registry_data(name)
    with pytest.raises(docker.errors.APIError):
        client.images.get_registry_data(name, auth_config={**LOGIN, "password": "wrong"})
    data = client.images.get_registry_data(name, auth_config=LOGIN)
    assert data.id == image.digest
    assert data.has_platform(HOST_PLATFORM)
    # It has no way to hand credentials to the pull but a login.
    with pytest.raises(docker.errors.APIError):
        data.pull()
    host = name.partition("/")[0]
    client.login(USER, PASSWORD, registry=host)
    assert client.images.get_registry_data(name).pull().id == image.digest


def test_what_is_not_there(client: docker.DockerClient, registry: DockerRegistry, name: str) -> None:
    for missing in (f"{name}:missing", f"{name}@{make_small_image('missing').digest}", f"{registry.host}/no/such:1"):
        with pytest.raises(docker.errors.NotFound):
            client.images.get_registry_data(missing)
    with pytest.raises(docker.errors.APIError, match="no manifest found for full image ID"):
        client.images.get_registry_data(IMAGES["oci"].digest)
