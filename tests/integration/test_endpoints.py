# SPDX-License-Identifier: Apache-2.0
"""How registries are reached: certs.d, hosts.toml, mirrors, insecure registries and proxies, with real parts.

What is secure is spoken to at an address of this machine that is not loopback, because loopback is insecure by rule.
"""
from __future__ import annotations

import base64
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.process import find_free_port, find_own_address
from lib.proxy import PASSWORD as PROXY_PASSWORD
from lib.proxy import USER as PROXY_USER
from lib.proxy import Proxy
from lib.samples import make_small_image
from lib.tls_front import CertificateAuthority, TlsFront

ROOT_FILE = "SSL_CERT_FILE"
CLIENT_AUTH = {"username": "client", "password": "clientword"}


@pytest.fixture(scope="session")
def address() -> str:
    found = find_own_address()
    if found is None:
        pytest.skip("this machine has no address but loopback's")
    return found


@pytest.fixture(scope="session")
def authority(session_folder: Path) -> CertificateAuthority:
    return CertificateAuthority(session_folder / "authority")


@pytest.fixture(scope="session")
def other_authority(session_folder: Path) -> CertificateAuthority:
    return CertificateAuthority(session_folder / "other-authority", "others")


@pytest.fixture
def make_front(address: str, authority: CertificateAuthority, folder: Path) -> Iterator[Callable[..., TlsFront]]:
    """TLS in front of a registry, with a certificate of the authority unless another is given."""
    made: list[TlsFront] = []

    def make(registry: DockerRegistry | FaultRegistry, certificate: tuple[Path, Path] | None = None,
             *directives: str) -> TlsFront:
        pair = certificate or authority.issue(f"server{len(made)}", f"IP:{address}")
        made.append(TlsFront(folder / f"front{len(made)}", address, registry.host, *pair, directives))
        return made[-1]

    yield make
    for front in made:
        front.stop()


