# SPDX-License-Identifier: Apache-2.0
"""What HTTP clients do that is no business of any endpoint."""
from __future__ import annotations

import json
import re
import subprocess

import pytest

from lib.api import Api
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.process import find_program

PAGE_NOT_FOUND = b'{"message":"page not found"}\n'


def exchange(api: Api, *lines: str, body: bytes = b"") -> tuple[bytes, bytes]:
    """Head and body of the last answer on a connection that is closed then."""
    head = "\r\n".join([*lines, "Host: d", "Connection: close", "", ""])
    answer = api.exchange(head.encode() + body)
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    received, _, rest = answer.partition(b"\r\n\r\n")
    return received, rest


@pytest.mark.parametrize("method, path", [
    ("GET", "/nothing"), ("GET", "/v1.44/nothing"), ("GET", "/v1.44"), ("GET", "/"), ("PUT", "/images/create"),
    ("POST", "/images/json"), ("DELETE", "/version"), ("POST", "/events"), ("GET", "/auth"), ("GET", "/images/prune"),
    ("HEAD", "/version"), ("HEAD", "/images/json"), ("HEAD", "/info"), ("HEAD", "/events")])
def test_unknown_routes_and_methods_are_404(api: Api, method: str, path: str) -> None:
    answer = api.request(method, path)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == (b"" if method == "HEAD" else PAGE_NOT_FOUND)
    for name in ("Api-Version", "Ostype", "Docker-Experimental"):
        assert name not in answer.headers


@pytest.mark.parametrize("path", ["/", "/images/json", "/v1.44/images/x/json", "/nothing/at/all"])
def test_options_is_answered_everywhere(api: Api, path: str) -> None:
    answer = api.request("OPTIONS", path)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("host", ["docker", "api.moby.localhost", "localhost:2375", "%2Frun%2Fdocker.sock", ""])
def test_any_host_will_do_on_the_socket(api: Api, host: str) -> None:
    answer = api.exchange(f"GET /_ping HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK")


def test_paths_are_cleaned_and_decoded(api: Api) -> None:
    for target in ("//_ping", "/v1.44//_ping", "/%5Fping"):
        head, body = exchange(api, f"GET {target} HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 200") and body == b"OK", target


def test_a_connection_survives_errors(api: Api) -> None:
    requests = ["GET /nothing", "GET /images/nothing/json", "POST /images/prune?filters=x", "GET /events?since=x",
                "DELETE /images/nothing", "GET /v9.9/info", "GET /system/df"]
    data = "".join(f"{request} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n" for request in requests)
    last = "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n"
    answer = api.exchange((data + last).encode())
    statuses = [status.decode() for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
    assert statuses == ["404", "404", "400", "400", "404", "400", "200", "200"]
    assert answer.endswith(b"OK")


def test_a_body_after_100_continue(daemon: Daemon, registry_htpasswd: DockerRegistry) -> None:
    body = json.dumps({"username": USER, "password": PASSWORD, "serveraddress": registry_htpasswd.host})
    for kind in (["-H", "Expect: 100-continue"], ["-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked"],
                 ["-H", "Transfer-Encoding: chunked"]):
        done = subprocess.run([find_program("curl"), "-sS", "-i", "--unix-socket", str(daemon.socket), "--data-binary",
                               body, *kind, "http://d/auth"], stdout=subprocess.PIPE, check=True, timeout=20)
        assert b"HTTP/1.1 200 OK" in done.stdout, done.stdout
        assert b"Login Succeeded" in done.stdout
        assert (b"100 Continue" in done.stdout) == ("Expect: 100-continue" in kind)


def test_no_body_no_length_and_no_type(api: Api) -> None:
    for path, status in (("/images/prune", 200), ("/auth", 400), ("/containers/prune", 200), ("/images/create", 400)):
        head, _ = exchange(api, f"POST {path} HTTP/1.1")
        assert head.startswith(b"HTTP/1.1 %d" % status), path


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8"])
def test_parameters_of_query_and_form_are_merged(api: Api, kind: str) -> None:
    bad = b"filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D"
    answer = api.post("/images/prune", {"unknown": "1"}, {"Content-Type": kind}, bad)
    assert (answer.status, answer.message) == (400, "invalid filter 'nonsense'")
    answer = api.post("/images/prune", None, {"Content-Type": "text/plain"}, bad)
    assert answer.status == 200, "not a form"


@pytest.mark.parametrize("filters, status", [
    ("", 200), ("{}", 200), ("null", 200), ('{"dangling":{"true":true}}', 200), ('{"dangling":["true"]}', 200),
    ('{"dangling":["1","true"]}', 200), ('{"dangling":["true","false"]}', 400), ('{"dangling":"true"}', 400),
    ('{"dangling":[]}', 400), ("[]", 400), ("x", 400), ('{"dangling":[1]}', 400)])
@pytest.mark.parametrize("method, path", [("POST", "/images/prune"), ("GET", "/images/json")])
def test_both_forms_of_filters(api: Api, method: str, path: str, filters: str, status: int) -> None:
    answer = api.request(method, path, {"filters": filters})
    assert answer.status == status, answer.body
    if status == 400:
        assert answer.message.startswith("invalid filter")


@pytest.mark.parametrize("value, is_true", [
    ("1", True), ("true", True), ("True", True), ("yes", True), ("anything", True), ("0", False), ("false", False),
    ("False", False), ("None", False), ("no", False), ("", False), (" FALSE ", False)])
def test_booleans_as_clients_write_them(api: Api, value: str, is_true: bool) -> None:
    usage = api.get("/v1.52/system/df", {"verbose": value}).json()
    assert ("LayersSize" not in usage and "Images" not in usage) == is_true
