# SPDX-License-Identifier: Apache-2.0
"""One script of requests at API 1.41 to Debian's dockerd 20.10 and to lighterd; docs/differences.md has what differs."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "differential"))

from explained import find_problems, read_explanations  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.docker_registry import DockerRegistry  # noqa: E402
from lib.dockerd import Dockerd  # noqa: E402
from lib.search_index import SearchIndex  # noqa: E402
from script import STEPS  # noqa: E402
from stage import Engine, Registries, Stage  # noqa: E402


def test_every_difference_is_explained(dockerd: Dockerd, daemon: Daemon, registry: DockerRegistry,
                                       registry_htpasswd: DockerRegistry, registry_token: DockerRegistry,
                                       search_index: SearchIndex) -> None:
    stage = Stage(Registries(registry, registry_htpasswd, registry_token, search_index))
    theirs, ours = Engine("dockerd", dockerd.api, "config"), Engine("lighterd", daemon.api, "manifest")
    differences = list(stage.replay(theirs, ours))
    assert len(STEPS) >= 120
    problems = find_problems(differences, read_explanations())
    assert problems == [], "\n".join(problems)
