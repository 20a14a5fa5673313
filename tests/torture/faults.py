# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with an answer. A fault changes a right Reply; whether it bites says whether it is used up."""
from __future__ import annotations

import dataclasses
import email.utils
import gzip
import time
import urllib.parse
from collections.abc import Callable, Mapping

from content import Content
from wire import Halt, Reply, Request

POSITIONS = ("first", "second", "middle", "last")
EXTRA = b"surplus"


def offset_of(position: str, size: int) -> int:
    return {"first": 0, "second": min(1, size - 1), "middle": size // 2, "last": size - 1}[position]


@dataclasses.dataclass(frozen=True)
class Fault:
    """`endpoint`: first, token, manifest, config, layer for pulls; head, post, patch, put, put-manifest, mount, status
    for pushes. `position` is of the content, or of the head for faults of heads, or of the request's body."""

    kind: str
    endpoint: str
    position: str = "first"
    always: bool = False
    value: str | int = ""

    def __post_init__(self) -> None:
        assert self.kind in CHANGES or self.kind in REQUEST_KINDS, self.kind
        assert self.position in POSITIONS

    def request_halt(self, request: Request) -> Halt | None:
        """For the kinds that break the request's body off."""
        if self.kind not in REQUEST_KINDS:
            return None
        return Halt(offset_of(self.position, max(request.body_length, 1)), self.kind.split("-")[1])

    def change(self, reply: Reply, request: Request, world: "Places") -> bool:
        """False when there was nothing to change: the fault is still to come."""
        return CHANGES[self.kind](self, reply, request, world)


@dataclasses.dataclass
class Places:
    """Where redirects go to."""

    here: str = ""       # scheme://host:port of the origin that answers
    elsewhere: str = ""  # another origin that serves the same
    plain: str = ""      # the same by http
    nowhere: str = "http://nowhere.invalid"
    closed: str = ""     # nobody listens
    challenge: str = ""
    revoke: Callable[[str], None] = lambda token: None
    expire: Callable[[], None] = lambda: None  # all signed URLs


REQUEST_KINDS = ("send-fin", "send-rst", "send-stall")


def _at(fault: Fault, reply: Reply) -> int:
    return offset_of(fault.position, max(reply.content.size, 1))


def _halt_body(how: str) -> Callable[[Fault, Reply, Request, Places], bool]:
    def change(fault: Fault, reply: Reply, *_: object) -> bool:
        at = _at(fault, reply)
        if how == "drip" and fault.always:
            at = max(at, reply.start)  # a server that drips does so wherever a client goes on
        if not reply.covers(at):
            return False
        reply.body_halt = Halt(at, how)
        return True
    return change


def _end_each(how: str) -> Callable[[Fault, Reply, Request, Places], bool]:
    """After `value` bytes of each answer, wherever it starts."""
    def change(fault: Fault, reply: Reply, *_: object) -> bool:
        if reply.length <= int(fault.value):
            return False
        reply.body_halt = Halt(reply.start + int(fault.value), how)
        return True
    return change


def _cut_and_expire(fault: Fault, reply: Reply, request: Request, places: Places) -> bool:
    """The signed URL is good for one answer, which is cut."""
    if not _halt_body("fin")(fault, reply):
        return False
    places.expire()
    return True


def _halt_head(how: str) -> Callable[[Fault, Reply, Request, Places], bool]:
    def change(fault: Fault, reply: Reply, *_: object) -> bool:
        reply.head_halt = Halt(offset_of(fault.position, len(reply.head())), how)
        return True
    return change


def _end_after(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.close = "rst"
    return True


def _shorten(fault: Fault, reply: Reply, *_: object) -> bool:
    """A body that is too short and says so: whole as HTTP, not as content."""
    at = _at(fault, reply)
    if not reply.covers(at):
        return False
    reply.stop = at
    return True


def _lengthen(fault: Fault, reply: Reply, *_: object) -> bool:
    at = reply.content.size if fault.position == "last" else _at(fault, reply)
    if not reply.start <= at <= reply.stop:
        return False
    reply.insert = (at, EXTRA)
    return True


def _corrupt(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    at = _at(fault, reply)
    if request.method == "HEAD" or not reply.covers(at):
        return False
    reply.flip_at = at
    return True


def _lie_about_digest(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.set_header("Docker-Content-Digest", "sha256:" + "0" * 64)
    return True


def _break_chunk(fault: Fault, reply: Reply, *_: object) -> bool:
    at = _at(fault, reply)
    if not reply.covers(at):
        return False
    reply.chunked, reply.bad_chunk_at, reply.close = True, at, "fin"
    return True


def _chunk(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.chunked = True
    return True


def _no_length(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.lengths, reply.close = (), "fin"
    return True


def _no_length_cut(fault: Fault, reply: Reply, *_: object) -> bool:
    at = _at(fault, reply)
    if not reply.covers(at):
        return False
    reply.lengths, reply.stop, reply.close = (), at, "fin"
    return True


def _long_length(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.lengths, reply.close = (reply.length + 10,), "fin"
    return True


def _two_lengths(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.lengths = (reply.length, reply.length if fault.value == "same" else reply.length // 2)
    if fault.value != "same":
        reply.close = "fin"
    return True


def _replace(reply: Reply, status: int, headers: Mapping[str, str], body: bytes = b"") -> bool:
    """The faults that come from before the content: a fresh answer."""
    reply.status, reply.content, reply.start, reply.stop = status, Content(body), 0, len(body)
    reply.headers = [("Content-Type", "application/json"), *headers.items()]
    reply.digest = None
    return True


CODES = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 413: "SIZE_INVALID", 429: "TOOMANYREQUESTS"}


def _error_body(status: int) -> bytes:
    code = CODES.get(status, "UNKNOWN")
    return ('{"errors":[{"code":"%s","message":"status %d of the torture stage"}]}' % (code, status)).encode()


def _status(fault: Fault, reply: Reply, *_: object) -> bool:
    return _replace(reply, int(fault.value), {}, _error_body(int(fault.value)))


def _retry_after(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    """value: seconds, or date+SECONDS, or anything that a server might say."""
    value = str(fault.value)
    if value.startswith("date"):
        # The format has whole seconds: rounded up, so that what is promised is at least `seconds`.
        moment = int(time.time()) + 1 + int(value[4:])
        request.retry_after = moment - time.time()
        value = email.utils.formatdate(moment, usegmt=True)
    elif value.isdigit():
        request.retry_after = min(60.0, float(value))
    return _replace(reply, 429, {"Retry-After": value}, _error_body(429))


def _expire_token(fault: Fault, reply: Reply, request: Request, places: Places) -> bool:
    if "authorization" not in request.headers:
        return False
    places.revoke(request.headers["authorization"].partition(" ")[2])
    return _refuse_token(fault, reply, request, places)


def _refuse_token(fault: Fault, reply: Reply, request: Request, places: Places) -> bool:
    if "authorization" not in request.headers:
        return False
    return _replace(reply, 401, {"WWW-Authenticate": places.challenge + ',error="invalid_token"'}, _error_body(401))


def _redirect(fault: Fault, reply: Reply, request: Request, places: Places) -> bool:
    """value: loop, chain N, away, down, nowhere, closed."""
    what, _, count = str(fault.value).partition(" ")
    if what == "loop":
        return _replace(reply, 307, {"Location": places.here + request.target})
    if what == "chain":
        hop = int(dict(urllib.parse.parse_qsl(request.query)).get("hop", 0))
        if hop >= int(count):
            return True
        query = "&".join([part for part in request.query.split("&") if part and not part.startswith("hop=")]
                         + [f"hop={hop + 1}"])
        return _replace(reply, 307, {"Location": f"{places.here}{request.path}?{query}"})
    base = {"away": places.elsewhere, "down": places.plain, "nowhere": places.nowhere, "closed": places.closed}[what]
    # What the client put into the query of a token request is for that server alone.
    target = request.path if request.endpoint == "token" else request.target
    return _replace(reply, 307, {"Location": base + target})


def _type(fault: Fault, reply: Reply, *_: object) -> bool:
    reply.set_header("Content-Type", str(fault.value))
    return True


def _gzip(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    if request.method == "HEAD" or reply.status not in (200, 206):
        return False
    packed = gzip.compress(reply.content.read(reply.start, reply.stop), mtime=0)
    reply.content, reply.start, reply.stop, reply.digest = Content(packed), 0, len(packed), None
    reply.headers.append(("Content-Encoding", "gzip"))
    return True


def _ignore_range(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    if "range" not in request.headers or reply.status != 206:
        return False
    reply.status, reply.start, reply.stop = 200, 0, reply.content.size
    reply.headers = [line for line in reply.headers if line[0] != "Content-Range"]
    return True


def _wrong_range(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    """value: shifted (another start, and the bytes of it), total, none."""
    if reply.status != 206:
        return False
    size = reply.content.size
    if fault.value == "shifted":
        # Always a range that was not asked for.
        reply.start = reply.start - 1 if reply.start > 0 else min(1, reply.stop - 1)
        reply.set_header("Content-Range", f"bytes {reply.start}-{reply.stop - 1}/{size}")
    elif fault.value == "total":
        reply.set_header("Content-Range", f"bytes {reply.start}-{reply.stop - 1}/{size + 1}")
    else:
        reply.headers = [line for line in reply.headers if line[0] != "Content-Range"]
    return True


def _unsatisfiable(fault: Fault, reply: Reply, request: Request, _: Places) -> bool:
    if reply.status != 206:
        return False
    return _replace(reply, 416, {"Content-Range": f"bytes */{reply.content.size}"})


def _location(fault: Fault, reply: Reply, request: Request, places: Places) -> bool:
    """Upload locations; value: away, down, nowhere, none, bare (no scheme), long, userinfo, path."""
    old = dict(reply.headers).get("Location")
    if old is None:
        return False
    path = "/" + old.split("/", 3)[3] if "://" in old else old
    host = places.here.split("://")[1]
    new = {"away": places.elsewhere + path, "nowhere": places.nowhere + path, "none": None, "bare": host + path,
           "long": path + "?" + "x" * 65536, "userinfo": f"http://user:pw@{host}{path}", "path": path,
           "internal": "http://169.254.169.254" + path, "closed": places.closed + path}[str(fault.value)]
    reply.headers = [line for line in reply.headers if line[0] != "Location"]
    if new:
        reply.headers.append(("Location", new))
    return True


CHANGES: dict[str, Callable[[Fault, Reply, Request, Places], bool]] = {
    "cut": _halt_body("fin"), "rst": _halt_body("rst"), "stall": _halt_body("stall"), "drip": _halt_body("drip"),
    "head-fin": _halt_head("fin"), "head-rst": _halt_head("rst"), "head-stall": _halt_head("stall"),
    "rst-after": _end_after, "short": _shorten, "extra": _lengthen, "corrupt": _corrupt, "digest-header":
    _lie_about_digest, "bad-chunk": _break_chunk, "chunked": _chunk, "no-length": _no_length, "no-length-cut":
    _no_length_cut, "long-length": _long_length, "two-lengths": _two_lengths, "status": _status, "retry-after":
    _retry_after, "expire-token": _expire_token, "refuse-token": _refuse_token, "redirect": _redirect, "type": _type,
    "gzip": _gzip, "no-range": _ignore_range, "wrong-range": _wrong_range, "no-such-range": _unsatisfiable,
    "cut-after": _end_each("fin"), "reset-after": _end_each("rst"), "stall-after": _end_each("stall"), "location":
    _location, "cut-and-expire": _cut_and_expire,
}
