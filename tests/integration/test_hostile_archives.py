# SPDX-License-Identifier: Apache-2.0
"""Archives that want something else than to be loaded: out of the store, into memory, round and round."""
from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import tarfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.api import Api
from lib.archives import HardLink, Link, docker_manifest, layout_members, make_archive, plain_layers, skopeo_archive
from lib.daemon import Daemon
from lib.samples import make_small_image, random_bytes
from lib.store import list_files, list_temporaries
from lib.wait import SANITIZED, SLOWNESS, wait_until

IMAGE = make_small_image("hostile", layers=1)
LAYER = plain_layers(IMAGE)[0]
CONFIG = IMAGE.config.read()
TAG = "hostile/app:1"
PEAK_MIB = 64

NAMES = ["../escape", "../../escape", "/escape", "//escape", "a/../../escape", "./../escape", "a/b/../../../escape", "..",
         ".", "/", "", "...", "C:\\escape", "C:/escape", "..\\escape", "\\\\host\\escape", "a\\..\\..\\escape", "~/escape",
         "blobs/../../escape", "blobs/sha256/../../../escape", "blobs/sha256/" + "0" * 63, "blobs/sha256/" + "A" * 64,
         "blobs/md5/" + "0" * 32, "blobs/sha256/", "blobs", "ingest/x", "lighterd.db", "oci-layout/x", "manifest.json/x",
         "a\nb", "a\tb", "\x7f", "%2e%2e/escape", "..%2fescape", "-rf", "$(touch escape)", "é" * 40, "x" * 4000]
TARGETS = ["../../etc/passwd", "/etc/passwd", "../escape", "..", ".", "/", "config/..", "/proc/self/mem"]


def load(api: Api, archive: bytes) -> str | None:
    """The error, None for success."""
    answer = api.post("/images/load", body=archive)
    assert answer.status == 200, answer.body
    return answer.error


def image_members(layer: str = "layer", config: str = "config") -> list:
    return [("manifest.json", docker_manifest(config, [layer], [TAG]))]


def list_tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


@pytest.fixture
def outside(daemon: Daemon) -> Iterator[None]:
    """Nothing but the store changes, and nothing of a refused archive stays in it."""
    folder = daemon.data_root.parent
    before = {path for path in list_tree(folder) if not path.startswith("data/lighterd.db")}
    yield
    after = {path for path in list_tree(folder) if not path.startswith("data/lighterd.db")}
    assert {path for path in after - before if not path.startswith("data/blobs/sha256/")} == set()
    assert not list(Path("/tmp").glob("escape*"))


@pytest.mark.usefixtures("outside")
def test_names_are_no_paths(api: Api) -> None:
    """Such members are not in the way of an image, and are not what another member is."""
    for name in NAMES:
        wrong = make_archive([(name, LAYER[:-1]), ("config", CONFIG), *image_members(name)])
        assert load(api, wrong) is not None, name
        if name.endswith("/"):
            continue  # a folder with data is refused
        assert load(api, make_archive([(name, b"mine"), ("layer", LAYER), ("config", CONFIG), *image_members()])) is None
        assert api.delete(f"/images/{TAG}").status == 200


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("kind", [Link, HardLink])
def test_links_stay_inside(api: Api, kind: type) -> None:
    for target in TARGETS:
        members = [("layer", kind(target)), ("config", CONFIG), *image_members()]
        assert 'layer "layer" is missing' in load(api, make_archive(members)), target
        # A file behind a link that is a folder elsewhere is a member of its own.
        members = [("folder", kind(target)), ("folder/layer", LAYER), ("config", CONFIG), *image_members("folder/layer")]
        assert load(api, make_archive(members)) is None, target
        api.delete(f"/images/{TAG}")


def test_devices_and_pipes_are_no_files(api: Api) -> None:
    for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"Z"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            info = tarfile.TarInfo("layer")
            info.type, info.devmajor, info.devminor = kind, 1, 8
            archive.addfile(info)
            for name, data in [("config", CONFIG), *image_members()]:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        assert 'layer "layer" is missing' in load(api, out.getvalue())


