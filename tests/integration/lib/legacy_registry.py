# SPDX-License-Identifier: Apache-2.0
"""A registry from before /v2/, which also has what was added to it under /v2/ once `has_v2` says so.

    registry.add_v1("team/app", {"1.0": make_chain([base, top])})
    registry.add(make_schema1([base, top]), "team/app", "1.0")

It speaks as Docker's first registries did: the index under /v1/repositories/NAME/images gives a token, a cookie and the
host of the images, and whatever is asked for after that has to bring the token and the cookie.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from lib.fault_registry import FaultRegistry, Request

VERSION_HEADER = {"Docker-Distribution-API-Version": "registry/2.0"}
COOKIE = "session=d41d8cd9"
TOKEN = 'signature=6e0d,repository="library/any",access=read'

Answer = tuple[int, dict[str, str], bytes]


class LegacyRegistry(FaultRegistry):
    def __init__(self) -> None:
        super().__init__()
        self.has_v2 = False
        self.v2_headers: Mapping[str, str] = VERSION_HEADER
        # Pulp and Crane have the object of all tags only.
        self.has_tag_paths = True
        self.token: str | None = TOKEN
        self.accepts_token = True
        self.cookie: str | None = COOKIE
        self.endpoints: str | None = None  # "host[:port][, host...]" of the images; None: this one
        self._v1_tags: dict[str, dict[str, str]] = {}
        self._images: dict[str, dict] = {}

    def add_v1(self, repository: str, tags: Mapping[str, Sequence[Mapping]] | None = None) -> str:
        """Of each tag the documents of its layers, base first (schema1.make_chain); the repository's full name."""
        known = self._v1_tags.setdefault(repository, {})
        for tag, chain in (tags or {}).items():
            self._images.update({image["id"]: dict(image) for image in chain})
            known[tag] = chain[-1]["id"]
        return f"{self.host}/{repository}"

    def remove_image(self, image_id: str) -> None:
        """Tags go on naming it."""
        del self._images[image_id]

    def paths(self, begin: str = "") -> list[str]:
        """Of the requests so far."""
        return [request.url_path for request in self.requests if request.path.startswith(begin)]

    def _right_answer(self, request: Request) -> Answer:
        path = request.url_path
        if path.startswith("/v2/"):
            if not self.has_v2:
                return 404, {"Content-Type": "text/plain"}, b"404 page not found\n"
            status, headers, body = super()._right_answer(request)
            return status, {**headers, **self.v2_headers}, body
        if match := re.fullmatch(r"/v1/repositories/(.+)/images", path):
            return self._index(match[1], request)
        if refusal := self._refuse(request):
            return refusal
        if match := re.fullmatch(r"/v1/repositories/(.+?)/tags(?:/([^/]+))?", path):
            return self._tags_of(match[1], match[2])
        if match := re.fullmatch(r"/v1/images/([^/]+)/json", path):
            return _found(self._images.get(match[1]), "Image not found")
        return _error(404, "not found")

    def _index(self, repository: str, request: Request) -> Answer:
        if repository not in self._v1_tags:
            return _error(404, "Repository not found")
        headers = {"Content-Type": "application/json"}
        if request.header("X-Docker-Token") == "true":
            headers["X-Docker-Endpoints"] = self.endpoints or self.host
            if self.token:
                headers["X-Docker-Token"] = self.token
        if self.cookie:
            headers["Set-Cookie"] = f"{self.cookie}; Path=/; HttpOnly"
        return 200, headers, json.dumps([{"id": image} for image in self._v1_tags[repository].values()]).encode()

    def _refuse(self, request: Request) -> Answer | None:
        if self.token and not (self.accepts_token and request.header("Authorization") == f"Token {self.token}"):
            return _error(401, "Requires authorization")
        if self.cookie and self.cookie not in (request.header("Cookie") or "").split("; "):
            return _error(403, "Requires the cookie")
        return None

    def _tags_of(self, repository: str, tag: str | None) -> Answer:
        tags = self._v1_tags.get(repository)
        if tag is None or tags is None:
            return _found(tags, "Repository not found")
        return _found(tags.get(tag) if self.has_tag_paths else None, "Tag not found")


def _found(value: object, error: str) -> Answer:
    if value is None:
        return _error(404, error)
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _error(status: int, message: str) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps({"error": message}).encode()
