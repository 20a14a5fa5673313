# SPDX-License-Identifier: Apache-2.0
"""The real parts of the tests. Registries live as long as a test file, a daemon as long as a test."""
from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

from lib.api import Api  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.docker_cli import PROGRAMS, DockerCli, is_debians_again  # noqa: E402
from lib.docker_registry import DockerRegistry, make_htpasswd_auth  # noqa: E402
from lib.dockerd import Dockerd, DockerdUnavailable  # noqa: E402
from lib.embedded_registry import EmbeddedRegistry  # noqa: E402
from lib.fault_registry import FaultRegistry  # noqa: E402
from lib.legacy_registry import LegacyRegistry  # noqa: E402
from lib.lighter_cli import LighterCli  # noqa: E402
from lib.registry_front import RegistryFront  # noqa: E402
from lib.registry_http import RegistryHttp  # noqa: E402
from lib.search_index import SearchIndex  # noqa: E402
from lib.token_server import TokenServer  # noqa: E402

LOG_TAIL = 6000


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """A failed test shows what the daemon had to say."""
    outcome = yield
    report = outcome.get_result()
    arguments = getattr(item, "funcargs", {})
    daemon = arguments.get("daemon") or getattr(arguments.get("embedded"), "daemon", None)
    if report.failed and daemon is not None:
        report.sections.append(("lighterd's log", daemon.log_text()[-LOG_TAIL:]))


@pytest.fixture(scope="session")
def binary() -> Path:
    path = Path(os.environ.get("LIGHTERD_BINARY") or FOLDER.parents[1] / "build" / "dev" / "daemon" / "lighterd")
    if not path.exists():
        pytest.fail(f"no daemon at {path}: build it, or name it in LIGHTERD_BINARY", pytrace=False)
    return path


@pytest.fixture(scope="session")
def lighter_binary(binary: Path) -> Path:
    path = Path(os.environ.get("LIGHTER_BINARY") or binary.parents[1] / "cli" / "lighter")
    if not path.exists():
        pytest.fail(f"no client at {path}: build it, or name it in LIGHTER_BINARY", pytrace=False)
    return path


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lighterd-it-") as folder:
        yield Path(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Of one test, with a short name: the path of a socket has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lighterd-it-") as path:
        yield Path(path)


@pytest.fixture
def daemon(binary: Path, folder: Path) -> Iterator[Daemon]:
    """Runs; what is left of it at the end of the test must be sound (Daemon.stop)."""
    daemon = Daemon(binary, folder)
    try:
        yield daemon.start()
        if daemon.is_running:
            daemon.stop()
        daemon.check_log()
    finally:
        daemon.discard()


@pytest.fixture
def make_daemon(binary: Path, folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Further daemons, not started."""
    made: list[Daemon] = []

    def make(name: str = "other", **more: object) -> Daemon:
        (folder / name).mkdir(exist_ok=True)
        made.append(Daemon(binary, folder / name, **more))
        return made[-1]

    yield make
    for daemon in made:
        daemon.discard()


@pytest.fixture(scope="module")
def embedded(binary: Path) -> Iterator[EmbeddedRegistry]:
    """A daemon that is a registry for all tests of a file: each has repositories of its own."""
    with tempfile.TemporaryDirectory(prefix="lighterd-it-") as folder:
        registry = EmbeddedRegistry(binary, Path(folder))
        try:
            yield registry.start()
            registry.stop()
        finally:
            registry.daemon.discard()


@pytest.fixture
def make_embedded(binary: Path, folder: Path) -> Iterator[Callable[..., EmbeddedRegistry]]:
    """Further ones, not started."""
    made: list[EmbeddedRegistry] = []

    def make(*arguments: str, name: str = "registry", **more: object) -> EmbeddedRegistry:
        made.append(EmbeddedRegistry(binary, folder / name, arguments, **more))
        return made[-1]

    yield make
    for registry in made:
        registry.daemon.discard()


@pytest.fixture
def http(embedded: EmbeddedRegistry) -> Iterator[RegistryHttp]:
    with embedded.client() as client:
        yield client


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A name that no other test of the file has."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"it/{words}"[:200].rstrip("-")


@pytest.fixture
def api(daemon: Daemon) -> Api:
    return daemon.api


@pytest.fixture
def cli(daemon: Daemon, folder: Path) -> DockerCli:
    return DockerCli(daemon.host, folder / "docker-config")


@pytest.fixture
def lighter(lighter_binary: Path, daemon: Daemon, folder: Path) -> LighterCli:
    return LighterCli(lighter_binary, daemon.host, folder / "lighter-config")


@pytest.fixture(params=PROGRAMS)
def any_docker(request: pytest.FixtureRequest) -> str:
    """The name of a docker command; each runs once."""
    if is_debians_again(request.param):
        pytest.skip(f"no {request.param} other than Debian's, which is shown as itself")
    return request.param


@pytest.fixture
def any_cli(any_docker: str, daemon: Daemon, folder: Path) -> DockerCli:
    return DockerCli(daemon.host, folder / "docker-config", any_docker)


def _serve(registry: DockerRegistry) -> Iterator[DockerRegistry]:
    yield registry
    registry.stop()


@pytest.fixture(scope="session")
def registry(session_folder: Path) -> Iterator[DockerRegistry]:
    yield from _serve(DockerRegistry(session_folder / "registry"))


@pytest.fixture(scope="session")
def second_registry(session_folder: Path) -> Iterator[DockerRegistry]:
    yield from _serve(DockerRegistry(session_folder / "registry2"))


@pytest.fixture(scope="session")
def registry_htpasswd(session_folder: Path) -> Iterator[DockerRegistry]:
    folder = session_folder / "registry-htpasswd"
    yield from _serve(DockerRegistry(folder, make_htpasswd_auth(folder)))


@pytest.fixture(scope="session")
def token_server(session_folder: Path) -> Iterator[TokenServer]:
    server = TokenServer(session_folder / "token-server")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def registry_token(session_folder: Path, token_server: TokenServer) -> Iterator[DockerRegistry]:
    yield from _serve(DockerRegistry(session_folder / "registry-token", token_server.registry_auth()))


@pytest.fixture
def fault_registry() -> Iterator[FaultRegistry]:
    registry = FaultRegistry()
    yield registry
    registry.stop()


@pytest.fixture
def legacy_registry() -> Iterator[LegacyRegistry]:
    registry = LegacyRegistry()
    yield registry
    registry.stop()


@pytest.fixture
def other_registry() -> Iterator[LegacyRegistry]:
    """What a registry may name."""
    registry = LegacyRegistry()
    yield registry
    registry.stop()


@pytest.fixture
def front(registry: DockerRegistry) -> Iterator[RegistryFront]:
    """Before `registry`."""
    front = RegistryFront(registry)
    yield front
    front.stop()


@pytest.fixture
def search_index() -> Iterator[SearchIndex]:
    index = SearchIndex()
    yield index
    index.stop()


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    """Debian's; empty when a test file begins."""
    with tempfile.TemporaryDirectory(prefix="lighterd-dockerd-") as folder:
        try:
            dockerd = Dockerd(Path(folder))
        except DockerdUnavailable as error:
            pytest.skip(f"no dockerd of Debian: {error}")
        yield dockerd
        dockerd.stop()
