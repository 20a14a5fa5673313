# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 byte by byte: requests as they come, answers that can end badly at any byte."""
from __future__ import annotations

import dataclasses
import fcntl
import select
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

from content import Content, Piece

MAX_HEAD_BYTES = 256 << 10
BODY_PIECE_BYTES = 256 << 10
PACED_PIECE_BYTES = 64 << 10
LATE_SECONDS = 0.02
DRIP_SECONDS = 0.1  # between two bytes of a drip


# Told of each piece of content that goes out, from and to; backwards for what did not arrive after all.
Account = Callable[[int, int], None]


class Gone(Exception):
    """The connection is over, one way or another."""


@dataclasses.dataclass(frozen=True)
class Halt:
    """Where an answer (its head or its body) or the reading of a request's body ends, and how."""

    at: int
    how: str  # fin, rst, stall, drip

    def __post_init__(self) -> None:
        assert self.how in ("fin", "rst", "stall", "drip"), self.how


@dataclasses.dataclass
class Reply:
    """A right answer until a fault changes it. Offsets are of the whole content, also when a range of it is sent."""

    status: int = 200
    headers: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    content: Content = dataclasses.field(default_factory=Content)
    start: int = 0
    stop: int | None = None
    digest: str | None = None  # whose bytes these are, for the accounts
    lengths: tuple[int, ...] | None = None  # Content-Length lines; None: the right one
    chunked: bool = False
    bad_chunk_at: int | None = None
    insert: tuple[int, bytes] | None = None
    flip_at: int | None = None
    head_halt: Halt | None = None
    body_halt: Halt | None = None
    close: str = ""  # fin or rst after the whole answer

    def __post_init__(self) -> None:
        if self.stop is None:
            self.stop = self.content.size

    @property
    def length(self) -> int:
        return self.stop - self.start

    def covers(self, offset: int) -> bool:
        return self.start <= offset < self.stop

    def set_header(self, name: str, value: str) -> None:
        self.headers = [line for line in self.headers if line[0].lower() != name.lower()] + [(name, value)]

    def head(self) -> bytes:
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}"] + [f"{name}: {value}" for name, value in self.headers]
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif self.lengths is None:
            lines.append(f"Content-Length: {self.length + (len(self.insert[1]) if self.insert else 0)}")
        else:
            lines += [f"Content-Length: {length}" for length in self.lengths]
        return "\r\n".join(lines + ["", ""]).encode()


class Request:
    """As it came; the body is read by whoever answers."""

    def __init__(self, connection: "Connection", head: bytes):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.head = head
        self.headers = {name.strip().lower(): value.strip() for name, _, value in
                        (line.partition(":") for line in lines[1:] if line)}
        self.path, _, self.query = self.target.partition("?")
        self.came = time.monotonic()
        self.endpoint = ""
        self.status = 0
        self.replied = 0.0  # when the answer began
        self.answered = 0.0  # when it was over
        self.retry_after = 0.0
        self.fault = ""
        self.body_start = b""
        self.body_bytes = 0
        self.length = 0  # of the answer's body
        self.body_length = int(self.headers.get("content-length", 0))
        self._connection = connection
        self._is_read = False
        if self.headers.get("expect", "").lower() == "100-continue":
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def __repr__(self) -> str:
        return (f"{self.method} {self.target} [{self.endpoint}] {self.headers.get('range', '')} -> {self.status} "
                f"{self.fault}")

    def body(self, halt: Halt | None = None) -> Iterator[bytes]:
        """Once: the body; after `halt.at` bytes of it the connection ends as it says."""
        if self._is_read:
            return
        self._is_read = True
        chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        most = halt.at if halt else None
        for piece in self._connection.chunks(most) if chunked else self._connection.sized(
                min(self.body_length, most) if most is not None else self.body_length):
            if len(self.body_start) < 4096:
                self.body_start += piece[:4096]
            self.body_bytes += len(piece)
            yield piece
        if halt:
            self._connection.end(halt.how)


