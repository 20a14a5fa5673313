# SPDX-License-Identifier: Apache-2.0
"""docker save: archives that other tools read, with the exact bytes of what was pulled, and never a broken one that
looks whole."""
from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from image_maker import Artifact, Index, all_blobs, make_bulk_layer, make_image, make_index, make_layer
from lib import skopeo
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.engine_archives import Archive, load_well, save
from lib.operations import platform_json, read_events
from lib.process import find_program
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import list_files
from lib.wait import SANITIZED, wait_until

OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
NAME = "io.containerd.image.name"
REFERENCE = "org.opencontainers.image.ref.name"


def digests_of(artifact: Artifact) -> set[str]:
    return {artifact.digest, *(blob.digest for blob in all_blobs(artifact))}


def test_the_archive_of_one_image(api: Api, registry: DockerRegistry) -> None:
    image = make_small_image("one")
    name = registry.add(image, "save/one", "1")
    api.pull_well(name)
    archive = save(api, name)
    blobs = sorted(f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in digests_of(image))
    assert list(archive.members) == ["blobs", "blobs/sha256", *blobs, "index.json", "manifest.json", "oci-layout"]
    modes = {path: member.mode for path, member in archive.members.items()}
    assert modes["blobs"] == modes["blobs/sha256"] == 0o755
    assert {modes[path] for path in (*blobs, "oci-layout")} == {0o444}
    assert modes["index.json"] == modes["manifest.json"] == 0o644
    assert {(member.mtime, member.uid, member.gid) for member in archive.members.values()} == {(0, 0, 0)}
    assert archive.content["oci-layout"] == OCI_LAYOUT
    assert archive.digests == digests_of(image)
    assert archive.index == {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**image.manifest.descriptor(), "annotations": {
            NAME: name, REFERENCE: "1", "containerd.io/distribution.source.127.0.0.1": "save/one"}}]}
    path = "blobs/sha256/{}".format
    assert archive.items == [{
        "Config": path(image.config.digest[7:]), "RepoTags": [name],
        "Layers": [path(layer.digest[7:]) for layer in image.layers]}]
    assert archive.content == save(api, name).content


def test_names(api: Api, registry: DockerRegistry) -> None:
    first, second = make_small_image("names-1"), make_small_image("names-2")
    repository = registry.add(first, "save/names", "a").removesuffix(":a")
    registry.add(first, "save/names", "b")
    registry.add(second, "save/names", "c")
    api.pull_well(repository)
    whole = save(api, repository)
    assert [entry["annotations"][NAME] for entry in whole.entries] == [f"{repository}:{tag}" for tag in "abc"]
    assert [item["RepoTags"] for item in whole.items] == [[f"{repository}:a", f"{repository}:b"],
                                                                    [f"{repository}:c"]]
    assert whole.digests == digests_of(first) | digests_of(second)
    for argument in (first.digest, first.digest[7:19], first.config.digest, f"{repository}@{first.digest}"):
        archive = save(api, argument)
        assert [entry["digest"] for entry in archive.entries] == [first.digest]
        assert NAME not in archive.entries[0]["annotations"]
        assert archive.items[0]["RepoTags"] is None
    merged = save(api, f"{repository}:a", first.digest, f"{repository}:a", f"{repository}:b")
    assert [entry["annotations"][NAME] for entry in merged.entries] == [f"{repository}:a", f"{repository}:b"]
    assert len(merged.items) == 1
    path_form = api.get(f"/images/{repository}:c/get")
    assert Archive(path_form.body).content == save(api, f"{repository}:c").content


def test_familiar_names(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_small_image("familiar"), "save/familiar", "1")
    api.pull_well(name)
    assert api.post(f"/images/{name}/tag", {"repo": "saved", "tag": "x"}).status == 201
    archive = save(api, "saved:x")
    assert archive.items[0]["RepoTags"] == ["saved:x"]
    assert archive.entries[0]["annotations"][NAME] == "docker.io/library/saved:x"


