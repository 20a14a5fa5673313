# SPDX-License-Identifier: Apache-2.0
"""Hosts on loopback: what listens, and what hears and keeps every request that comes."""
from __future__ import annotations

import json
import selectors
import socket
import ssl
import threading
import time

from content import Content
from wire import Connection, Gone, Reply, Request

TLS_HELLO = b"\x16"
_held: list[socket.socket] = []


def free_closed_port() -> int:
    """A port of loopback that nobody listens on, held so that nobody else gets it."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return holder.getsockname()[1]


class FaultServer:
    """Accepts for any number of origins; one thread for each connection."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._lock = threading.Lock()
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def listen(self, origin: "Origin") -> socket.socket:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.setblocking(False)
        with self._lock:
            self._selector.register(listener, selectors.EVENT_READ, origin)
            self._wake_write.send(b"x")
        return listener

    def forget(self, listener: socket.socket) -> None:
        with self._lock:
            self._selector.unregister(listener)
            listener.close()

    def stop(self) -> None:
        self._stopped = True
        self._wake_write.send(b"x")

    def _accept(self) -> None:
        while not self._stopped:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._wake_read.recv(4096)
                    continue
                try:
                    connection, _ = key.fileobj.accept()
                except OSError:
                    continue
                connection.setblocking(True)
                threading.Thread(target=key.data.serve, args=(connection,), daemon=True).start()


class Origin:
    """One host:port. `tls` names a certificate of the authority, or "close" for a peer that leaves in the handshake;
    None is plain http, which answers a TLS hello as Go's server does."""

    def __init__(self, server: FaultServer, tls: ssl.SSLContext | str | None = None, rate: int = 0,
                 name: str = "127.0.0.1"):
        self.log: list[Request] = []
        self.tls_failures = 0
        self.connections = 0
        self._tls = tls
        self._rate = rate
        self._server = server
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = server.listen(self)
        self.port = self._listener.getsockname()[1]
        self.host = f"{name}:{self.port}"
        self.url = f"{'http' if tls is None else 'https'}://{self.host}"

    def close(self) -> None:
        self._server.forget(self._listener)
        with self._lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def is_busy(self) -> bool:
        return any(not request.answered for request in list(self.log))

    def serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            self.connections += 1
        try:
            with connection:
                self._serve_requests(self._handshake(connection))
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)

    def _handshake(self, connection: socket.socket) -> Connection:
        if self._tls is None:
            if connection.recv(1, socket.MSG_PEEK) == TLS_HELLO:
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent TLS to an HTTP server.\n")
                raise Gone()
            return Connection(connection, self._rate)
        if self._tls == "close":
            connection.recv(1)
            self.tls_failures += 1
            raise Gone()
        try:
            return Connection(self._tls.wrap_socket(connection, server_side=True), self._rate)
        except ssl.SSLError:
            self.tls_failures += 1
            raise

    def _serve_requests(self, connection: Connection) -> None:
        while True:
            request = connection.next_request()
            with self._lock:
                self.log.append(request)
            try:
                if not self.answer(connection, request):
                    return
            finally:
                request.answered = time.monotonic()

    def answer(self, connection: Connection, request: Request) -> bool:
        """False when the connection is to be closed."""
        raise NotImplementedError


def json_reply(status: int, value: object, **headers: str) -> Reply:
    lines = [("Content-Type", "application/json")] + [(name.replace("_", "-"), text) for name, text in headers.items()]
    return Reply(status, lines, Content(json.dumps(value).encode()))


def error_reply(status: int, code: str, message: str, **headers: str) -> Reply:
    return json_reply(status, {"errors": [{"code": code, "message": message}]}, **headers)
