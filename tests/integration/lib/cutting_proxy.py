# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that counts what clients send and breaks one connection off at a chosen byte."""
from __future__ import annotations

import contextlib
import socket
import threading

READ_BYTES = 65536


class CuttingProxy:
    """Connects to 127.0.0.1:`target_port`. All of its calls may come from any thread."""

    def __init__(self, target_port: int):
        self._target_port = target_port
        self._lock = threading.Lock()
        self._sent_bytes = 0
        self._cut_at: int | None = None
        self._cuts = 0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sent_bytes(self) -> int:
        """What clients have sent so far, heads included."""
        with self._lock:
            return self._sent_bytes

    @property
    def cuts(self) -> int:
        with self._lock:
            return self._cuts

    def cut_at(self, sent_bytes: int) -> None:
        """The connection that brings that byte is closed, once."""
        with self._lock:
            self._cut_at = sent_bytes

    def stop(self) -> None:
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server:
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=self._copy_back, args=(server, client), daemon=True)
            back.start()
            self._copy_counted(client, server)
            for connection in (client, server):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            back.join()
            with self._lock:
                self._open -= {client, server}

    def _copy_counted(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(READ_BYTES):
                if self._is_cut(len(data)):
                    return
                server.sendall(data)

    def _is_cut(self, count: int) -> bool:
        with self._lock:
            self._sent_bytes += count
            if self._cut_at is None or self._sent_bytes < self._cut_at:
                return False
            self._cut_at = None
            self._cuts += 1
            return True

    @staticmethod
    def _copy_back(server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(READ_BYTES):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
