# SPDX-License-Identifier: Apache-2.0
"""Images that several tests use."""
from __future__ import annotations

import platform
import random

from image_maker import Image, Index, make_demo, make_image, make_layer

# The platform that the daemon picks when nobody says one.
HOST_PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64/v8"}[platform.machine()]
OTHER_PLATFORM = "linux/arm64/v8" if HOST_PLATFORM == "linux/amd64" else "linux/amd64"
OTHER_ARCHITECTURE = OTHER_PLATFORM.split("/")[1]


def random_bytes(seed: object, size: int) -> bytes:
    return random.Random(f"{seed}").randbytes(size)


def make_small_image(seed: object = 1, layers: int = 2, layer_bytes: int = 20_000, **more: object) -> Image:
    """A single manifest for the host's platform; each seed has layers of its own that do not compress."""
    content = [make_layer({f"layer{number}": random_bytes(f"{seed}-{number}", layer_bytes)},
                          created_by=f"COPY layer{number} /") for number in range(layers)]
    return make_image(content, HOST_PLATFORM, labels={"seed": str(seed)}, **more)


def make_platforms(version: str = "1.0", **more: object) -> Index:
    return make_demo(("linux/amd64", "linux/arm64/v8", "linux/arm/v7"), version=version, **more)
