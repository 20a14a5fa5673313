# SPDX-License-Identifier: Apache-2.0
"""POST /auth and docker login: every kind of registry, and what is said when it refuses."""
from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from lib.api import Answer, Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.process import find_free_port
from lib.samples import make_small_image
from lib.token_server import REFRESH_TOKEN, TokenServer

SUCCESS = {"IdentityToken": "", "Status": "Login Succeeded"}
REFUSED = "unauthorized: incorrect username or password"
CANARY = "canary-password-4711"


def log_in(api: Api, address: str, user: str = USER, password: str = PASSWORD, **more: str) -> Answer:
    body = {"username": user, "password": password, "serveraddress": address, **more}
    return api.post("/auth", body=json.dumps(body).encode())


@pytest.mark.parametrize("form", ["{host}", "http://{host}", "http://{host}/v1/", "https://{host}/v2/", " {host} "])
def test_addresses_in_every_form(api: Api, registry_htpasswd: DockerRegistry, form: str) -> None:
    answer = log_in(api, form.format(host=registry_htpasswd.host))
    assert (answer.status, answer.json()) == (200, SUCCESS), answer.body
    assert answer.headers["Content-Type"] == "application/json"


def test_an_open_registry_takes_anybody(api: Api, registry: DockerRegistry) -> None:
    assert log_in(api, registry.host).json() == SUCCESS
    assert log_in(api, registry.host, "", "").json() == SUCCESS


def test_a_basic_registry_refuses_with_500(api: Api, registry_htpasswd: DockerRegistry) -> None:
    answer = log_in(api, registry_htpasswd.host, password="wrong")
    assert answer.status == 500
    assert answer.message == f"login attempt to {registry_htpasswd.url}/v2/ failed with status: 401 Unauthorized"
    answer = log_in(api, registry_htpasswd.host, "", "")
    assert (answer.status, answer.message) == (500, f'Get "{registry_htpasswd.url}/v2/": no basic auth credentials')


def test_a_token_server_refuses_with_401(api: Api, registry_token: DockerRegistry) -> None:
    assert log_in(api, registry_token.host).json() == SUCCESS
    answer = log_in(api, registry_token.host, password="wrong")
    assert (answer.status, answer.message) == (401, f'Get "{registry_token.url}/v2/": {REFUSED}')


def test_a_token_to_keep_instead_of_the_password(api: Api, cli: DockerCli, registry_token: DockerRegistry,
                                                 token_server: TokenServer) -> None:
    token_server.gives_refresh_tokens = True
    try:
        assert log_in(api, registry_token.host).json()["IdentityToken"] == REFRESH_TOKEN
        again = log_in(api, registry_token.host, "", "", identitytoken=REFRESH_TOKEN)
        assert again.json()["IdentityToken"] == REFRESH_TOKEN
        assert log_in(api, registry_token.host, "", "", identitytoken="another").status == 401
        cli.ok("login", "-u", USER, "-p", PASSWORD, registry_token.host)
        assert cli.read_config()["auths"][registry_token.host]["identitytoken"] == REFRESH_TOKEN
        name = registry_token.add(make_small_image("kept"), "login/kept", "1")
        cli.ok("pull", name)
    finally:
        token_server.gives_refresh_tokens = False


@pytest.mark.parametrize("body, text", [
    (b"", "invalid X-Registry-Auth header: invalid JSON: "), (b"[", "invalid X-Registry-Auth header: invalid JSON: "),
    (b"[]", "invalid X-Registry-Auth header: invalid JSON: "), (b"{} {}", "invalid X-Registry-Auth header: "),
    (b"x" * 70_000, "invalid X-Registry-Auth header: "),
    (b'{"serveraddress":"http://a b"}', "unable to parse server address: "),
    (b'{"serveraddress":"http://u:p@host/"}', "unable to parse server address: ")],
                         ids=range(7))
def test_what_is_no_request(api: Api, body: bytes, text: str) -> None:
    answer = api.post("/auth", body=body)
    assert answer.status == 400
    assert answer.message.startswith(text), answer.message


def test_a_registry_that_is_not_there(api: Api) -> None:
    answer = log_in(api, f"127.0.0.1:{find_free_port()}")
    assert answer.status == 500
    assert "connection refused" in answer.message


def test_a_registry_that_answers_something_else(api: Api, fault_registry: FaultRegistry) -> None:
    for status, text in [(404, "404 Not Found"), (503, "503 Service Unavailable")]:
        fault_registry.on("GET", "/v2/", Reply(status=status, body=b""))
        answer = log_in(api, fault_registry.host)
        assert answer.status == 500
        assert answer.message == f"login attempt to http://{fault_registry.host}/v2/ failed with status: {text}"


def test_content_type_and_key_case_do_not_matter(api: Api, registry_htpasswd: DockerRegistry) -> None:
    body = json.dumps({"Username": USER, "Password": PASSWORD, "ServerAddress": registry_htpasswd.host, "email": "x"})
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        assert api.post("/auth", headers={"Content-Type": kind}, body=body.encode()).status == 200, kind


def test_passwords_are_nowhere_in_the_log(daemon: Daemon, api: Api, registry_htpasswd: DockerRegistry,
                                          registry_token: DockerRegistry) -> None:
    for registry in (registry_htpasswd, registry_token):
        answer = log_in(api, registry.host, password=CANARY)
        assert CANARY not in answer.body.decode()
    for address in ("http://u:" + CANARY + "@127.0.0.1:1/", "u:" + CANARY + "@127.0.0.1:1"):
        log_in(api, address)
    api.post("/auth", body=b'{"password": "' + CANARY.encode())
    log = daemon.log_text()
    assert CANARY not in log
    assert base64.b64encode(f"{USER}:{CANARY}".encode()).decode() not in log


# ---- clients --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["registry_htpasswd", "registry_token"])
def test_docker_login_pull_logout(any_cli: DockerCli, request: pytest.FixtureRequest, kind: str) -> None:
    registry: DockerRegistry = request.getfixturevalue(kind)
    name = registry.add(make_small_image("login"), "login/app", "1")
    assert "Login Succeeded" in any_cli.ok("login", "-u", USER, "-p", PASSWORD, registry.host).out
    any_cli.ok("pull", name)
    assert "Login Succeeded" in any_cli.ok("login", registry.host).out, "with what is kept"
    any_cli.ok("logout", registry.host)
    assert any_cli.read_config()["auths"] == {}


def test_docker_login_with_a_wrong_password(any_cli: DockerCli, registry_htpasswd: DockerRegistry,
                                            registry_token: DockerRegistry) -> None:
    basic = any_cli.fails("login", "-u", USER, "-p", "wrong", registry_htpasswd.host)
    assert f"login attempt to {registry_htpasswd.url}/v2/ failed with status: 401 Unauthorized" in basic
    assert REFUSED in any_cli.fails("login", "-u", USER, "-p", "wrong", registry_token.host)


@pytest.fixture
def client(daemon: Daemon, folder: Path) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=daemon.host)
    yield client
    client.close()


def test_python_docker(client: docker.DockerClient, registry_htpasswd: DockerRegistry, folder: Path) -> None:
    config = str(folder / "none.json")
    answer = client.login(USER, PASSWORD, registry=registry_htpasswd.host, dockercfg_path=config)
    assert answer["Status"] == "Login Succeeded"
    with pytest.raises(docker.errors.APIError, match="401 Unauthorized"):
        client.login(USER, "wrong", registry=registry_htpasswd.host, reauth=True, dockercfg_path=config)
