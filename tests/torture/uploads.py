# SPDX-License-Identifier: Apache-2.0
"""The upload sessions of a scripted registry."""
from __future__ import annotations

import hashlib
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from origin import error_reply
from wire import Halt, Reply, Request

if TYPE_CHECKING:
    from fault_server import Site


class Uploads:
    """Of what comes in only the hash is kept."""

    class _Session:
        def __init__(self, repository: str):
            self.repository = repository
            self.hasher = hashlib.sha256()
            self.size = 0
            self.lock = threading.Lock()

        def take(self, pieces: Iterator[bytes]) -> None:
            for piece in pieces:
                self.hasher.update(piece)
                self.size += len(piece)

    def __init__(self, site: "Site"):
        self._site = site
        self._sessions: dict[str, Uploads._Session] = {}
        self.chunk_min_bytes = 0
        self.mounts = False
        self.bytes_in = 0

    def answer(self, request: Request, repository: str, key: str, halt: Halt | None) -> Reply:
        if request.method == "POST":
            return self._start(request, repository, halt)
        session = self._sessions.get(key)
        if session is None:
            return error_reply(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        with session.lock:
            before = session.size
            state = re.search(r"_state=[^&]*%2F(\d+)", request.query)
            if request.method in ("PATCH", "PUT") and state and int(state[1]) != before and (
                    request.method == "PUT" or "content-range" not in request.headers):
                # As the distribution registry: what an earlier request left behind does not fit the state, so it is
                # all over.
                self._sessions.pop(key, None)
                return error_reply(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")
            try:
                return getattr(self, "_" + request.method.lower())(request, session, key, halt)
            finally:
                self.bytes_in += session.size - before

    def _start(self, request: Request, repository: str, halt: Halt | None) -> Reply:
        query = dict(urllib.parse.parse_qsl(request.query))
        if self.mounts and "mount" in query and self._site.has_blob(query.get("from", ""), query["mount"]):
            self._site.link(repository, query["mount"])
            return Reply(201, [("Location", f"/v2/{repository}/blobs/{query['mount']}"),
                               ("Docker-Content-Digest", query["mount"])])
        for _ in request.body(halt):
            pass
        key = f"{len(self._sessions) + 1:08x}-{time.monotonic_ns():x}"
        self._sessions[key] = self._Session(repository)
        return self._progress(202, key)

    def _progress(self, status: int, key: str) -> Reply:
        session = self._sessions[key]
        state = f"{self._site.make_secret('upload')}%2F{session.size}"
        location = f"{self._site.registry.url}/v2/{session.repository}/blobs/uploads/{key}?_state={state}"
        headers = [("Location", location),
                   ("Range", f"0-{max(0, session.size - 1)}"), ("Docker-Upload-UUID", key)]
        if self.chunk_min_bytes:
            headers.append(("OCI-Chunk-Min-Length", str(self.chunk_min_bytes)))
        return Reply(status, headers)

    def _get(self, request: Request, session: "_Session", key: str, halt: Halt | None) -> Reply:
        return self._progress(204, key)

    def _delete(self, request: Request, session: "_Session", key: str, halt: Halt | None) -> Reply:
        self._sessions.pop(key, None)
        return Reply(204)

    def _patch(self, request: Request, session: "_Session", key: str, halt: Halt | None) -> Reply:
        if match := re.fullmatch(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?", request.headers.get("content-range", "")):
            if int(match[1]) != session.size:
                reply = self._progress(416, key)
                return reply
        session.take(request.body(halt))
        return self._progress(202, key)

    def _put(self, request: Request, session: "_Session", key: str, halt: Halt | None) -> Reply:
        session.take(request.body(halt))
        digest = dict(urllib.parse.parse_qsl(request.query)).get("digest", "")
        self._sessions.pop(key, None)
        if "sha256:" + session.hasher.hexdigest() != digest:
            return error_reply(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self._site.link(session.repository, digest, session.size)
        return Reply(201, [("Location", f"/v2/{session.repository}/blobs/{digest}"), ("Docker-Content-Digest", digest)])
