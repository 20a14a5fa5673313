# SPDX-License-Identifier: Apache-2.0
"""A scripted registry with its token server and its storage host, each an origin of its own on loopback.

    server = FaultServer()
    site = Site(server, "case1", fault=Fault("cut", "layer", "middle"))
    name = site.add(image, "demo/app")            # 127.0.0.1:PORT/demo/app:latest
    ...                                           # a client pulls with site.user and site.password
    site.registry.log, site.coverage(digest)      # what was asked, what went out
    site.close()

Every request is logged with all of its head. Every secret of a site holds its canary, so that a search of another
origin's log (or of any text) finds what must not be there.
"""
from __future__ import annotations

import base64
import json
import re
import threading
import time
import urllib.parse
from collections.abc import Callable

import image_maker
from content import Content, Coverage
from faults import Fault, Places
from origin import FaultServer, Origin, error_reply, free_closed_port, json_reply
from uploads import Uploads
from wire import Account, Connection, Halt, Reply, Request

REFUSALS = ("status", "retry-after", "expire-token", "refuse-token")
Script = Callable[[Request, Reply], "Fault | None"]


class SiteOrigin(Origin):
    """An origin of a site: its right answer, then what the site's script makes of it."""

    def __init__(self, site: "Site", **more: object):
        super().__init__(site.server, **more)
        self.site = site

    def right_answer(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        raise NotImplementedError

    def classify(self, request: Request) -> str:
        raise NotImplementedError

    def answer(self, connection: Connection, request: Request) -> bool:
        request.endpoint = self.classify(request)
        reply = self.right_answer(request, lambda: self.site.request_halt(request))
        for _ in request.body():  # what the answer did not look at
            pass
        places = self.site.places(self)
        self.site.apply_faults(request, reply, places)
        request.status = reply.status
        request.length = reply.length
        request.replied = time.monotonic()
        connection.reply(reply, request.method != "HEAD", self.site.account(reply.digest))
        return not reply.close


class TokenOrigin(SiteOrigin):
    def classify(self, request: Request) -> str:
        return "token"

    def right_answer(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        site = self.site
        form = urllib.parse.parse_qs(b"".join(request.body()).decode("latin-1"))
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(value).decode("latin-1") if kind == "Basic" else ":".join(
                form.get(field, [""])[0] for field in ("username", "password"))
        except ValueError:
            given = "?"
        if given not in (":", f"{site.user}:{site.password}"):
            return json_reply(401, {"details": "incorrect username or password"})
        token = site.issue_token(given != ":")
        return json_reply(200, {"token": token, "access_token": token, "expires_in": 300})


class StorageOrigin(SiteOrigin):
    """Signed URLs, each good for a time; like S3 it refuses a request that also has an Authorization."""

    def classify(self, request: Request) -> str:
        return self.site.kind_of_blob(request.path.rpartition("/")[2])

    def right_answer(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        if "authorization" in request.headers:
            return Reply(400, [("Content-Type", "application/xml")],
                         Content(b"<Error><Code>InvalidArgument</Code></Error>"))
        signature = dict(urllib.parse.parse_qsl(request.query)).get("X-Amz-Signature", "")
        if not self.site.is_signed(signature):
            return Reply(403, [("Content-Type", "application/xml")],
                         Content(b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"))
        return self.site.blob_reply(request, request.path.rpartition("/")[2])


class ElsewhereOrigin(SiteOrigin):
    """Where redirects lead; it serves what the registry serves and asks nobody who they are."""

    def classify(self, request: Request) -> str:
        return "elsewhere"

    def right_answer(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        return self.site.registry.content_reply(request, halt)


class RegistryOrigin(SiteOrigin):
    def classify(self, request: Request) -> str:
        path = request.path
        if "/blobs/uploads/" in path:
            if request.method == "POST":
                return "mount" if "mount=" in request.query else "post"
            return {"PATCH": "patch", "PUT": "put", "GET": "status"}.get(request.method, "other")
        if match := re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path):
            if request.method == "PUT":
                return "put-manifest"
            if match[2] == "manifests":
                return "manifest" if ":" in match[3] else "first"
            return "head" if request.method == "HEAD" else self.site.kind_of_blob(match[3])
        return "first" if path == "/v2/" else "other"

    def right_answer(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        if (denial := self.site.check_token(request)) is not None:
            return denial
        if request.method not in ("GET", "HEAD") and (refusal := self.site.refuse(request, self)) is not None:
            return refusal
        return self.content_reply(request, halt)

    def content_reply(self, request: Request, halt: Callable[[], Halt | None]) -> Reply:
        site, path = self.site, request.path
        if path == "/v2/":
            return json_reply(200, {})
        if match := re.fullmatch(r"/v2/(.+)/blobs/uploads/([^/]*)", path):
            return site.uploads.answer(request, match[1], match[2], halt())
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags)/([^/]+)", path)
        if not match:
            return error_reply(404, "NAME_UNKNOWN", "no such thing")
        repository, kind, reference = match.groups()
        if kind == "manifests":
            if request.method == "PUT":
                return site.put_manifest(request, repository, reference, halt())
            manifest = site.manifests.get((repository, reference))
            if manifest is None:
                return error_reply(404, "MANIFEST_UNKNOWN", "manifest unknown")
            if request.method == "HEAD" and not site.heads:
                return error_reply(405, "UNSUPPORTED", "the operation is unsupported")
            return Reply(200, [("Content-Type", manifest.media_type), ("Docker-Content-Digest", manifest.digest)],
                         Content(manifest.read()))
        if kind == "tags":
            return json_reply(200, {"name": repository, "tags": sorted(
                tag for name, tag in site.manifests if name == repository and ":" not in tag)})
        if not site.has_blob(repository, reference):
            return error_reply(404, "BLOB_UNKNOWN", "blob unknown")
        if site.storage is not None and request.method == "GET":
            return Reply(307, [("Location", site.sign(reference))])
        return site.blob_reply(request, reference)


class Site:
    """A registry with all that belongs to it. `canary` is part of each of its secrets.

    auth: None or "token". via_storage: blobs are redirected to a storage host. script: further faults.
    """

    def __init__(self, server: FaultServer, canary: str, *, faults: tuple[Fault, ...] = (), auth: str | None = "token",
                 via_storage: bool = False, heads: bool = True, ranges: bool = True, rate: int = 0,
                 signed_seconds: float = 3600, script: Script | None = None, registry: dict | None = None,
                 token: dict | None = None,
                 storage: dict | None = None, etags: bool = True):
        self.server = server
        self.canary = f"canary{canary}"
        self.user = f"user-{self.canary}"
        self.password = f"password-{self.canary}"
        self.manifests: dict[tuple[str, str], image_maker.Blob] = {}
        self._blobs: dict[str, Content] = {}
        self._links: set[tuple[str, str]] = set()
        self._sizes: dict[str, int] = {}
        self._configs: set[str] = set()
        self._tokens: dict[str, bool] = {}
        self._signed: dict[str, float] = {}
        self._coverage: dict[str, Coverage] = {}
        self._secrets = 0
        self._used: set[tuple[Fault, str]] = set()
        self._lock = threading.RLock()
        self._faults, self._script = faults, script
        self.heads = heads  # whether HEAD of a tag is answered, or 405
        self._auth, self._ranges, self._etags, self._signed_seconds = auth, ranges, etags, signed_seconds
        self.uploads = Uploads(self)
        self.registry = RegistryOrigin(self, **{"rate": rate, **(registry or {})})
        self.token = TokenOrigin(self, **(token or {}))
        self.storage = StorageOrigin(self, **{"rate": rate, **(storage or {})}) if via_storage else None
        self.elsewhere = ElsewhereOrigin(self)
        self.realm = self.token.url + "/token"

    @property
    def origins(self) -> dict[str, Origin]:
        named = {"registry": self.registry, "token": self.token, "storage": self.storage, "elsewhere": self.elsewhere}
        return {name: origin for name, origin in named.items() if origin is not None}

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def auth(self) -> dict[str, str]:
        """For X-Registry-Auth."""
        return {"username": self.user, "password": self.password, "serveraddress": self.host}

    def close(self) -> None:
        for origin in self.origins.values():
            origin.close()
        for content in self._blobs.values():
            content.close()

    # ---- content ----------------------------------------------------------------------------------------------------

    def add(self, artifact: image_maker.Artifact, repository: str, tag: str = "latest",
            contents: dict[str, Content] | None = None) -> str:
        """`contents` are blobs that the artifact only describes."""
        for blob in image_maker.all_blobs(artifact):
            content = (contents or {}).get(blob.digest) or self._blobs.get(blob.digest) or Content.of(blob)
            self._blobs[blob.digest] = content
            self.link(repository, blob.digest, content.size)
        for child in image_maker.all_manifests(artifact):
            if isinstance(child, image_maker.Image):
                self._configs.add(child.config.digest)
            self.manifests[repository, child.digest] = child.manifest
        self.manifests[repository, tag] = artifact.manifest
        return f"{self.host}/{repository}:{tag}"

    def has_blob(self, repository: str, digest: str) -> bool:
        return (repository, digest) in self._links

    def link(self, repository: str, digest: str, size: int | None = None) -> None:
        self._links.add((repository, digest))
        if size is not None:
            self._sizes[digest] = size

    def kind_of_blob(self, digest: str) -> str:
        return "config" if digest in self._configs else "layer"

    def put_manifest(self, request: Request, repository: str, reference: str, halt: Halt | None) -> Reply:
        data = b"".join(request.body(halt))
        blob = image_maker.Blob.of(data, request.headers.get("content-type", ""))
        document = json.loads(data)
        missing = [child["digest"] for child in [document.get("config"), *document.get("layers", [])]
                   if child and not self.has_blob(repository, child["digest"])]
        if missing:
            return error_reply(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        self.manifests[repository, reference] = self.manifests[repository, blob.digest] = blob
        return Reply(201, [("Location", f"/v2/{repository}/manifests/{blob.digest}"),
                           ("Docker-Content-Digest", blob.digest)])

    def blob_reply(self, request: Request, digest: str) -> Reply:
        content = self._blobs.get(digest)
        if content is None:
            return Reply(200, [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)],
                         lengths=(self._sizes.get(digest, 0),))
        reply = Reply(200, [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", digest)], content,
                      digest=digest)
        if self._etags:
            reply.headers.append(("ETag", f'"{digest}"'))
        if not self._ranges:
            return reply
        reply.headers.append(("Accept-Ranges", "bytes"))
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if not wanted or request.headers.get("if-range", f'"{digest}"') != f'"{digest}"' or request.method == "HEAD":
            return reply
        start = int(wanted[1])
        stop = min(content.size, int(wanted[2]) + 1 if wanted[2] else content.size)
        if start >= stop:
            return Reply(416, [("Content-Range", f"bytes */{content.size}")])
        reply.status, reply.start, reply.stop = 206, start, stop
        reply.headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{content.size}"))
        return reply

    # ---- secrets ----------------------------------------------------------------------------------------------------

    def make_secret(self, kind: str) -> str:
        with self._lock:
            self._secrets += 1
            return f"{kind}-{self.canary}-{self._secrets}"

    def issue_token(self, is_user: bool) -> str:
        token = self.make_secret("token")
        self._tokens[token] = is_user
        return token

    def revoke_token(self, token: str) -> None:
        self._tokens.pop(token, None)

    @property
    def challenge(self) -> str:
        return f'Bearer realm="{self.realm}",service="{self.host}"'

    def check_token(self, request: Request) -> Reply | None:
        if self._auth is None:
            return None
        match = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags)/", request.path)
        actions = "pull" if request.method in ("GET", "HEAD") else "pull,push"
        scope = f',scope="repository:{match[1]}:{actions}"' if match else ""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if self._tokens.get(token):
            return None
        wrong = ',error="invalid_token"' if kind else ""
        return error_reply(401, "UNAUTHORIZED", "authentication required",
                           WWW_Authenticate=self.challenge + scope + wrong)

    def sign(self, digest: str) -> str:
        signature = self.make_secret("signature")
        self._signed[signature] = time.monotonic() + self._signed_seconds
        return f"{self.storage.url}/store/{digest}?X-Amz-Expires=60&X-Amz-Signature={signature}"

    def is_signed(self, signature: str) -> bool:
        return self._signed.get(signature, 0) > time.monotonic()

    def revoke_signatures(self) -> None:
        self._signed.clear()

    # ---- faults -----------------------------------------------------------------------------------------------------

    def places(self, origin: Origin) -> Places:
        return Places(here=origin.url, elsewhere=self.elsewhere.url, plain=self.elsewhere.url,
                      closed=f"http://127.0.0.1:{self.closed_port}", challenge=self.challenge,
                      revoke=self.revoke_token, expire=self.revoke_signatures)

    closed_port = 1

    @staticmethod
    def _resource(request: Request) -> str:
        """What one `once` is for: the layer wherever it is asked for, all else by repository."""
        if request.endpoint in ("layer", "config"):
            return request.path.rpartition("/")[2]
        if request.endpoint == "token":
            scopes = dict(urllib.parse.parse_qsl(request.query)) or dict(
                urllib.parse.parse_qsl(request.body_start.decode("latin-1")))
            return scopes.get("scope", "").split(":pull")[0]
        if request.endpoint == "put":
            return dict(urllib.parse.parse_qsl(request.query)).get("digest", "")
        if request.endpoint in ("post", "patch", "mount", "status"):
            return request.path.partition("/blobs/")[0]
        return request.path

    def _claim(self, fault: Fault, request: Request) -> bool:
        """Whether the fault is still to come; it is used up by this."""
        if fault.always:
            return True
        with self._lock:
            key = (fault, self._resource(request))
            if key in self._used:
                return False
            self._used.add(key)
            return True

    def _unclaim(self, fault: Fault, request: Request) -> None:
        with self._lock:
            self._used.discard((fault, self._resource(request)))

    def request_halt(self, request: Request) -> Halt | None:
        for fault in self._faults:
            halt = fault.request_halt(request) if fault.endpoint == request.endpoint else None
            if halt and self._claim(fault, request):
                request.fault = fault.kind
                return halt
        return None

    def refuse(self, request: Request, origin: Origin) -> Reply | None:
        """For what a push asks for: a refusal comes before anything is done."""
        for fault in self._faults:
            if fault.endpoint != request.endpoint or fault.kind not in REFUSALS or not self._claim(fault, request):
                continue
            reply = Reply()
            if fault.change(reply, request, self.places(origin)):
                request.fault = fault.kind
                return reply
        return None

    def apply_faults(self, request: Request, reply: Reply, places: Places) -> None:
        """At most one bites. What a site answers by itself (401, 307 to the storage) is no answer of the endpoint."""
        if request.fault:
            return
        if self._script and (fault := self._script(request, reply)):
            request.fault = fault.kind if fault.change(reply, request, places) else ""
            return
        for fault in self._faults:
            if fault.endpoint != request.endpoint or self._is_preliminary(request, reply):
                continue
            if fault.request_halt(request) or not self._claim(fault, request):
                continue
            if fault.change(reply, request, places):
                request.fault = fault.kind
                return
            self._unclaim(fault, request)

    def _is_preliminary(self, request: Request, reply: Reply) -> bool:
        if reply.status == 307:
            return self.storage is not None
        return reply.status == 405 or (reply.status == 401 and request.endpoint != "token")

    # ---- accounts ---------------------------------------------------------------------------------------------------

    def coverage(self, digest: str) -> Coverage:
        with self._lock:
            return self._coverage.setdefault(digest, Coverage())

    def account(self, digest: str | None) -> Account:
        if digest is None:
            return lambda start, stop: None
        coverage = self.coverage(digest)

        def note(start: int, stop: int) -> None:
            with self._lock:
                if start <= stop:
                    coverage.add(start, stop)
                else:
                    coverage.take_back(stop, start)
        return note

    def sent_bytes(self) -> int:
        with self._lock:
            return sum(coverage.total for coverage in self._coverage.values())

    def requests(self, *endpoints: str) -> list[Request]:
        """Of all origins, in the order of arrival."""
        found = [request for origin in self.origins.values() for request in list(origin.log)
                 if not endpoints or request.endpoint in endpoints]
        return sorted(found, key=lambda request: request.came)

    def leaks(self) -> list[str]:
        """Secrets that reached an origin that they were not given for."""
        pairs = f"{self.user}:{self.password}"
        basic = base64.b64encode(pairs.encode()).decode()
        allowed = {
            "registry": (re.compile(r"token-canary|upload-canary"), ),
            "token": (re.compile(r"user-canary|password-canary"), ),
            "storage": (re.compile(r"signature-canary"), ),
            "elsewhere": (re.compile(r"upload-canary"), ),  # as part of a location that the registry named
        }
        found = []
        for name, origin in self.origins.items():
            for request in list(origin.log):
                text = request.head.decode("latin-1") + "\n" + request.body_start.decode("latin-1")
                secrets = re.findall(r"(?:user|password|token|signature|upload)-canary", text)
                secrets += ["password-canary (Basic)"] * (basic in text)
                found += [f"{secret} at {name}: {request}" for secret in secrets
                          if not any(pattern.match(secret) for pattern in allowed[name])]
        return found


Site.closed_port = free_closed_port()
