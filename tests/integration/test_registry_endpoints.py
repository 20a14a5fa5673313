# SPDX-License-Identifier: Apache-2.0
"""Each request of the distribution specification: status, headers and bytes."""
from __future__ import annotations

import email
import re
import threading
from collections.abc import Callable, Iterator

import pytest

from image_maker import EMPTY, Blob, make_artifact
from lib.embedded_registry import EmbeddedRegistry, fixed_address
from lib.registry_content import DATA_SETS, OCI_INDEX, DataSet, find_subject, make_oci_image, make_signature
from lib.registry_http import OCTETS, RegistryHttp, blob_at, manifest_at, referrers, uploads, with_digest
from lib.samples import random_bytes
from lib.wait import wait_until

YEAR_SECONDS = 31536000
# One of each kind of document.
KINDS = ("schema2", "docker-list", "image", "index", "artifact", "artifacts-with-subject", "sha512")
SETS = {name: DATA_SETS[name]() for name in KINDS}
DATA = random_bytes("endpoints", 5000)
BLOB = Blob.of(DATA)
UNKNOWN = Blob.of(b"nobody has this").digest
NO_DIGESTS = ("sha256:bad", "sha256:" + "0" * 63, "sha256:" + "A" * 64, "md5:" + "0" * 32, "sha1024:" + "0" * 64)


def push_set(http: RegistryHttp, repository: str, content: DataSet) -> None:
    for blob in content.blobs:
        http.push_blob(repository, blob)
    for each in content.manifests:
        http.put_manifest(repository, each.digest, each.manifest).expect(201)


@pytest.fixture
def blob(http: RegistryHttp, repository: str) -> str:
    """Where DATA is."""
    http.push_blob(repository, BLOB)
    return blob_at(repository, BLOB.digest)


# ---- base -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", ["/v2/", "/v2"])
def test_base(http: RegistryHttp, target: str) -> None:
    answer = http.get(target).expect(200)
    assert answer.json() == {}
    assert answer.headers["Content-Type"].startswith("application/json")
    head = http.head(target).expect(200)
    assert (head.body, head.headers["Content-Length"]) == (b"", answer.headers["Content-Length"])


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/v2/", 200), ("GET", "/v2/none/tags/list", 404), ("GET", "/v2/UPPER/tags/list", 400),
    ("GET", "/v2/x/nothing", 404), ("GET", "/v2/_catalog?n=no", 400), ("DELETE", "/v2/", 405),
    ("POST", "/v2/it/versions/blobs/uploads/", 202)])
def test_every_answer_names_the_version_of_the_api(http: RegistryHttp, method: str, target: str, status: int) -> None:
    answer = http.request(method, target, body=b"" if method == "POST" else None).expect(status)
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize("target", ["/v2/nothing", "/v2/a/b/nothing", "/v2/a/blobs", "/v2/a/manifests/", "/v2/a/tags",
                                    "/v2/a/tags/other", "/v2/a/referrers/", "/v2/_catalog/more", "/v3/"])
def test_unknown_paths_are_not_found(http: RegistryHttp, target: str) -> None:
    answer = http.get(target).expect(404)
    assert answer.headers["Content-Type"].startswith("application/json")


# ---- blobs ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_blob(http: RegistryHttp, blob: str, method: str) -> None:
    answer = http.request(method, blob).expect(200)
    assert answer.body == (DATA if method == "GET" else b"")
    wanted = {"Content-Length": str(len(DATA)), "Content-Type": OCTETS, "Docker-Content-Digest": BLOB.digest,
              "ETag": f'"{BLOB.digest}"', "Accept-Ranges": "bytes"}
    assert {name: answer.headers[name] for name in wanted} == wanted
    assert f"max-age={YEAR_SECONDS}" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_blob_that_is_unknown(http: RegistryHttp, repository: str, method: str) -> None:
    answer = http.request(method, blob_at(repository, UNKNOWN)).expect(404)
    assert method == "HEAD" or answer.codes == ["BLOB_UNKNOWN"]


@pytest.mark.parametrize("digest", NO_DIGESTS)
def test_blob_by_what_is_no_digest(http: RegistryHttp, repository: str, digest: str) -> None:
    for method in ("GET", "HEAD", "DELETE"):
        answer = http.request(method, blob_at(repository, digest)).expect(400)
        assert method == "HEAD" or answer.codes == ["DIGEST_INVALID"]


