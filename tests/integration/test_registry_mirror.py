# SPDX-License-Identifier: Apache-2.0
"""lighterd as a pull-through cache and as a mirror: of another lighterd, dockerd, podman and containerd."""
from __future__ import annotations

import hashlib
import http.client
import re
import selectors
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from image_maker import Artifact, Blob, all_blobs, all_manifests, image_from_blobs
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.dockerd import Dockerd, DockerdUnavailable
from lib.embedded_registry import EmbeddedRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.hosts_toml import write_hosts
from lib.operations import image_id
from lib.process import Process, find_program
from lib.registry_content import describe_referrer, make_signature
from lib.registry_http import RegistryHttp, blob_at, manifest_at, referrers, uploads
from lib.samples import make_platforms, make_small_image, random_bytes
from lib.storage_clients import Storage, run
from lib.wait import wait_until

IMAGE = make_small_image("mirrored", layer_bytes=200_000)
CROWD = 1000
START_SECONDS = 30
MakeEmbedded = Callable[..., EmbeddedRegistry]
MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def upstream() -> Iterator[FaultRegistry]:
    registry = FaultRegistry()
    yield registry
    registry.stop()


@pytest.fixture
def hub_cache(make_embedded: MakeEmbedded, upstream: FaultRegistry, folder: Path) -> Callable[..., EmbeddedRegistry]:
    """A cache of Docker Hub, for which `upstream` stands in; running."""

    def make(*arguments: str, host: str | None = None, name: str = "cache") -> EmbeddedRegistry:
        certs = write_hosts(folder / f"{name}-certs.d", "docker.io", f"http://{host or upstream.host}")
        return make_embedded("--registry-upstream", "=docker.io", "--certs-dir", str(certs), *arguments,
                             name=name).start()

    return make


# What a cache of Hub asks its upstream, which is told whose images these are.
NS = r"(\?ns=docker\.io)?"


def blob_rule(blob: Blob) -> str:
    return f"blobs/{blob.digest}{NS}"


def count_downloads(upstream: FaultRegistry, blob: Blob) -> int:
    return sum(1 for request in upstream.requests
               if request.method == "GET" and request.path.partition("?")[0].endswith(f"blobs/{blob.digest}"))


def count_content(upstream: FaultRegistry) -> int:
    return sum(1 for request in upstream.requests if re.search("/(blobs|manifests)/", request.path))


def get_all(client: RegistryHttp, repository: str, tag: str, artifact: Artifact) -> None:
    """As a client that pulls all of it; every byte is compared."""
    answer = client.get_manifest(repository, tag).expect(200)
    assert answer.body == artifact.manifest.read()
    for child in all_manifests(artifact):
        assert client.get_manifest(repository, child.digest).expect(200).body == child.manifest.read()
    for blob in all_blobs(artifact):
        assert client.get(blob_at(repository, blob.digest)).expect(200).body == blob.read()


# ---- as a registry --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("by", ["ns", "name", "prefix"])
def test_names_of_an_upstream(make_embedded: MakeEmbedded, upstream: FaultRegistry, by: str) -> None:
    upstream.add(IMAGE, "team/app", "1")
    local = upstream.host.replace(":", "_")
    option = f"site={upstream.host}" if by == "prefix" else upstream.host
    cache = make_embedded("--registry-upstream", option).start()
    repository = {"ns": "team/app", "name": f"{local}/team/app", "prefix": "site/team/app"}[by]
    query = f"?ns={upstream.host}" if by == "ns" else ""
    with cache.client() as client:
        answer = client.get(manifest_at(repository, "1") + query).expect(200)
        assert answer.body == IMAGE.manifest.read()
        assert answer.headers["OCI-Namespace"] == (upstream.host if by == "ns" else None)
        for blob in all_blobs(IMAGE):
            target = blob_at(repository, blob.digest) + query
            assert client.head(target).expect(200).headers["Content-Length"] == str(len(blob.read()))
            assert client.get(target).expect(200).body == blob.read()
        assert client.list_tags(f"{local}/team/app") == ["1"]
    assert count_content(upstream) == 2 + len(list(all_blobs(IMAGE)))


