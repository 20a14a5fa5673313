#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes container images from nothing and puts them where clients look for them.

Everything is deterministic: the same arguments give the same digests. Small content is held in memory, bulk layers live
in files of a cache folder that the caller names. Only the standard library is used.

    base = make_layer({"etc/os-release": "NAME=demo\n"})
    image = make_image([base], platform="linux/arm64/v8", env=["A=b"], cmd=["/bin/sh"])
    index = make_index([image, other], attestations=True)
    push(index, "http://127.0.0.1:5000", "demo/app", "1.0", auth=("user", "password"))
    write_layout(index, folder, "1.0")                     # OCI image layout, as skopeo reads it
    write_static({"demo/app:1.0": index}, root)            # and nginx_config(root, port, work) serves it as /v2/

As a command: image_maker.py push|layout|static --help.
"""
from __future__ import annotations

import argparse
import base64
import concurrent.futures
import dataclasses
import functools
import gzip
import hashlib
import http.client
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Union

CREATED = "2024-05-06T07:08:09Z"
EPOCH = 1714979289  # the same moment
CHUNK_BYTES = 1 << 20

MEDIA_TYPES = {
    "docker": {
        "manifest": "application/vnd.docker.distribution.manifest.v2+json",
        "index": "application/vnd.docker.distribution.manifest.list.v2+json",
        "config": "application/vnd.docker.container.image.v1+json",
        "none": "application/vnd.docker.image.rootfs.diff.tar",
        "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd",
    },
    "oci": {
        "manifest": "application/vnd.oci.image.manifest.v1+json",
        "index": "application/vnd.oci.image.index.v1+json",
        "config": "application/vnd.oci.image.config.v1+json",
        "none": "application/vnd.oci.image.layer.v1.tar",
        "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
        "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    },
}


class CompressionUnavailable(RuntimeError):
    """This machine has nothing that could compress in the form that was asked for."""


class RegistryError(RuntimeError):
    """A registry answered with a status that the step does not allow."""

    def __init__(self, status: int, body: bytes, step: str):
        super().__init__(f"{step}: HTTP {status}: {body[:300].decode(errors='replace')}")
        self.status = status
        self.body = body


# ---- values ---------------------------------------------------------------------------------------------------------

def digest_of(data: bytes, algorithm: str) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def sha256(data: bytes) -> str:
    return digest_of(data, "sha256")


@dataclasses.dataclass(frozen=True)
class Blob:
    """Content with its digest: in memory (data) or in a file (path)."""

    digest: str
    size: int
    media_type: str = "application/octet-stream"
    data: bytes | None = dataclasses.field(default=None, repr=False)
    path: Path | None = None

    @staticmethod
    def of(data: bytes, media_type: str = "application/octet-stream", algorithm: str = "sha256") -> "Blob":
        return Blob(digest_of(data, algorithm), len(data), media_type, data)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def read(self) -> bytes:
        with self.open() as stream:
            return stream.read()

    def descriptor(self, **more: object) -> dict:
        return {"mediaType": self.media_type, "size": self.size, "digest": self.digest, **more}


@dataclasses.dataclass(frozen=True)
class Layer:
    """A compressed tar; its media type depends on the format of the image that uses it."""

    blob: Blob
    diff_id: str
    compression: str = "gzip"
    created_by: str = "COPY files /"

    @property
    def digest(self) -> str:
        return self.blob.digest

    def as_blob(self, image_format: str) -> Blob:
        return dataclasses.replace(self.blob, media_type=MEDIA_TYPES[image_format][self.compression])


@dataclasses.dataclass(frozen=True)
class Image:
    """One manifest with what it points to. `blobs` holds the config first, then the layers."""

    manifest: Blob
    blobs: tuple[Blob, ...]
    platform: dict | None = None
    annotations: dict | None = None

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def config(self) -> Blob:
        return self.blobs[0]

    @property
    def layers(self) -> tuple[Blob, ...]:
        return self.blobs[1:]

    @property
    def manifests(self) -> tuple["Artifact", ...]:
        return ()


@dataclasses.dataclass(frozen=True)
class Index:
    """A Docker manifest list or an OCI index; entries may be indexes themselves."""

    manifest: Blob
    manifests: tuple["Artifact", ...]
    platform: dict | None = None
    annotations: dict | None = None
    blobs: tuple[Blob, ...] = ()

    @property
    def digest(self) -> str:
        return self.manifest.digest

    def image_for(self, platform: str) -> Image:
        """The first image of exactly that platform; LookupError when there is none."""
        wanted = parse_platform(platform)
        for entry in self.manifests:
            if isinstance(entry, Image) and entry.platform == wanted:
                return entry
        raise LookupError(f"no {platform} in {self.digest}")


Artifact = Union[Image, Index]


def parse_platform(platform: str) -> dict:
    """'os/architecture[/variant]' as the object that indexes carry."""
    parts = platform.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"platform {platform!r} is not os/architecture[/variant]")
    return dict(zip(("os", "architecture", "variant"), parts))


def to_json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode()


# ---- layers ---------------------------------------------------------------------------------------------------------

def _tar_header(name: str, size: int, mode: int = 0o644, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.type = size, mode, EPOCH, kind
    return info.tobuf(tarfile.PAX_FORMAT)


def make_tar(files: Mapping[str, Union[str, bytes]]) -> bytes:
    """A tar of regular files; a name that ends in '/' makes a folder."""
    out = io.BytesIO()
    for name, content in files.items():
        if name.endswith("/"):
            out.write(_tar_header(name.rstrip("/"), 0, 0o755, tarfile.DIRTYPE))
            continue
        data = content.encode() if isinstance(content, str) else content
        out.write(_tar_header(name, len(data)))
        out.write(data)
        out.write(bytes(-len(data) % tarfile.BLOCKSIZE))
    out.write(bytes(2 * tarfile.BLOCKSIZE))
    return out.getvalue()


def compress(data: bytes, compression: str) -> bytes:
    if compression == "none":
        return data
    if compression == "gzip":
        return gzip.compress(data, compresslevel=6, mtime=0)
    if compression == "zstd":
        return _compress_zstd(data)
    raise ValueError(f"unknown compression {compression!r}")


def _compress_zstd(data: bytes) -> bytes:
    try:
        import zstandard  # type: ignore[import-not-found]
        return zstandard.ZstdCompressor(level=3).compress(data)
    except ImportError:
        pass
    program = shutil.which("zstd")
    if program is None:
        raise CompressionUnavailable("neither the zstandard module nor the zstd command is here")
    return subprocess.run([program, "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def make_layer(files: Mapping[str, Union[str, bytes]], compression: str = "gzip",
               created_by: str = "COPY files /") -> Layer:
    return layer_from_tar(make_tar(files), compression, created_by)


def layer_from_tar(tar: bytes, compression: str = "gzip", created_by: str = "COPY files /") -> Layer:
    """A layer of exactly these bytes, which need not be a valid tar."""
    return Layer(Blob.of(compress(tar, compression)), sha256(tar), compression, created_by)


# Bulk layers are put together from a stock of pieces that are deflated once, each ended by a full flush so that they can
# follow each other in any order. Deflate sees 32 KiB back, so repeating far pieces does not change the ratio, and a
# gigabyte is written as fast as it can be hashed.
BULK_VERSION = 1
_PIECE_BYTES = (16 << 10, 32 << 10, 64 << 10, 256 << 10, 512 << 10)
_PIECE_COUNTS = (50, 50, 40, 20, 10)
_PIECE_WEIGHTS = (30, 25, 15, 6, 2)


@dataclasses.dataclass(frozen=True)
class _Piece:
    raw: bytes
    deflated: bytes


def _deflate(raw: bytes, flush: int = zlib.Z_FULL_FLUSH) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(raw) + packer.flush(flush)


def _zipf(count: int, offset: int) -> list[float]:
    return [1 / (rank + offset) for rank in range(count)]


@functools.lru_cache(maxsize=1)
def _text_parts() -> tuple[list[bytes], list[bytes]]:
    rng = random.Random("text")
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(rng.choices(letters, _zipf(26, 3), k=rng.randint(2, 10))) + rng.choice("    \n,.(_=")
             for _ in range(900)]
    phrases = ["".join(rng.choices(words, _zipf(900, 3), k=rng.randint(2, 7))) for _ in range(1600)]
    return [word.encode() for word in words], [phrase.encode() for phrase in phrases]


@functools.lru_cache(maxsize=1)
def _code_parts() -> tuple[list[bytes], list[bytes]]:
    """Instruction-like: short sequences over a skewed set of bytes, and runs of them that come again."""
    rng = random.Random("code")
    values = list(rng.randbytes(96)) + [0] * 12 + [255] * 4
    steps = [bytes(rng.choices(values, k=rng.randint(2, 6))) for _ in range(1200)]
    return steps, [b"".join(rng.choices(steps, _zipf(1200, 8), k=rng.randint(3, 9))) for _ in range(1500)]


def _mix(rng: random.Random, size: int, small: list[bytes], large: list[bytes]) -> bytes:
    parts = small + large
    weights = [2 * weight for weight in _zipf(len(small), 20)] + [3 * weight for weight in _zipf(len(large), 20)]
    average = sum(len(part) * weight for part, weight in zip(parts, weights)) / sum(weights)
    return b"".join(rng.choices(parts, weights, k=int(1.1 * size / average) + 64))[:size].ljust(size, b" ")


def _like_text(rng: random.Random, size: int) -> bytes:
    return _mix(rng, size, *_text_parts())


def _like_code(rng: random.Random, size: int) -> bytes:
    return _mix(rng, size, *_code_parts())


def _like_table(rng: random.Random, size: int) -> bytes:
    rows = [rng.randbytes(3).ljust(24, b"\0") for _ in range(200)]
    return b"".join(rng.choices(rows, k=size // 24 + 1))[:size]


def _like_media(rng: random.Random, size: int) -> bytes:
    return rng.randbytes(size)


@functools.lru_cache(maxsize=1)
def _make_stock() -> list[list[_Piece]]:
    rng = random.Random("stock")
    kinds = [_like_text, _like_code, _like_text, _like_table, _like_code, _like_text, _like_code, _like_text,
             _like_media, _like_table]
    raws = [[kinds[turn % len(kinds)](rng, size) for turn in range(count)]
            for size, count in zip(_PIECE_BYTES, _PIECE_COUNTS)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return [list(pool.map(lambda raw: _Piece(raw, _deflate(raw)), group)) for group in raws]


def _bulk_pieces(seed: int, compressed_bytes: int) -> Iterator[_Piece]:
    """The pieces of a tar whose gzip form is about compressed_bytes long, file after file."""
    stock = _make_stock()
    rng = random.Random(f"order-{seed}")
    written, number = 0, 0
    while written < compressed_bytes:
        bucket = rng.choices(stock, _PIECE_WEIGHTS)[0]
        parts = [rng.choice(bucket) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        header = _tar_header(f"usr/lib/bulk{seed}/d{number // 500:03}/file{number:06}.dat",
                             sum(len(part.raw) for part in parts))
        for part in (_Piece(header, _deflate(header)), *parts):
            written += len(part.deflated)
            yield part
        number += 1
    end = bytes(2 * tarfile.BLOCKSIZE)
    yield _Piece(end, _deflate(end, zlib.Z_FINISH))


def make_bulk_layer(cache: Path, compressed_bytes: int, seed: int = 1) -> Layer:
    """A gzip layer of about compressed_bytes (ratio about 3.3, as in distribution images), kept as a file in `cache`.

    A second call with the same arguments only reads the result's description.
    """
    cache.mkdir(parents=True, exist_ok=True)
    blob_path = cache / f"bulk-v{BULK_VERSION}-{compressed_bytes}-{seed}.tar.gz"
    note_path = blob_path.with_suffix(".json")
    if not (note_path.exists() and blob_path.exists()):
        _write_bulk(blob_path, note_path, compressed_bytes, seed)
    note = json.loads(note_path.read_text())
    blob = Blob(note["digest"], note["size"], path=blob_path)
    return Layer(blob, note["diff_id"], "gzip", f"RUN make bulk {seed}")


def _write_bulk(blob_path: Path, note_path: Path, compressed_bytes: int, seed: int) -> None:
    packed, plain, crc, plain_size = hashlib.sha256(), hashlib.sha256(), 0, 0
    temporary = blob_path.with_suffix(f".{os.getpid()}.part")
    try:
        with temporary.open("wb") as out:
            def put(data: bytes) -> None:
                packed.update(data)
                out.write(data)

            put(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
            for piece in _bulk_pieces(seed, compressed_bytes):
                put(piece.deflated)
                plain.update(piece.raw)
                crc = zlib.crc32(piece.raw, crc)
                plain_size += len(piece.raw)
            put(crc.to_bytes(4, "little") + (plain_size & 0xFFFFFFFF).to_bytes(4, "little"))
            size = out.tell()
        temporary.rename(blob_path)
    finally:
        temporary.unlink(missing_ok=True)
    note = {"digest": "sha256:" + packed.hexdigest(), "size": size, "diff_id": "sha256:" + plain.hexdigest(),
            "tar_size": plain_size}
    partial = note_path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(note))
    partial.rename(note_path)


# ---- images ---------------------------------------------------------------------------------------------------------

def make_config(layers: Sequence[Layer], platform: str = "linux/amd64", env: Sequence[str] = (),
                cmd: Sequence[str] = ("/bin/sh",), labels: Mapping[str, str] | None = None, created: str = CREATED,
                empty_layer: bool = True, **more: object) -> dict:
    """The image config as an object; `more` adds or replaces members at its top level."""
    history: list[dict] = [{"created": created, "created_by": layer.created_by} for layer in layers]
    if empty_layer:
        history.append({"created": created, "created_by": f"CMD {json.dumps(list(cmd))}", "empty_layer": True})
    return {
        "created": created,
        "author": "image_maker",
        **parse_platform(platform),
        "config": {
            "Env": list(env) or ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Cmd": list(cmd),
            "Labels": dict(labels or {}),
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": history,
        **more,
    }


def make_image(layers: Sequence[Layer], platform: str = "linux/amd64", *, image_format: str = "docker",
               env: Sequence[str] = (), cmd: Sequence[str] = ("/bin/sh",), labels: Mapping[str, str] | None = None,
               created: str = CREATED, empty_layer: bool = True, config: Union[dict, bytes, None] = None,
               annotations: Mapping[str, str] | None = None) -> Image:
    """An image of these layers; `config`, when given, is taken as it stands (an object or bytes)."""
    if config is None:
        config = make_config(layers, platform, env, cmd, labels, created, empty_layer)
    config_bytes = config if isinstance(config, bytes) else to_json(config)
    blobs = (Blob.of(config_bytes, MEDIA_TYPES[image_format]["config"]),
             *(layer.as_blob(image_format) for layer in layers))
    return image_from_blobs(blobs, image_format=image_format, platform=platform, annotations=annotations)


def image_from_blobs(blobs: Sequence[Blob], *, image_format: str = "docker", platform: str = "linux/amd64",
                     annotations: Mapping[str, str] | None = None) -> Image:
    """A manifest over a config (first) and layers, whatever they hold."""
    types = MEDIA_TYPES[image_format]
    manifest: dict = {
        "schemaVersion": 2,
        "mediaType": types["manifest"],
        "config": blobs[0].descriptor(),
        "layers": [blob.descriptor() for blob in blobs[1:]],
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return Image(Blob.of(to_json(manifest), types["manifest"]), tuple(blobs), parse_platform(platform))


EMPTY = Blob.of(b"{}", "application/vnd.oci.empty.v1+json")


def make_artifact(artifact_type: str | None, content: Sequence[Blob] = (EMPTY,), *, config: Blob = EMPTY,
                  subject: Artifact | None = None, annotations: Mapping[str, str] | None = None) -> Image:
    """An OCI manifest that is no image: signatures, SBOMs, charts. The subject is named, not contained."""
    image = image_from_blobs((config, *content), image_format="oci", annotations=annotations)
    return edit_manifest(dataclasses.replace(image, platform=None), artifactType=artifact_type,
                         subject=subject and subject.manifest.descriptor())


def edit_manifest(artifact: Artifact, **members: object) -> Artifact:
    """The same with other members at the top level of its document; None takes one away."""
    document = {**json.loads(artifact.manifest.read()), **members}
    data = to_json({key: value for key, value in document.items() if value is not None})
    return dataclasses.replace(artifact, manifest=Blob.of(data, artifact.manifest.media_type))


def readdress(artifact: Artifact, algorithm: str) -> Artifact:
    """The same content with every digest by another algorithm, in the documents too (but for diff IDs and subjects)."""
    blobs = tuple(Blob.of(blob.read(), blob.media_type, algorithm) for blob in artifact.blobs)
    children = tuple(readdress(child, algorithm) for child in artifact.manifests)
    document = artifact.manifest.read()
    for old, new in zip((*artifact.blobs, *artifact.manifests), (*blobs, *children)):
        document = document.replace(old.digest.encode(), new.digest.encode())
    manifest = Blob.of(document, artifact.manifest.media_type, algorithm)
    more = {"manifests": children} if isinstance(artifact, Index) else {"blobs": blobs}
    return dataclasses.replace(artifact, manifest=manifest, **more)


PREDICATE_TYPE = "https://slsa.dev/provenance/v1"


def make_attestation(subject: Image) -> Image:
    """What BuildKit adds to an index for an image: a manifest for no platform, with an in-toto statement as layer."""
    statement = Blob.of(to_json({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": PREDICATE_TYPE,
                                 "subject": [{"digest": subject.digest}]}), "application/vnd.in-toto+json")
    config = Blob.of(to_json({"architecture": "unknown", "os": "unknown", "config": {},
                              "rootfs": {"type": "layers", "diff_ids": [statement.digest]}}),
                     MEDIA_TYPES["oci"]["config"])
    image = image_from_blobs([config, statement], image_format="oci", platform="unknown/unknown")
    manifest = json.loads(image.manifest.read())
    manifest["layers"][0]["annotations"] = {"in-toto.io/predicate-type": PREDICATE_TYPE}
    image = dataclasses.replace(image, manifest=Blob.of(to_json(manifest), image.manifest.media_type))
    return dataclasses.replace(image, annotations={
        "vnd.docker.reference.digest": subject.digest,
        "vnd.docker.reference.type": "attestation-manifest",
    })


def make_index(entries: Sequence[Artifact], *, image_format: str = "docker", attestations: bool = False,
               annotations: Mapping[str, str] | None = None) -> Index:
    """A list over images (and nested indexes) in the order given, then one attestation for each image if wanted."""
    children: list[Artifact] = list(entries)
    if attestations:
        children += [make_attestation(entry) for entry in entries if isinstance(entry, Image)]
    index: dict = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPES[image_format]["index"],
        "manifests": [_index_entry(child) for child in children],
    }
    if annotations:
        index["annotations"] = dict(annotations)
    return Index(Blob.of(to_json(index), MEDIA_TYPES[image_format]["index"]), tuple(children))


def _index_entry(child: Artifact) -> dict:
    entry = child.manifest.descriptor()
    if child.annotations:
        entry["annotations"] = child.annotations
    if child.platform:
        entry["platform"] = child.platform
    return entry


DEMO_PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")


def make_demo(platforms: Iterable[str] = DEMO_PLATFORMS, *, image_format: str = "docker", attestations: bool = False,
              compression: str = "gzip", layer_bytes: int = 64 << 10, version: str = "1.0") -> Index:
    """A small multi-platform image: one layer that all platforms share and two of each platform's own."""
    shared = make_layer({"etc/": "", "etc/os-release": f'NAME="lighterd demo"\nVERSION="{version}"\n'}, compression,
                        "ADD rootfs.tar /")
    images = []
    for platform in platforms:
        rng = random.Random(f"{platform}-{version}")
        program = make_layer({"usr/bin/demo": rng.randbytes(layer_bytes)}, compression, "COPY demo /usr/bin/demo")
        notes = make_layer({"etc/demo.conf": f"platform = {platform}\nversion = {version}\n"}, compression,
                           "RUN demo --configure")
        images.append(make_image([shared, program, notes], platform, image_format=image_format,
                                 env=["PATH=/usr/bin:/bin", f"DEMO_VERSION={version}"], cmd=["/usr/bin/demo"],
                                 labels={"org.opencontainers.image.title": "demo",
                                         "org.opencontainers.image.version": version}))
    return make_index(images, image_format=image_format, attestations=attestations)


