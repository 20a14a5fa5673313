# SPDX-License-Identifier: Apache-2.0
"""Clients as their users have them push to the registry and pull from it, over http on loopback and over TLS."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Artifact, Blob, write_layout
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.dockerd import Dockerd
from lib.embedded_registry import EmbeddedRegistry
from lib.engine_archives import docker_archive, load_well
from lib.process import LOOPBACK, find_own_address
from lib.registry_content import OCI_MANIFEST, describe_referrer, make_signature
from lib.registry_http import OCTETS, blob_at, manifest_at, referrers, uploads, with_digest
from lib.samples import HOST_PLATFORM, make_platforms, make_small_image
from lib.storage_clients import Storage, run
from lib.tls_front import CertificateAuthority

ADDRESS = find_own_address() or LOOPBACK
INDEX = make_platforms("clients", image_format="oci")
LIST = make_platforms("clients")
IMAGE = make_small_image("clients")


@dataclasses.dataclass(frozen=True)
class Face:
    """One way to speak to a registry. Loopback is never verified by dockerd; elsewhere the authority is needed."""

    registry: EmbeddedRegistry
    host: str
    loopback_host: str
    scheme: str
    authority: Path | None

    def url(self, target: str) -> str:
        return f"{self.scheme}://{self.host}{target}"

    @property
    def curl(self) -> list[str]:
        return ["--cacert", str(self.authority)] if self.authority else []

    def certificates(self, folder: Path) -> Path:
        """A folder for --cert-dir."""
        folder.mkdir(exist_ok=True, parents=True)
        if self.authority:
            (folder / "ca.crt").write_bytes(self.authority.read_bytes())
        return folder


def start_http(binary: Path, folder: Path) -> Face:
    registry = EmbeddedRegistry(binary, folder, ["--certs-dir", str(folder / "certs.d")]).start()
    return Face(registry, registry.host, registry.host, "http", None)


def start_tls(binary: Path, folder: Path) -> Face:
    authority = CertificateAuthority(folder / "ca")
    pair = authority.issue("registry", f"IP:{LOOPBACK},IP:{ADDRESS}")
    registry = EmbeddedRegistry(binary, folder, ["--certs-dir", str(folder / "certs.d")], listen="0.0.0.0:0", tls=pair)
    port = registry.start().host.rpartition(":")[2]
    face = Face(registry, f"{ADDRESS}:{port}", f"{LOOPBACK}:{port}", "https", authority.certificate)
    face.certificates(folder / "certs.d" / face.host)
    return face


@pytest.fixture(scope="module", params=[start_http, start_tls], ids=["http", "tls"])
def face(request: pytest.FixtureRequest, binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    face = request.param(binary, tmp_path_factory.mktemp("face"))
    try:
        yield face
        face.registry.stop()
    finally:
        face.registry.daemon.discard()


@pytest.fixture
def other_daemon(face: Face, make_daemon: Callable[..., Daemon], folder: Path) -> Iterator[Daemon]:
    """A lighterd that is no registry itself and trusts the one under test."""
    face.certificates(folder / "certs.d" / face.host)
    daemon = make_daemon(arguments=["--certs-dir", str(folder / "certs.d")]).start()
    yield daemon
    daemon.stop()


def trust(face: Face, folder: Path, end: str = "") -> list[str]:
    """What skopeo is told of the registry, as source ("src-"), as target ("dest-") or alone."""
    if face.authority:
        return [f"--{end}cert-dir", str(face.certificates(folder / "certificates"))]
    return [f"--{end}tls-verify=false"]


def skopeo(face: Face, folder: Path, command: str, *arguments: str) -> str:
    ends = ("src-", "dest-") if command == "copy" else ("",)
    options = [option for end in ends for option in trust(face, folder, end)]
    return run("skopeo", "--insecure-policy", command, *options, *arguments)


@pytest.fixture
def add(face: Face, registry: DockerRegistry, folder: Path, repository: str) -> Callable[[Artifact, str], None]:
    """Copies an artifact into the repository of the test by skopeo."""

    def copy(artifact: Artifact, tag: str) -> None:
        source = registry.add(artifact, repository, tag)
        run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", *trust(face, folder, "dest-"), "--all",
            "--preserve-digests", f"docker://{source}", f"docker://{face.host}/{repository}:{tag}")

    return copy


def check_has(face: Face, folder: Path, repository: str, reference: str, artifact: Artifact) -> None:
    """By skopeo: the manifest's bytes, and every digest below it."""
    name = f"docker://{face.host}/{repository}:{reference}"
    assert skopeo(face, folder, "inspect", "--raw", name).encode() == artifact.manifest.read()
    skopeo(face, folder, "copy", "--all", name, f"dir:{folder}/checked-{reference}")