class Certs:
    """A certs.d folder."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir()

    def folder(self, host: str) -> Path:
        path = self.root / host
        path.mkdir(exist_ok=True)
        return path

    def add_ca(self, host: str, authority: CertificateAuthority) -> Path:
        return Path(shutil.copy(authority.certificate, self.folder(host) / "ca.crt"))

    def write_hosts(self, host: str, text: str) -> Path:
        path = self.folder(host) / "hosts.toml"
        path.write_text(text)
        return path


@pytest.fixture
def certs(folder: Path) -> Certs:
    return Certs(folder / "certs.d")


@pytest.fixture
def start(make_daemon: Callable[..., Daemon], certs: Certs) -> Iterator[Callable[..., Daemon]]:
    """A daemon that reads `certs`; sound at the end."""
    started: list[Daemon] = []

    def make(*arguments: str, env: dict[str, str] | None = None) -> Daemon:
        proxies = {name: "" for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY",
                                         "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")}
        daemon = make_daemon(f"d{len(started)}", arguments=["--certs-dir", str(certs.root), *arguments],
                             env={**proxies, **(env or {})})
        started.append(daemon)
        return daemon.start()

    yield make
    for daemon in started:
        if daemon.is_running:
            daemon.stop()


def failure(daemon: Daemon, name: str, **more: object) -> str:
    """What a pull that must fail says, as a status or at the end of its stream."""
    answer = daemon.api.pull(name, **more)
    text = answer.message if answer.status != 200 else answer.error
    assert text, answer.body
    return text


def remove(daemon: Daemon, name: str) -> None:
    assert daemon.api.delete(f"/images/{name}", {"force": 1}).status == 200


# --- TLS -------------------------------------------------------------------------------------------------------------

def test_a_private_ca_is_named_when_missing_and_used_at_the_next_pull(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority) -> None:
    registry.add(make_small_image("ca"), "tls/ca", "1")
    front, daemon = make_front(registry), start()
    text = failure(daemon, f"{front.host}/tls/ca:1")
    assert "certificate verification failed" in text
    assert f"(put the registry's CA into {certs.root}/{front.host}/ca.crt)" in text
    certs.add_ca(front.host, authority)
    daemon.api.pull_well(f"{front.host}/tls/ca:1")
    assert front.wait_request("/manifests/")["protocol"] in ("TLSv1.2", "TLSv1.3")


def test_a_login_is_held_to_the_same_certificates(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront],
        registry_htpasswd: DockerRegistry, authority: CertificateAuthority) -> None:
    front, daemon = make_front(registry_htpasswd), start()

    def log_in(password: str) -> tuple[int, dict]:
        body = {"username": USER, "password": password, "serveraddress": front.host}
        answer = daemon.api.post("/auth", body=json.dumps(body).encode())
        return answer.status, answer.json()

    status, body = log_in(PASSWORD)
    assert status == 500
    assert "certificate verification failed" in body["message"]
    assert PASSWORD not in daemon.log_text()
    certs.add_ca(front.host, authority)
    assert log_in(PASSWORD) == (200, {"IdentityToken": "", "Status": "Login Succeeded"})
    status, body = log_in("wrong")
    assert status == 500
    assert body["message"] == f"login attempt to https://{front.host}/v2/ failed with status: 401 Unauthorized"


def test_connections_are_not_shared_between_settings(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority) -> None:
    registry.add(make_small_image("shared"), "tls/shared", "1")
    front, daemon = make_front(registry), start()
    ca = certs.add_ca(front.host, authority)
    daemon.api.pull_well(f"{front.host}/tls/shared:1")
    # nginx keeps the connection; it was verified by what is trusted no more.
    ca.unlink()
    assert "certificate verification failed" in failure(daemon, f"{front.host}/tls/shared:1")


def test_cas_are_added_to_the_systems(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority, other_authority: CertificateAuthority, address: str) -> None:
    registry.add(make_small_image("system"), "tls/system", "1")
    by_system = make_front(registry)
    by_folder = make_front(registry, other_authority.issue("other", f"IP:{address}"))
    daemon = start(env={ROOT_FILE: str(authority.certificate)})
    daemon.api.pull_well(f"{by_system.host}/tls/system:1")
    assert "certificate verification failed" in failure(daemon, f"{by_folder.host}/tls/system:1")
    certs.add_ca(by_folder.host, other_authority)
    certs.add_ca(by_system.host, other_authority)
    daemon.api.pull_well(f"{by_folder.host}/tls/system:1")
    daemon.api.pull_well(f"{by_system.host}/tls/system:1")


def test_client_certificates(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority) -> None:
    registry.add(make_small_image("client"), "tls/client", "1")
    front = make_front(registry, None, f"ssl_client_certificate {authority.certificate}", "ssl_verify_client on")
    daemon = start()
    certs.add_ca(front.host, authority)
    assert "400" in failure(daemon, f"{front.host}/tls/client:1")
    certificate, key = authority.issue("me", "DNS:me")
    folder = certs.folder(front.host)
    shutil.copy(certificate, folder / "me.cert")
    assert ("missing key me.key for client certificate me.cert. CA certificates must use the extension .crt"
            in failure(daemon, f"{front.host}/tls/client:1"))
    shutil.copy(key, folder / "me.key")
    daemon.api.pull_well(f"{front.host}/tls/client:1")
    assert front.requests[-1]["client"] == "CN=me"
    # What is open already was opened with the key that is no longer there.
    shutil.copy(authority.issue("other", "DNS:other")[1], folder / "me.key")
    assert f"bad certificate file in {folder}" in failure(daemon, f"{front.host}/tls/client:1")
    shutil.copy(key, folder / "me.key")
    (folder / "me.cert").unlink()
    assert "missing client certificate me.cert for key me.key" in failure(daemon, f"{front.host}/tls/client:1")


@pytest.mark.parametrize("kind", ["expired", "wrong host", "old protocol"])
def test_bad_servers_are_told_by_their_cause(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], fault_registry: FaultRegistry,
        authority: CertificateAuthority, address: str, folder: Path, kind: str) -> None:
    # The system's OpenSSL refuses old protocols by itself; what is shown is that the daemon does.
    lenient = folder / "openssl.cnf"
    lenient.write_text("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = lenient\n"
                       "[lenient]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n")
    certificate, directives, reason = {
        "expired": (authority.issue("expired", f"IP:{address}", expired=True), (), "certificate has expired"),
        "wrong host": (authority.issue("wrong", "DNS:other.example"), (), "matches target host name"),
        "old protocol": (None, ("ssl_protocols TLSv1.1", "ssl_ciphers ALL:@SECLEVEL=0"), "tls: handshake failed"),
    }[kind]
    front = make_front(fault_registry, certificate, *directives)
    certs.add_ca(front.host, authority)
    text = failure(start(env={"OPENSSL_CONF": str(lenient)}), f"{front.host}/tls/bad:1")
    assert reason in text, text
    assert "put the registry's CA" not in text
    assert not fault_registry.requests


def test_a_secure_registry_is_never_spoken_to_in_plain_http(
        start: Callable[..., Daemon], address: str) -> None:
    heard: list[bytes] = []
    with socket.create_server((address, 0)) as server:
        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(16))
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=listen, daemon=True).start()
        text = failure(start(), f"{address}:{server.getsockname()[1]}/a/b:1")
        server.shutdown(socket.SHUT_RDWR)
    assert "tls: handshake failed" in text
    assert heard and all(hello[:1] == b"\x16" for hello in heard)


def test_a_handshake_that_breaks_off_is_no_bad_certificate(start: Callable[..., Daemon], address: str) -> None:
    with socket.create_server((address, 0)) as server:
        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(16)

        threading.Thread(target=hang_up, daemon=True).start()
        text = failure(start(), f"{address}:{server.getsockname()[1]}/a/b:1")
        server.shutdown(socket.SHUT_RDWR)
    assert "tls: handshake failed" in text, text


@pytest.mark.parametrize("entry", ["host", "network"])
def test_listed_registries_may_be_insecure(
        start: Callable[..., Daemon], make_front: Callable[..., TlsFront], registry: DockerRegistry, address: str,
        entry: str) -> None:
    registry.add(make_small_image("insecure"), "tls/insecure", "1")
    front = make_front(registry)
    listed = front.host if entry == "host" else ".".join(address.split(".")[:3]) + ".0/24"
    start("--insecure-registry", listed).api.pull_well(f"{front.host}/tls/insecure:1")


# --- hosts.toml ------------------------------------------------------------------------------------------------------

@pytest.fixture
def silent_host() -> Iterator[str]:
    """Takes no connection and refuses none: its queue is full."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        yield "127.0.0.1:%d" % server.getsockname()[1]
        for client in waiting:
            client.close()


