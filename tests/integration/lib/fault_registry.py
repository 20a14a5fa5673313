# SPDX-License-Identifier: Apache-2.0
"""A registry that misbehaves as a test tells it to, and remembers what it was asked.

Without rules it serves what was added, correctly. A rule replaces the answer to the requests that it matches:

    registry.on("GET", f"blobs/{layer.digest}", Reply(cut_after=1000))
    stall = registry.stall(f"blobs/{layer.digest}", after=1000)
"""
from __future__ import annotations

import dataclasses
import http.server
import json
import re
import select
import socket
import threading
import time
from collections.abc import Mapping

import image_maker
from lib.wait import wait_until


class Stall:
    """Where an answer stops until the test lets it go on or the client leaves."""

    def __init__(self, after: int):
        self.after = after
        self.reached = threading.Event()
        self._released = threading.Event()
        self.disconnected_at: float | None = None

    def release(self) -> None:
        self._released.set()

    def wait_reached(self) -> None:
        wait_until(self.reached.is_set, "the registry is in the middle of its answer")

    def wait_disconnect(self, seconds: float) -> float:
        """When the client closed the connection (time.monotonic)."""
        return wait_until(lambda: self.disconnected_at, "the client closes its connection to the registry", seconds)

    def hold(self, connection: socket.socket) -> bool:
        """For the server: true when the answer is to go on."""
        self.reached.set()
        while not self._released.is_set():
            if select.select([connection], [], [], 0.01)[0] and not _peek(connection):
                self.disconnected_at = time.monotonic()
                return False
        return True


def _peek(connection: socket.socket) -> bytes:
    try:
        return connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return b""


@dataclasses.dataclass(frozen=True)
class Reply:
    """What differs from the right answer; None leaves the right one."""

    status: int | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None  # the connection is closed after so many bytes of the body
    stall: Stall | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def url_path(self) -> str:
        return self.path.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Whatever the case in which it came."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)


@dataclasses.dataclass(frozen=True)
class Sent:
    """An answer, noted before its body goes out: who has read it finds it here."""

    request: Request
    status: int
    body_bytes: int  # 0 to HEAD; of a body that is cut, what goes out of it


@dataclasses.dataclass
class _Rule:
    method: re.Pattern[str]
    path_end: re.Pattern[str]
    reply: Reply
    left: int | None

    def takes(self, request: Request) -> bool:
        if self.left == 0 or not (self.method.fullmatch(request.method) and self.path_end.search(request.path)):
            return False
        if self.left is not None:
            self.left -= 1
        return True


def make_error(code: str, message: str, detail: object = None) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message, "detail": detail}]}).encode()


class FaultRegistry:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.sent: list[Sent] = []
        self._manifests: dict[tuple[str, str], image_maker.Blob] = {}
        self._blobs: dict[str, image_maker.Blob] = {}
        self._rules: list[_Rule] = []
        self._stalls: list[Stall] = []
        self._server = _Server(("127.0.0.1", 0), _make_handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return "127.0.0.1:%d" % self._server.server_address[1]

    def add(self, artifact: image_maker.Artifact, repository: str, tag: str = "latest") -> str:
        for blob in image_maker.all_blobs(artifact):
            self._blobs[blob.digest] = blob
        for child in image_maker.all_manifests(artifact):
            self._manifests[repository, child.digest] = child.manifest
        self._manifests[repository, tag] = artifact.manifest
        return f"{self.host}/{repository}:{tag}"

    def on(self, method: str, path_end: str, reply: Reply, times: int | None = None) -> None:
        """Both are regular expressions; the latest rule that matches, and is not used up, wins."""
        self._rules.append(_Rule(re.compile(method), re.compile(path_end + "$"), reply, times))

    def stall(self, path_end: str, after: int) -> Stall:
        stall = Stall(after)
        self._stalls.append(stall)
        self.on("GET", path_end, Reply(stall=stall))
        return stall

    def count(self, method: str, path_end: str) -> int:
        return sum(1 for request in self.requests if request.method == method and request.path.endswith(path_end))

    def content_bytes(self) -> int:
        """Of the bodies that went out with manifests and blobs."""
        return sum(sent.body_bytes for sent in self.sent
                   if sent.status in (200, 206) and re.search("/(manifests|blobs)/", sent.request.path))

    def forget_requests(self) -> None:
        self.requests.clear()
        self.sent.clear()

    def stop(self) -> None:
        for stall in self._stalls:
            stall.release()
        self._server.shutdown()
        self._server.server_close()

    def reply_to(self, request: Request) -> tuple[int, dict[str, str], bytes, Reply]:
        self.requests.append(request)
        status, headers, body = self._right_answer(request)
        rule = next((each.reply for each in reversed(self._rules) if each.takes(request)), Reply())
        if rule.body is not None:
            body = rule.body
        status = rule.status or status
        self.sent.append(Sent(request, status, 0 if request.method == "HEAD" else len(body[:rule.cut_after])))
        return status, {**headers, **rule.headers}, body, rule

    def _right_answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        path = request.url_path
        if path == "/v2/":
            return 200, {"Content-Type": "application/json"}, b"{}"
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags)/([^/]+)", path)
        if match and match[2] == "tags":
            return self._tags(match[1])
        content = self._find(match) if match else None
        if content is None:
            return 404, {"Content-Type": "application/json"}, make_error("MANIFEST_UNKNOWN", "manifest unknown", "here")
        return 200, {"Content-Type": content.media_type, "Docker-Content-Digest": content.digest}, content.read()

    def _find(self, match: re.Match[str]) -> image_maker.Blob | None:
        if match[2] == "manifests":
            return self._manifests.get((match[1], match[3]))
        return self._blobs.get(match[3])

    def _tags(self, repository: str) -> tuple[int, dict[str, str], bytes]:
        tags = sorted(tag for name, tag in self._manifests if name == repository and ":" not in tag)
        body = json.dumps({"name": repository, "tags": tags}).encode()
        return 200, {"Content-Type": "application/json"}, body


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that leave in the middle are what the tests are about


def _make_handler(registry: FaultRegistry) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle(self) -> None:
            # A TLS hello need not hold a line end: it is answered as Go's server answers it.
            if self.connection.recv(1, socket.MSG_PEEK) == b"\x16":
                self.connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent TLS to an HTTP server.\n")
                return
            super().handle()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            del body
            request = Request(self.command, self.path, dict(self.headers.items()))
            status, headers, content, reply = registry.reply_to(request)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._send_body(content, reply)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer

        def _send_body(self, content: bytes, reply: Reply) -> None:
            if reply.cut_after is not None:
                self.wfile.write(content[:reply.cut_after])
                self.close_connection = True
                return
            sent = 0
            if reply.stall is not None:
                sent = reply.stall.after
                self.wfile.write(content[:sent])
                if not reply.stall.hold(self.connection):
                    self.close_connection = True
                    return
            self.wfile.write(content[sent:])

        def log_message(self, *_: object) -> None:
            pass

    return Handler
