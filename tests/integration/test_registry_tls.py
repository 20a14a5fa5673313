# SPDX-License-Identifier: Apache-2.0
"""The registry's TLS as other programs see it: versions, certificates, large bodies, and connections that end badly."""
from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from image_maker import Blob
from lib.embedded_registry import EmbeddedRegistry
from lib.process import find_program
from lib.registry_http import RegistryHttp, blob_at
from lib.samples import random_bytes
from lib.tls_front import CertificateAuthority

LARGE = Blob.of(random_bytes("tls", 9_000_001))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(binary: Path, embedded: EmbeddedRegistry, authority: CertificateAuthority,
           tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRegistry]:
    """`embedded` only says that this daemon is a registry at all."""
    registry = EmbeddedRegistry(binary, tmp_path_factory.mktemp("server"), tls=authority.issue("server", "IP:127.0.0.1"))
    try:
        registry.start()
        with RegistryHttp(registry.host, tls=trusting(authority)) as http:
            http.push_blob("large", LARGE)
        yield registry
        registry.stop()
    finally:
        registry.daemon.discard()


def trusting(authority: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


@pytest.fixture
def https(server: EmbeddedRegistry, authority: CertificateAuthority) -> Iterator[RegistryHttp]:
    with RegistryHttp(server.host, tls=trusting(authority)) as http:
        yield http


def s_client(host: str, *options: str) -> str:
    result = subprocess.run([find_program("openssl"), "s_client", "-connect", host, *options], input=b"",
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    return result.stdout.decode(errors="replace")


@pytest.mark.parametrize("version, is_served", [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)])
def test_versions(server: EmbeddedRegistry, version: str, is_served: bool) -> None:
    said = s_client(server.host, f"-{version}", "-cipher", "ALL:@SECLEVEL=0")
    assert ("Cipher is (NONE)" not in said and "New, TLSv1" in said) == is_served, said


@pytest.mark.parametrize("offer, chosen", [("http/1.1", "http/1.1"), ("h2,http/1.1", "http/1.1"), ("h2", None)])
def test_http_11_is_what_is_spoken(server: EmbeddedRegistry, offer: str, chosen: str | None) -> None:
    said = s_client(server.host, "-alpn", offer)
    if chosen:
        assert f"ALPN protocol: {chosen}" in said
    else:
        assert "no application protocol" in said


def test_the_certificate_is_what_clients_verify(server: EmbeddedRegistry, https: RegistryHttp) -> None:
    https.get("/v2/").expect(200)
    with RegistryHttp(server.host, tls=ssl.create_default_context()) as stranger, pytest.raises(ssl.SSLCertVerificationError):
        stranger.get("/v2/")


def test_a_large_blob_whole_and_in_parts(https: RegistryHttp) -> None:
    target = blob_at("large", LARGE.digest)
    content = LARGE.read()
    for _ in range(2):
        assert https.get(target).expect(200).body == content
    for start, end in ((0, 0), (16_383, 16_384), (1_000_000, 8_999_999), (9_000_000, 9_000_000)):
        assert https.get(target, {"Range": f"bytes={start}-{end}"}).expect(206).body == content[start:end + 1]
    assert https.head(target).expect(200).headers["Content-Length"] == str(len(content))


def test_locations_are_https(server: EmbeddedRegistry, https: RegistryHttp) -> None:
    location = https.start_upload("locations")
    assert location.startswith(("/v2/", f"https://{server.host}/v2/")), location


def test_many_pull_at_once(server: EmbeddedRegistry, authority: CertificateAuthority) -> None:
    def pull(_: int) -> bool:
        with RegistryHttp(server.host, tls=trusting(authority)) as http:
            return http.get(blob_at("large", LARGE.digest)).expect(200).body == LARGE.read()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(pull, range(32)))


def test_the_end_of_an_answer_is_told(server: EmbeddedRegistry, authority: CertificateAuthority, https: RegistryHttp) -> None:
    with trusting(authority).wrap_socket(https.connect(), server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while more := client.recv(65536):  # raises where the end is a cut
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_plain_http_is_told_where_it_is(https: RegistryHttp) -> None:
    assert https.exchange(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_silent_and_broken_clients_hold_up_nobody(server: EmbeddedRegistry, https: RegistryHttp) -> None:
    silent = [https.connect() for _ in range(100)]
    for connection in silent[::2]:
        connection.sendall(b"\x16\x03\x01\x02")
    garbage = [https.connect() for _ in range(20)]
    for connection in garbage:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
    https.get("/v2/").expect(200)
    for connection in silent + garbage:
        connection.close()
    https.get("/v2/").expect(200)
    assert server.daemon.is_running


def test_clients_that_leave_in_the_middle(server: EmbeddedRegistry, authority: CertificateAuthority, https: RegistryHttp) -> None:
    def leave(request: bytes) -> None:
        client = trusting(authority).wrap_socket(https.connect(), server_hostname="127.0.0.1")
        client.sendall(request)
        client.recv(100)
        client.close()

    for _ in range(5):
        leave(f"GET {blob_at('large', LARGE.digest)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        location = https.start_upload("left")
        path = location[location.index("/v2/"):]
        upload = trusting(authority).wrap_socket(https.connect(), server_hostname="127.0.0.1")
        upload.sendall(f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".encode() + b"x" * 100_000)
        upload.close()
    https.get("/v2/").expect(200)
    assert server.daemon.is_running


def test_a_half_closed_client_gets_its_answer(authority: CertificateAuthority, https: RegistryHttp) -> None:
    client = trusting(authority).wrap_socket(https.connect(), server_hostname="127.0.0.1")
    client.sendall(f"GET {blob_at('large', LARGE.digest)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    first = client.recv(1000)
    socket.socket.shutdown(client, socket.SHUT_WR)
    received = len(first)
    while more := client.recv(65536):
        received += len(more)
        if received >= len(LARGE.read()):
            break
    assert received >= len(LARGE.read())
    client.close()


@pytest.mark.parametrize("broken", ["certificate", "key", "pair"])
def test_files_of_no_use_are_named(make_embedded: Callable[..., EmbeddedRegistry], authority: CertificateAuthority,
                                   tmp_path: Path, broken: str) -> None:
    certificate, key = authority.issue("own", "IP:127.0.0.1")
    other = tmp_path / "other.pem"
    other.write_bytes(authority.issue("other", "IP:127.0.0.1")[1].read_bytes() if broken == "pair" else b"nothing")
    pair = (other, key) if broken == "certificate" else (certificate, other)
    code, said = make_embedded(tls=pair).daemon.run_in_vain()
    assert code == 1, said
    assert "other.pem" in said