@pytest.mark.parametrize("kind", ["down", "slow to connect", "without the image", "refuses", "no TLS"])
def test_a_mirror_that_fails_leads_to_the_registry(
        start: Callable[..., Daemon], certs: Certs, registry: DockerRegistry, second_registry: DockerRegistry,
        fault_registry: FaultRegistry, silent_host: str, kind: str) -> None:
    repository = f"mirrored/{kind.replace(' ', '-').lower()}"
    name = registry.add(make_small_image(kind), repository, "1")
    fault_registry.on("GET|HEAD", ".*", Reply(status=503))
    mirror = {"down": f"http://127.0.0.1:{find_free_port()}", "slow to connect": f"http://{silent_host}",
              "without the image": f"http://{second_registry.host}", "refuses": f"http://{fault_registry.host}",
              "no TLS": f"https://{fault_registry.host}"}[kind]
    certs.write_hosts(registry.host, f'[host."{mirror}"]\ndial_timeout = "300ms"\n')
    daemon = start()
    begin = time.monotonic()
    daemon.api.pull_well(name)
    # Far from 0.3 s, for busy machines, and from the 30 s that a connection may take without dial_timeout.
    assert time.monotonic() - begin < 20
    assert "registry mirror failed" in daemon.log_text()


def test_a_mirror_that_stalls_leads_to_the_registry(
        start: Callable[..., Daemon], certs: Certs, registry: DockerRegistry, fault_registry: FaultRegistry) -> None:
    image = make_small_image("stalls")
    fault_registry.add(image, "mirrored/stalls", "1")
    name = registry.add(image, "mirrored/stalls", "1")
    stall = fault_registry.stall(r"/blobs/sha256:[0-9a-f]+\?ns=.*", after=1000)
    certs.write_hosts(registry.host, f'[host."http://{fault_registry.host}"]\n')
    start("--transfer-stall-timeout", "300ms").api.pull_well(name)
    assert stall.reached.is_set()


def test_a_mirror_serves_what_the_registry_need_not_have(
        start: Callable[..., Daemon], certs: Certs, fault_registry: FaultRegistry, registry: DockerRegistry) -> None:
    fault_registry.add(make_small_image("ns"), "mirrored/ns", "1")
    certs.write_hosts(registry.host, f'[host."http://{fault_registry.host}"]\n[host."http://{fault_registry.host}"'
                                     '.header]\nX-Team = "images"\n')
    start().api.pull_well(f"{registry.host}/mirrored/ns:1", auth=CLIENT_AUTH)
    assert len(fault_registry.requests) >= 5
    for request in fault_registry.requests:
        assert request.path.endswith(f"?ns={registry.host.replace(':', '%3A')}"), request.path
        assert request.headers["X-Team"] == "images"
        assert "Authorization" not in request.headers


