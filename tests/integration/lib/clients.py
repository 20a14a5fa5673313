# SPDX-License-Identifier: Apache-2.0
"""Clients of the Engine API behind one interface, each as its users have it."""
from __future__ import annotations

import abc
import hashlib
import json
import subprocess
from pathlib import Path

import docker

from lib.docker_cli import DockerCli, is_debians_again
from lib.process import find_program, tools_folder
from lib.wait import SLOWNESS

NODE_FOLDER = Path(__file__).resolve().parents[1] / "node"
TIMEOUT_SECONDS = 60 * SLOWNESS


class ClientUnavailable(RuntimeError):
    """It is not on this machine; the text says what is missing."""


class Client(abc.ABC):
    """Every operation raises when the client reports an error. Names have their tag."""

    @abc.abstractmethod
    def pull(self, name: str) -> None: ...

    @abc.abstractmethod
    def names(self) -> list[str]: ...

    @abc.abstractmethod
    def find_id(self, name: str) -> str: ...

    @abc.abstractmethod
    def tag(self, name: str, target: str) -> None: ...

    @abc.abstractmethod
    def push(self, name: str) -> None: ...

    @abc.abstractmethod
    def save(self, name: str, archive: Path) -> None: ...

    @abc.abstractmethod
    def load(self, archive: Path) -> str:
        """What it says of the images."""

    @abc.abstractmethod
    def remove(self, name: str) -> None: ...

    @abc.abstractmethod
    def history(self, name: str) -> list[str]:
        """The commands, newest first."""

    @abc.abstractmethod
    def import_(self, archive: Path, name: str) -> None: ...

    @abc.abstractmethod
    def prune(self) -> str:
        """What it says of the images."""

    @abc.abstractmethod
    def events(self, until: float) -> list[str]:
        """The actions so far."""

    @abc.abstractmethod
    def search(self, term: str) -> list[str]: ...

    @abc.abstractmethod
    def log_in(self, host: str, user: str, password: str) -> None: ...

    def close(self) -> None:
        pass


class CliClient(Client):
    def __init__(self, host: str, folder: Path, program: str):
        try:
            self._cli = DockerCli(host, folder / "config", program)
            is_again = is_debians_again(program)
        except RuntimeError as error:
            raise ClientUnavailable(str(error)) from None
        if is_again:
            raise ClientUnavailable(f"no {program} other than Debian's, which is shown as itself")

    def pull(self, name: str) -> None:
        self._cli.ok("pull", name)

    def names(self) -> list[str]:
        return self._cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").lines

    def find_id(self, name: str) -> str:
        return self._cli.json("image", "inspect", name)[0]["Id"]

    def tag(self, name: str, target: str) -> None:
        self._cli.ok("tag", name, target)

    def push(self, name: str) -> None:
        self._cli.ok("push", name)

    def save(self, name: str, archive: Path) -> None:
        self._cli.ok("save", "-o", str(archive), name)

    def load(self, archive: Path) -> str:
        return self._cli.ok("load", "-i", str(archive)).out

    def remove(self, name: str) -> None:
        self._cli.ok("rmi", name)

    def history(self, name: str) -> list[str]:
        return self._cli.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", name).lines

    def import_(self, archive: Path, name: str) -> None:
        self._cli.ok("import", str(archive), name)

    def prune(self) -> str:
        return self._cli.ok("image", "prune", "-f").out

    def events(self, until: float) -> list[str]:
        return self._cli.ok("events", "--since", "0", "--until", f"{until:.9f}", "--format", "{{.Action}}").lines

    def search(self, term: str) -> list[str]:
        return self._cli.ok("search", "--format", "{{.Name}}", term).lines

    def log_in(self, host: str, user: str, password: str) -> None:
        self._cli.ok("login", "-u", user, "-p", password, host)


