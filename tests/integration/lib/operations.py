# SPDX-License-Identifier: Apache-2.0
"""Requests of the Engine API that many tests send in the same way."""
from __future__ import annotations

import json
import time
from collections.abc import Mapping

from lib.api import Answer, Api, encode_auth

NO_CREDENTIALS = {"X-Registry-Auth": encode_auth({})}


def image_id(api: Api, name: str) -> str:
    answer = api.get(f"/images/{name}/json")
    assert answer.status == 200, answer.body
    return answer.json()["Id"]


def platform_json(platform: str) -> str:
    """As the parameter `platform` of many requests has it."""
    return json.dumps(dict(zip(("os", "architecture", "variant"), platform.split("/"))))


def tag(api: Api, source: str, repo: str, name: str | None = None) -> Answer:
    return api.post(f"/images/{source}/tag", {"repo": repo, **({"tag": name} if name else {})})


def push(api: Api, repository: str, name: str | None = None, version: str = "", **query: str) -> Answer:
    """Of one tag, or of all."""
    return api.post(f"{version}/images/{repository}/push", {**({"tag": name} if name else {}), **query}, NO_CREDENTIALS)


def push_well(api: Api, name: str, version: str = "", **query: str) -> list[dict]:
    """The records of a push of a name with its tag."""
    answer = push(api, *name.rsplit(":", 1), version, **query)
    assert (answer.status, answer.error) == (200, None), answer.body
    return answer.records


def replay_events(api: Api, version: str = "", headers: Mapping[str, str] | None = None, **query: object) -> Answer:
    """All that is kept up to now."""
    answer = api.get(f"{version}/events", {"since": "0", "until": f"{time.time():.9f}", **query}, headers)
    assert answer.status == 200, answer.body
    return answer


def read_events(api: Api, version: str = "", **query: object) -> list[dict]:
    return replay_events(api, version, **query).records
