# SPDX-License-Identifier: Apache-2.0
"""docker import: an image of one layer out of a root file system, from the request's body or from a URL."""
from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import io
import json
import lzma
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import docker
import pytest

from image_maker import CompressionUnavailable, compress, make_tar, sha256
from lib import skopeo
from lib.api import Answer, Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.operations import read_events
from lib.samples import HOST_PLATFORM, random_bytes
from lib.store import list_files, list_temporaries
from lib.wait import SANITIZED, wait_until

FILES = {"etc/": "", "etc/os-release": "NAME=imported\n", "bin/tool": random_bytes("import", 200_000)}
ROOTFS = make_tar(FILES)
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+"


def import_body(api: Api, body: bytes, **query: object) -> Answer:
    changes = query.pop("changes", ())
    pairs = [("fromSrc", "-"), *query.items(), *(("changes", change) for change in changes)]
    return api.post("/images/create", pairs, {"Content-Type": "application/x-www-form-urlencoded"}, body)


def imported_id(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.error is None, answer.error
    return answer.records[-1]["status"]


def stored(daemon: Daemon, digest: str) -> bytes:
    return list_files(daemon.data_root)[digest].read_bytes()


def layer_of(daemon: Daemon, image: str) -> tuple[dict, bytes]:
    manifest = json.loads(stored(daemon, image))
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert len(manifest["layers"]) == 1
    layer = manifest["layers"][0]
    return layer, stored(daemon, layer["digest"])


def unzstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout


COMPRESSIONS: Mapping[str, tuple[Callable[[bytes], bytes], str, bool]] = {
    "none": (lambda data: data, "gzip", False),
    "gzip": (lambda data: compress(data, "gzip"), "gzip", True),
    "two gzip members": (lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:]), "gzip", True),
    "zstd": (lambda data: compress(data, "zstd"), "zstd", True),
    "bzip2": (bz2.compress, "gzip", False),
    "xz": (lzma.compress, "gzip", False),
}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_every_compression(api: Api, daemon: Daemon, name: str) -> None:
    pack, kept_as, is_kept = COMPRESSIONS[name]
    try:
        body = pack(ROOTFS)
    except CompressionUnavailable as error:
        pytest.skip(str(error))
    image = imported_id(import_body(api, body, repo="imported", tag="1"))
    layer, data = layer_of(daemon, image)
    assert layer["mediaType"] == OCI_LAYER + kept_as
    if is_kept:
        assert data == body
    else:
        assert gzip.decompress(data) == ROOTFS
        assert data[4:8] == b"\0\0\0\0", "no time"
    shown = api.get("/images/imported:1/json").json()
    assert shown["Id"] == image
    assert shown["RootFS"]["Layers"] == [sha256(ROOTFS)]


def test_the_image(api: Api, daemon: Daemon) -> None:
    before = int(time.time())
    image = imported_id(import_body(api, ROOTFS, repo="made", message="by hand"))
    shown = api.get("/images/made:latest/json").json()
    assert shown["Id"] == image
    assert shown["RepoTags"] == ["made:latest"]
    assert f"{shown['Os']}/{shown['Architecture']}" == "/".join(HOST_PLATFORM.split("/")[:2])
    assert shown.get("Variant", "") == (HOST_PLATFORM.split("/") + [""])[2]
    assert shown["Comment"] == "by hand"
    history = api.get("/images/made/history").json()
    assert [(entry["Comment"], entry["CreatedBy"], entry["Id"]) for entry in history] == [("by hand", "", image)]
    assert before <= history[0]["Created"] <= time.time()
    manifest = json.loads(stored(daemon, image))
    config = json.loads(stored(daemon, manifest["config"]["digest"]))
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert config["history"] == [{"created": config["created"], "comment": "by hand"}]
    assert config["rootfs"] == {"type": "layers", "diff_ids": [sha256(ROOTFS)]}
    assert config["config"] == {}


def test_defaults(api: Api) -> None:
    image = imported_id(import_body(api, ROOTFS))
    shown = api.get(f"/images/{image}/json").json()
    assert shown["RepoTags"] == []
    assert shown["Comment"] == "Imported from -"
    named = imported_id(import_body(api, ROOTFS, repo="localhost:5000/a/b:tag"))
    assert api.get("/images/localhost:5000/a/b:tag/json").json()["Id"] == named
    moved = imported_id(import_body(api, make_tar({"other": "x"}), repo="localhost:5000/a/b", tag="tag"))
    assert api.get("/images/localhost:5000/a/b:tag/json").json()["Id"] == moved
    assert api.get(f"/images/{named}/json").json()["RepoTags"] == []