@pytest.mark.parametrize("by", ["", "hub=", "="], ids=["alone", "prefix", "default"])
def test_names_of_hub_are_one(make_embedded: MakeEmbedded, upstream: FaultRegistry, folder: Path, by: str) -> None:
    """The operator may know it by the name of its machine."""
    upstream.add(IMAGE, "library/app", "1")
    certs = write_hosts(folder / "certs.d", "docker.io", f"http://{upstream.host}")
    cache = make_embedded("--registry-upstream", f"{by}registry-1.docker.io", "--certs-dir", str(certs)).start()
    paths = ["docker.io/library/app", "docker.io/app", *{"": [], "hub=": ["hub/library/app", "hub/app"], "=": ["library/app", "app"]}[by]]
    with cache.client() as client:
        for path in paths:
            get_all(client, path, "1", IMAGE)
            assert client.list_tags(path) == ["1"]
        for host in ("docker.io", "registry-1.docker.io", "index.docker.io"):
            for path in ("library/app", "app"):
                answer = client.get(f"{manifest_at(path, '1')}?ns={host}").expect(200)
                assert answer.body == IMAGE.manifest.read()
        assert client.get("/v2/_catalog").json()["repositories"] == ["docker.io/library/app"]
    cache.stop()


def test_pushes_beside_what_is_cached(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    own = make_small_image("beside what is cached")
    cache = hub_cache()
    with cache.client() as client:
        get_all(client, "library/app", "1", IMAGE)
        for path in ("library/app", "docker.io/library/app", "app"):
            for method, target in (("PUT", manifest_at(path, "1")), ("PUT", manifest_at(path, IMAGE.digest)),
                                   ("DELETE", manifest_at(path, "1")), ("DELETE", manifest_at(path, IMAGE.digest)),
                                   ("DELETE", blob_at(path, IMAGE.config.digest)), ("POST", uploads(path)),
                                   ("POST", f"{uploads(path)}?mount={IMAGE.config.digest}&from=library/app")):
                body = IMAGE.manifest.read() if method == "PUT" else b""
                client.request(method, target, {"Content-Type": IMAGE.manifest.media_type}, body).expect(405, "UNSUPPORTED")
        get_all(client, "library/app", "1", IMAGE)
        before = len(upstream.requests)
        for blob in (*own.blobs, *IMAGE.blobs):
            client.head(blob_at("team/new", blob.digest)).expect(404)
        push_in_parts(client, "team/new", own)
        assert len(upstream.requests) == before
        get_all(client, "team/new", "1", own)
        assert client.list_tags("team/new") == ["1"]
        assert len(upstream.requests) == before, "upstream is asked for what was pushed here"
        client.delete(manifest_at("team/new", own.digest)).expect(202)
    cache.stop()


def push_in_parts(client: RegistryHttp, repository: str, artifact: Artifact) -> None:
    """Everything that can be done with a session, to a repository of which nothing is there before."""
    client.delete(client.start_upload(repository)).expect(204)
    for blob in artifact.blobs:
        data = blob.read()
        location = client.start_upload(repository)
        assert client.get(location).expect(204).headers["Range"] == "0-0"
        location = client.patch(location, data[:100], 0).expect(202).location
        for answer in (client.get(location), client.head(location)):
            assert answer.expect(204).headers["Range"] == "0-99"
        client.commit(location, blob.digest, data[100:]).expect(201)
    client.put_manifest(repository, "1", artifact.manifest).expect(201)


def test_a_hub_that_is_killed(hub_cache: Callable[..., EmbeddedRegistry],
                              make_mirrored: Callable[[EmbeddedRegistry, str], Daemon], folder: Path) -> None:
    index = make_platforms("killed")
    hub = DockerRegistry(folder / "hub")
    hub.add(IMAGE, "library/app", "1")
    hub.add(index, "library/app", "2")
    cache = hub_cache(host=hub.host)
    with cache.client() as client:
        for tag, artifact in (("1", IMAGE), ("2", index)):
            get_all(client, "library/app", tag, artifact)
        hub.stop()
        for tag, artifact in (("1", IMAGE), ("2", index)):
            answer = client.get_manifest("library/app", tag).expect(200)
            assert re.match('299 - "stale: docker.io: .+"$', answer.headers["Warning"])
            get_all(client, "library/app", tag, artifact)
        # What has a digest is never stale.
        assert client.get_manifest("library/app", IMAGE.digest).expect(200).headers["Warning"] is None
        assert client.get_manifest("library/app", "3").status >= 500
    daemon = make_mirrored(cache, "mirrored")
    for reference, artifact in (("app:1", IMAGE), ("app:2", index), (f"app@{IMAGE.digest}", IMAGE)):
        answer = daemon.api.post("/images/create", {"fromImage": reference})
        assert (answer.status, answer.error) == (200, None), answer.body
        warned = any(record["status"].startswith("Warning: stale: docker.io: ") for record in answer.records)
        assert warned == ("@" not in reference)
        assert image_id(daemon.api, reference) == artifact.digest


def test_a_refusal_of_upstream_is_told(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    with hub_cache().client() as client:
        client.get_manifest("library/app", "2").expect(404, "MANIFEST_UNKNOWN")
        client.get_manifest("library/app", "1").expect(200)
        unknown = "sha256:" + hashlib.sha256(b"unknown").hexdigest()
        client.get(blob_at("library/app", unknown)).expect(404, "BLOB_UNKNOWN")
        upstream.on("GET|HEAD", f"manifests/1{NS}", Reply(status=429, headers={"Retry-After": "60"}))
        assert "toomanyrequests" in client.get_manifest("library/app", "1").expect(200).headers["Warning"]


def test_a_part_of_what_is_on_its_way(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    layer = IMAGE.layers[0]
    content = layer.read()
    stall = upstream.stall(blob_rule(layer), after=len(content) // 2)
    cache = hub_cache()
    with cache.client() as client, cache.client() as other:
        client.get_manifest("library/app", "1").expect(200)
        part = client.get(blob_at("library/app", layer.digest), {"Range": "bytes=1000-1999"}).expect(206)
        assert part.body == content[1000:2000]
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(content)}"
        stall.release()
        assert other.get(blob_at("library/app", layer.digest)).expect(200).body == content


def test_what_comes_damaged_is_never_whole(hub_cache: Callable[..., EmbeddedRegistry],
                                                              upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    layer = IMAGE.layers[0]
    upstream.on("GET", blob_rule(layer), Reply(body=b"x" * len(layer.read())))
    with hub_cache().client() as client:
        client.get_manifest("library/app", "1").expect(200)
        with pytest.raises((OSError, http.client.HTTPException)):
            client.get(blob_at("library/app", layer.digest))


def test_a_download_goes_on_after_a_crash(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry) -> None:
    blob = Blob.of(random_bytes("crash", 2_000_000), "application/vnd.oci.image.layer.v1.tar")
    upstream.add(image_from_blobs([blob], image_format="oci"), "library/app", "1")
    stall = upstream.stall(blob_rule(blob), after=1_500_000)
    cache = hub_cache()
    with cache.client() as client:
        client.get_manifest("library/app", "1").expect(200)
        begun = client.get(blob_at("library/app", blob.digest), {"Range": "bytes=0-999999"}).expect(206)
        assert begun.body == blob.read()[:1_000_000]
        with cache.client() as other:
            stream = other.connect()
            stream.sendall(f"GET {blob_at('library/app', blob.digest)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(lambda: len(stream.recv(65536, socket.MSG_PEEK)) > 0, "the download is under way")
            cache.daemon.kill()
            stream.close()
    stall.release()
    upstream.on("GET", blob_rule(blob), Reply())
    cache.start()
    with cache.client() as client:
        assert client.get(blob_at("library/app", blob.digest)).expect(200).body == blob.read()


def test_a_thousand_clients_make_one_download(hub_cache: Callable[..., EmbeddedRegistry],
                                              upstream: FaultRegistry) -> None:
    blob = Blob.of(random_bytes("crowd", 300_000), "application/vnd.oci.image.layer.v1.tar")
    image = image_from_blobs([blob], image_format="oci")
    upstream.add(image, "library/crowd", "1")
    stall = upstream.stall(blob_rule(blob), after=100_000)
    cache = hub_cache()
    with cache.client() as client:
        client.get_manifest("library/crowd", "1").expect(200)
    crowd = Crowd(cache.host, f"GET {blob_at('library/crowd', blob.digest)} HTTP/1.1\r\nHost: {cache.host}\r\n"
                  "Connection: close\r\n\r\n")
    crowd.read_until(lambda: crowd.began >= 100)
    stall.release()
    crowd.read_until(lambda: crowd.ended == CROWD)
    assert crowd.bodies() == {hashlib.sha256(blob.read()).hexdigest(): CROWD}
    assert count_downloads(upstream, blob) == 1


class Crowd:
    """Clients that all ask for the same at the same time."""

    def __init__(self, host: str, request: str):
        address, _, port = host.rpartition(":")
        self._selector = selectors.DefaultSelector()
        self._received: dict[socket.socket, bytearray] = {}
        self.ended = 0
        for _ in range(CROWD):
            client = socket.create_connection((address, int(port)))
            client.sendall(request.encode())
            client.setblocking(False)
            self._received[client] = bytearray()
            self._selector.register(client, selectors.EVENT_READ)

    @property
    def began(self) -> int:
        return sum(1 for data in self._received.values() if data)

    def read_until(self, is_enough: Callable[[], bool]) -> None:
        def step() -> bool:
            for key, _ in self._selector.select(0.1):
                data = key.fileobj.recv(1 << 20)
                self._received[key.fileobj] += data
                if not data:
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()
                    self.ended += 1
            return is_enough()

        wait_until(step, "the crowd has what it wants", 60)

    def bodies(self) -> dict[str, int]:
        """How many have a body of that hash."""
        found: dict[str, int] = {}
        for data in self._received.values():
            head, _, body = bytes(data).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            digest = hashlib.sha256(body).hexdigest()
            found[digest] = found.get(digest, 0) + 1
        return found


def test_referrers_of_upstream(make_embedded: MakeEmbedded) -> None:
    signature = make_signature(IMAGE)
    upstream = make_embedded(name="upstream").start()
    cache = make_embedded("--registry-upstream", upstream.host).start()
    repository = f"{upstream.host.replace(':', '_')}/team/app"
    with upstream.client() as pusher, cache.client() as client:
        pusher.push("team/app", IMAGE, "1")
        client.get_manifest(repository, "1").expect(200)
        assert client.get(referrers(repository, IMAGE.digest)).expect(200).json()["manifests"] == []
        pusher.push("team/app", signature)
        answer = client.get(referrers(repository, IMAGE.digest)).expect(200)
        assert answer.json()["manifests"] == [describe_referrer(signature)]
        assert client.get(blob_at(repository, signature.layers[0].digest)).expect(200).body == b"signature 1"
        upstream.stop()
        answer = client.get(referrers(repository, IMAGE.digest)).expect(200)
        assert answer.json()["manifests"] == [describe_referrer(signature)]
        assert answer.headers["Warning"].startswith('299 - "stale: ')


def test_tags_of_upstream(make_embedded: MakeEmbedded) -> None:
    """All of them, also those that nobody asked for yet; what is cached when upstream is gone."""
    origin = make_embedded(name="origin").start()
    with origin.client() as client:
        for tag in ("c", "a", "b"):
            client.push("team/app", IMAGE, tag)
    cache = make_embedded("--registry-upstream", f"site={origin.host}", name="cache").start()
    with cache.client() as client:
        assert client.list_tags("site/team/app") == ["a", "b", "c"]
        page = client.get("/v2/site/team/app/tags/list?n=2").expect(200)
        assert page.json()["tags"] == ["a", "b"]
        assert page.headers["Link"] == '</v2/site/team/app/tags/list?last=b&n=2>; rel="next"'
        client.get("/v2/site/team/nothing/tags/list").expect(404, "NAME_UNKNOWN")
        client.get_manifest("site/team/app", "b").expect(200)
        origin.stop()
        answer = client.get("/v2/site/team/app/tags/list").expect(200)
        assert answer.json()["tags"] == ["b"]
        assert answer.headers["Warning"].startswith('299 - "stale: ')


# ---- as a mirror of another lighterd --------------------------------------------------------------------------------

@pytest.fixture(params=["registry-mirror", "hosts.toml"])
def make_mirrored(request: pytest.FixtureRequest, make_daemon: MakeDaemon, folder: Path,
                  upstream: FaultRegistry) -> Callable[[EmbeddedRegistry, str], Daemon]:
    """A lighterd with that cache as mirror of Hub; running."""

    def make(cache: EmbeddedRegistry, name: str) -> Daemon:
        certs = folder / f"{name}-certs.d"
        if request.param == "hosts.toml":
            write_hosts(certs, "docker.io", f"http://{upstream.host}", cache.host)
            return make_daemon(name, arguments=["--certs-dir", str(certs)]).start()
        return make_daemon(name, arguments=["--certs-dir", str(certs), "--registry-mirror",
                                            f"http://{cache.host}"]).start()

    return make


def pull(daemon: Daemon, name: str) -> str:
    answer = daemon.api.post("/images/create", {"fromImage": name})
    assert (answer.status, answer.error) == (200, None), answer.body
    return image_id(daemon.api, name)


def test_what_the_mirror_holds_costs_upstream_nothing(hub_cache: Callable[..., EmbeddedRegistry],
                                                      make_mirrored: Callable[[EmbeddedRegistry, str], Daemon],
                                                      upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    cache = hub_cache("--registry-tag-ttl", "1h")
    first, second = make_mirrored(cache, "first"), make_mirrored(cache, "second")
    assert pull(first, "app:1") == IMAGE.digest
    for blob in all_blobs(IMAGE):
        assert count_downloads(upstream, blob) == 1
    before = len(upstream.requests)
    assert pull(second, "app:1") == IMAGE.digest
    assert pull(second, f"app@{IMAGE.digest}") == IMAGE.digest
    assert len(upstream.requests) == before
    upstream.stop()
    third = make_mirrored(cache, "third")
    assert pull(third, "app:1") == IMAGE.digest


def test_what_the_mirror_pulled_itself_costs_upstream_one_request(hub_cache: Callable[..., EmbeddedRegistry],
                                                                  make_mirrored: Callable[[EmbeddedRegistry, str],
                                                                                          Daemon],
                                                                  upstream: FaultRegistry) -> None:
    upstream.add(IMAGE, "library/app", "1")
    cache = hub_cache()
    pull(cache.daemon, "app:1")
    before = len(upstream.requests)
    assert pull(make_mirrored(cache, "first"), "app:1") == IMAGE.digest
    assert [request.method for request in upstream.requests[before:]] == ["HEAD"]


def test_a_push_to_the_mirror_is_there_at_the_next_pull(make_embedded: MakeEmbedded, make_daemon: MakeDaemon,
                                                        folder: Path) -> None:
    mirror = make_embedded(name="mirror").start()
    cache = make_embedded("--registry-upstream", mirror.host, name="cache").start()
    certs = write_hosts(folder / "certs.d", "site.example", "http://127.0.0.1:1", mirror.host)
    daemon = make_daemon("mirrored", arguments=["--certs-dir", str(certs)]).start()
    local = mirror.host.replace(":", "_")
    with mirror.client() as pusher, cache.client() as client:
        for number in (1, 2):
            image = make_small_image(f"pushed {number}")
            pusher.push("site.example/team/app", image, "1")
            assert pull(daemon, "site.example/team/app:1") == image.digest
            get_all(client, f"{local}/site.example/team/app", "1", image)


def test_one_that_is_its_own_mirror(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry,
                                    folder: Path) -> None:
    other = make_small_image("other", layer_bytes=200_000)
    upstream.add(IMAGE, "library/app", "1")
    upstream.add(other, "library/other", "1")
    cache = hub_cache()
    write_hosts(folder / "cache-certs.d", "docker.io", f"http://{upstream.host}", cache.host)
    with cache.client() as client:
        get_all(client, "library/app", "1", IMAGE)
    pull(cache.daemon, "other:1")
    # It says at once that it has not got it, and is not waited for.
    failures = [line for line in cache.daemon.log_text().splitlines() if "registry mirror failed" in line]
    assert failures and all(re.search('error="(manifest|blob) unknown', line) for line in failures)
    for blob in (*all_blobs(IMAGE), *all_blobs(other)):
        assert count_downloads(upstream, blob) == 1


def test_two_that_are_each_others_mirror(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry,
                                         folder: Path) -> None:
    names = [f"library/app{number}" for number in range(8)]
    for name in names:
        upstream.add(IMAGE, name, "1")
    caches = [hub_cache(name="one"), hub_cache(name="two")]
    for name, other in (("one", caches[1]), ("two", caches[0])):
        write_hosts(folder / f"{name}-certs.d", "docker.io", f"http://{upstream.host}", other.host)

    def ask(cache: EmbeddedRegistry, repository: str, tag: str) -> int:
        with cache.client() as client:
            return client.get_manifest(repository, tag).status

    for tag, status in (("unknown", 404), ("1", 200)):
        with ThreadPoolExecutor() as pool:
            # Both at once: each is asked by the other while it asks the other itself.
            answers = [pool.submit(ask, cache, name, tag) for name in names for cache in caches]
            assert {answer.result() for answer in answers} == {status}
    # They never waited for each other until somebody lost patience.
    for cache in caches:
        failures = [line for line in cache.daemon.log_text().splitlines() if "registry mirror failed" in line]
        assert failures and all('error="manifest unknown' in line for line in failures)


# ---- as a mirror of others ------------------------------------------------------------------------------------------

def test_dockerd(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry, folder: Path) -> None:
    upstream.add(IMAGE, "library/app", "1")
    cache = hub_cache()
    try:
        dockerd = Dockerd(folder / "dockerd", {"registry-mirrors": [f"http://{cache.host}"]})
    except DockerdUnavailable as error:
        pytest.skip(f"no dockerd of Debian: {error}")
    try:
        answer = dockerd.api.post("/images/create", {"fromImage": "app", "tag": "1"})
        assert (answer.status, answer.error) == (200, None), answer.body
        image = dockerd.api.get("/images/app:1/json").json()
        assert image["RepoDigests"] == [f"app@{IMAGE.digest}"]
    finally:
        dockerd.stop()
    assert all(count_downloads(upstream, blob) == 1 for blob in all_blobs(IMAGE))


def test_podman(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry, folder: Path) -> None:
    upstream.add(IMAGE, "library/app", "1")
    cache = hub_cache()
    config = folder / "registries.conf"
    config.write_text('[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
                      f'[[registry.mirror]]\nlocation = "{cache.host}"\ninsecure = true\n')
    storage = Storage(folder / "storage")
    found = storage.podman("--registries-conf", str(config), "pull", "-q", "docker.io/library/app:1").strip()
    assert f"sha256:{found}" == IMAGE.config.digest


def test_containerd(hub_cache: Callable[..., EmbeddedRegistry], upstream: FaultRegistry, folder: Path) -> None:
    upstream.add(IMAGE, "library/app", "1")
    cache = hub_cache()
    hosts = write_hosts(folder / "hosts", "docker.io", f"http://{upstream.host}", cache.host)
    with Containerd(folder / "containerd") as containerd:
        containerd.ctr("content", "fetch", "--hosts-dir", str(hosts), "docker.io/library/app:1")
        layer = IMAGE.layers[0]
        assert layer.digest in containerd.ctr("content", "ls", "-q").split()
    assert count_downloads(upstream, layer) == 1


class Containerd:
    """Debian's, with nothing but its content store."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._address = str(folder / "containerd.sock")
        config = folder / "config.toml"
        config.write_text(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
                          'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",'
                          ' "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",'
                          ' "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt"]\n'
                          f'[grpc]\naddress = "{self._address}"\n[ttrpc]\naddress = "{folder}/ttrpc.sock"\n')
        try:
            program = find_program("containerd")
            find_program("ctr")
        except RuntimeError as error:
            pytest.skip(f"no containerd: {error}")
        self._process = Process([program, "--config", str(config)], folder / "containerd.log")

    def __enter__(self) -> "Containerd":
        wait_until(lambda: self._process.exit_code is not None or Path(self._address).exists(), "containerd answers",
                   START_SECONDS)
        if self._process.exit_code is not None:
            pytest.skip(f"containerd does not start: {self._process.log_text()[-500:]}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def ctr(self, *arguments: str) -> str:
        return run("ctr", "--address", self._address, *arguments)