def test_links_in_a_circle(api: Api) -> None:
    circle = [("layer", Link("b")), ("b", Link("layer")), ("config", CONFIG), *image_members()]
    assert "too many links" in load(api, make_archive(circle))
    chain = [(f"l{number}", Link(f"l{number + 1}")) for number in range(1000)] + [("l1000", LAYER), ("config", CONFIG)]
    assert "too many links" in load(api, make_archive([*chain, *image_members("l0")]))
    assert load(api, make_archive([*chain, *image_members("l992")])) is None  # 8 hops


def test_the_same_name_again_and_again(api: Api) -> None:
    header = tarfile.TarInfo("manifest.json")
    header.size = 2
    member = header.tobuf() + b"[]" + bytes(510)
    started = time.monotonic()
    assert "twice" in load(api, member * 100_000 + bytes(1024))
    other = tarfile.TarInfo("a").tobuf()
    assert load(api, other * 100_000 + make_archive([("manifest.json", b"[]")])) is None
    assert time.monotonic() - started < 10 * SLOWNESS


def test_too_many_members(api: Api, daemon: Daemon) -> None:
    names = b"".join(tarfile.TarInfo(f"{number}").tobuf(tarfile.USTAR_FORMAT) for number in range(50_001))
    assert "too many members" in load(api, names + bytes(1024))
    if not SANITIZED:
        assert daemon.memory_kib("VmHWM") < PEAK_MIB * 1024


def test_a_folder_a_million_times(api: Api) -> None:
    folder = tarfile.TarInfo("folder/")
    folder.type = tarfile.DIRTYPE
    assert "more than 1000000 entries" in stream(api, [folder.tobuf() * 1000] * 1001)


def test_many_tags_all_or_none(api: Api) -> None:
    tags = [f"many/app:{number}" for number in range(9_000)]
    members = [("layer", LAYER), ("config", CONFIG)]
    bad = [("manifest.json", docker_manifest("config", ["layer"], [*tags, "BAD:tag"]))]
    assert "invalid tag" in load(api, make_archive(members + bad))
    assert api.get("/images/json").json() == []
    good = [("manifest.json", docker_manifest("config", ["layer"], tags))]
    assert load(api, make_archive(members + good)) is None
    assert len(api.get("/images/json").json()[0]["RepoTags"]) == len(tags)
    too_many = [("manifest.json", docker_manifest("config", ["layer"], [f"x:{number}" for number in range(100_000)]))]
    assert "names" in load(api, make_archive(members + too_many))


# ---- what grows -----------------------------------------------------------------------------------------------------

def stream(api: Api, pieces: Iterator[bytes] | list[bytes]) -> str | None:
    """Sends a chunked body, as long as the daemon takes it; the error at the end of the answer."""
    connection = api.connect()
    connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n"
                       b"Connection: close\r\n\r\n")

    def send() -> None:
        try:
            for piece in pieces:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # answered already

    sender = threading.Thread(target=send)
    sender.start()
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    sender.join()
    connection.close()
    for line in received.split(b"\r\n"):
        if line.startswith(b'{"error"'):
            return json.loads(line)["error"]
    return None


def big_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def gzip_zeros(size: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 24)
    return b"".join(compressor.compress(block) for _ in range(size >> 24)) + compressor.flush()


def check_memory(daemon: Daemon) -> None:
    if not SANITIZED:
        assert daemon.memory_kib("VmHWM") < PEAK_MIB * 1024
    wait_until(lambda: not list_temporaries(daemon.data_root), "nothing is left in ingest/")


