# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry: open, with a password file, or with tokens."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import image_maker
from lib.process import Process, find_free_port, find_program

USER = "alice"
PASSWORD = "wonderland"


class RegistryServer:
    """Something at `host` that images are pushed to, with `credentials` if it wants any."""

    host: str
    credentials: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def add(self, artifact: image_maker.Artifact, repository: str, tag: str | None = "latest") -> str:
        """Pushes with the tests' own client; the full name of what is there now."""
        image_maker.push(artifact, self.url, repository, tag, auth=self.credentials)
        return f"{self.host}/{repository}" + (f":{tag}" if tag else f"@{artifact.digest}")

    def get(self, repository: str, reference: str) -> image_maker.Blob:
        with image_maker.Registry(self.url, self.credentials) as client:
            return client.get_manifest(repository, reference)


class DockerRegistry(RegistryServer):
    """`auth` is the section of the configuration file of that name."""

    def __init__(self, folder: Path, auth: dict | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self._auth = auth
        self.credentials = (USER, PASSWORD) if auth else None
        for _ in range(20):
            self.port = find_free_port()
            self._process = self._start(folder)
            if self._process.wait_for_port(self.port):
                return
        raise RuntimeError(f"docker-registry does not start:\n{self._process.log_text()}")

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._process.kill()

    def _start(self, folder: Path) -> Process:
        config: dict = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
            "http": {"addr": self.host},
            # Manifests with foreign layers are taken; nothing is fetched from there.
            "validation": {"manifests": {"urls": {"allow": ["^https://layers[.]example/"]}}},
        }
        if self._auth:
            config["auth"] = self._auth
        path = folder / "registry.yml"
        path.write_text(json.dumps(config))  # YAML is a superset
        return Process([find_program("docker-registry"), "serve", str(path)], folder / "registry.log")


def make_htpasswd_auth(folder: Path) -> dict:
    """USER and PASSWORD; the registry takes bcrypt only."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = subprocess.run([find_program("htpasswd"), "-Bbn", "-C", "4", USER, PASSWORD], stdout=subprocess.PIPE,
                           check=True).stdout
    path = folder / "htpasswd"
    path.write_bytes(entry)
    return {"htpasswd": {"realm": "tests", "path": str(path)}}