def test_blob_is_not_sent_again_to_who_has_it(http: RegistryHttp, blob: str) -> None:
    answer = http.get(blob, {"If-None-Match": f'"{BLOB.digest}"'}).expect(304)
    assert answer.body == b""
    assert answer.headers["ETag"] == f'"{BLOB.digest}"'
    http.get(blob, {"If-None-Match": f'"{UNKNOWN}"'}).expect(200)


# RFC 9110: what cannot be satisfied is 416, what is no byte range is ignored.
@pytest.mark.parametrize("requested, begin, end", [
    ("0-0", 0, 1), ("0-", 0, 5000), ("4999-", 4999, 5000), ("-1", 4999, 5000), ("-5000", 0, 5000),
    ("-99999999999999999999", 0, 5000), ("10-18446744073709551616", 10, 5000)])
def test_blob_range(http: RegistryHttp, blob: str, requested: str, begin: int, end: int) -> None:
    answer = http.get(blob, {"Range": f"bytes={requested}"})
    if len(requested) > 10 and answer.status == 200:
        assert answer.body == DATA  # a number that no server need understand
        return
    answer.expect(206)
    assert answer.body == DATA[begin:end]
    assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/5000"
    assert answer.headers["Docker-Content-Digest"] == BLOB.digest


@pytest.mark.parametrize("requested", ["5000-", "5000-6000", "18446744073709551616-", "-0"])
def test_blob_range_outside(http: RegistryHttp, blob: str, requested: str) -> None:
    answer = http.get(blob, {"Range": f"bytes={requested}"})
    if requested[0] == "1" and answer.status == 200:
        assert answer.body == DATA
        return
    answer.expect(416, "RANGE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */5000"
    assert http.get(blob).body == DATA


@pytest.mark.parametrize("header", ["bytes", "bytes=", "bytes=a-b", "lines=0-1", "bytes=--1", "bytes=0x1-2"])
def test_blob_range_of_another_kind_is_ignored(http: RegistryHttp, blob: str, header: str) -> None:
    answer = http.get(blob, {"Range": header})
    assert (answer.status, answer.body) == (200, DATA) or (answer.status, answer.codes) == (416, ["RANGE_INVALID"])


def test_blob_several_ranges(http: RegistryHttp, blob: str) -> None:
    answer = http.get(blob, {"Range": "bytes=0-9, 100-199,-5"}).expect(206)
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    assert answer.headers["Content-Type"].startswith("multipart/byteranges; boundary=")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    parts = email.message_from_bytes(head + answer.body).get_payload()
    assert [part["Content-Range"] for part in parts] == ["bytes 0-9/5000", "bytes 100-199/5000", "bytes 4995-4999/5000"]
    for wanted in (DATA[:10], DATA[100:200], DATA[-5:]):
        assert b"\r\n\r\n" + wanted + b"\r\n--" in answer.body


def test_blob_too_many_ranges(http: RegistryHttp, blob: str) -> None:
    for ranges in (",".join(f"{number}-{number}" for number in range(1000)), ",".join(["0-"] * 1000)):
        answer = http.get(blob, {"Range": f"bytes={ranges}"})
        assert answer.status in (200, 416, 431), answer.status
        assert len(answer.body) <= len(DATA)


def test_blob_range_if_it_is_still_the_same(http: RegistryHttp, blob: str) -> None:
    answer = http.get(blob, {"Range": "bytes=10-19", "If-Range": f'"{BLOB.digest}"'}).expect(206)
    assert answer.body == DATA[10:20]
    assert http.get(blob, {"Range": "bytes=10-19", "If-Range": '"other"'}).expect(200).body == DATA


def test_blob_head_with_range_has_no_body(http: RegistryHttp, blob: str) -> None:
    answer = http.head(blob, {"Range": "bytes=0-9"})
    assert answer.status in (200, 206)
    assert answer.body == b""


def test_blob_is_deleted_in_its_repository_alone(http: RegistryHttp, repository: str, blob: str) -> None:
    http.push_blob(f"{repository}-other", BLOB)
    assert http.delete(blob).expect(202).body == b""
    http.get(blob).expect(404, "BLOB_UNKNOWN")
    http.delete(blob).expect(404, "BLOB_UNKNOWN")
    assert http.get(blob_at(f"{repository}-other", BLOB.digest)).expect(200).body == DATA


def test_blob_that_a_manifest_needs_is_not_deleted(http: RegistryHttp, repository: str) -> None:
    image = make_oci_image("needed")
    http.push(repository, image, "1")
    for each in image.blobs:
        http.delete(blob_at(repository, each.digest)).expect(405, "DENIED")
        http.head(blob_at(repository, each.digest)).expect(200)
    http.delete(manifest_at(repository, image.digest)).expect(202)
    http.delete(blob_at(repository, image.config.digest)).expect(202)


# ---- uploads --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("slash", ["/", ""])
def test_upload_begins(http: RegistryHttp, repository: str, slash: str) -> None:
    answer = http.post(f"/v2/{repository}/blobs/uploads{slash}").expect(202)
    assert answer.body == b""
    assert answer.headers["Content-Length"] == "0"
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Docker-Upload-UUID"] in answer.location
    assert answer.location.startswith(f"/v2/{repository}/blobs/uploads/")
    status = http.get(answer.location).expect(204)
    assert status.headers["Range"] == "0-0"
    assert status.headers["Docker-Upload-UUID"] == answer.headers["Docker-Upload-UUID"]


def test_upload_ids_cannot_be_guessed(http: RegistryHttp, repository: str) -> None:
    ids = {http.post(uploads(repository)).expect(202).headers["Docker-Upload-UUID"] for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[0-9a-f-]{32,36}", each) for each in ids)


def test_upload_in_one_post(http: RegistryHttp, repository: str) -> None:
    answer = http.post(with_digest(uploads(repository), BLOB.digest), DATA, {"Content-Type": OCTETS}).expect(201)
    assert answer.headers["Docker-Content-Digest"] == BLOB.digest
    assert answer.location == blob_at(repository, BLOB.digest)
    assert http.get(answer.location).expect(200).body == DATA


@pytest.mark.parametrize("digest", NO_DIGESTS)
def test_upload_to_what_is_no_digest(http: RegistryHttp, repository: str, digest: str) -> None:
    http.post(with_digest(uploads(repository), digest), DATA, {"Content-Type": OCTETS}).expect(400, "DIGEST_INVALID")
    location = http.start_upload(repository)
    http.commit(location, digest, DATA).expect(400, "DIGEST_INVALID")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_upload_says_its_algorithm(http: RegistryHttp, repository: str, algorithm: str) -> None:
    blob = Blob.of(DATA, algorithm=algorithm)
    location = http.start_upload(repository, f"?digest-algorithm={algorithm}")
    location = http.patch(location, DATA).expect(202).location
    answer = http.commit(location, blob.digest).expect(201)
    assert answer.headers["Docker-Content-Digest"] == blob.digest
    assert http.get(blob_at(repository, blob.digest)).expect(200).body == DATA


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "", "sha256%00", "blake3"])
def test_upload_with_an_unknown_algorithm(http: RegistryHttp, repository: str, algorithm: str) -> None:
    answer = http.post(f"{uploads(repository)}?digest-algorithm={algorithm}").expect(400)
    assert answer.codes in (["DIGEST_INVALID"], ["UNSUPPORTED"], ["BLOB_UPLOAD_INVALID"])