def test_tags_and_blobs_come_from_the_hosts_that_can(
        start: Callable[..., Daemon], certs: Certs, fault_registry: FaultRegistry, registry: DockerRegistry) -> None:
    image = make_small_image("capable")
    fault_registry.add(image, "mirrored/capable", "1")
    name = registry.add(image, "mirrored/capable", "1")
    certs.write_hosts(registry.host, f'[host."http://{fault_registry.host}"]\ncapabilities = ["pull"]\n')
    start().api.pull_well(name)
    assert fault_registry.count("GET", f"?ns={registry.host.replace(':', '%3A')}") >= 3
    assert not any("/manifests/1" in request.path for request in fault_registry.requests)


def test_edits_count_at_once_and_mistakes_are_named(
        start: Callable[..., Daemon], certs: Certs, fault_registry: FaultRegistry, registry: DockerRegistry) -> None:
    fault_registry.add(make_small_image("edited"), "mirrored/edited", "1")
    name, daemon = f"{registry.host}/mirrored/edited:1", start()
    failure(daemon, name)
    path = certs.write_hosts(registry.host, f'[host."http://{fault_registry.host}"]\n')
    daemon.api.pull_well(name)
    asked = len(fault_registry.requests)
    for text, place in ((f'[host."http://{fault_registry.host}"]\n  capabilitis = ["pull"]\n', "2:3"),
                        (f'[host."http://{fault_registry.host}"]\n  ca = ["a", 1]\n', "2:14"),
                        ('[host\n', "1:6")):
        path.write_text(text)
        answer = daemon.api.pull(name)
        assert answer.status == 400, answer.body
        assert f"{path}:{place}: " in answer.message
    assert len(fault_registry.requests) == asked


