# SPDX-License-Identifier: Apache-2.0
"""The token server of a docker-registry, as the distribution project's token specification describes it.

Who asks to stay logged in is given REFRESH_TOKEN, which is as good as the password. USER may do everything; nobody else may pull more than what is below public/. Both ways of asking are there: GET with
Basic, and POST with an OAuth2 form.
"""
from __future__ import annotations

import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from lib.docker_registry import PASSWORD, USER
from lib.process import find_program

SERVICE = "registry.test"
ISSUER = "tests"
REFRESH_TOKEN = "stay-logged-in"


class TokenServer:
    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._key = folder / "key.pem"
        self._certificate = folder / "certificate.pem"
        subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=tests", "-keyout", str(self._key), "-out", str(self._certificate)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.requests: list[tuple[str, str]] = []  # method and scope
        self.gives_refresh_tokens = False
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def registry_auth(self) -> dict:
        """For the configuration of the registry."""
        port = self._server.server_address[1]
        return {"token": {"realm": f"http://127.0.0.1:{port}/token", "service": SERVICE, "issuer": ISSUER,
                          "rootcertbundle": str(self._certificate)}}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def make_token(self, user: str | None, scopes: list[str]) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": user or "", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now,
                  "jti": str(time.monotonic_ns()), "access": [entry for scope in scopes
                                                              if (entry := _grant(user, scope))]}
        chain = "".join(line for line in self._certificate.read_text().splitlines() if "CERTIFICATE" not in line)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
        signed = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        signature = subprocess.run([find_program("openssl"), "dgst", "-sha256", "-sign", str(self._key)],
                                   input=signed.encode(), stdout=subprocess.PIPE, check=True).stdout
        return f"{signed}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _grant(user: str | None, scope: str) -> dict | None:
    kind, name, actions = scope.split(":")[0], ":".join(scope.split(":")[1:-1]), scope.split(":")[-1].split(",")
    allowed = actions if user else [action for action in actions if action == "pull" and name.startswith("public/")]
    return {"type": kind, "name": name, "actions": allowed} if allowed else None


def _make_handler(server: TokenServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            authorization = self.headers.get("Authorization", "")
            if not authorization:
                return self._grant(None, query)
            user, _, password = base64.b64decode(authorization.split()[1]).decode().partition(":")
            self._check(user, password, query)

        def do_POST(self) -> None:
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if form.get("refresh_token") == [REFRESH_TOKEN]:
                return self._grant(USER, form)
            self._check(form.get("username", [""])[0], form.get("password", [""])[0], form)

        def _check(self, user: str, password: str, fields: dict[str, list[str]]) -> None:
            if (user, password) != (USER, PASSWORD):
                return self._answer(401, {"details": "incorrect username or password"})
            self._grant(user, fields)

        def _grant(self, user: str | None, fields: dict[str, list[str]]) -> None:
            scopes = [scope for value in fields.get("scope", []) for scope in value.split()]
            server.requests.append((self.command, " ".join(scopes)))
            token = server.make_token(user, scopes)
            stays = server.gives_refresh_tokens and (fields.get("offline_token") == ["true"]
                                                     or fields.get("access_type") == ["offline"])
            refresh = {"refresh_token": REFRESH_TOKEN} if user and stays else {}
            self._answer(200, {"token": token, "access_token": token, "expires_in": 300, **refresh})

        def _answer(self, status: int, body: dict) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
