# SPDX-License-Identifier: Apache-2.0
"""The Engine API as bytes on the socket: what the clients' libraries would hide."""
from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any, Union

Query = Union[Mapping[str, object], Sequence[tuple[str, object]], None]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float):
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error."""
        return self.json()["message"]

    @property
    def records(self) -> list[dict]:
        """The lines of a progress stream."""
        return [json.loads(line) for line in self.body.splitlines() if line]

    @property
    def statuses(self) -> list[str]:
        return [record["status"] for record in self.records if "status" in record]

    @property
    def error(self) -> str | None:
        """The error that ended the stream."""
        records = self.records
        return records[-1].get("error") if records else None


class Stream:
    """A progress stream while it runs; closing it early is what a client that goes away does."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse):
        self._connection = connection
        self._response = response
        self.status = response.status
        self.headers = response.headers

    def records(self) -> Iterator[dict]:
        while line := self._response.readline():
            yield json.loads(line)

    def read_until(self, text: str) -> list[dict]:
        """The records up to the first one whose status has this text; AssertionError when the stream ends before."""
        seen = []
        for record in self.records():
            seen.append(record)
            if text in record.get("status", ""):
                return seen
        raise AssertionError(f"no {text!r} among {seen}")

    def close(self) -> None:
        self._response.close()
        self._connection.close()


class Api:
    def __init__(self, socket_path: Path, timeout: float = 60):
        self._socket_path = socket_path
        self._timeout = timeout

    def request(self, method: str, path: str, query: Query = None, headers: Mapping[str, str] | None = None,
                body: bytes | None = None) -> Answer:
        connection, response = self._send(method, path, query, headers, body)
        try:
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, query: Query = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, query, headers)

    def post(self, path: str, query: Query = None, headers: Mapping[str, str] | None = None,
             body: bytes | None = None) -> Answer:
        return self.request("POST", path, query, headers, body)

    def delete(self, path: str, query: Query = None) -> Answer:
        return self.request("DELETE", path, query)

    def pull(self, name: str, tag: str | None = None, *, platform: str | None = None,
             auth: Mapping[str, str] | None = None, version: str = "") -> Answer:
        query, headers = _pull_arguments(name, tag, platform, auth)
        return self.post(f"{version}/images/create", query, headers)

    def start_pull(self, name: str, tag: str | None = None) -> Stream:
        """Returns when the head of the answer is here."""
        query, headers = _pull_arguments(name, tag, None, None)
        return Stream(*self._send("POST", "/images/create", query, headers, None))

    def open(self, method: str, path: str, query: Query = None, headers: Mapping[str, str] | None = None) -> Stream:
        """Returns when the head of the answer is here."""
        return Stream(*self._send(method, path, query, headers, None))

    def pull_well(self, name: str, tag: str | None = None, **more: Any) -> Answer:
        answer = self.pull(name, tag, **more)
        assert answer.status == 200, answer.body
        assert answer.error is None, answer.error
        return answer

    def exchange(self, data: bytes) -> bytes:
        """Sends bytes as they stand and returns all that comes until the server closes."""
        return exchange_bytes(self.connect(), data)

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(self._timeout)
        connection.connect(str(self._socket_path))
        return connection

    def _send(self, method: str, path: str, query: Query, headers: Mapping[str, str] | None, body: bytes | None
              ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = UnixConnection(self._socket_path, self._timeout)
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        connection.request(method, target, body, dict(headers or {}))
        return connection, connection.getresponse()


def exchange_bytes(connection: socket.socket, data: bytes) -> bytes:
    """Sends bytes as they stand and returns all that comes until the server closes; closes the connection."""
    with connection:
        try:
            connection.sendall(data)
        except OSError:
            pass  # the server may have answered and closed before it had read everything
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


def _pull_arguments(name: str, tag: str | None, platform: str | None, auth: Mapping[str, str] | None
                    ) -> tuple[dict[str, object], dict[str, str]]:
    query: dict[str, object] = {"fromImage": name}
    if tag is not None:
        query["tag"] = tag
    if platform is not None:
        query["platform"] = platform
    return query, ({"X-Registry-Auth": encode_auth(auth)} if auth is not None else {})


def encode_auth(auth: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(dict(auth)).encode()).decode()


def decode_chunks(data: bytes) -> list[bytes]:
    """The chunks of a chunked body, each as it was sent; ValueError when the body is cut short."""
    chunks = []
    while True:
        size_line, separator, data = data.partition(b"\r\n")
        if not separator:
            raise ValueError("the last chunk is missing")
        size = int(size_line, 16)
        if size == 0:
            return chunks
        chunks.append(data[:size])
        if data[size:size + 2] != b"\r\n":
            raise ValueError("a chunk is longer than it says")
        data = data[size + 2:]