@pytest.mark.parametrize(("platform", "expected"), [
    ("linux/arm64", ("linux", "arm64", "")), ("linux/arm/v6", ("linux", "arm", "v6")), ("arm", ("linux", "arm", "v7")),
    ("windows/amd64", ("windows", "amd64", "")),
])
def test_platforms(api: Api, platform: str, expected: tuple[str, str, str]) -> None:
    imported_id(import_body(api, ROOTFS, repo="foreign", platform=platform))
    shown = api.get("/images/foreign/json").json()
    assert (shown["Os"], shown["Architecture"], shown.get("Variant", "")) == expected


def test_changes(api: Api) -> None:
    changes = ["CMD [\"/bin/tool\"]", "ENV A=1 B=\"two words\"\nEXPOSE 80 53/udp", "LABEL a.b=c", "USER me",
               "WORKDIR /srv", "VOLUME /data", "STOPSIGNAL SIGINT", "ENTRYPOINT [\"/init\"]", "ONBUILD RUN x",
               "HEALTHCHECK --interval=30s CMD /check"]
    imported_id(import_body(api, ROOTFS, repo="changed", changes=changes))
    config = api.get("/v1.55/images/changed/json").json()["Config"]
    assert config == {
        "Cmd": ["/bin/tool"], "Entrypoint": ["/init"], "Env": ["A=1", "B=two words"],
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Labels": {"a.b": "c"}, "User": "me", "WorkingDir": "/srv",
        "Volumes": {"/data": {}}, "StopSignal": "SIGINT", "OnBuild": ["RUN x"],
        "Healthcheck": {"Test": ["CMD-SHELL", "/check"], "Interval": 30_000_000_000}}


@pytest.mark.parametrize(("query", "message"), [
    ({"changes": ["RUN make"]}, "run is not a valid change command"),
    ({"changes": ["ENV"]}, "ENV requires at least one argument"),
    ({"repo": "a@sha256:" + "0" * 64}, "cannot import digest reference"),
    ({"repo": "UPPER"}, "invalid reference format: repository name (library/UPPER) must be lowercase"),
    ({"repo": "a", "tag": "-"}, "invalid tag format"),
    ({"platform": "foobar"}, '"foobar": unknown operating system or architecture: invalid argument'),
])
def test_bad_parameters(api: Api, query: dict, message: str) -> None:
    answer = import_body(api, ROOTFS, **query)
    assert (answer.status, answer.message) == (400, message)
    assert api.get("/images/json").json() == []


def nothing_is_left(api: Api, daemon: Daemon) -> bool:
    return api.get("/images/json", {"all": 1}).json() == [] and list_files(daemon.data_root) == {} \
        and list_temporaries(daemon.data_root) == []


@pytest.mark.parametrize("body", [
    pytest.param(b"this is no tar" * 1000, id="garbage"),
    pytest.param(b"short", id="short"),
    pytest.param(ROOTFS[:100_000], id="cut tar"),
    pytest.param(gzip.compress(ROOTFS)[:-100], id="cut gzip"),
    pytest.param(gzip.compress(b"no tar either" * 1000), id="gzip of garbage"),
    pytest.param(gzip.compress(ROOTFS)[:5000] + b"\xff" * 5000, id="damaged gzip"),
    pytest.param(bz2.compress(ROOTFS)[:5000], id="cut bzip2"),
    pytest.param(lzma.compress(ROOTFS)[:5000], id="cut xz"),
    pytest.param(b"\x28\xb5\x2f\xfd" + b"\xff" * 600, id="damaged zstd"),
    pytest.param(gzip.compress(ROOTFS) + b"garbage behind it", id="garbage behind gzip"),
])
def test_what_is_no_file_system_leaves_nothing(api: Api, daemon: Daemon, body: bytes) -> None:
    answer = import_body(api, body, repo="bad")
    assert answer.status == 500, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.message
    wait_until(lambda: nothing_is_left(api, daemon), "nothing is left")


def test_an_empty_body_is_an_empty_layer(api: Api) -> None:
    imported_id(import_body(api, b"", repo="empty"))
    assert api.get("/images/empty/json").json()["RootFS"]["Layers"] == [sha256(b"")]


def test_sparse_files_and_strange_entries_pass(api: Api, folder: Path) -> None:
    (folder / "rootfs").mkdir()
    with (folder / "rootfs" / "sparse").open("wb") as file:
        file.seek(10 << 20)
        file.write(b"end")
    (folder / "rootfs" / "link").symlink_to("../../etc/passwd")
    tar = subprocess.run(["tar", "-C", str(folder / "rootfs"), "-Sc", "."], stdout=subprocess.PIPE, check=True).stdout
    imported_id(import_body(api, tar, repo="sparse"))
    assert api.get("/images/sparse/json").json()["RootFS"]["Layers"] == [sha256(tar)]