class Connection:
    """One accepted socket; `rate` is in bytes per second, 0 for as fast as it goes."""

    def __init__(self, plain: socket.socket, rate: int = 0):
        self._socket = plain
        self._rate = rate
        self._free_at = 0.0
        self._buffer = b""
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # ---- what comes -------------------------------------------------------------------------------------------------

    def _receive(self) -> bytes:
        try:
            piece = self._socket.recv(BODY_PIECE_BYTES)
        except OSError as error:
            raise Gone() from error
        if not piece:
            raise Gone()
        return piece

    def next_request(self) -> Request:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise Gone()
            self._buffer += self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return Request(self, head)

    def sized(self, count: int) -> Iterator[bytes]:
        while count > 0:
            piece = self._buffer or self._receive()
            self._buffer = piece[count:]
            piece = piece[:count]
            count -= len(piece)
            yield piece

    def chunks(self, most: int | None) -> Iterator[bytes]:
        left = float("inf") if most is None else most
        while left > 0:
            while b"\r\n" not in self._buffer:
                self._buffer += self._receive()
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            for piece in self.sized(size):
                left -= len(piece)
                yield piece
            for _ in self.sized(2):
                pass
            if size == 0:
                return

    # ---- what goes --------------------------------------------------------------------------------------------------

    def send(self, piece: Piece) -> None:
        try:
            if self._rate:
                self._send_paced(piece)
            else:
                self._socket.sendall(piece)
        except OSError as error:
            raise Gone() from error

    def _send_paced(self, piece: Piece) -> None:
        """Time in which nothing was sent is not saved up."""
        for at in range(0, len(piece), PACED_PIECE_BYTES):
            part = piece[at:at + PACED_PIECE_BYTES]
            ahead = self._free_at - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            self._socket.sendall(part)
            # What a sleep was too long is made up for, up to a little.
            self._free_at = max(self._free_at, time.monotonic() - LATE_SECONDS) + len(part) / self._rate

    def unsent(self) -> int:
        """Bytes that the peer's kernel has not taken."""
        try:
            return struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
        except (OSError, ValueError):
            return 0

    def reply(self, reply: Reply, has_body: bool, account: Account) -> None:
        head = reply.head()
        if reply.head_halt:
            self.send(head[:reply.head_halt.at])
            self.end(reply.head_halt.how, head[reply.head_halt.at:])
        self.send(head)
        if has_body:
            self._send_body(reply, account)
        if reply.close:
            self.end(reply.close)

    def _send_body(self, reply: Reply, account: Account) -> None:
        at = reply.start
        stop = reply.stop if reply.body_halt is None else min(reply.stop, reply.body_halt.at)
        for piece, is_content in _body_pieces(reply, stop):
            size = len(piece) if is_content else 0
            account(at, at + size)
            at += size
            try:
                self.send(piece)
            except Gone:
                account(at, max(reply.start, at - max(self.unsent(), size)))
                raise
        if reply.body_halt and stop >= reply.body_halt.at:
            self.end(reply.body_halt.how, reply.content.read(stop, min(reply.stop, stop + 4096)))

    # ---- how it ends ------------------------------------------------------------------------------------------------

    def end(self, how: str, rest: bytes = b"") -> None:
        """Always raises Gone, unless all of the rest could be dripped."""
        if how == "rst":
            self._wait_sent()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "stall":
            self._hold()
        elif how == "drip":
            for byte in rest:
                if self._hold(DRIP_SECONDS):
                    raise Gone()
                self.send(bytes([byte]))
            return
        raise Gone()

    def _wait_sent(self) -> None:
        """A reset throws away what the peer has not acknowledged; what it says it sent has to be there."""
        deadline = time.monotonic() + 1
        while self.unsent() and time.monotonic() < deadline:
            time.sleep(0.0005)

    def _hold(self, seconds: float = 600) -> bool:
        """Whether the client left meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                try:
                    if not self._socket.recv(BODY_PIECE_BYTES):
                        return True
                except OSError:
                    return True
        return False


def _body_pieces(reply: Reply, stop: int) -> Iterator[tuple[Piece, bool]]:
    """The body as it goes out, and whether a piece is of the content (and not of a fault)."""
    if reply.chunked:
        yield from _chunks(reply, stop)
        return
    marks = sorted({reply.start, stop, *(at for at in (reply.flip_at, reply.insert[0] if reply.insert else None)
                                         if at is not None and reply.start <= at <= stop)})
    if reply.insert and reply.insert[0] == reply.start:
        yield reply.insert[1], False
    for begin, end in zip(marks, marks[1:]):
        for piece in reply.content.slices(begin, end):
            yield (_flip_first(piece) if begin == reply.flip_at else piece), True
            begin += len(piece)
        if reply.insert and reply.insert[0] == end:
            yield reply.insert[1], False


def _flip_first(piece: Piece) -> bytes:
    return bytes([piece[0] ^ 1]) + bytes(piece[1:])


def _chunks(reply: Reply, stop: int) -> Iterator[tuple[Piece, bool]]:
    end = stop if reply.bad_chunk_at is None else min(stop, reply.bad_chunk_at)
    for piece in reply.content.slices(reply.start, end):
        yield b"%x\r\n" % len(piece), False
        yield piece, True
        yield b"\r\n", False
    yield (b"0\r\n\r\n" if reply.bad_chunk_at is None else b"this is no chunk\r\n"), False
