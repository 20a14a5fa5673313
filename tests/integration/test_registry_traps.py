# SPDX-License-Identifier: Apache-2.0
"""What registries have stumbled over: a test for each trap that concerns a server by its number, and for the rules on
isolation, lists, names and ranges that others were broken by."""
from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import EMPTY, Blob, edit_manifest, make_artifact
from lib.docker_registry import PASSWORD, USER
from lib.embedded_registry import EmbeddedRegistry
from lib.process import find_program
from lib.registry_content import (DOCKER_LIST, OCI_INDEX, OCI_MANIFEST, SCHEMA2, make_oci_image, make_platform_index,
                                  make_signature)
from lib.registry_http import OCTETS, RegistryHttp, blob_at, manifest_at, referrers, uploads, with_digest
from lib.samples import random_bytes

DATA = random_bytes("registry traps", 4000)
BLOB = Blob.of(DATA)
IMAGE = make_oci_image("registry traps")
UNKNOWN = Blob.of(b"nobody has this").digest


@pytest.fixture(scope="module")
def htpasswd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("htpasswd") / "htpasswd"
    path.write_bytes(subprocess.run([find_program("htpasswd"), "-Bbn", "-C", "4", USER, PASSWORD],
                                    stdout=subprocess.PIPE, check=True).stdout)
    return path


# ---- 1-10 -----------------------------------------------------------------------------------------------------------