def test_headers_of_gigabytes(api: Api, daemon: Daemon) -> None:
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        assert "extension header is too large" in stream(api, [big_header("x", 4 << 30, kind), bytes(1 << 20)])
    sparse = tarfile.TarInfo("s")
    sparse.type = tarfile.GNUTYPE_SPARSE
    assert "sparse" in load(api, sparse.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    check_memory(daemon)


@pytest.mark.parametrize("name", ["manifest.json", "index.json", "oci-layout"])
def test_documents_of_gigabytes(api: Api, daemon: Daemon, name: str) -> None:
    assert f"{name} is larger than" in stream(api, [big_header(name, 4 << 30), bytes(1 << 20)])
    check_memory(daemon)


def test_a_config_that_is_no_config(api: Api, daemon: Daemon) -> None:
    members = [("layer", LAYER), ("config", b"[" * (9 << 20)), *image_members()]
    assert "config is larger than" in load(api, make_archive(members))
    for config in (b"[" * 1_000_000, b'{"a":' * 100_000, b'{"a":"' + b"\xff" + b'"}', b'{"a":1}{}'):
        assert "image config" in load(api, make_archive([("layer", LAYER), ("config", config), *image_members()]))
    check_memory(daemon)


def test_zeros_without_end(api: Api, daemon: Daemon) -> None:
    assert "unrecognized image format" in stream(api, [bytes(1 << 20)] * 512)
    check_memory(daemon)


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", "zstd"])
def test_an_archive_that_is_a_bomb(api: Api, daemon: Daemon, compression: str) -> None:
    zeros = bytes(512 << 20)
    bomb = {"gzip": lambda: gzip_zeros(len(zeros)), "bzip2": lambda: bz2.compress(zeros),
            "xz": lambda: lzma.compress(zeros, preset=0),
            "zstd": lambda: subprocess.run(["zstd", "-q", "-c"], input=zeros, stdout=subprocess.PIPE, check=True).stdout}
    assert "compressed more than 1000:1" in load(api, bomb[compression]())
    check_memory(daemon)


def test_a_layer_that_is_a_bomb(api: Api, daemon: Daemon) -> None:
    members = [("layer", gzip_zeros(256 << 20)), ("config", CONFIG), *image_members()]
    assert "compressed more than 1000:1" in load(api, make_archive(members))
    assert list_files(daemon.data_root) == {}
    check_memory(daemon)


def test_a_million_empty_frames(api: Api, daemon: Daemon) -> None:
    frames = b"\x50\x2a\x4d\x18\x00\x00\x00\x00" * 1_000_000
    assert "unrecognized image format" in load(api, frames)
    assert "unrecognized image format" in load(api, gzip.compress(b"") * 100_000)
    check_memory(daemon)


def test_memory_does_not_grow_with_a_layer(api: Api, daemon: Daemon) -> None:
    size = (1 << 30) if os.environ.get("LIGHTERD_FULL") else (192 << 20)
    assert "invalid diffID" in stream(api, [big_header("layer", size), *[random_bytes(1, 1 << 20)] * (size >> 20),
                                            make_archive([("config", CONFIG), *image_members()])])
    check_memory(daemon)
    assert list_files(daemon.data_root) == {}


# ---- again and again ------------------------------------------------------------------------------------------------

def count_resources(daemon: Daemon) -> tuple[int, int]:
    process = Path(f"/proc/{daemon.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def test_bad_archives_leave_nothing(api: Api, daemon: Daemon) -> None:
    good = skopeo_archive(IMAGE, TAG)
    layout = make_archive(layout_members({TAG: IMAGE}))
    bad = [b"", b"abc", good[:700], good[:len(good) // 2], gzip.compress(good)[:-20], layout[:len(layout) // 2],
           make_archive([("layer", LAYER + bytes(512)), ("config", CONFIG), *image_members()]),
           make_archive([("layer", LAYER), *image_members()]), make_archive([("manifest.json", b"{")]),
           make_archive([("big", random_bytes(1, 100_000)), ("manifest.json", b"null")])]
    for archive in bad:
        assert load(api, archive) is not None
    before = count_resources(daemon)
    for number in range(5000 if os.environ.get("LIGHTERD_FULL") else 500):
        load(api, bad[number % len(bad)])
    wait_until(lambda: count_resources(daemon) <= before, f"no more than {before} descriptors and threads")
    assert list_temporaries(daemon.data_root) == []
    assert list_files(daemon.data_root) == {}
    assert load(api, good) is None


def test_a_load_beside_others(api: Api, daemon: Daemon) -> None:
    """The same archive by many clients at once, some of which are broken."""
    good = skopeo_archive(IMAGE, TAG)
    outcomes: list[str | None] = []

    def run(number: int) -> None:
        outcomes.append(load(Api(daemon.socket), good if number % 3 else good[:-20_000]))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome is None for outcome in outcomes) == [False] * 8 + [True] * 16
    assert len(api.get("/images/json").json()) == 1
