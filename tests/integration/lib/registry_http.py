# SPDX-License-Identifier: Apache-2.0
"""A /v2/ registry as bytes: one request at a time, with what the answer said of it."""
from __future__ import annotations

import dataclasses
import http.client
import socket
import ssl
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Union

from image_maker import Artifact, Blob, all_blobs, all_manifests
from lib import api

OCTETS = "application/octet-stream"
Body = Union[bytes, Iterable[bytes], None]


@dataclasses.dataclass(frozen=True)
class Answer(api.Answer):
    target: str = ""

    @property
    def codes(self) -> list[str]:
        """Of an error; each has to be as the specification wants it."""
        errors = self.json()["errors"]
        assert self.headers["Content-Type"].startswith("application/json")
        assert errors, "an error without errors"
        assert all(isinstance(error["code"], str) and isinstance(error["message"], str) for error in errors)
        return [error["code"] for error in errors]

    @property
    def details(self) -> list:
        return [error.get("detail") for error in self.json()["errors"]]

    @property
    def location(self) -> str:
        """Path and query of it, whether it is absolute or not."""
        parts = urllib.parse.urlsplit(self.headers["Location"])
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def next_page(self) -> str | None:
        """Where the Link goes on."""
        link = self.headers["Link"]
        if link is None:
            return None
        target, _, parameters = link.partition(">")
        assert target.startswith("<") and parameters.strip() == '; rel="next"', link
        return target[1:]

    def expect(self, status: int, *codes: str) -> "Answer":
        """An error has to have these codes."""
        assert self.status == status, f"{self.target}: {self.status} {dict(self.headers)} {self.body[:500]!r}"
        if codes:
            assert self.codes == list(codes), self.body
        return self


class RegistryHttp:
    """One connection that is kept as long as the server keeps it; not for use by several threads."""

    def __init__(self, host: str | Path, *, headers: Mapping[str, str] | None = None,
                 tls: ssl.SSLContext | None = None, timeout: float = 60):
        """`host` is address:port, or the path of a Unix socket."""
        self.host = host
        self._headers = dict(headers or {})
        if isinstance(host, Path):
            self._connection: http.client.HTTPConnection = api.UnixConnection(host, timeout)
        elif tls:
            self._connection = http.client.HTTPSConnection(host, timeout=timeout, context=tls)
        else:
            self._connection = http.client.HTTPConnection(host, timeout=timeout)

    def __enter__(self) -> "RegistryHttp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: Body = None) -> Answer:
        try:
            self._connection.request(method, target, body, {**self._headers, **(headers or {})})
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read(), f"{method} {target}")
        except BaseException:
            self._connection.close()
            raise

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", target, headers)

    def head(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("HEAD", target, headers)

    def delete(self, target: str) -> Answer:
        return self.request("DELETE", target)

    def post(self, target: str, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", target, headers, body)

    def exchange(self, data: bytes) -> bytes:
        """Sends bytes as they stand, on a connection of their own, and returns all that comes until the server closes."""
        return api.exchange_bytes(self.connect(), data)

    def connect(self) -> socket.socket:
        if isinstance(self.host, Path):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(self.host))
        else:
            address, _, port = self.host.rpartition(":")
            connection = socket.create_connection((address, int(port)))
        connection.settimeout(self._connection.timeout)
        return connection

    # ---- blobs ----

    def start_upload(self, repository: str, query: str = "") -> str:
        """Where the session is."""
        return self.post(uploads(repository) + query).expect(202).location

    def patch(self, location: str, data: Body, start: int | None = None) -> Answer:
        """With `start` a chunk, else a stream."""
        headers = {"Content-Type": OCTETS}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.request("PATCH", location, headers, data)

    def commit(self, location: str, digest: str, data: Body = b"", start: int | None = None) -> Answer:
        headers = {"Content-Type": OCTETS}
        if start is not None:
            headers["Content-Range"] = f"{start}-{start + len(data) - 1}"
        return self.request("PUT", with_digest(location, digest), headers, data)

    def push_blob(self, repository: str, blob: Blob) -> Answer:
        return self.commit(self.start_upload(repository), blob.digest, blob.read()).expect(201)

    # ---- manifests ----

    def put_manifest(self, repository: str, reference: str, manifest: Blob) -> Answer:
        return self.request("PUT", manifest_at(repository, reference), {"Content-Type": manifest.media_type},
                            manifest.read())

    def get_manifest(self, repository: str, reference: str, *accept: str) -> Answer:
        return self.get(manifest_at(repository, reference), {"Accept": ", ".join(accept)} if accept else None)

    def push_content(self, repository: str, artifact: Artifact) -> None:
        """All that an artifact has below it."""
        for blob in all_blobs(artifact):
            self.push_blob(repository, blob)
        for child in all_manifests(artifact):
            if child is not artifact:
                self.put_manifest(repository, child.digest, child.manifest).expect(201)

    def push(self, repository: str, artifact: Artifact, *tags: str) -> str:
        """Its digest; it is put by each tag, without one by digest."""
        self.push_content(repository, artifact)
        for reference in tags or (artifact.digest,):
            self.put_manifest(repository, reference, artifact.manifest).expect(201)
        return artifact.digest

    # ---- lists ----

    def list_tags(self, repository: str, query: str = "") -> list[str]:
        return self.get(f"/v2/{repository}/tags/list{query}").expect(200).json()["tags"]

    def walk(self, target: str, member: str) -> list[list]:
        """The pages of a list, by its links."""
        pages = []
        next_page: str | None = target
        while next_page:
            answer = self.get(next_page).expect(200)
            pages.append(answer.json()[member])
            next_page = answer.next_page
        return pages


def blob_at(repository: str, digest: str) -> str:
    return f"/v2/{repository}/blobs/{digest}"


def manifest_at(repository: str, reference: str) -> str:
    return f"/v2/{repository}/manifests/{reference}"


def uploads(repository: str) -> str:
    return f"/v2/{repository}/blobs/uploads/"


def referrers(repository: str, digest: str) -> str:
    return f"/v2/{repository}/referrers/{digest}"


def with_digest(location: str, digest: str) -> str:
    """A location may have a query of its own."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def split(data: bytes, count: int) -> Sequence[bytes]:
    size = max(1, -(-len(data) // count))
    return [data[begin:begin + size] for begin in range(0, len(data), size)]