def test_registry_trap_01_a_tls_hello_is_answered_in_http(embedded: EmbeddedRegistry, http: RegistryHttp) -> None:
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(32) + bytes(1) + random_bytes("hello", 160)
    assert re.match(rb"HTTP/1\.[01] 400 ", http.exchange(hello))
    said = subprocess.run([find_program("openssl"), "s_client", "-connect", embedded.host, "-brief"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=False)
    assert said.returncode != 0
    http.get("/v2/").expect(200)


def test_registry_trap_02_manifests_over_four_mebibytes_are_refused(http: RegistryHttp, repository: str) -> None:
    """Some clients pull more than that: what could be pulled by some must not be pushed by any."""
    large = edit_manifest(IMAGE, annotations={"filler": "x" * 4_200_000})
    assert 4 << 20 < large.manifest.size < 4 * 1048 * 1048
    http.push_content(repository, large)
    http.put_manifest(repository, "1", large.manifest).expect(413, "MANIFEST_INVALID")


def test_registry_trap_03_the_base_wants_a_login_when_anything_does(make_embedded: Callable[..., EmbeddedRegistry],
                                                                    htpasswd: Path) -> None:
    registry = make_embedded("--registry-htpasswd", str(htpasswd), "--registry-anonymous-pull").start()
    with registry.client() as http:
        for target in ("/v2/", "/v2"):
            assert http.get(target).expect(401, "UNAUTHORIZED").headers["WWW-Authenticate"].startswith("Basic ")
        http.get("/v2/absent/tags/list").expect(404)
    registry.stop()


def test_registry_trap_04_one_scheme_with_quoted_parameters(make_embedded: Callable[..., EmbeddedRegistry],
                                                            htpasswd: Path, folder: Path) -> None:
    basic = make_embedded("--registry-htpasswd", str(htpasswd), "--registry-realm", "the shelf", name="basic").start()
    with basic.client() as http:
        assert http.get("/v2/").expect(401).headers.get_all("WWW-Authenticate") == ['Basic realm="the shelf"']
    basic.stop()
    for arguments in (["genrsa", "-out", f"{folder}/key.pem", "2048"],
                      ["rsa", "-in", f"{folder}/key.pem", "-pubout", "-out", f"{folder}/key.pub"]):
        subprocess.run([find_program("openssl"), *arguments], check=True, stderr=subprocess.DEVNULL)
    bearer = make_embedded("--registry-token-realm", "https://auth.example/token", "--registry-token-service", "shelf",
                           "--registry-token-issuer", "issuer", "--registry-token-key", f"{folder}/key.pub",
                           name="bearer").start()
    with bearer.client() as http:
        for answer, scope in ((http.get("/v2/a/b/tags/list"), "repository:a/b:pull"),
                              (http.post(uploads("a/b")), "repository:a/b:pull,push"),
                              (http.delete(manifest_at("a/b", "1")), "repository:a/b:delete"),
                              (http.get("/v2/_catalog"), "registry:catalog:*")):
            assert answer.expect(401, "UNAUTHORIZED").headers.get_all("WWW-Authenticate") == [
                f'Bearer realm="https://auth.example/token",service="shelf",scope="{scope}"']
    bearer.stop()


def test_registry_trap_05_a_new_upload_is_at_0_0(http: RegistryHttp, repository: str) -> None:
    """Which a single byte is as well: both have to go on from where they are."""
    answer = http.post(uploads(repository)).expect(202)
    assert answer.headers["Range"] == "0-0"
    location = http.patch(answer.location, DATA[:1], 0).expect(202)
    assert location.headers["Range"] == "0-0"
    http.patch(location.location, DATA[:1], 0).expect(416, "RANGE_INVALID")
    http.commit(location.location, BLOB.digest, DATA[1:], 1).expect(201)


def test_registry_trap_06_content_range_of_a_chunk_has_no_unit(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA[:2000], 0).expect(202).location
    http.commit(location, BLOB.digest, DATA[2000:], 2000).expect(201)
    answer = http.get(blob_at(repository, BLOB.digest), {"Range": "bytes=0-9"}).expect(206)
    assert answer.headers["Content-Range"] == "bytes 0-9/4000"


def test_registry_trap_07_a_location_can_have_more_in_its_query(http: RegistryHttp, repository: str) -> None:
    location = http.start_upload(repository)
    separator = "&" if "?" in location else "?"
    http.request("PUT", f"{location}{separator}other=1&digest={BLOB.digest}&more=%2F", {"Content-Type": OCTETS},
                 DATA).expect(201)


def test_registry_trap_08_the_url_of_a_refused_put_tells_the_status(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA[:1000], 0).expect(202).location
    target = with_digest(location, BLOB.digest)
    http.commit(location, BLOB.digest, DATA[2000:], 2000).expect(416, "RANGE_INVALID")
    status = http.get(target).expect(204)
    assert status.headers["Range"] == "0-999"
    http.commit(status.location, BLOB.digest, DATA[1000:], 1000).expect(201)


def test_registry_trap_09_referrers_of_an_unknown_repository_are_none(http: RegistryHttp) -> None:
    answer = http.get(referrers("it/never/pushed", UNKNOWN)).expect(200)
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert answer.json()["manifests"] == []


def test_registry_trap_10_half_a_digest_is_no_reference(http: RegistryHttp, repository: str) -> None:
    http.push(repository, IMAGE, "1")
    for reference in ("sha256:bad", "sha256:", "sha256:" + "g" * 64, "SHA256:" + "0" * 64, "a:b"):
        assert http.get_manifest(repository, reference).expect(400).codes[0] in ("DIGEST_INVALID", "TAG_INVALID")
        http.put_manifest(repository, reference, IMAGE.manifest).expect(400)
        http.delete(manifest_at(repository, reference)).expect(400)


# ---- 11-20 ----------------------------------------------------------------------------------------------------------

def test_registry_trap_11_digests_come_back_in_the_clients_algorithm(http: RegistryHttp, repository: str) -> None:
    for algorithm in ("sha512", "sha256"):
        blob = Blob.of(DATA, algorithm=algorithm)
        assert http.push_blob(repository, blob).headers["Docker-Content-Digest"] == blob.digest
        for method in ("GET", "HEAD"):
            answer = http.request(method, blob_at(repository, blob.digest)).expect(200)
            assert answer.headers["Docker-Content-Digest"] == blob.digest
    manifest = Blob.of(IMAGE.manifest.read(), OCI_MANIFEST, "sha512")
    http.push_content(repository, IMAGE)
    answer = http.put_manifest(repository, manifest.digest, manifest).expect(201)
    assert answer.headers["Docker-Content-Digest"] == manifest.digest
    assert http.get_manifest(repository, manifest.digest).headers["Docker-Content-Digest"] == manifest.digest


def test_registry_trap_12_a_digest_goes_with_its_tags_and_a_tag_alone(http: RegistryHttp, repository: str) -> None:
    http.push(repository, IMAGE, "a", "b", "c")
    http.delete(manifest_at(repository, "a")).expect(202)
    http.get_manifest(repository, IMAGE.digest).expect(200)
    http.delete(manifest_at(repository, IMAGE.digest)).expect(202)
    for reference in ("b", "c", IMAGE.digest):
        http.get_manifest(repository, reference).expect(404)


def test_registry_trap_13_content_is_of_its_repository(http: RegistryHttp, repository: str) -> None:
    """Rule 13 as well: nothing that another repository has shows, and nothing that it does brings back what was deleted."""
    private, other = f"{repository}/private", f"{repository}/other"
    http.push(private, IMAGE, "1")
    for blob in IMAGE.blobs:
        for method in ("GET", "HEAD"):
            http.request(method, blob_at(other, blob.digest)).expect(404)
        http.post(f"{uploads(other)}?mount={blob.digest}&from={other}").expect(202)
        http.post(f"{uploads(other)}?mount={blob.digest}&from={repository}/none").expect(202)
        http.head(blob_at(other, blob.digest)).expect(404)
    http.get_manifest(other, IMAGE.digest).expect(404)
    http.put_manifest(other, "1", IMAGE.manifest).expect(400)
    http.push_blob(private, BLOB)
    http.delete(blob_at(private, BLOB.digest)).expect(202)
    http.push_blob(other, BLOB)
    http.get(blob_at(private, BLOB.digest)).expect(404, "BLOB_UNKNOWN")
    assert http.get(blob_at(other, BLOB.digest)).expect(200).body == DATA


def test_registry_trap_14_a_mount_from_another_registrys_repository(http: RegistryHttp, repository: str) -> None:
    """Clients forget the port and name repositories that are none here."""
    for source in ("other/registry", "host.example/app", "host.example:5000/app", "UPPER", "..", ""):
        answer = http.post(f"{uploads(repository)}?mount={UNKNOWN}&from={source.replace(':', '%3A')}")
        assert answer.status == 202 or (answer.status, answer.codes) == (400, ["NAME_INVALID"])


def test_registry_trap_18_bursts_are_answered(embedded: EmbeddedRegistry, repository: str) -> None:
    """Clients retry at once, again and again, and all at the same time."""
    with embedded.client() as http:
        http.push(repository, IMAGE, "1")
    statuses: list[int] = []

    def ask() -> None:
        with embedded.client() as http:
            statuses.extend(http.get_manifest(repository, "1").status for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * (32 * 20)


# ---- 21-40 ----------------------------------------------------------------------------------------------------------

def test_registry_trap_21_nothing_is_encoded(http: RegistryHttp, repository: str) -> None:
    """A coding would change what ranges count."""
    text = Blob.of(b"a" * 10_000)
    http.push_blob(repository, text)
    http.push(repository, IMAGE, "1")
    accept = {"Accept-Encoding": "gzip, deflate, zstd, br"}
    for answer in (http.get(blob_at(repository, text.digest), accept), http.get(manifest_at(repository, "1"), accept),
                   http.get(f"/v2/{repository}/tags/list", accept)):
        assert answer.expect(200).headers["Content-Encoding"] is None
    part = http.get(blob_at(repository, text.digest), {**accept, "Range": "bytes=9990-"}).expect(206)
    assert (part.body, part.headers["Content-Encoding"]) == (b"a" * 10, None)


def test_registry_trap_28_head_says_what_get_would(http: RegistryHttp, repository: str) -> None:
    http.push(repository, IMAGE, "1")
    for target in (manifest_at(repository, "1"), manifest_at(repository, "absent"), blob_at(repository, UNKNOWN),
                   blob_at(repository, IMAGE.config.digest), blob_at(repository, "sha256:bad")):
        got, head = http.get(target), http.head(target)
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_registry_trap_30_lists_are_lists(http: RegistryHttp, repository: str) -> None:
    http.push(repository, IMAGE, "1", "3")
    assert http.list_tags(repository, "?last=2") == ["3"]
    assert http.list_tags(repository, "?last=9") == []
    http.delete(manifest_at(repository, "1")).expect(202)
    http.delete(manifest_at(repository, "3")).expect(202)
    assert http.list_tags(repository) == []


def test_registry_trap_31_descriptors_that_cannot_be(http: RegistryHttp, repository: str) -> None:
    http.push_content(repository, IMAGE)
    document = json.loads(IMAGE.manifest.read())
    layer = document["layers"][0]
    for change in ({"size": -1}, {"size": 1.5}, {"size": "1"}, {"size": 2**63}, {"size": None}):
        bad = edit_manifest(IMAGE, layers=[{**layer, **change}])
        http.put_manifest(repository, "1", bad.manifest).expect(400, "MANIFEST_INVALID")
    twice = edit_manifest(IMAGE, layers=[layer, layer])
    http.put_manifest(repository, "twice", twice.manifest).expect(201)
    assert http.get_manifest(repository, "twice").expect(200).body == twice.manifest.read()


def test_registry_trap_33_the_order_of_accept_says_nothing(http: RegistryHttp, repository: str) -> None:
    index = make_platform_index("registry trap 33")
    http.push(repository, index, "1")
    kinds = [OCI_INDEX, OCI_MANIFEST, SCHEMA2, DOCKER_LIST]
    for seed in range(6):
        random.Random(seed).shuffle(kinds)
        assert http.get_manifest(repository, "1", *kinds).expect(200).headers["Docker-Content-Digest"] == index.digest


def test_registry_trap_34_bytes_are_kept_as_they_came(http: RegistryHttp, repository: str) -> None:
    text = IMAGE.manifest.read().replace(b'"schemaVersion": 2,', b'\t"unknown" : [ 1.50, 1e3 ],\r\n"schemaVersion":2 ,') + b"\n"
    manifest = Blob.of(text, OCI_MANIFEST)
    http.push_content(repository, IMAGE)
    answer = http.put_manifest(repository, "1", manifest).expect(201)
    assert answer.headers["Docker-Content-Digest"] == manifest.digest
    assert http.get_manifest(repository, "1").expect(200).body == text


def test_registry_trap_35_parameters_of_a_type_are_dropped(http: RegistryHttp, repository: str) -> None:
    http.push_content(repository, IMAGE)
    http.request("PUT", manifest_at(repository, "1"), {"Content-Type": f"{OCI_MANIFEST}; charset=utf-8"},
                 IMAGE.manifest.read()).expect(201)
    assert http.get_manifest(repository, "1").expect(200).headers["Content-Type"] == OCI_MANIFEST
    assert http.head(manifest_at(repository, IMAGE.digest)).headers["Content-Type"] == OCI_MANIFEST


def test_registry_trap_37_an_upload_is_cancelled_by_who_may_push(http: RegistryHttp, repository: str) -> None:
    """That it takes no right to delete is in the table of what each request needs, which has tests of its own."""
    location = http.start_upload(repository)
    http.delete(location).expect(204)
    http.delete(location).expect(404, "BLOB_UPLOAD_UNKNOWN")


def test_registry_trap_38_an_anonymous_mount_asks_for_a_source(http: RegistryHttp, repository: str) -> None:
    own = Blob.of(b"mount " + repository.encode())
    http.delete(http.post(f"{uploads(repository)}?mount={own.digest}").expect(202).location).expect(204)
    http.push_blob(f"{repository}-source", own)
    http.post(f"{uploads(repository)}?mount={own.digest}").expect(201)
    http.delete(blob_at(repository, own.digest)).expect(202)
    http.delete(blob_at(f"{repository}-source", own.digest)).expect(202)
    http.post(f"{uploads(repository)}?mount={own.digest}").expect(202)


def test_registry_trap_40_referrers_wait_for_their_subject(http: RegistryHttp, repository: str) -> None:
    signature = make_signature(IMAGE)
    http.push(repository, signature)

    def listed() -> list[str]:
        found = http.get(referrers(repository, IMAGE.digest)).expect(200).json()["manifests"]
        return [entry["digest"] for entry in found]

    assert listed() == [signature.digest]
    http.push(repository, IMAGE, "1")
    assert listed() == [signature.digest]
    http.delete(manifest_at(repository, IMAGE.digest)).expect(202)
    assert listed() == [signature.digest]
    http.push(repository, IMAGE, "1")
    assert listed() == [signature.digest]


# ---- rules ----------------------------------------------------------------------------------------------------------

def test_rule_13_a_pulled_image_shows_in_its_repository_alone(embedded: EmbeddedRegistry, http: RegistryHttp,
                                                              registry: object, repository: str) -> None:
    image = make_oci_image("rule 13")
    name = registry.add(image, "traps/rule13", "1")
    embedded.daemon.api.pull_well(name)
    seen = name.rpartition(":")[0].replace(":", "_")
    for blob in image.blobs:
        http.head(blob_at(seen, blob.digest)).expect(200)
        http.head(blob_at(repository, blob.digest)).expect(404)
        http.post(f"{uploads(repository)}?mount={blob.digest}&from={repository}").expect(202)
        http.post(f"{uploads(repository)}?mount={blob.digest}&from={seen}").expect(201)
    http.put_manifest(repository, "1", image.manifest).expect(201)
    assert embedded.daemon.api.delete(f"/images/{name}").status == 200
    http.head(blob_at(seen, image.config.digest)).expect(404)
    for blob in image.blobs:
        assert http.get(blob_at(repository, blob.digest)).expect(200).body == blob.read()


def test_rule_43_names_that_begin_alike_are_all_listed_once(http: RegistryHttp) -> None:
    names = [f"rule43{end}" for end in ("", "/b", "-b", "b", ".b", "_b", "/b/c", "0", "--b", "__b")]
    for name in names:
        http.push_blob(name, EMPTY)
    for size in (1, 2, 3, 7, 1000):
        listed = sum(http.walk(f"/v2/_catalog?n={size}", "repositories"), [])
        assert [name for name in listed if name.startswith("rule43")] == sorted(names)
        assert len(listed) == len(set(listed))
    listed = http.get("/v2/_catalog?last=rule43-aa&n=3").expect(200).json()["repositories"]
    assert listed == [name for name in sorted(names) if name > "rule43-aa"][:3]


@pytest.mark.parametrize("n", [2**31, 2**31 - 1, 2**32 + 1, 2**63 - 1, 10**9])
def test_rule_43_a_page_takes_no_memory_for_its_size(embedded: EmbeddedRegistry, http: RegistryHttp, repository: str,
                                                     n: int) -> None:
    http.push(repository, IMAGE, "1", "2")
    before = embedded.daemon.memory_kib("VmHWM")
    answer = http.get(f"/v2/{repository}/tags/list?n={n}")
    assert answer.status == 400 or answer.expect(200).json()["tags"] == ["1", "2"]
    assert http.get(f"/v2/_catalog?n={n}").status in (200, 400)
    assert embedded.daemon.memory_kib("VmHWM") - before < 16 << 10


PATHS = ["/v2/..%2f..%2f/manifests/1", "/v2/%2e%2e/%2e%2e/etc/passwd", "/v2/a%00b/tags/list", "/v2/a//b/tags/list",
         "/v2//tags/list", "/v2/a/../b/tags/list", "/v2/./a/tags/list", "/v2/%c3%a4/tags/list", "/v2/a%20b/tags/list",
         "/v2/" + "a" * 300 + "/tags/list", "/v2/a/blobs/..%2f..%2flighterd.db", "/v2/a/blobs/sha256:..%2f..%2fx",
         "/v2/a/blobs/uploads/..%2f..%2flighterd.db", "/v2/a/blobs/uploads/%00", "/v2/a/manifests/..%2f..%2f",
         "/v2/a\\b/tags/list", "/v2/a%5c..%5cb/tags/list", "/v2/a/manifests/%2e%2e", "/v2/%/tags/list", "/v2/a%zz/tags/list",
         "/v2/a/tags/list%00", "/v2/a%2ftags%2flist", "/v2/a;b/tags/list", "/v2/~/tags/list"]


def list_repositories(http: RegistryHttp) -> list[str]:
    return sum(http.walk("/v2/_catalog", "repositories"), [])


@pytest.mark.parametrize("path", PATHS)
def test_rule_45_names_are_no_paths(http: RegistryHttp, path: str) -> None:
    before = list_repositories(http)
    for method in ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"):
        answer = http.request(method, path, {"Content-Type": OCI_MANIFEST}, IMAGE.manifest.read() if method[0] == "P" else None)
        assert answer.status in (400, 404, 405), (method, answer.status)
        assert b"root:" not in answer.body and b"SQLite" not in answer.body
    assert list_repositories(http) == before


def test_rule_45_raw_bytes_in_names(http: RegistryHttp) -> None:
    for name in (b"\xff\xfe", "ünïcode".encode(), b"a\x00b", b"a\tb", b"a\x7fb"):
        answer = http.exchange(b"GET /v2/" + name + b"/tags/list HTTP/1.1\r\nHost: " + str(http.host).encode()
                               + b"\r\nConnection: close\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 (400|404) ", answer), answer


def test_rule_45_a_planted_link_is_not_written_through(embedded: EmbeddedRegistry, http: RegistryHttp, folder: Path,
                                                       repository: str) -> None:
    ingest = embedded.daemon.data_root / "ingest"
    target = folder / "target"
    target.write_bytes(b"untouched")
    location = http.patch(http.start_upload(repository), DATA[:100]).expect(202).location
    identifier = location.partition("?")[0].rpartition("/")[2]
    files = [path for path in ingest.iterdir() if identifier in path.name]
    assert len(files) == 1
    shutil.move(files[0], folder / "moved")
    files[0].symlink_to(target)
    assert http.patch(location, DATA[100:]).status in (404, 500)
    assert http.commit(location, BLOB.digest).status in (404, 500)
    assert target.read_bytes() == b"untouched"
    files[0].unlink()
    shutil.move(folder / "moved", files[0])
    http.commit(location, BLOB.digest, DATA[100:], 100).expect(201)


@pytest.mark.parametrize("header", ["bytes=-0", "bytes=5-2", f"bytes={2**64}-", f"bytes=0-{2**64}", f"bytes=-{2**64}",
                                    f"bytes={2**63}-{2**63 + 5}", "bytes=" + ",".join(["0-0"] * 1000), "bytes=4000-"])
def test_rule_48_ranges_at_their_limits(http: RegistryHttp, repository: str, header: str) -> None:
    http.push_blob(repository, BLOB)
    answer = http.get(blob_at(repository, BLOB.digest), {"Range": header})
    if answer.status == 206:
        assert (answer.body, answer.headers["Content-Range"]) == (DATA, "bytes 0-3999/4000")
    elif answer.status == 200:
        assert answer.body == DATA
    else:
        answer.expect(416, "RANGE_INVALID")


def test_rule_48_chunks_that_overlap(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA[:1000], 0).expect(202).location
    for begin in (0, 1, 500, 999, 1001, 2**31, 2**40):
        http.patch(location, DATA[begin:begin + 100] or DATA[:100], begin).expect(416, "RANGE_INVALID")
    http.commit(location, BLOB.digest, DATA[1000:], 1000).expect(201)
    assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA


@pytest.mark.parametrize("has_length", [True, False], ids=["length", "chunked"])
@pytest.mark.parametrize("claimed", [1, 999, 1001, 2000, 2**31])
def test_rule_48_chunks_of_another_size_than_they_say(http: RegistryHttp, repository: str, claimed: int,
                                                      has_length: bool) -> None:
    """Of their bytes as many are kept as the session says then, and it goes on."""
    location = http.patch(http.start_upload(repository), DATA[:1000], 0).expect(202).location
    at = 1000
    for method in ("PATCH", "PUT"):
        target = location if method == "PATCH" else with_digest(location, BLOB.digest)
        body = DATA[at:at + 1000]
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{at}-{at + claimed - 1}"}
        answer = http.request(method, target, headers, body if has_length else iter([body[:400], body[400:]]))
        answer.expect(400, "SIZE_INVALID")
        end = int(http.get(location).expect(204).headers["Range"].removeprefix("0-")) + 1
        assert at <= end <= at + 1000
        at = end
    http.commit(location, BLOB.digest, DATA[at:], at).expect(201)
    assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA


def test_rule_37_browsers_of_other_sites_are_refused(http: RegistryHttp) -> None:
    http.get("/v2/", {"Origin": "https://evil.example"}).expect(403)
    http.get("/v2/", {"Sec-Fetch-Site": "cross-site"}).expect(403)
    answer = http.get("/v2/_catalog")
    assert answer.headers["Access-Control-Allow-Origin"] is None


def test_rule_36_only_this_machine_without_tls(make_embedded: Callable[..., EmbeddedRegistry]) -> None:
    refused = make_embedded(listen="0.0.0.0:0")
    code, said = refused.daemon.run_in_vain()
    assert code == 1, said
    assert "0.0.0.0" in said
    wide = make_embedded("--registry-allow-plaintext", "--registry-name", "Registry.example", listen="0.0.0.0:0",
                         name="wide").start()
    port = int(wide.host.rpartition(":")[2])
    with RegistryHttp(f"127.0.0.1:{port}") as http:
        http.get("/v2/", {"Host": f"registry.example:{port}"}).expect(200)
        # A page of another site that has its name lead here.
        http.get("/v2/", {"Host": f"evil.example:{port}"}).expect(403)
    wide.stop()


def test_rule_38_a_manifest_without_an_end_is_cut_off(http: RegistryHttp, repository: str) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    # The answer may be read, or the connection may be gone before it can be.
    with contextlib.suppress(ConnectionError):
        answer = http.request("PUT", manifest_at(repository, "1"), {"Content-Type": OCI_MANIFEST}, endless())
        assert answer.status == 413
    http.get_manifest(repository, "1").expect(404)


def test_artifacts_keep_their_type(http: RegistryHttp, repository: str) -> None:
    artifact = make_artifact("application/vnd.example.kept", [EMPTY], annotations={"io.containerd.gc": "/etc/passwd"})
    http.push(repository, artifact, "1")
    assert http.get_manifest(repository, "1").expect(200).body == artifact.manifest.read()