def test_events(api: Api) -> None:
    image = imported_id(import_body(api, ROOTFS, repo="events", changes=["LABEL a=b"]))
    dangling = imported_id(import_body(api, ROOTFS))
    events = read_events(api)
    seen = [(event["Action"], event["Actor"]["ID"], event["Actor"]["Attributes"]["name"]) for event in events]
    assert seen == [("tag", image, "events:latest"), ("import", image, image), ("import", dangling, dangling)]


def test_a_chunked_body_with_continue(daemon: Daemon, folder: Path) -> None:
    (folder / "rootfs.tar").write_bytes(ROOTFS)
    done = subprocess.run(["curl", "-sS", "--unix-socket", str(daemon.socket), "-T", str(folder / "rootfs.tar"), "-X",
                           "POST", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue",
                           "http://docker/images/create?fromSrc=-&repo=chunked"], stdout=subprocess.PIPE, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["status"].startswith("sha256:")


def test_a_client_that_leaves_midway(api: Api, daemon: Daemon) -> None:
    with api.connect() as connection:
        connection.sendall(b"POST /images/create?fromSrc=-&repo=left HTTP/1.1\r\nHost: docker\r\nContent-Length: 9999999"
                           b"\r\n\r\n" + ROOTFS)
        wait_until(lambda: list_temporaries(daemon.data_root), "the import has begun")
    wait_until(lambda: nothing_is_left(api, daemon), "nothing is left")


def test_docker_cli(cli: DockerCli, api: Api, folder: Path, second_registry: DockerRegistry) -> None:
    (folder / "rootfs.tgz").write_bytes(gzip.compress(ROOTFS))
    target = f"{second_registry.host}/imported:1"
    out = cli.ok("import", "-m", "a message", "-c", "CMD [\"/bin/tool\"]", "--platform", "linux/arm64",
                 str(folder / "rootfs.tgz"), target).out.strip()
    shown = cli.json("inspect", target)[0]
    assert shown["Id"] == out
    assert shown["Architecture"] == "arm64"
    assert shown["Config"]["Cmd"] == ["/bin/tool"]
    cli.ok("push", target)
    assert skopeo.read_digest(target) == out
    assert cli.ok("history", "-q", target).out.strip() == out[7:19]
    assert "is not a valid change command" in cli.fails("import", "-c", "COPY a b", str(folder / "rootfs.tgz"))


def test_python_docker(daemon: Daemon, folder: Path) -> None:
    (folder / "rootfs.tar").write_bytes(ROOTFS)
    with closing(docker.APIClient(base_url=daemon.host, version="auto")) as client:
        last = client.import_image_from_file(str(folder / "rootfs.tar"), repository="python", tag="x").splitlines()[-1]
        assert client.inspect_image("python:x")["Id"] == json.loads(last)["status"]
        data = client.import_image_from_data(ROOTFS, repository="python", tag="y").splitlines()[-1]
        assert client.inspect_image("python:y")["Id"] == json.loads(data)["status"]


def test_what_was_imported_can_be_saved(api: Api, daemon: Daemon, folder: Path) -> None:
    image = imported_id(import_body(api, ROOTFS, repo="again", tag="1"))
    (folder / "saved.tar").write_bytes(api.get("/images/again:1/get").body)
    skopeo.copy(f"oci-archive:{folder}/saved.tar", f"dir:{folder}/copy")
    assert sha256((folder / "copy" / "manifest.json").read_bytes()) == image
    assert api.delete(f"/images/{image}").status == 200
    loaded = api.post("/images/load", {"quiet": 1}, {"Content-Type": "application/x-tar"},
                      (folder / "saved.tar").read_bytes())
    assert loaded.records[-1] == {"stream": "Loaded image: again:1\n"}
    assert api.get("/images/again:1/json").json()["Id"] == image


# ---- URLs

class _WebHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        self.server.seen.append(self.path)
        status, headers, body = self.server.pages.get(self.path, (404, {}, b"nothing here\n"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    """Answers with what is in `pages` and notes what it was asked for in `seen`."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _WebHandler)
    server.pages, server.seen = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def import_url(api: Api, url: str, **query: object) -> Answer:
    return api.post("/images/create", {"fromSrc": url, **query})


def test_a_url(api: Api, web: http.server.ThreadingHTTPServer) -> None:
    body = gzip.compress(ROOTFS)
    web.pages["/rootfs.tgz"] = (200, {}, body)
    answer = import_url(api, web.url.removeprefix("http://") + "/rootfs.tgz", repo="web")
    image = imported_id(answer)
    first, *progress, empty, last = answer.records
    assert first == {"status": f"Downloading from {web.url}/rootfs.tgz"}
    assert {record["status"] for record in progress} == {"Importing"}
    assert progress[-1]["progressDetail"] == {"current": len(body), "total": len(body)}
    assert (empty, last) == ({}, {"status": image})
    assert api.get("/images/web/json").json()["Comment"] == f"Imported from {web.url.removeprefix('http://')}/rootfs.tgz"


def test_refusals_of_a_web_server(api: Api, web: http.server.ThreadingHTTPServer) -> None:
    for status, expected in ((400, 400), (401, 401), (403, 403), (404, 404), (410, 500), (500, 500), (503, 500)):
        web.pages["/page"] = (status, {}, b"  because\n")
        answer = import_url(api, f"{web.url}/page")
        assert answer.status == expected
        assert answer.message.startswith(f"failed to GET {web.url}/page with status {status} ")
        assert answer.message.endswith(": because")
    assert import_url(api, "http://nowhere.invalid/x").status == 404
    assert import_url(api, "http://127.0.0.1:1/x").status == 500


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "unix:///run/x"])
def test_only_http(api: Api, url: str) -> None:
    assert import_url(api, url).status == 400


def test_redirects(api: Api, web: http.server.ThreadingHTTPServer, registry: DockerRegistry) -> None:
    web.pages["/rootfs.tar"] = (200, {}, ROOTFS)
    web.pages["/here"] = (302, {"Location": "/rootfs.tar"}, b"")
    imported_id(import_url(api, f"{web.url}/here"))
    for number, target in enumerate((f"{registry.url}/v2/", "http://169.254.169.254/latest/meta-data/")):
        web.pages[f"/away{number}"] = (307, {"Location": target}, b"")
        assert import_url(api, f"{web.url}/away{number}").status == 403
    web.pages["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    assert import_url(api, f"{web.url}/file").status == 400


def test_what_breaks_off_midway_is_told_in_the_stream(api: Api, daemon: Daemon,
                                                      web: http.server.ThreadingHTTPServer) -> None:
    web.pages["/cut"] = (200, {"Content-Length": str(len(ROOTFS)), "Connection": "close"}, ROOTFS[:50_000])
    answer = import_url(api, f"{web.url}/cut", repo="cut")
    assert answer.status == 200
    assert answer.error
    web.pages["/garbage"] = (200, {}, b"garbage" * 1000)
    assert import_url(api, f"{web.url}/garbage").error
    wait_until(lambda: nothing_is_left(api, daemon), "nothing is left")


def test_urls_can_be_switched_off(make_daemon: Callable[..., Daemon], web: http.server.ThreadingHTTPServer) -> None:
    daemon = make_daemon(arguments=("--disable-url-import",)).start()
    assert import_url(daemon.api, f"{web.url}/x").status == 403
    assert web.seen == []
    imported_id(import_body(daemon.api, ROOTFS, repo="body"))
    daemon.stop()


# ---- Size

class _LargeTar(io.RawIOBase):
    """One file of so many zeros, followed by the end of the archive."""

    def __init__(self, size: int):
        info = tarfile.TarInfo("zeros")
        info.size = size
        self._head = info.tobuf(tarfile.GNU_FORMAT)
        self.size = len(self._head) + size + 1024
        self._zeros = bytes(1 << 20)

    def pieces(self) -> Iterator[bytes]:
        yield self._head
        left = self.size - len(self._head)
        while left:
            piece = self._zeros[:left] if left < len(self._zeros) else self._zeros
            yield piece
            left -= len(piece)


@pytest.mark.skipif(SANITIZED, reason="sanitizers keep shadow memory of their own, and take their time")
def test_a_layer_of_8_gib_of_zeros(api: Api, daemon: Daemon) -> None:
    tar = _LargeTar(8 << 30)
    digest = hashlib.sha256()
    with api.connect() as connection:
        connection.sendall(f"POST /images/create?fromSrc=-&repo=large HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n"
                           f"Content-Length: {tar.size}\r\n\r\n".encode())
        for piece in tar.pieces():
            connection.sendall(piece)
            digest.update(piece)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200"), answer
    shown = api.get("/images/large/json").json()
    assert shown["RootFS"]["Layers"] == ["sha256:" + digest.hexdigest()]
    assert shown["Size"] < 16 << 20
    assert daemon.memory_kib("VmHWM") < 64 * 1024