class PythonClient(Client):
    def __init__(self, host: str):
        self._client = docker.DockerClient(base_url=host, version="auto")

    def close(self) -> None:
        self._client.close()

    def pull(self, name: str) -> None:
        self._client.images.pull(*name.rsplit(":", 1))

    def names(self) -> list[str]:
        return [name for image in self._client.images.list() for name in image.tags]

    def find_id(self, name: str) -> str:
        return self._client.images.get(name).id

    def tag(self, name: str, target: str) -> None:
        assert self._client.images.get(name).tag(*target.rsplit(":", 1))

    def push(self, name: str) -> None:
        repository, tag = name.rsplit(":", 1)
        for record in self._client.images.push(repository, tag=tag, stream=True, decode=True):
            assert "error" not in record, record

    def save(self, name: str, archive: Path) -> None:
        with archive.open("wb") as out:
            for piece in self._client.images.get(name).save(named=name):
                out.write(piece)

    def load(self, archive: Path) -> str:
        with archive.open("rb") as data:
            return " ".join(name for image in self._client.images.load(data) for name in image.tags)

    def remove(self, name: str) -> None:
        self._client.images.remove(name)

    def history(self, name: str) -> list[str]:
        return [entry["CreatedBy"] for entry in self._client.images.get(name).history()]

    def import_(self, archive: Path, name: str) -> None:
        repository, tag = name.rsplit(":", 1)
        said = self._client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
        assert "error" not in said, said

    def prune(self) -> str:
        return json.dumps(self._client.images.prune())

    def events(self, until: float) -> list[str]:
        return [event["Action"] for event in self._client.events(since=0, until=f"{until:.9f}", decode=True)]

    def search(self, term: str) -> list[str]:
        return [hit["name"] for hit in self._client.images.search(term)]

    def log_in(self, host: str, user: str, password: str) -> None:
        answer = self._client.login(username=user, password=password, registry=host, reauth=True)
        assert answer["Status"] == "Login Succeeded"


class NodeClient(Client):
    """dockerode; contrib/install-deps keeps it in a folder that is named after the lock file."""

    def __init__(self, host: str):
        lock = hashlib.sha256((NODE_FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
        self._modules = tools_folder().parent / f"node-{lock}" / "node_modules"
        if not self._modules.exists():
            raise ClientUnavailable(f"dockerode is not in {self._modules}: contrib/install-deps test had no npm to ask")
        self._command = [find_program("node"), str(NODE_FOLDER / "client.js"), host.removeprefix("unix://")]

    def _run(self, *arguments: str) -> object:
        done = subprocess.run([*self._command, *arguments], env={"NODE_PATH": str(self._modules)}, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=TIMEOUT_SECONDS)
        assert done.returncode == 0, f"dockerode, {arguments}: {done.stderr.decode()}"
        return json.loads(done.stdout)

    def pull(self, name: str) -> None:
        self._run("pull", name)

    def names(self) -> list[str]:
        return [name for image in self._run("list") for name in image["RepoTags"]]

    def find_id(self, name: str) -> str:
        return self._run("inspect", name)["Id"]

    def tag(self, name: str, target: str) -> None:
        self._run("tag", name, *target.rsplit(":", 1))

    def push(self, name: str) -> None:
        self._run("push", *name.rsplit(":", 1))

    def save(self, name: str, archive: Path) -> None:
        self._run("save", name, str(archive))

    def load(self, archive: Path) -> str:
        return json.dumps(self._run("load", str(archive)))

    def remove(self, name: str) -> None:
        self._run("remove", name)

    def history(self, name: str) -> list[str]:
        return [entry["CreatedBy"] for entry in self._run("history", name)]

    def import_(self, archive: Path, name: str) -> None:
        self._run("import", str(archive), *name.rsplit(":", 1))

    def prune(self) -> str:
        return json.dumps(self._run("prune"))

    def events(self, until: float) -> list[str]:
        return [event["Action"] for event in self._run("events", "0", f"{until:.9f}")]

    def search(self, term: str) -> list[str]:
        return [hit["name"] for hit in self._run("search", term)]

    def log_in(self, host: str, user: str, password: str) -> None:
        assert self._run("login", host, user, password)["Status"] == "Login Succeeded"