# ---- skopeo, podman -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("artifact", [INDEX, LIST, IMAGE], ids=["index", "list", "image"])
def test_skopeo(face: Face, folder: Path, repository: str, add: Callable[[Artifact, str], None],
                artifact: Artifact) -> None:
    target = f"docker://{face.host}/{repository}"
    add(artifact, "1")
    check_has(face, folder, repository, "1", artifact)
    skopeo(face, folder, "copy", "--all", f"{target}:1", f"{target}:2")
    assert json.loads(skopeo(face, folder, "list-tags", target))["Tags"] == ["1", "2"]
    skopeo(face, folder, "delete", f"{target}:1")
    with pytest.raises(AssertionError, match="manifest unknown"):
        skopeo(face, folder, "inspect", "--raw", f"{target}:1")


def test_podman(face: Face, folder: Path, repository: str) -> None:
    storage = Storage(folder / "storage")
    options = ["--cert-dir", str(face.certificates(folder / "certificates"))] if face.authority else ["--tls-verify=false"]
    write_layout(INDEX.image_for(HOST_PLATFORM), folder / "layout", "1")
    made = storage.podman("pull", "-q", "oci:layout:1", cwd=folder).strip()
    target = f"{face.host}/{repository}:1"
    storage.podman("push", "-q", *options, made, target)
    storage.podman("rmi", "-af")
    storage.podman("pull", "-q", *options, target)
    [shown] = json.loads(storage.podman("image", "inspect", target))
    assert shown["Labels"]["org.opencontainers.image.version"] == "clients"
    skopeo(face, folder, "copy", f"docker://{target}", f"dir:{folder}/checked")


# ---- docker ---------------------------------------------------------------------------------------------------------

def push_and_pull(cli: DockerCli, target: str) -> str:
    """Of clients:1, which the daemon has; the ID that the pull ends with."""
    cli.ok("tag", "clients:1", target)
    cli.ok("push", target)
    cli.ok("rmi", target, "clients:1")
    cli.ok("pull", target)
    return cli.json("image", "inspect", target)[0]["Id"]


def test_docker_with_its_own_daemon(face: Face, folder: Path, repository: str) -> None:
    daemon = face.registry.daemon
    load_well(daemon.api, docker_archive((IMAGE, ["clients:1"])))
    name = f"{face.host}/{repository}:1"
    cli = DockerCli(daemon.host, folder / "docker-config")
    identity = cli.json("image", "inspect", "clients:1")[0]["Id"]
    assert push_and_pull(cli, name) == identity
    cli.ok("rmi", name)
    assert skopeo(face, folder, "inspect", "--raw", f"docker://{name}")


def test_docker_with_another_daemon(face: Face, other_daemon: Daemon, folder: Path, repository: str) -> None:
    load_well(other_daemon.api, docker_archive((IMAGE, ["clients:1"])))
    name = f"{face.host}/{repository}:1"
    cli = DockerCli(other_daemon.host, folder / "docker-config")
    identity = cli.json("image", "inspect", "clients:1")[0]["Id"]
    assert push_and_pull(cli, name) == identity
    assert "Pushed" not in cli.ok("push", name).out  # it is all there


def test_an_index_through_two_daemons(face: Face, other_daemon: Daemon, folder: Path, repository: str,
                                      add: Callable[[Artifact, str], None]) -> None:
    """All platforms go with it, byte for byte."""
    add(INDEX, "1")
    cli = DockerCli(other_daemon.host, folder / "docker-config")
    source, target = f"{face.host}/{repository}:1", f"{face.host}/{repository}/again:1"
    for platform in ("linux/amd64", "linux/arm64/v8", "linux/arm/v7"):
        cli.ok("pull", "--platform", platform, source)
    cli.ok("tag", source, target)
    cli.ok("push", target)
    check_has(face, folder, f"{repository}/again", "1", INDEX)


def test_docker_with_debians_dockerd(face: Face, dockerd: Dockerd, folder: Path, repository: str,
                                     add: Callable[[Artifact, str], None]) -> None:
    """Of https on loopback it takes any certificate, and goes back to http where there is none."""
    load_well(dockerd.api, docker_archive((IMAGE, ["clients:1"])))
    cli = DockerCli(dockerd.host, folder / "docker-config")
    identity = cli.json("image", "inspect", "clients:1")[0]["Id"]
    name = f"{face.loopback_host}/{repository}:1"
    assert push_and_pull(cli, name) == identity
    add(LIST, "list")
    cli.ok("pull", f"{face.loopback_host}/{repository}:list")
    cli.ok("pull", f"{face.loopback_host}/{repository}@{LIST.image_for(HOST_PLATFORM).digest}")
    cli.ok("rmi", "-f", identity)