def test_an_event_for_each_name(api: Api, registry: DockerRegistry) -> None:
    image = make_small_image("events")
    name = registry.add(image, "save/events", "1")
    api.pull_well(name)
    api.post(f"/images/{name}/tag", {"repo": "events", "tag": "2"})
    save(api, name, "events:2")
    events = read_events(api)
    assert [(event["Actor"]["ID"], event["Actor"]["Attributes"]["name"]) for event in events
            if event["Action"] == "save"] == [(image.digest, image.digest)] * 2


def test_no_names_at_all(api: Api) -> None:
    archive = save(api)
    assert list(archive.members) == ["index.json", "oci-layout"]
    assert archive.index == {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                             "manifests": None}


@pytest.mark.parametrize(("name", "status", "message"), [
    ("nothing", 404, "No such image: nothing:latest"),
    ("abcdef012345", 404, "No such image: abcdef012345:latest"),
    ("sha256:" + "0" * 64, 404, "No such image: sha256:" + "0" * 64),
    ("upper/CASE", 400, "invalid reference format: repository name (upper/CASE) must be lowercase"),
])
def test_unknown_names_are_told_before_any_byte(api: Api, registry: DockerRegistry, name: str, status: int,
                                                message: str) -> None:
    known = registry.add(make_small_image("known"), "save/known", "1")
    api.pull_well(known)
    answer = api.get("/images/get", [("names", known), ("names", name)])
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.message == message


def pull_platforms(api: Api, registry: DockerRegistry, index: Index, name: str, *platforms: str) -> str:
    reference = registry.add(index, name, "1")
    for platform in platforms:
        api.pull_well(reference, platform=platform)
    return reference


def test_an_index_keeps_its_bytes_and_has_what_is_here(api: Api, registry: DockerRegistry) -> None:
    index = make_platforms("sparse")
    name = pull_platforms(api, registry, index, "save/sparse", HOST_PLATFORM)
    image = index.image_for(HOST_PLATFORM)
    archive = save(api, name)
    assert [entry["digest"] for entry in archive.entries] == [index.digest]
    assert archive.digests == {index.digest} | digests_of(image)
    assert [item["Config"] for item in archive.items] == [f"blobs/sha256/{image.config.digest[7:]}"]
    api.pull_well(name, platform=OTHER_PLATFORM)
    assert save(api, name).digests == {index.digest} | digests_of(image) | digests_of(index.image_for(OTHER_PLATFORM))


def test_platforms(api: Api, registry: DockerRegistry) -> None:
    index = make_platforms("platforms")
    name = pull_platforms(api, registry, index, "save/platforms", HOST_PLATFORM, OTHER_PLATFORM, "linux/arm/v7")
    other = index.image_for(OTHER_PLATFORM)
    single = save(api, name, platform=platform_json(OTHER_PLATFORM))
    assert single.digests == digests_of(other)
    assert [entry["digest"] for entry in single.entries] == [other.digest]
    assert single.entries[0]["platform"]["architecture"] == OTHER_PLATFORM.split("/")[1]
    assert single.entries[0]["annotations"][NAME] == name
    assert single.items[0]["Config"] == f"blobs/sha256/{other.config.digest[7:]}"

    several = [("names", name), ("platform", platform_json(OTHER_PLATFORM)), ("platform", platform_json("linux/arm/v7"))]
    archive = Archive(api.get("/v1.52/images/get", several).body)
    assert [entry["digest"] for entry in archive.entries] == [index.digest]
    assert archive.digests == {index.digest} | digests_of(other) | digests_of(index.image_for("linux/arm/v7"))
    refused = api.get("/v1.51/images/get", several)
    assert (refused.status, refused.message) == (400, "multiple platform parameters are not supported in this API "
                                                      "version; use API version 1.52 or later")
    # Clients that are older know no such parameter.
    assert save(api, name, version="/v1.47", platform="rubbish").digests == save(api, name).digests