def all_blobs(artifact: Artifact) -> Iterator[Blob]:
    """Configs and layers below an artifact, each digest once."""
    seen = set()
    for child in all_manifests(artifact):
        for blob in child.blobs:
            if blob.digest not in seen:
                seen.add(blob.digest)
                yield blob


def all_manifests(artifact: Artifact) -> Iterator[Artifact]:
    """An artifact and all below it, children before parents."""
    for child in artifact.manifests:
        yield from all_manifests(child)
    yield artifact


# ---- registry -------------------------------------------------------------------------------------------------------

class Registry:
    """A /v2/ registry as a client sees it: one connection, not for use by several threads.

    `auth` is sent as Basic; when the registry wants a token instead, it is fetched from the realm with these
    credentials. `headers` are added to every request as they stand (for a ready-made bearer token, say).
    """

    def __init__(self, url: str, auth: tuple[str, str] | None = None, headers: Mapping[str, str] | None = None,
                 timeout: float = 60):
        self._parts = urllib.parse.urlsplit(url)
        self._auth = auth
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._connection = self._connect(self._parts)
        if auth:
            self._headers.setdefault("Authorization", _basic(auth))

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Union[Blob, bytes, None] = None,
                headers: Mapping[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One exchange; a Bearer challenge is answered once."""
        status, answer, data = self._exchange(method, path, body, headers)
        if status == 401 and self._auth and self._fetch_token(answer.get("WWW-Authenticate", "")):
            status, answer, data = self._exchange(method, path, body, headers)
        return status, answer, data

    def has_blob(self, repository: str, digest: str) -> bool:
        return self.request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200

    def get_manifest(self, repository: str, reference: str) -> Blob:
        accept = ", ".join(types[kind] for types in MEDIA_TYPES.values() for kind in ("index", "manifest"))
        status, headers, data = self.request("GET", f"/v2/{repository}/manifests/{reference}",
                                             headers={"Accept": accept})
        _expect(status, data, 200, f"get manifest {repository}:{reference}")
        return Blob.of(data, headers.get("Content-Type", ""))

    def get_blob(self, repository: str, digest: str) -> bytes:
        status, _, data = self.request("GET", f"/v2/{repository}/blobs/{digest}")
        _expect(status, data, 200, f"get blob {digest}")
        return data

    def push_blob(self, repository: str, blob: Blob) -> None:
        if self.has_blob(repository, blob.digest):
            return
        status, headers, data = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        _expect(status, data, 202, f"start upload to {repository}")
        location = urllib.parse.urlsplit(headers["Location"])
        query = "&".join(filter(None, (location.query, "digest=" + urllib.parse.quote(blob.digest))))
        status, _, data = self.request("PUT", f"{location.path}?{query}", blob,
                                       {"Content-Type": "application/octet-stream"})
        _expect(status, data, 201, f"upload {blob.digest}")

    def push_manifest(self, repository: str, reference: str, manifest: Blob) -> None:
        status, _, data = self.request("PUT", f"/v2/{repository}/manifests/{reference}", manifest,
                                       {"Content-Type": manifest.media_type})
        _expect(status, data, 201, f"put manifest {repository}:{reference}")

    def push(self, artifact: Artifact, repository: str, tag: str | None) -> None:
        """Blobs, then manifests by digest from the leaves up, then the tag (without one, the digest)."""
        for blob in all_blobs(artifact):
            self.push_blob(repository, blob)
        for child in all_manifests(artifact):
            if child is not artifact:
                self.push_manifest(repository, child.digest, child.manifest)
        self.push_manifest(repository, tag or artifact.digest, artifact.manifest)

    def _connect(self, parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "127.0.0.1", parts.port, timeout=self._timeout)

    def _exchange(self, method: str, path: str, body: Union[Blob, bytes, None], headers: Mapping[str, str] | None
                  ) -> tuple[int, http.client.HTTPMessage, bytes]:
        sent = {**self._headers, **(headers or {})}
        payload: Union[BinaryIO, bytes, None] = body if not isinstance(body, Blob) else body.open()
        if isinstance(body, Blob):
            sent["Content-Length"] = str(body.size)
        try:
            self._connection.request(method, path, payload, sent)
            answer = self._connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except Exception:
            self._connection.close()
            raise
        finally:
            if isinstance(body, Blob):
                payload.close()  # type: ignore[union-attr]

    def _fetch_token(self, challenge: str) -> bool:
        if not challenge.lower().startswith("bearer "):
            return False
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        realm = urllib.parse.urlsplit(fields.pop("realm"))
        connection = self._connect(realm)
        try:
            query = "&".join(filter(None, (realm.query, urllib.parse.urlencode(fields))))
            connection.request("GET", f"{realm.path}?{query}", headers={"Authorization": _basic(self._auth)})
            answer = connection.getresponse()
            data = answer.read()
            _expect(answer.status, data, 200, "fetch token")
        finally:
            connection.close()
        token = json.loads(data)
        self._headers["Authorization"] = "Bearer " + (token.get("token") or token["access_token"])
        return True


def _basic(auth: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()


def _expect(status: int, body: bytes, wanted: int, step: str) -> None:
    if status != wanted:
        raise RegistryError(status, body, step)


def push(artifact: Artifact, registry_url: str, repository: str, tag: str | None = "latest", *,
         auth: tuple[str, str] | None = None, headers: Mapping[str, str] | None = None) -> str:
    """Pushes an image or index and returns its digest."""
    with Registry(registry_url, auth, headers) as registry:
        registry.push(artifact, repository, tag)
    return artifact.digest


# ---- files ----------------------------------------------------------------------------------------------------------

def _place(blob: Blob, target: Path) -> None:
    """Puts a blob at a path; file content is hard-linked where that works."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if blob.path is None:
        target.write_bytes(blob.read())
        return
    try:
        os.link(blob.path, target)
    except OSError:
        shutil.copyfile(blob.path, target)


def write_layout(artifact: Artifact, folder: Path, tag: str | None = "latest") -> None:
    """Adds an image or index to the OCI image layout in a folder (made when it is not there)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    for blob in (*all_blobs(artifact), *(child.manifest for child in all_manifests(artifact))):
        _place(blob, folder / "blobs" / blob.digest.replace(":", "/"))
    index_path = folder / "index.json"
    top: dict = {"schemaVersion": 2, "mediaType": MEDIA_TYPES["oci"]["index"], "manifests": []}
    if index_path.exists():
        top = json.loads(index_path.read_text())
    name = {"org.opencontainers.image.ref.name": tag} if tag else {}
    top["manifests"] = [entry for entry in top["manifests"] if not tag or entry.get("annotations") != name]
    top["manifests"].append({**_index_entry(artifact), **({"annotations": name} if name else {})})
    index_path.write_text(json.dumps(top, indent=2))


def write_static(artifacts: Mapping[str, Artifact], root: Path) -> None:
    """Writes {'name:tag': artifact} as files below root/v2, for a web server; nginx_config() says how to serve them."""
    served: dict[str, dict[str, str]] = {}
    tags: dict[str, list[str]] = {}
    for name, artifact in artifacts.items():
        repository, tag = name.rsplit(":", 1)
        base = root / "v2" / repository
        tags.setdefault(repository, []).append(tag)
        for blob in all_blobs(artifact):
            _place(blob, base / "blobs" / blob.digest)
        for child in all_manifests(artifact):
            for reference in [child.digest] + ([tag] if child is artifact else []):
                path = base / "manifests" / reference
                path.unlink(missing_ok=True)
                _place(child.manifest, path)
                served[f"/v2/{repository}/manifests/{reference}"] = {
                    "type": child.manifest.media_type, "digest": child.digest}
    (root / "served.json").write_text(json.dumps({"manifests": served, "tags": tags}, indent=2))


def nginx_config(root: Path, port: int, work: Path, *, workers: int = 2) -> str:
    """A whole nginx.conf for a tree of write_static() on 127.0.0.1:port over plain http.

    `work` takes the pid file, logs and temporary folders. Start it as `nginx -p WORK -c FILE -g 'daemon off;'`.
    """
    served = json.loads((root / "served.json").read_text())
    manifests = "".join(
        f'    location = "{path}" {{ types {{ }} default_type {item["type"]}; '
        f'add_header Docker-Content-Digest {item["digest"]}; }}\n' for path, item in served["manifests"].items())
    lists = "".join(
        f'    location = "/v2/{name}/tags/list" {{ default_type application/json; return 200 \''
        f'{json.dumps({"name": name, "tags": tags})}\'; }}\n' for name, tags in served["tags"].items())
    temporary = "".join(f"  {kind}_temp_path {work}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"""{user}worker_processes {workers};
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nodelay on;
  server_tokens off;
  merge_slashes off;
{temporary}  server {{
    listen 127.0.0.1:{port};
    root {root};
    error_page 404 = @missing;
    location @missing {{ default_type application/json; return 404
      '{{"errors":[{{"code":"NAME_UNKNOWN","message":"not served here"}}]}}'; }}
    location = /v2/ {{ default_type application/json; add_header Docker-Distribution-Api-Version registry/2.0;
      return 200 '{{}}'; }}
    location ~ "^/v2/.+/blobs/(?<digest>sha256:[0-9a-f]{{64}})$" {{ types {{ }} default_type application/octet-stream;
      add_header Docker-Content-Digest $digest; }}
{manifests}{lists}  }}
}}
"""


# ---- command --------------------------------------------------------------------------------------------------------

def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="image_maker.py", description="Makes a small multi-platform image.")
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--platforms", default=",".join(DEMO_PLATFORMS), help="comma-separated (default: %(default)s)")
    shared.add_argument("--format", choices=MEDIA_TYPES, default="docker", dest="image_format")
    shared.add_argument("--attestations", action="store_true", help="add attestation entries to the index")
    shared.add_argument("--compression", choices=("gzip", "zstd", "none"), default="gzip")
    shared.add_argument("--layer-bytes", type=int, default=64 << 10, help="size of each platform's own program")
    shared.add_argument("--version", default="1.0", help="goes into labels and content (default: %(default)s)")
    to_registry = commands.add_parser("push", parents=[shared], help="push to a registry")
    to_registry.add_argument("registry", help="http://host:port")
    to_registry.add_argument("name", help="repository:tag")
    to_registry.add_argument("--auth", help="user:password")
    to_layout = commands.add_parser("layout", parents=[shared], help="write an OCI image layout")
    to_layout.add_argument("folder", type=Path)
    to_layout.add_argument("tag")
    to_static = commands.add_parser("static", parents=[shared], help="write files and nginx.conf for a static /v2/")
    to_static.add_argument("root", type=Path)
    to_static.add_argument("name", help="repository:tag")
    to_static.add_argument("--port", type=int, default=5000)
    return parser


def main() -> int:
    options = _arguments().parse_args()
    artifact = make_demo(options.platforms.split(","), image_format=options.image_format,
                         attestations=options.attestations, compression=options.compression,
                         layer_bytes=options.layer_bytes, version=options.version)
    if options.command == "push":
        repository, tag = options.name.rsplit(":", 1)
        user, _, password = (options.auth or "").partition(":")
        push(artifact, options.registry, repository, tag, auth=(user, password) if options.auth else None)
    elif options.command == "layout":
        write_layout(artifact, options.folder, options.tag)
    else:
        root = options.root.resolve()
        write_static({options.name: artifact}, root)
        (root / "nginx.conf").write_text(nginx_config(root, options.port, root))
    print(artifact.digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
