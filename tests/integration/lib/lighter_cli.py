# SPDX-License-Identifier: Apache-2.0
"""The lighter command as a user has it: at the daemon under test, at a daemon of a script, and on a terminal."""
from __future__ import annotations

import fcntl
import http.server
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.docker_cli import TIMEOUT_SECONDS, DockerCli


class LighterCli(DockerCli):
    """Its configuration of credentials is docker's; without `host` it is where lighterd listens by default."""

    def __init__(self, program: Path, host: str | None, config: Path):
        super().__init__(host or "", config, str(program))
        del self.env["DOCKER_HOST"]
        for name in ("LIGHTER_HOST", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
            self.env.pop(name, None)
        if host is not None:
            self.env["LIGHTER_HOST"] = host

    @property
    def command(self) -> list[str]:
        return [self._program]

    def code(self, *arguments: str) -> int:
        return self.run(*arguments).code

    def document(self, *arguments: str) -> Any:
        """What a query says with --json: one document, printed once and indented."""
        out = self.ok(*arguments, "--json").out
        document = json.loads(out)
        assert out == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        return document

    def records(self, *arguments: str) -> list[dict]:
        """What something with progress says with --json."""
        return [json.loads(line) for line in self.ok(*arguments, "--json").lines]

    def read_archive(self, *arguments: str) -> bytes:
        done = subprocess.run([self._program, *arguments], env=self.env, check=True, stdout=subprocess.PIPE,
                              timeout=TIMEOUT_SECONDS)
        return done.stdout

    def send_archive(self, archive: bytes, *arguments: str) -> str:
        done = subprocess.run([self._program, *arguments], env=self.env, check=True, input=archive,
                              stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
        return done.stdout.decode()

    def on_terminal(self, *arguments: str, columns: int = 80, rows: int = 24) -> "Terminal":
        return Terminal([self._program, *arguments], self.env, columns, rows)


def peak_kib(child: subprocess.Popen) -> int:
    """The memory that it has had at most so far."""
    return int(re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{child.pid}/status").read_text(), re.MULTILINE)[1])


class Terminal:
    """A program on a pseudo-terminal: what it wrote there, and its end."""

    def __init__(self, command: list[str], env: dict[str, str], columns: int, rows: int):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.settings = termios.tcgetattr(slave)
        self._slave = slave
        self._child = subprocess.Popen(command, env=env, stdin=slave, stdout=slave, stderr=slave,
                                       preexec_fn=self._take_terminal)
        self.text = ""

    @staticmethod
    def _take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read_until(self, text: str) -> None:
        self._read(lambda: text in self.text, f"{text!r} on the terminal")

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        """Its exit code, once it has ended and all that it wrote is read."""
        self._read(lambda: self._child.poll() is not None, "the program ends")
        while select.select([self._master], [], [], 0)[0]:
            self.text += os.read(self._master, 65536).decode()
        assert termios.tcgetattr(self._slave) == self.settings, "the terminal is not as it was"
        os.close(self._master)
        os.close(self._slave)
        return self._child.returncode

    def _read(self, is_enough: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not is_enough():
            if time.monotonic() > deadline:
                self._child.kill()
                raise AssertionError(f"not in time: {what}; there is {self.text!r}")
            if select.select([self._master], [], [], 0.01)[0]:
                self.text += os.read(self._master, 65536).decode()


def screen_of(text: str, columns: int) -> list[str]:
    """The lines that a terminal shows after that output: cursor up, erase below, erase to the end of the line."""
    lines, row, column, at = [""], 0, 0, 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\x1b":
            assert text[at] == "[", f"an escape that no progress needs: {text[at - 1:at + 8]!r}"
            end = next(i for i in range(at + 1, len(text)) if text[i].isalpha())
            number, command, at = text[at + 1:end], text[end], end + 1
            assert command in "AJK", f"an escape that no progress needs: {command!r}"
            if command == "A":
                row -= int(number)
                assert row >= 0
            elif command == "K":
                lines[row] = lines[row][:column]
            else:
                del lines[row + 1:]
                lines[row] = lines[row][:column]
        elif char == "\r":
            column = 0
        elif char == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        else:
            assert char.isprintable(), f"{char!r} on the terminal"
            lines[row] = lines[row][:column].ljust(column) + char + lines[row][column + 1:]
            column += 1
            assert column <= columns, f"a line that wraps: {lines[row]}"
    return lines[:-1] if lines[-1] == "" else lines


class ScriptedDaemon:
    """Answers each path with what the script says: a status and parts of a body, of which a callable is waited for.

    A script that ends with None breaks the answer off; a status of None is no answer at all."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int | None, list[Any]]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.broken_off = threading.Event()
        script = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                script.requests.append((self.command, self.path, dict(self.headers)))
                status, parts = script.answers[self.path.split("?")[0]]
                if status is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    script.broken_off.set()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in parts:
                    if part is None:
                        self.connection.shutdown(socket.SHUT_RDWR)
                        script.broken_off.set()
                        self.close_connection = True
                        return
                    if callable(part):
                        part()
                        continue
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_DELETE = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that has gone
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"tcp://127.0.0.1:{self._server.server_port}"

    def on(self, path: str, *parts: Any, status: int | None = 200) -> None:
        self.answers[path] = (status, list(parts))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Pause:
    """A part of a scripted answer at which it waits until it is released."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        self._released.wait(TIMEOUT_SECONDS)

    def wait_reached(self) -> None:
        assert self._reached.wait(TIMEOUT_SECONDS), "the answer is not asked for"

    def release(self) -> None:
        self._released.set()