def test_platforms_that_are_not_here(api: Api, registry: DockerRegistry) -> None:
    name = pull_platforms(api, registry, make_platforms("absent"), "save/absent", HOST_PLATFORM)
    answer = api.get("/images/get", [("names", name), ("platform", platform_json("linux/s390x"))])
    assert (answer.status, answer.message) == (
        404, f"no suitable export target found: image with reference {name} was found but does not provide the "
             "specified platform (linux/s390x)")
    assert api.get("/images/get", [("names", name), ("platform", "{")]).status == 400


@pytest.mark.parametrize("image_format", ["docker", "oci"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_skopeo_reads_it(cli: DockerCli, registry: DockerRegistry, folder: Path, image_format: str,
                         compression: str) -> None:
    layers = [make_layer({f"file{number}": random_bytes(number, 20_000)}, compression) for number in range(3)]
    image = make_image(layers, HOST_PLATFORM, image_format=image_format if compression != "zstd" else "oci")
    name = registry.add(image, "save/skopeo", f"{image_format}-{compression}")
    cli.ok("pull", name)
    archive = folder / "saved.tar"
    cli.ok("save", "-o", str(archive), name)
    skopeo.copy(f"docker-archive:{archive}", f"dir:{folder}/from-docker")
    skopeo.copy(f"oci-archive:{archive}", f"dir:{folder}/from-oci")
    assert (folder / "from-oci" / "manifest.json").read_bytes() == image.manifest.read()
    config = json.loads((folder / "from-docker" / "manifest.json").read_text())["config"]
    assert config["digest"] == image.config.digest
    listed = subprocess.run(["tar", "-tf", str(archive)], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert listed.splitlines()[-1] == "oci-layout"


def test_skopeo_reads_from_the_daemon(daemon: Daemon, cli: DockerCli, registry: DockerRegistry, folder: Path) -> None:
    image = make_small_image("daemon")
    name = registry.add(image, "save/daemon", "1")
    cli.ok("pull", name)
    skopeo.run_skopeo("copy", "--src-daemon-host", daemon.host, f"docker-daemon:{name}", f"dir:{folder}/copy")
    config = json.loads((folder / "copy" / "manifest.json").read_text())["config"]
    assert config["digest"] == image.config.digest


def test_python_docker(daemon: Daemon, registry: DockerRegistry) -> None:
    index = make_platforms("python")
    name = registry.add(index, "save/python", "1")
    with closing(docker.DockerClient(base_url=daemon.host, version="auto")) as client:
        image = client.images.pull(name)
        unnamed = Archive(b"".join(image.save()))
        named = Archive(b"".join(image.save(named=True)))
        assert NAME not in unnamed.entries[0]["annotations"]
        assert named.entries[0]["annotations"][NAME] == name
        with pytest.raises(docker.errors.ImageNotFound):
            b"".join(client.api.get_image("nothing"))


def test_attestations_are_nothing_to_readers_of_docker_archives(api: Api, registry: DockerRegistry) -> None:
    attested = make_index([make_small_image("attested", image_format="oci")], image_format="oci", attestations=True)
    name = registry.add(attested, "save/attested", "1")
    api.pull_well(name)
    archive = save(api, name)
    assert attested.digest in archive.digests
    assert len(archive.items) == 1


def damage(path: Path, at: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.fixture
def damaged(api: Api, daemon: Daemon, registry: DockerRegistry) -> Iterator[str]:
    """The name of an image with a layer of 1 MB in which a bit has changed; changed back at the end, since what a test
    leaves has to be sound."""
    image = make_small_image("rot", layers=2, layer_bytes=1_000_000)
    name = registry.add(image, "save/rot", "1")
    api.pull_well(name)
    path = list_files(daemon.data_root)[image.layers[0].digest]
    damage(path, path.stat().st_size // 2)
    yield name
    damage(path, path.stat().st_size // 2)


def test_a_layer_that_has_rotted_breaks_the_download(api: Api, daemon: Daemon, damaged: str,
                                                     folder: Path) -> None:
    name = damaged
    with pytest.raises(http.client.IncompleteRead) as broken:
        api.get("/images/get", [("names", name)])
    received = broken.value.partial
    assert b"is damaged" not in received and not received.rstrip(b"\0").endswith(b"}")
    target = folder / "out.tar"
    curl = subprocess.run([find_program("curl"), "-sS", "--fail", "--unix-socket", str(daemon.socket), "-o", str(target),
                           f"http://docker/images/get?names={name}"], stderr=subprocess.PIPE, check=False)
    assert curl.returncode == 18, curl.stderr
    assert "is damaged" in daemon.log_text()
    # HTTP/1.0 has no chunks, but the tar has no end either.
    old = api.exchange(f"GET /images/get?names={name} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")[2]
    for broken_tar in (target.read_bytes(), old):
        assert broken_tar[257:262] == b"ustar"
        assert subprocess.run(["tar", "-t"], input=broken_tar, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode != 0


def test_the_docker_cli_fails_with_it(cli: DockerCli, damaged: str, folder: Path) -> None:
    assert "unexpected EOF" in cli.fails("save", "-o", str(folder / "out.tar"), damaged)


def test_a_layer_that_is_gone_is_told_before_any_byte(api: Api, daemon: Daemon, registry: DockerRegistry) -> None:
    image = make_small_image("gone")
    name = registry.add(image, "save/gone", "1")
    api.pull_well(name)
    path = list_files(daemon.data_root)[image.layers[1].digest]
    hidden = path.with_name("hidden")
    path.rename(hidden)
    try:
        answer = api.get("/images/get", [("names", name)])
        assert answer.status == 500
        assert image.layers[1].digest in answer.message
    finally:
        hidden.rename(path)


def test_a_client_that_leaves_ends_it(api: Api, daemon: Daemon, registry: DockerRegistry, folder: Path) -> None:
    name = registry.add(make_image([make_bulk_layer(folder / "bulk", 64 << 20)], HOST_PLATFORM), "save/left", "1")
    api.pull_well(name)
    with api.connect() as connection:
        connection.sendall(f"GET /images/get?names={name} HTTP/1.1\r\nHost: docker\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    wait_until(lambda: '"status":"cancelled"' in daemon.log_text() or "status=cancelled" in daemon.log_text(),
               "the save has ended")


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep shadow memory of their own")
def test_memory_and_disk_stay_as_they_are(api: Api, daemon: Daemon, cli: DockerCli, registry: DockerRegistry,
                                          folder: Path) -> None:
    layer = make_bulk_layer(folder / "bulk", 256 << 20)
    name = registry.add(make_image([layer], HOST_PLATFORM), "save/large", "1")
    api.pull_well(name)
    before = {path: path.stat().st_size for path in daemon.data_root.rglob("*") if path.is_file()}
    process = subprocess.Popen([find_program("curl"), "-sS", "--unix-socket", str(daemon.socket), "-o", "/dev/null",
                                f"http://docker/images/get?names={name}"])
    new_files = set()
    while process.poll() is None:
        new_files |= {path for path in (daemon.data_root / "ingest").iterdir()}
    assert process.returncode == 0
    assert new_files == set()
    after = {path: path.stat().st_size for path in daemon.data_root.rglob("*") if path.is_file()}
    assert {path for path in after if path not in before} == set()
    assert daemon.memory_kib("VmHWM") < 64 * 1024


def test_a_saved_platform_loads_as_one_image(api: Api, daemon: Daemon, registry: DockerRegistry) -> None:
    """Its attestation has an entry of its own, which is no image."""
    attested = make_index([make_small_image("attested one", image_format="oci")], image_format="oci", attestations=True)
    name = registry.add(attested, "save/attested-one", "1")
    api.pull_well(name)
    saved = api.get("/images/get", {"names": name, "platform": platform_json(HOST_PLATFORM)}).body
    assert len(Archive(saved).entries) == 2
    assert api.delete(f"/images/{name}", {"force": "1"}).status == 200
    assert load_well(api, saved) == [f"Loaded image: {name}"]
    assert [item["RepoTags"] for item in api.get("/images/json").json()] == [[name]]