def test_a_server_elsewhere_gets_no_credentials_of_the_client(
        start: Callable[..., Daemon], certs: Certs, fault_registry: FaultRegistry) -> None:
    fault_registry.on("GET|HEAD", ".*", Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    certs.write_hosts("registry.invalid", f'server = "http://{fault_registry.host}"\n')
    failure(start(), "registry.invalid/a/b:1", auth=CLIENT_AUTH)
    assert fault_registry.requests
    assert not any("Authorization" in request.headers for request in fault_registry.requests)


def test_a_mirror_with_credentials_of_the_daemons_own(
        start: Callable[..., Daemon], certs: Certs, registry_htpasswd: DockerRegistry, registry: DockerRegistry,
        fault_registry: FaultRegistry, folder: Path) -> None:
    registry_htpasswd.add(make_small_image("own"), "mirrored/own", "1")
    fault_registry.on("GET|HEAD", ".*", Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'}))
    certs.write_hosts(registry.host, f'[host."http://{fault_registry.host}"]\n[host."http://{registry_htpasswd.host}"]\n')
    auth_file, name = folder / "auth.json", f"{registry.host}/mirrored/own:1"
    daemon = start(env={"REGISTRY_AUTH_FILE": str(auth_file)})
    assert str(auth_file) in daemon.log_text()
    failure(daemon, name)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    auth_file.write_text(json.dumps({"auths": {registry_htpasswd.host: {"auth": auth}}}))
    daemon.api.pull_well(name, auth=CLIENT_AUTH)
    assert not any("Authorization" in request.headers for request in fault_registry.requests)
    log = daemon.log_text()
    assert PASSWORD not in log and auth not in log and CLIENT_AUTH["password"] not in log


def test_own_credentials_where_the_client_sends_none(
        start: Callable[..., Daemon], registry_htpasswd: DockerRegistry, folder: Path) -> None:
    name = registry_htpasswd.add(make_small_image("daemon"), "private/daemon", "1")
    auth_file = folder / "auth.json"
    auth_file.write_text(json.dumps({"auths": {f"https://{registry_htpasswd.host}/v1/":
                                               {"username": USER, "password": PASSWORD}}}))
    daemon = start("--registry-auth-file", str(auth_file))
    failure(daemon, name, auth=CLIENT_AUTH)
    daemon.api.pull_well(name)


def test_a_push_goes_to_the_host_that_takes_it(
        start: Callable[..., Daemon], certs: Certs, registry: DockerRegistry, second_registry: DockerRegistry) -> None:
    image = make_small_image("pushed")
    name, daemon = registry.add(image, "mirrored/pushed", "1"), start()
    daemon.api.pull_well(name)
    daemon.api.post(f"/images/{name}/tag", {"repo": "registry.invalid/moved/here", "tag": "2"})
    certs.write_hosts("registry.invalid", f'[host."http://{registry.host}"]\ncapabilities = ["pull", "resolve"]\n'
                                          f'[host."http://{second_registry.host}"]\ncapabilities = ["push"]\n')
    answer = daemon.api.post("/images/registry.invalid/moved/here/push", {"tag": "2"}, {"X-Registry-Auth": "e30="})
    assert answer.status == 200 and answer.error is None, answer.body
    assert second_registry.get("moved/here", "2").digest == image.digest


# --- proxies ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def proxy(folder: Path) -> Iterator[Proxy]:
    server = Proxy(folder / "proxy")
    yield server
    server.stop()


def proxy_url(proxy: Proxy, password: str = PROXY_PASSWORD) -> str:
    # The first letter escaped: what is in the URL is decoded.
    return f"http://{PROXY_USER}:%{ord(password[0]):02X}{password[1:]}@{proxy.host}"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_pull_through_a_proxy_with_a_password(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority, proxy: Proxy, variable: str) -> None:
    registry.add(make_small_image("proxied"), "proxied/https", "1")
    front = make_front(registry)
    certs.add_ca(front.host, authority)
    daemon = start(env={variable: proxy_url(proxy)})
    daemon.api.pull_well(f"{front.host}/proxied/https:1")
    assert proxy.count(f"CONNECT {front.host}") > 0
    assert PROXY_PASSWORD not in daemon.log_text()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_plain_http_through_a_proxy(start: Callable[..., Daemon], certs: Certs, registry: DockerRegistry, proxy: Proxy,
                                    address: str, variable: str) -> None:
    with Relay(address, registry.port) as relay:
        registry.add(make_small_image("plain"), "proxied/http", "1")
        certs.write_hosts(relay.host, f'server = "http://{relay.host}"\n')
        start(env={variable: proxy_url(proxy)}).api.pull_well(f"{relay.host}/proxied/http:1")
        assert proxy.count(f"http://{relay.host}/v2/") > 0


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_wants_a_password_is_named(
        start: Callable[..., Daemon], certs: Certs, proxy: Proxy, address: str, scheme: str) -> None:
    host = f"{address}:{find_free_port(address)}"
    certs.write_hosts(host, f'server = "{scheme}://{host}"\n')
    daemon = start(env={"ALL_PROXY": f"http://{proxy.host}"})
    assert f"the proxy {proxy.host} answered 407 Proxy Authentication Required" in failure(daemon, f"{host}/a/b:1")


def test_a_proxy_that_refuses_is_named_without_the_password(
        start: Callable[..., Daemon], proxy: Proxy, address: str) -> None:
    daemon = start(env={"ALL_PROXY": proxy_url(proxy, "wrongword")})
    text = failure(daemon, f"{address}:{find_free_port(address)}/a/b:1")
    # tinyproxy says 401 to a wrong password and 407 to none.
    assert f"the proxy {proxy.host} answered 401: the user name and password in its URL are missing or wrong" in text
    for shown in (text, daemon.log_text(), json.dumps(daemon.api.get("/info").json())):
        assert "rongword" not in shown


@pytest.mark.parametrize("excluded", ["address", "network"])
def test_what_no_proxy_lists_is_reached_directly(
        start: Callable[..., Daemon], certs: Certs, make_front: Callable[..., TlsFront], registry: DockerRegistry,
        authority: CertificateAuthority, address: str, excluded: str) -> None:
    registry.add(make_small_image("direct"), "proxied/direct", "1")
    front = make_front(registry)
    certs.add_ca(front.host, authority)
    listed = address if excluded == "address" else ".".join(address.split(".")[:3]) + ".0/24"
    nowhere = f"http://127.0.0.1:{find_free_port()}"
    daemon = start(env={"HTTPS_PROXY": nowhere, "NO_PROXY": f"localhost, {listed}"})
    daemon.api.pull_well(f"{front.host}/proxied/direct:1")


class Relay:
    """A port at another address of this machine, for a registry that listens on loopback."""

    def __init__(self, address: str, port: int):
        self._server = socket.create_server((address, 0))
        self._target = ("127.0.0.1", port)
        self.host = "%s:%d" % self._server.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            target = socket.create_connection(self._target)
            for source, sink in ((client, target), (target, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
