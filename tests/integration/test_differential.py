# SPDX-License-Identifier: Apache-2.0
"""One script of requests at API 1.41 to Debian's dockerd 20.10 and to lighterd: whatever differs is in docs/differences.md."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "differential"))

from explained import find_problems, read_explanations  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.docker_registry import DockerRegistry  # noqa: E402
from lib.dockerd import Dockerd, DockerdUnavailable  # noqa: E402
from lib.search_index import SearchIndex  # noqa: E402
from script import STEPS  # noqa: E402
from stage import Engine, Registries, Stage  # noqa: E402


@pytest.fixture
def dockerd(folder: Path) -> Iterator[Dockerd]:
    try:
        dockerd = Dockerd(folder / "dockerd")
    except DockerdUnavailable as error:
        pytest.skip(f"no dockerd to compare with: {error}")
    yield dockerd
    dockerd.stop()


@pytest.fixture
def search_index() -> Iterator[SearchIndex]:
    index = SearchIndex()
    yield index
    index.stop()


def test_every_difference_is_explained(dockerd: Dockerd, daemon: Daemon, registry: DockerRegistry,
                                       registry_htpasswd: DockerRegistry, registry_token: DockerRegistry,
                                       search_index: SearchIndex) -> None:
    stage = Stage(Registries(registry, registry_htpasswd, registry_token, search_index))
    differences = list(stage.replay(Engine("dockerd", dockerd.api, "config"), Engine("lighterd", daemon.api, "manifest")))
    assert len(STEPS) >= 120
    problems = find_problems(differences, read_explanations())
    assert problems == [], "\n".join(problems)