def test_upload_patch_answers_where_it_stands(http: RegistryHttp, repository: str) -> None:
    location = http.start_upload(repository)
    answer = http.patch(location, DATA[:1000], 0).expect(202)
    assert (answer.headers["Range"], answer.headers["Content-Length"]) == ("0-999", "0")
    assert answer.headers["Docker-Upload-UUID"]
    answer = http.patch(answer.location, DATA[1000:2000]).expect(202)
    assert answer.headers["Range"] == "0-1999"
    answer = http.patch(answer.location, iter([DATA[2000:]])).expect(202)
    assert answer.headers["Range"] == "0-4999"
    http.commit(answer.location, BLOB.digest).expect(201)


# A chunk has to begin where the last one ended, and to have as many bytes as it says.
@pytest.mark.parametrize("said", ["0-99", "50-149", "99-198", "101-200", "18446744073709551616-18446744073709551715"])
def test_upload_out_of_order(http: RegistryHttp, repository: str, said: str) -> None:
    location = http.patch(http.start_upload(repository), DATA[:100], 0).expect(202).location
    headers = {"Content-Type": OCTETS, "Content-Range": said}
    for method, target in (("PATCH", location), ("PUT", with_digest(location, BLOB.digest))):
        answer = http.request(method, target, headers, DATA[:100])
        assert answer.status == 416 or (len(said) > 20 and answer.status == 400), answer.status
        if answer.status == 416:
            assert answer.codes == ["RANGE_INVALID"]
            assert answer.headers["Range"] == "0-99"
    assert http.get(location).expect(204).headers["Range"] == "0-99"
    http.commit(location, BLOB.digest, DATA[100:], 100).expect(201)
    assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA


@pytest.mark.parametrize("said", ["nonsense", "bytes", "5-2", "-5", "0-", "0-99x"])
def test_upload_with_a_range_that_is_none(http: RegistryHttp, repository: str, said: str) -> None:
    location = http.start_upload(repository)
    answer = http.request("PATCH", location, {"Content-Type": OCTETS, "Content-Range": said}, DATA[:100])
    assert answer.status in (400, 416)
    http.commit(location, BLOB.digest, DATA).expect(201)


def test_upload_whose_range_is_longer_than_its_body(http: RegistryHttp, repository: str) -> None:
    location = http.start_upload(repository)
    answer = http.request("PATCH", location, {"Content-Type": OCTETS, "Content-Range": "0-199"}, DATA[:100])
    assert answer.status in (400, 416)


def test_upload_that_is_unknown(http: RegistryHttp, repository: str) -> None:
    location = uploads(repository) + "0" * 32
    http.get(location).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.patch(location, DATA).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.commit(location, BLOB.digest, DATA).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.delete(location).expect(404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_of_another_repository_is_unknown(http: RegistryHttp, repository: str) -> None:
    location = http.start_upload(repository)
    other = location.replace(repository, f"{repository}-other")
    http.get(other).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.commit(other, BLOB.digest, DATA).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.delete(other).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.commit(location, BLOB.digest, DATA).expect(201)


def test_upload_without_a_digest_can_go_on(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA[:100]).expect(202).location
    http.request("PUT", location, {"Content-Type": OCTETS}, b"").expect(400, "DIGEST_INVALID")
    http.commit(location, BLOB.digest, DATA[100:]).expect(201)


def test_upload_with_a_wrong_digest_is_over(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA).expect(202).location
    http.commit(location, UNKNOWN).expect(400, "DIGEST_INVALID")
    http.get(location).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.head(blob_at(repository, UNKNOWN)).expect(404)
    http.head(blob_at(repository, BLOB.digest)).expect(404)


def test_upload_of_something_that_is_no_bytes(http: RegistryHttp, repository: str) -> None:
    location = http.start_upload(repository)
    answer = http.request("PATCH", location, {"Content-Type": "application/json"}, b"{}")
    assert answer.status in (400, 415)
    http.request("PATCH", location, {"Content-Type": ""}, DATA).expect(202)
    http.commit(location, BLOB.digest).expect(201)


def test_upload_is_cancelled(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA).expect(202).location
    answer = http.delete(location).expect(204)
    assert answer.body == b""
    http.get(location).expect(404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_that_breaks_off_can_go_on(http: RegistryHttp, repository: str) -> None:
    """The connection ends in the middle of a PATCH: what arrived counts."""
    location = http.start_upload(repository)
    with http.connect() as connection:
        connection.sendall(f"PATCH {location} HTTP/1.1\r\nHost: {http.host}\r\nContent-Type: {OCTETS}\r\n"
                           f"Content-Length: {len(DATA)}\r\n\r\n".encode() + DATA[:3000])
        wait_until(lambda: http.get(location).headers["Range"] == "0-2999", "the session has what was sent")
    answer = wait_until(lambda: is_free(http, location), "the session is free again")
    size = int(answer.partition("-")[2]) + 1
    http.commit(location, BLOB.digest, DATA[size:]).expect(201)
    assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA


def is_free(http: RegistryHttp, location: str) -> str | None:
    """How far the session is, once an empty chunk goes through."""
    answer = http.patch(location, b"")
    return answer.headers["Range"] if answer.status == 202 else None


def test_upload_sessions_survive_a_restart(make_embedded: Callable[..., EmbeddedRegistry], repository: str) -> None:
    registry = make_embedded(listen=fixed_address()).start()
    with registry.client() as http:
        kept = http.patch(http.start_upload(repository), DATA[:1000], 0).expect(202).location
        other = http.patch(http.start_upload(repository), DATA[:10], 0).expect(202).location
    registry.daemon.kill()
    registry.start()
    with registry.client() as http:
        assert http.get(kept).expect(204).headers["Range"] == "0-999"
        http.commit(kept, BLOB.digest, DATA[1000:], 1000).expect(201)
        assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA
        http.delete(other).expect(204)
    registry.stop()


def test_uploads_of_one_blob_at_once(embedded: EmbeddedRegistry, repository: str) -> None:
    statuses: list[int] = []

    def push() -> None:
        with embedded.client() as http:
            statuses.append(http.commit(http.start_upload(repository), BLOB.digest, DATA).status)

    threads = [threading.Thread(target=push) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 16
    with embedded.client() as http:
        assert http.get(blob_at(repository, BLOB.digest)).expect(200).body == DATA


# ---- mounts ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", ["&from={repository}-source", ""], ids=["from", "anonymous"])
def test_mount(http: RegistryHttp, repository: str, source: str) -> None:
    own = Blob.of(repository.encode())
    http.push_blob(f"{repository}-source", own)
    target = f"{uploads(repository)}?mount={own.digest}{source.format(repository=repository)}"
    answer = http.post(target).expect(201)
    assert answer.headers["Docker-Content-Digest"] == own.digest
    assert answer.location == blob_at(repository, own.digest)
    assert http.get(answer.location).expect(200).body == own.read()
    http.delete(blob_at(f"{repository}-source", own.digest)).expect(202)
    assert http.get(answer.location).expect(200).body == own.read()


def test_mount_from_where_it_is_not(http: RegistryHttp, repository: str) -> None:
    own = Blob.of(repository.encode())
    http.push_blob(f"{repository}-source", own)
    answer = http.post(f"{uploads(repository)}?mount={own.digest}&from={repository}-other").expect(202)
    http.head(blob_at(repository, own.digest)).expect(404)
    http.delete(answer.location).expect(204)


def test_mount_of_what_is_no_digest(http: RegistryHttp, repository: str) -> None:
    answer = http.post(f"{uploads(repository)}?mount=sha256:bad&from={repository}-source")
    assert answer.status == 202 or (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


# ---- manifests ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_manifest(http: RegistryHttp, repository: str, kind: str) -> None:
    content = SETS[kind]
    push_set(http, repository, content)
    for artifact in content.manifests:
        for method in ("GET", "HEAD"):
            answer = http.request(method, manifest_at(repository, artifact.digest)).expect(200)
            assert answer.body == (artifact.manifest.read() if method == "GET" else b"")
            wanted = {"Content-Type": artifact.manifest.media_type, "Content-Length": str(artifact.manifest.size),
                      "Docker-Content-Digest": artifact.digest, "ETag": f'"{artifact.digest}"'}
            assert {name: answer.headers[name] for name in wanted} == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_manifest_put(http: RegistryHttp, repository: str, kind: str) -> None:
    content = SETS[kind]
    push_set(http, repository, content)
    for number, artifact in enumerate(content.manifests):
        answer = http.put_manifest(repository, artifact.digest, artifact.manifest).expect(201)
        assert answer.headers["Docker-Content-Digest"] == artifact.digest
        assert answer.location == manifest_at(repository, artifact.digest)
        assert answer.headers["OCI-Subject"] == find_subject(artifact)
        assert answer.headers["Content-Length"] == "0"
        by_tag = http.put_manifest(repository, f"v{number}", artifact.manifest).expect(201)
        digest = Blob.of(artifact.manifest.read()).digest
        assert by_tag.headers["Docker-Content-Digest"] == digest
        assert by_tag.location == manifest_at(repository, digest)
        assert http.get_manifest(repository, f"v{number}").expect(200).body == artifact.manifest.read()


@pytest.mark.parametrize("kind", KINDS)
def test_manifest_delete(http: RegistryHttp, repository: str, kind: str) -> None:
    content = SETS[kind]
    push_set(http, repository, content)
    root = content.artifacts[-1]
    for tag in ("a", "b", "c"):
        http.put_manifest(repository, f"{root.digest}?tag={tag}", root.manifest).expect(201)
    assert http.delete(manifest_at(repository, "a")).expect(202).body == b""
    http.delete(manifest_at(repository, "a")).expect(404, "MANIFEST_UNKNOWN")
    assert http.list_tags(repository) == ["b", "c"]
    http.get_manifest(repository, root.digest).expect(200)
    http.delete(manifest_at(repository, root.digest)).expect(202)
    for reference in ("b", "c", root.digest):
        http.get_manifest(repository, reference).expect(404, "MANIFEST_UNKNOWN")
    http.delete(manifest_at(repository, root.digest)).expect(404, "MANIFEST_UNKNOWN")
    assert http.get(f"/v2/{repository}/tags/list").status in (200, 404)


@pytest.mark.parametrize("reference", [".bad", "-bad", "a" * 129, "a b".replace(" ", "%20"), "ta%00g", "t%C3%A4g"])
def test_manifest_by_what_is_no_tag(http: RegistryHttp, repository: str, reference: str) -> None:
    image = make_oci_image("no tag")
    http.push(repository, image, "1")
    answer = http.put_manifest(repository, reference, image.manifest).expect(400)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert http.get_manifest(repository, reference).status in (400, 404)
    assert http.list_tags(repository) == ["1"]


def test_tag_parameters(http: RegistryHttp, repository: str) -> None:
    image = make_oci_image("parameters")
    http.push_content(repository, image)
    names = [f"t{number}" for number in range(64)]
    target = f"{image.digest}?" + "&".join(f"tag={name}" for name in names)
    answer = http.put_manifest(repository, target, image.manifest).expect(201)
    assert set(",".join(answer.headers.get_all("OCI-Tag")).replace(" ", "").split(",")) == set(names)
    assert http.list_tags(repository) == sorted(names)
    http.put_manifest(repository, f"{target}&tag=more", image.manifest).expect(414)
    http.put_manifest(repository, f"{image.digest}?tag=fine&tag=.bad", image.manifest).expect(400, "TAG_INVALID")
    assert http.list_tags(repository) == sorted(names)


def test_a_tag_moves(http: RegistryHttp, repository: str) -> None:
    first, second = make_oci_image("first"), make_oci_image("second")
    http.push(repository, first, "1")
    http.push(repository, second, "1")
    assert http.get_manifest(repository, "1").headers["Docker-Content-Digest"] == second.digest
    assert http.get_manifest(repository, first.digest).expect(200).body == first.manifest.read()
    assert http.list_tags(repository) == ["1"]


def test_a_manifest_is_no_blob_and_a_blob_no_manifest(http: RegistryHttp, repository: str) -> None:
    image = make_oci_image("kinds")
    http.push(repository, image, "1")
    http.get(blob_at(repository, image.digest)).expect(404, "BLOB_UNKNOWN")
    http.get_manifest(repository, image.config.digest).expect(404, "MANIFEST_UNKNOWN")


# ---- lists ----------------------------------------------------------------------------------------------------------

def test_tags_by_pages(http: RegistryHttp, repository: str) -> None:
    image = make_oci_image("pages")
    http.push_content(repository, image)
    tags = sorted(["latest", "1", "1.0", "1.0.0", "10", "2", "A", "a", "_x", "v1", "v1-rc", "v1.1", "Z"])
    query = "&".join(f"tag={tag}" for tag in tags)
    http.put_manifest(repository, f"{image.digest}?{query}", image.manifest).expect(201)
    target = f"/v2/{repository}/tags/list"
    assert http.get(target).expect(200).json() == {"name": repository, "tags": tags}
    for size in (1, 2, 5, 12, 13, 14):
        pages = http.walk(f"{target}?n={size}", "tags")
        assert sum(pages, []) == tags
        assert all(len(page) == size for page in pages[:-1])
    assert http.get(f"{target}?n=13").next_page is None
    assert http.list_tags(repository, "?last=1.0&n=3") == ["1.0.0", "10", "2"]
    assert http.list_tags(repository, "?last=nothing-here") == ["v1", "v1-rc", "v1.1"]
    assert http.list_tags(repository, "?last=zzz") == []
    assert http.list_tags(repository, f"?n={2**31}") == tags


def test_tags_of_zero_are_none(http: RegistryHttp, repository: str) -> None:
    http.push(repository, make_oci_image("zero"), "1", "2")
    answer = http.get(f"/v2/{repository}/tags/list?n=0").expect(200)
    assert answer.json() == {"name": repository, "tags": []}
    assert answer.next_page is None


@pytest.mark.parametrize("n", ["-1", "x", "1e9", "0x10", "%2B5", "99999999999999999999999"])
@pytest.mark.parametrize("target", ["/v2/{}/tags/list", "/v2/_catalog"])
def test_pages_of_no_size(http: RegistryHttp, repository: str, target: str, n: str) -> None:
    http.push(repository, make_oci_image("sizes"), "1")
    answer = http.get(f"{target.format(repository)}?n={n}")
    assert (answer.status, answer.codes) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_tags_of_what_has_none_left(http: RegistryHttp, repository: str) -> None:
    http.push(repository, make_oci_image("none left"), "1")
    http.delete(manifest_at(repository, "1")).expect(202)
    assert http.list_tags(repository) == []


def test_catalog(http: RegistryHttp, repository: str) -> None:
    names = [f"{repository}{end}" for end in ("", "/b", "-b", "b", ".b", "_b", "/b/c", "/b-c", "0")]
    for name in names:
        http.push_blob(name, EMPTY)
    everything = sum(http.walk("/v2/_catalog?n=1000", "repositories"), [])
    assert everything == sorted(set(everything))
    assert set(names) <= set(everything)
    for size in (1, 3, 4):
        assert sum(http.walk(f"/v2/_catalog?n={size}", "repositories"), []) == everything
    answer = http.get(f"/v2/_catalog?n=2&last={repository}").expect(200)
    assert answer.json() == {"repositories": sorted(names)[1:3]}
    assert http.get("/v2/_catalog?n=1001").expect(400).codes == ["PAGINATION_NUMBER_INVALID"]
    assert http.get("/v2/_catalog?last=zzzz").expect(200).json() == {"repositories": []}


def test_catalog_page_has_a_hundred(make_embedded: Callable[..., EmbeddedRegistry]) -> None:
    registry = make_embedded().start()
    with registry.client() as http:
        assert http.get("/v2/_catalog").expect(200).json() == {"repositories": []}
        names = sorted(f"catalog/r{number}" for number in range(101))
        for name in names:
            http.post(with_digest(uploads(name), EMPTY.digest), b"{}").expect(201)
        assert http.walk("/v2/_catalog", "repositories") == [names[:100], names[100:]]
    registry.stop()


# ---- referrers ------------------------------------------------------------------------------------------------------

def test_referrers(http: RegistryHttp, repository: str) -> None:
    subject = make_oci_image("referrers")
    http.push(repository, subject, "1")
    signed = [make_signature(subject, number) for number in range(3)]
    sbom = make_signature(subject, 4, "application/vnd.example.sbom+json")
    for each in (*signed, sbom):
        http.push(repository, each)
    answer = http.get(referrers(repository, subject.digest)).expect(200)
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert {entry["digest"] for entry in answer.json()["manifests"]} == {each.digest for each in (*signed, sbom)}
    assert answer.headers["OCI-Filters-Applied"] is None
    filtered = http.get(f"{referrers(repository, subject.digest)}?artifactType=application/vnd.example.sbom%2Bjson")
    assert [entry["digest"] for entry in filtered.expect(200).json()["manifests"]] == [sbom.digest]
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    none = http.get(f"{referrers(repository, subject.digest)}?artifactType=application/none").expect(200)
    assert none.json()["manifests"] == []
    http.delete(manifest_at(repository, sbom.digest)).expect(202)
    found = http.get(referrers(repository, subject.digest)).expect(200).json()["manifests"]
    assert {entry["digest"] for entry in found} == {each.digest for each in signed}


def test_referrers_are_of_one_repository(http: RegistryHttp, repository: str) -> None:
    subject = make_oci_image("one repository")
    http.push(repository, make_signature(subject))
    assert http.get(referrers(f"{repository}-other", subject.digest)).expect(200).json()["manifests"] == []


@pytest.mark.parametrize("digest", NO_DIGESTS)
def test_referrers_of_what_is_no_digest(http: RegistryHttp, repository: str, digest: str) -> None:
    http.get(referrers(repository, digest)).expect(400, "DIGEST_INVALID")


def test_referrers_by_pages(http: RegistryHttp, repository: str) -> None:
    """So large that one document cannot hold all of them under its limit of 4 MiB."""
    subject = make_oci_image("many")
    pushed = set()
    for number in range(5):
        artifact = make_artifact("application/vnd.example.large", [], subject=subject,
                                 annotations={"number": str(number), "filler": "x" * (1 << 20)})
        pushed.add(http.push(repository, artifact))
    pages = http.walk(referrers(repository, subject.digest), "manifests")
    found = [entry["digest"] for page in pages for entry in page]
    assert set(found) == pushed
    assert len(found) == len(pushed)
    filtered = http.walk(f"{referrers(repository, subject.digest)}?artifactType=application/vnd.example.large", "manifests")
    assert [entry["digest"] for page in filtered for entry in page] == found
    answer = http.get(referrers(repository, subject.digest)).expect(200)
    assert len(answer.body) <= 4 << 20


# ---- methods, faces -------------------------------------------------------------------------------------------------

METHODS = {"/v2/": {"GET", "HEAD"}, "/v2/_catalog": {"GET", "HEAD"}, "/v2/{r}/tags/list": {"GET", "HEAD"},
           "/v2/{r}/manifests/1": {"GET", "HEAD", "PUT", "DELETE"}, "/v2/{r}/blobs/{d}": {"GET", "HEAD", "DELETE"},
           "/v2/{r}/blobs/uploads/": {"POST"}, "/v2/{r}/referrers/{d}": {"GET", "HEAD"}}


@pytest.mark.parametrize("target", METHODS)
def test_methods(http: RegistryHttp, repository: str, target: str) -> None:
    path = target.format(r=repository, d=BLOB.digest)
    for method in {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"} - METHODS[target]:
        answer = http.request(method, path).expect(405)
        assert method == "HEAD" or answer.codes == ["UNSUPPORTED"]
        allowed = {each.strip() for each in answer.headers["Allow"].split(",")}
        assert METHODS[target] <= allowed and method not in allowed


@pytest.mark.parametrize("target", ["/v2/_catalog?n=1", "/v2/{r}/tags/list", "/v2/{r}/referrers/{d}"])
def test_head_is_get_without_a_body(http: RegistryHttp, repository: str, target: str) -> None:
    http.push(repository, make_oci_image("head"), "1")
    path = target.format(r=repository, d=BLOB.digest)
    got, head = http.get(path).expect(200), http.head(path).expect(200)
    assert head.body == b""
    for name in ("Content-Type", "Content-Length", "Link"):
        assert head.headers[name] == got.headers[name]


def test_head_of_an_upload(http: RegistryHttp, repository: str) -> None:
    location = http.patch(http.start_upload(repository), DATA).expect(202).location
    assert http.head(location).expect(204).headers["Range"] == "0-4999"


@pytest.fixture
def on_socket(embedded: EmbeddedRegistry) -> Iterator[RegistryHttp]:
    with RegistryHttp(embedded.daemon.socket) as client:
        yield client


def test_the_socket_has_it_too(http: RegistryHttp, on_socket: RegistryHttp, repository: str) -> None:
    image = make_oci_image("socket")
    on_socket.push(repository, image, "1")
    assert http.get_manifest(repository, "1").expect(200).body == image.manifest.read()
    assert on_socket.get(blob_at(repository, image.layers[0].digest)).expect(200).body == image.layers[0].read()
    assert on_socket.list_tags(repository) == ["1"]
    assert on_socket.get("/_ping").expect(200).body == b"OK"


def test_the_registry_is_no_engine(http: RegistryHttp) -> None:
    for target in ("/_ping", "/info", "/v1.43/images/json", "/images/json"):
        http.get(target).expect(404)


# ---- what the Docker face pulled ------------------------------------------------------------------------------------

def test_names_of_pulled_images(embedded: EmbeddedRegistry, http: RegistryHttp, registry: object) -> None:
    image = make_oci_image("pulled")
    name = registry.add(image, "endpoints/pulled", "1")
    embedded.daemon.api.pull_well(name)
    seen = name.rpartition(":")[0].replace(":", "_")
    assert seen in sum(http.walk("/v2/_catalog", "repositories"), [])
    assert http.list_tags(seen) == ["1"]
    assert http.get_manifest(seen, "1").expect(200).body == image.manifest.read()
    assert http.get(blob_at(seen, image.layers[0].digest)).expect(200).body == image.layers[0].read()
    embedded.daemon.api.post(f"/images/{name}/tag", {"repo": "alias", "tag": "2"})
    assert http.get_manifest("docker.io/library/alias", "2").expect(200).body == image.manifest.read()
    assert embedded.daemon.api.delete(f"/images/{name}").status == 200
    http.get_manifest(seen, "1").expect(404)
    assert http.get_manifest("docker.io/library/alias", "2").expect(200).body == image.manifest.read()


def test_what_is_pushed_here_is_no_image_of_the_docker_face(embedded: EmbeddedRegistry, http: RegistryHttp,
                                                            repository: str) -> None:
    image = make_oci_image("pushed here")
    http.push(repository, image, "1")
    listed = embedded.daemon.api.get("/images/json", {"all": "1"}).json()
    assert image.digest not in {item["Id"] for item in listed}
    pulled = f"{embedded.host}/{repository}:1"
    embedded.daemon.api.pull_well(pulled)
    assert embedded.daemon.api.get(f"/images/{pulled}/json").json()["Id"] == image.digest
    assert embedded.daemon.api.delete(f"/images/{pulled}").status == 200
    assert http.get_manifest(repository, "1").expect(200).body == image.manifest.read()
    for each in image.blobs:
        assert http.get(blob_at(repository, each.digest)).expect(200).body == each.read()