@pytest.mark.skipif(ADDRESS == LOOPBACK, reason="loopback is never verified, and the machine has no other address")
@pytest.mark.parametrize("face", [start_tls], ids=["tls"], indirect=True)
def test_debians_dockerd_verifies_what_is_not_loopback(face: Face, dockerd: Dockerd, folder: Path, repository: str) -> None:
    """certs.d of dockerd is the machine's, so the authority is told to it as one of the system's."""
    name = f"{face.host}/{repository}:1"
    trusting = Dockerd(folder / "trusting", env={"SSL_CERT_FILE": str(face.authority)})
    try:
        load_well(trusting.api, docker_archive((IMAGE, ["clients:1"])))
        cli = DockerCli(trusting.host, folder / "docker-config")
        identity = cli.json("image", "inspect", "clients:1")[0]["Id"]
        assert push_and_pull(cli, name) == identity
    finally:
        trusting.stop()
    assert "x509" in DockerCli(dockerd.host, folder / "docker-config").fails("pull", name)


# ---- artifacts by curl ----------------------------------------------------------------------------------------------

class Curl:
    def __init__(self, face: Face, folder: Path):
        self._face = face
        self._folder = folder

    def __call__(self, method: str, target: str, *options: str, data: bytes | None = None) -> tuple[int, dict, bytes]:
        """Status, headers (in lower case) and body."""
        body, head = self._folder / "curl.body", self._folder / "curl.head"
        body.write_bytes(b"")
        sent: list[str] = []
        if data is not None:
            (self._folder / "curl.data").write_bytes(data)
            sent = ["--data-binary", f"@{self._folder}/curl.data"]
        how = ["--head"] if method == "HEAD" else ["--request", method]
        status = run("curl", "--silent", "--show-error", *self._face.curl, *how, *sent, *options, "--dump-header",
                     str(head), "--output", str(body), "--write-out", "%{http_code}", self._face.url(target))
        lines = head.read_text().replace("\r", "").strip().rpartition("\n\n")[2].splitlines()[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return int(status), headers, body.read_bytes()

    def push_blob(self, repository: str, blob: Blob) -> None:
        status, headers, _ = self("POST", uploads(repository), data=b"")
        assert status == 202
        location = headers["location"].partition(self._face.host)[2] or headers["location"]
        status, headers, _ = self("PUT", with_digest(location, blob.digest), "-H", f"Content-Type: {OCTETS}",
                                  data=blob.read())
        assert status == 201
        assert headers["docker-content-digest"] == blob.digest


def test_artifacts_by_curl(face: Face, folder: Path, repository: str, add: Callable[[Artifact, str], None]) -> None:
    """As oras and others do it: an artifact that says what it belongs to, and is found by that."""
    curl = Curl(face, folder)
    add(INDEX, "1")
    artifact = make_signature(INDEX)
    for blob in artifact.blobs:
        curl.push_blob(repository, blob)
    status, headers, _ = curl("PUT", manifest_at(repository, artifact.digest), "-H", f"Content-Type: {OCI_MANIFEST}",
                              data=artifact.manifest.read())
    assert (status, headers["oci-subject"], headers["docker-content-digest"]) == (201, INDEX.digest, artifact.digest)
    status, headers, body = curl("GET", referrers(repository, INDEX.digest))
    assert (status, json.loads(body)["manifests"]) == (200, [describe_referrer(artifact)])
    status, headers, body = curl("GET", manifest_at(repository, artifact.digest), "-H", f"Accept: {OCI_MANIFEST}")
    assert (status, body) == (200, artifact.manifest.read())
    for blob in artifact.blobs:
        status, headers, _ = curl("HEAD", blob_at(repository, blob.digest))
        assert (status, headers["content-length"]) == (200, str(blob.size))
        status, headers, body = curl("GET", blob_at(repository, blob.digest))
        assert (status, body) == (200, blob.read())
    status, headers, body = curl("GET", blob_at(repository, artifact.blobs[-1].digest), "-H", "Range: bytes=2-4")
    assert (status, body) == (206, artifact.blobs[-1].read()[2:5])
    assert curl("DELETE", manifest_at(repository, artifact.digest))[0] == 202
    assert json.loads(curl("GET", referrers(repository, INDEX.digest))[2])["manifests"] == []


def test_a_large_blob_by_curl(face: Face, folder: Path, repository: str) -> None:
    """More than any buffer has."""
    curl = Curl(face, folder)
    data = bytes(range(256)) * (24 << 12)
    blob = Blob.of(data)
    curl.push_blob(repository, blob)
    assert curl("GET", blob_at(repository, blob.digest))[2] == data
    assert curl("GET", blob_at(repository, blob.digest), "-H", "Range: bytes=-1000000")[2] == data[-1000000:]
    status, headers, _ = curl("POST", with_digest(uploads(repository), Blob.of(data[1:]).digest), "-H",
                              f"Content-Type: {OCTETS}", data=data[1:])
    assert status == 201
    status, headers, _ = curl("POST", uploads(repository), data=b"")
    location = headers["location"].partition(face.host)[2] or headers["location"]
    status, headers, _ = curl("PATCH", location, "-H", f"Content-Type: {OCTETS}", "-H", "Transfer-Encoding: chunked",
                              data=data[2:])
    assert (status, headers["range"]) == (202, f"0-{len(data) - 3}")
