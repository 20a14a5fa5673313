# SPDX-License-Identifier: Apache-2.0
"""A certs.d that says where the images of a registry come from."""
from __future__ import annotations

from pathlib import Path


def write_hosts(folder: Path, registry: str, server: str, mirror: str | None = None) -> Path:
    """Into `folder`, for --certs-dir; of the server a URL, of the mirror host:port."""
    (folder / registry).mkdir(parents=True, exist_ok=True)
    hosts = f'[host."http://{mirror}"]\ncapabilities = ["pull", "resolve"]\n' if mirror else ""
    (folder / registry / "hosts.toml").write_text(f'server = "{server}"\n{hosts}')
    return folder
