#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fills a daemon with many small images, by archives of several hundred images each.

    fill_store.py SOCKET --images 10000 [--indexes 4]

Image N is scale/app-(N / 10):(N % 10). All have one base layer in common and a layer of their own; with --indexes every
fourth (say) is an index of two platforms instead.
"""
from __future__ import annotations

import argparse
import http.client
import io
import json
import socket
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import image_maker
from image_maker import MEDIA_TYPES, Artifact

IMAGES_PER_ARCHIVE = 500
PLATFORMS = ("linux/amd64", "linux/arm64")
BASE = image_maker.make_layer({"etc/os-release": "NAME=scale\n"}, created_by="ADD base /")


def name_of(number: int) -> str:
    return f"docker.io/scale/app-{number // 10}:{number % 10}"


def make_artifact(number: int, indexes: int) -> Artifact:
    def image(platform: str) -> image_maker.Image:
        own = image_maker.make_layer({f"app-{number}": f"{platform} {number}\n"}, created_by=f"COPY app-{number} /")
        # No two are of the same second, as in a store that has grown.
        day = f"20{10 + number % 15:02}-{1 + number // 15 % 12:02}-{1 + number // 180 % 28:02}"
        created = f"{day}T00:00:{number % 60:02}Z"
        return image_maker.make_image([BASE, own], platform, image_format="oci", created=created,
                                      labels={"number": str(number)})

    if indexes and number % indexes == 0:
        return image_maker.make_index([image(platform) for platform in PLATFORMS], image_format="oci")
    return image(PLATFORMS[0])


def make_archive(numbers: Iterable[int], indexes: int) -> bytes:
    """An OCI layout of these images."""
    blobs, entries = {}, []
    for number in numbers:
        artifact = make_artifact(number, indexes)
        entries.append(artifact.manifest.descriptor(annotations={"io.containerd.image.name": name_of(number)}))
        manifests = (child.manifest for child in image_maker.all_manifests(artifact))
        blobs |= {blob.digest: blob.read() for blob in (*image_maker.all_blobs(artifact), *manifests)}
    index = {"schemaVersion": 2, "mediaType": MEDIA_TYPES["oci"]["index"], "manifests": entries}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
                   **{"blobs/" + digest.replace(":", "/"): data for digest, data in blobs.items()}}
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def load(socket_path: Path, archive: bytes) -> int:
    """How many images the daemon says it has loaded."""
    connection = http.client.HTTPConnection("docker", timeout=600)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(socket_path))
    connection.request("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar"})
    answer = connection.getresponse()
    records = [json.loads(line) for line in answer.read().splitlines() if line]
    connection.close()
    if answer.status != 200 or any("error" in record for record in records):
        raise RuntimeError(f"load: {answer.status} {records[-1:]}")
    return sum(record.get("stream", "").startswith("Loaded image: ") for record in records)


def fill(socket_path: Path, images: int, indexes: int = 0) -> Iterator[int]:
    """Yields how many there are after each archive."""
    for first in range(0, images, IMAGES_PER_ARCHIVE):
        numbers = range(first, min(first + IMAGES_PER_ARCHIVE, images))
        if load(socket_path, make_archive(numbers, indexes)) != len(numbers):
            raise RuntimeError(f"not all of {numbers} were loaded")
        yield numbers.stop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--indexes", type=int, default=0)
    options = parser.parse_args()
    for count in fill(options.socket, options.images, options.indexes):
        print(f"\r{count} images", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
