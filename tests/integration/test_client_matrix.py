# SPDX-License-Identifier: Apache-2.0
"""What every client of the Engine API does with images, done by each of them."""
from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib import skopeo
from lib.api import Api
from lib.archives import make_archive
from lib.engine_archives import Archive, docker_archive, load_well
from lib.clients import CliClient, Client, ClientUnavailable, NodeClient, PythonClient
from lib.daemon import Daemon
from lib.docker_cli import PROGRAMS
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.samples import make_small_image
from lib.search_index import SearchIndex

SMALL = make_small_image("matrix")

CLIENTS: dict[str, Callable[[str, Path], Client]] = {
    **{program: functools.partial(CliClient, program=program) for program in PROGRAMS},
    "python3-docker": lambda host, _: PythonClient(host),
    "dockerode": lambda host, _: NodeClient(host),
}


@pytest.fixture(params=CLIENTS)
def client_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client(client_name: str, daemon: Daemon, folder: Path) -> Iterator[Client]:
    try:
        client = CLIENTS[client_name](daemon.host, folder)
    except ClientUnavailable as error:
        pytest.skip(str(error))
    yield client
    client.close()


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    return registry.add(SMALL, "matrix/small", "1")


@pytest.fixture
def here(api: Api) -> str:
    """An image that is there already."""
    load_well(api, docker_archive((SMALL, ["here:1"])))
    return "here:1"


def test_pull(client: Client, small: str) -> None:
    client.pull(small)
    assert client.names() == [small]
    assert client.find_id(small) == SMALL.digest


def test_list_and_tag(client: Client, here: str) -> None:
    client.tag(here, "there:2")
    assert sorted(client.names()) == [here, "there:2"]
    assert client.find_id(here) == client.find_id("there:2")


def test_push(client: Client, client_name: str, small: str, second_registry: DockerRegistry) -> None:
    target = f"{second_registry.host}/matrix/{client_name}:1"  # nobody else's, so that nothing is there before
    client.pull(small)
    client.tag(small, target)
    client.push(target)
    assert skopeo.read_digest(target) == SMALL.digest


def test_save_remove_and_load(client: Client, here: str, folder: Path) -> None:
    before = client.find_id(here)
    client.save(here, folder / "saved.tar")
    assert [item["RepoTags"] for item in Archive((folder / "saved.tar").read_bytes()).items] == [[here]]
    client.remove(here)
    assert client.names() == []
    assert here in client.load(folder / "saved.tar")
    assert client.find_id(here) == before


def test_history(client: Client, here: str) -> None:
    assert client.history(here) == ['CMD ["/bin/sh"]', "COPY layer1 /", "COPY layer0 /"]


def test_import(client: Client, folder: Path) -> None:
    (folder / "rootfs.tar").write_bytes(make_archive([("etc/", None), ("etc/name", b"imported")]))
    client.import_(folder / "rootfs.tar", "imported:1")
    assert client.names() == ["imported:1"]


def test_prune(client: Client, api: Api, here: str) -> None:
    [said] = load_well(api, docker_archive((make_small_image("nameless"), [])))
    nameless = said.removeprefix("Loaded image ID: ")
    assert nameless in client.prune()
    assert client.names() == [here]


def test_events(client: Client, here: str) -> None:
    client.tag(here, "more:1")
    client.remove("more:1")
    client.remove(here)
    assert client.events(time.time()) == ["load", "tag", "untag", "untag", "delete"]


def test_search(client: Client, search_index: SearchIndex) -> None:
    search_index.add("matrix-app", stars=3)
    assert [name.rpartition("/")[2] for name in client.search(f"{search_index.host}/matrix")] == ["matrix-app"]


def test_login(client: Client, registry_htpasswd: DockerRegistry) -> None:
    client.log_in(registry_htpasswd.host, USER, PASSWORD)
    with pytest.raises(Exception, match="401"):
        client.log_in(registry_htpasswd.host, USER, "wrong")
