# SPDX-License-Identifier: Apache-2.0
"""The paths that look into a registry without pulling (docs/lighter-api.md, "Remote images")."""
from __future__ import annotations

import urllib.parse
from collections.abc import Mapping

from lib.api import Answer, Api, Query, encode_auth


def ask(api: Api, name: str, what: str, query: Query = None, auth: Mapping[str, str] | None = None) -> Answer:
    """`what`: tags, inspect or plan. The name goes as it stands but for what would end the path."""
    path = f"/lighter/v1/remote/{urllib.parse.quote(name, safe='/:@')}/{what}"
    return api.get(path, query, {"X-Registry-Auth": encode_auth(auth)} if auth is not None else None)


def ask_well(api: Api, name: str, what: str, query: Query = None, auth: Mapping[str, str] | None = None) -> dict:
    answer = ask(api, name, what, query, auth)
    assert answer.status == 200, answer.body
    return answer.json()


def ask_in_vain(api: Api, name: str, what: str, query: Query = None, auth: Mapping[str, str] | None = None
                ) -> tuple[int, str]:
    """Status and text of the error."""
    answer = ask(api, name, what, query, auth)
    assert answer.status >= 400, answer.body
    return answer.status, answer.message
