# SPDX-License-Identifier: Apache-2.0
"""Archives between tools: what `docker save` writes here is read by others, and what others write is loaded here."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from image_maker import write_layout
from lib import skopeo
from lib.api import Api
from lib.engine_archives import docker_archive, load_well, oci_archive
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.dockerd import Dockerd
from lib.daemon import Daemon
from lib.samples import make_small_image
from lib.storage_clients import Storage, run

NAME = "docker.io/library/carried:1"
FAMILIAR = "carried:1"
SMALL = make_small_image("carried")
OCI = make_small_image("carried", image_format="oci")
DIFF_IDS = json.loads(SMALL.config.read())["rootfs"]["diff_ids"]


@pytest.fixture
def storage(folder: Path) -> Storage:
    return Storage(folder / "storage")


@pytest.fixture
def saved(api: Api, cli: DockerCli, folder: Path) -> Path:
    load_well(api, docker_archive((SMALL, [FAMILIAR])))
    cli.ok("save", "-o", str(folder / "saved.tar"), FAMILIAR)
    return folder / "saved.tar"


@pytest.fixture
def layout(folder: Path) -> Path:
    """An OCI image layout, tag 1."""
    write_layout(OCI, folder / "layout", "1")
    return folder / "layout"


# ---- written here ---------------------------------------------------------------------------------------------------

def test_podman_reads_it(saved: Path, storage: Storage) -> None:
    assert NAME in storage.podman("load", "-i", str(saved))
    [image] = json.loads(storage.podman("image", "inspect", NAME))
    assert image["RootFS"]["Layers"] == DIFF_IDS


@pytest.mark.parametrize("transport", ["docker-archive:{}", "oci-archive:{}"])
def test_skopeo_reads_it(saved: Path, folder: Path, transport: str) -> None:
    source = transport.format(saved)
    shown = json.loads(skopeo.run_skopeo("inspect", "--config", source))
    assert shown["rootfs"]["diff_ids"] == DIFF_IDS
    skopeo.run_skopeo("copy", source, f"dir:{folder}/out")  # every digest is verified on the way


def test_umoci_reads_it(api: Api, cli: DockerCli, folder: Path) -> None:
    load_well(api, oci_archive(OCI, NAME))  # it knows nothing else
    cli.ok("save", "-o", str(folder / "saved.tar"), FAMILIAR)
    (folder / "unpacked").mkdir()
    run("tar", "-C", str(folder / "unpacked"), "-xf", str(folder / "saved.tar"))
    shown = json.loads(run("umoci", "stat", "--image", f"{folder}/unpacked:1", "--json"))
    assert [entry["layer"]["digest"] for entry in shown["history"] if entry.get("layer")] == [
        layer.digest for layer in OCI.layers]
    run("umoci", "raw", "unpack", "--image", f"{folder}/unpacked:1", f"{folder}/rootfs")
    assert sorted(path.name for path in (folder / "rootfs").iterdir()) == ["layer0", "layer1"]


def test_docker_reads_it(saved: Path, folder: Path, dockerd: Dockerd) -> None:
    docker = DockerCli(dockerd.host, folder / "dockerd-config", "docker-20.10")
    assert docker.ok("load", "-i", str(saved)).out == f"Loaded image: {FAMILIAR}\n"
    assert docker.json("image", "inspect", FAMILIAR)[0]["RootFS"]["Layers"] == DIFF_IDS


# ---- written by others ----------------------------------------------------------------------------------------------

def by_docker(target: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest) -> None:
    dockerd, registry = request.getfixturevalue("dockerd"), request.getfixturevalue("registry")
    docker = DockerCli(dockerd.host, target.parent / "dockerd-config", "docker-20.10")
    name = registry.add(SMALL, "carried/docker", "1")
    docker.ok("pull", name)
    docker.ok("tag", name, FAMILIAR)
    docker.ok("save", "-o", str(target), FAMILIAR)


def by_podman(form: str) -> Callable[..., None]:
    def write(target: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest) -> None:
        # It takes the path for a name, and not every path is one.
        name = storage.podman("pull", "-q", f"oci:{layout.name}:1", cwd=layout.parent).strip()
        storage.podman("tag", name, NAME)
        storage.podman("save", "-q", "--format", form, "-o", str(target), NAME)
    return write


def by_skopeo(transport: str) -> Callable[..., None]:
    def write(target: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest) -> None:
        name = NAME if transport == "docker-archive" else "1"
        skopeo.run_skopeo("copy", f"oci:{layout}:1", f"{transport}:{target}:{name}")
    return write


def by_buildah(transport: str) -> Callable[..., None]:
    def write(target: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest) -> None:
        name = storage.buildah("pull", "-q", f"oci:{layout.name}:1", cwd=layout.parent).strip()
        storage.buildah("tag", name, NAME)
        storage.buildah("push", "-q", name, f"{transport}:{target}:{NAME}")
    return write


def by_umoci(target: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest) -> None:
    """It changes the config and leaves the layers as they are; an archive of its folder is what `docker load` gets."""
    run("umoci", "config", "--image", f"{layout}:1", "--tag", NAME, "--config.label", "by=umoci")
    run("umoci", "remove", "--image", f"{layout}:1")
    run("tar", "-C", str(layout), "-cf", str(target), ".")


WRITERS = {
    "docker 20.10": by_docker,
    "podman docker-archive": by_podman("docker-archive"), "podman oci-archive": by_podman("oci-archive"),
    "skopeo docker-archive": by_skopeo("docker-archive"), "skopeo oci-archive": by_skopeo("oci-archive"),
    "buildah docker-archive": by_buildah("docker-archive"), "buildah oci-archive": by_buildah("oci-archive"),
    "umoci": by_umoci,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_it_is_loaded(cli: DockerCli, folder: Path, layout: Path, storage: Storage, request: pytest.FixtureRequest,
                      writer: str) -> None:
    WRITERS[writer](folder / "written.tar", layout, storage, request)
    said = cli.ok("load", "-i", str(folder / "written.tar")).out
    # A bare tag is not a name of an image.
    name = said.split()[-1] if writer == "skopeo oci-archive" else FAMILIAR
    assert said.startswith("Loaded image")
    shown = cli.json("image", "inspect", name)[0]
    assert shown["RootFS"]["Layers"] == DIFF_IDS
    assert shown["RepoTags"] == ([] if name != FAMILIAR else [FAMILIAR])


# ---- skopeo's own transport -----------------------------------------------------------------------------------------

def test_skopeo_copies_from_the_daemon_and_to_it(daemon: Daemon, api: Api, registry: DockerRegistry, folder: Path
                                                 ) -> None:
    name = registry.add(SMALL, "carried/skopeo", "1")
    api.pull_well(name)
    skopeo.run_skopeo("copy", "--src-daemon-host", daemon.host, f"docker-daemon:{name}", f"dir:{folder}/out")
    config = json.loads((folder / "out" / "manifest.json").read_text())["config"]["digest"]
    assert config == SMALL.config.digest
    skopeo.run_skopeo("copy", "--dest-daemon-host", daemon.host, f"dir:{folder}/out", "docker-daemon:returned:1")
    assert api.get("/images/returned:1/json").json()["RootFS"]["Layers"] == DIFF_IDS
