# SPDX-License-Identifier: Apache-2.0
"""What the OCI distribution conformance suite asks of a registry, group by group; nothing of it may be refused."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from image_maker import Artifact, Blob, edit_manifest, make_artifact
from lib.embedded_registry import EmbeddedRegistry
from lib.registry_content import (DATA_SETS, OCI_INDEX, OCI_MANIFEST, SCHEMA2, DOCKER_LIST, DataSet, describe_referrer,
                                  find_subject, make_oci_image)
from lib.registry_http import Answer, RegistryHttp, blob_at, manifest_at, referrers, split, uploads, with_digest
from lib.samples import HOST_PLATFORM, random_bytes

ALGORITHMS = ("sha256", "sha512")
CHUNK = 1024
DATA = random_bytes("conformance", 3 * CHUNK)


def make_blob(seed: str, algorithm: str, size: int = 3 * CHUNK) -> Blob:
    return Blob.of(random_bytes(f"{seed}-{algorithm}", size), algorithm=algorithm)


# ---- ping, empty ----------------------------------------------------------------------------------------------------

def test_ping(http: RegistryHttp) -> None:
    answer = http.get("/v2/").expect(200)
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert answer.json() == {}


def test_empty_repository_has_no_tags(http: RegistryHttp, repository: str) -> None:
    http.get(f"/v2/{repository}/tags/list").expect(404, "NAME_UNKNOWN")


def test_empty_repository_has_an_index_of_referrers(http: RegistryHttp, repository: str) -> None:
    answer = http.get(referrers(repository, make_blob("random", "sha256").digest)).expect(200)
    assert answer.headers["Content-Type"] == OCI_INDEX
    assert answer.json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


# ---- blobs ----------------------------------------------------------------------------------------------------------

def post_only(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    return http.post(with_digest(uploads(repository), blob.digest), blob.read(),
                     {"Content-Type": "application/octet-stream"})


def post_put(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    return http.commit(http.start_upload(repository), blob.digest, blob.read())


def chunked_single(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    location = patch_well(http, http.start_upload(repository), blob.read(), 0)
    return http.commit(location, blob.digest)


def chunked_multi(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    location, begin = http.start_upload(repository), 0
    for piece in split(blob.read(), 3):
        location = patch_well(http, location, piece, begin)
        begin += len(piece)
    return http.commit(location, blob.digest)


def chunked_multi_and_put(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    location, begin = http.start_upload(repository), 0
    *pieces, last = split(blob.read(), 3)
    for piece in pieces:
        location = patch_well(http, location, piece, begin)
        begin += len(piece)
    return http.commit(location, blob.digest, last, begin)


def chunked_out_of_order(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    first, second, third = split(blob.read(), 3)
    location = patch_well(http, http.start_upload(repository), first, 0)
    refused = http.patch(location, third, len(first) + len(second)).expect(416, "RANGE_INVALID")
    assert refused.headers["Range"] == f"0-{len(first) - 1}"
    location = check_status(http, location, len(first))
    location = patch_well(http, location, second, len(first))
    location = patch_well(http, location, third, len(first) + len(second))
    return http.commit(location, blob.digest)


def put_out_of_order(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    first, second, third = split(blob.read(), 3)
    location = patch_well(http, http.start_upload(repository), first, 0)
    refused = http.commit(location, blob.digest, third, len(first) + len(second)).expect(416, "RANGE_INVALID")
    assert refused.headers["Range"] == f"0-{len(first) - 1}"
    location = check_status(http, with_digest(location, blob.digest), len(first))
    location = patch_well(http, location, second, len(first))
    return http.commit(location, blob.digest, third, len(first) + len(second))


def stream(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    answer = http.patch(http.start_upload(repository), iter(split(blob.read(), 5))).expect(202)
    return http.commit(answer.location, blob.digest)


def mount(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    http.push_blob(f"{repository}-source", blob)
    return http.post(f"{uploads(repository)}?mount={blob.digest}&from={repository}-source")


def mount_anonymous(http: RegistryHttp, repository: str, blob: Blob) -> Answer:
    http.push_blob(f"{repository}-source", blob)
    return http.post(f"{uploads(repository)}?mount={blob.digest}")


UPLOADS = (post_only, post_put, chunked_single, chunked_multi, chunked_multi_and_put, chunked_out_of_order,
           put_out_of_order, stream, mount, mount_anonymous)
Upload = Callable[[RegistryHttp, str, Blob], Answer]


def patch_well(http: RegistryHttp, location: str, data: bytes, start: int) -> str:
    answer = http.patch(location, data, start).expect(202)
    assert answer.headers["Range"] == f"0-{start + len(data) - 1}"
    return answer.location


def check_status(http: RegistryHttp, location: str, size: int) -> str:
    answer = http.get(location).expect(204)
    assert answer.headers["Range"] == f"0-{size - 1}"
    return answer.location


def check_blob(http: RegistryHttp, repository: str, blob: Blob) -> None:
    head, got = http.head(blob_at(repository, blob.digest)), http.get(blob_at(repository, blob.digest))
    for answer, body in ((head, b""), (got, blob.read())):
        answer.expect(200)
        assert answer.body == body
        assert answer.headers["Content-Length"] == str(blob.size)
        assert answer.headers["Docker-Content-Digest"] == blob.digest


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("upload", UPLOADS, ids=lambda upload: upload.__name__)
def test_blob_upload(http: RegistryHttp, repository: str, upload: Upload, algorithm: str) -> None:
    blob = make_blob(upload.__name__, algorithm)
    http.head(blob_at(repository, blob.digest)).expect(404)
    http.get(blob_at(repository, blob.digest)).expect(404, "BLOB_UNKNOWN")
    answer = upload(http, repository, blob).expect(201)
    assert answer.headers["Docker-Content-Digest"] == blob.digest
    assert http.get(answer.location).expect(200).body == blob.read()
    check_blob(http, repository, blob)
    http.delete(blob_at(repository, blob.digest)).expect(202)
    http.head(blob_at(repository, blob.digest)).expect(404)
    http.get(blob_at(repository, blob.digest)).expect(404, "BLOB_UNKNOWN")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_blob_mount_of_what_is_missing_opens_a_session(http: RegistryHttp, repository: str, algorithm: str) -> None:
    blob = make_blob("mount missing", algorithm)
    answer = http.post(f"{uploads(repository)}?mount={blob.digest}&from={repository}-none").expect(202)
    http.commit(answer.location, blob.digest, blob.read()).expect(201)
    check_blob(http, repository, blob)


def test_blob_upload_is_cancelled(http: RegistryHttp, repository: str) -> None:
    location = patch_well(http, http.start_upload(repository), DATA, 0)
    assert http.delete(location).expect(204).body == b""
    http.get(location).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.patch(location, DATA, len(DATA)).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.commit(location, Blob.of(DATA).digest).expect(404, "BLOB_UPLOAD_UNKNOWN")
    http.delete(location).expect(404, "BLOB_UPLOAD_UNKNOWN")


RANGES = {"500-1499": (500, 1500), "500-": (500, 2048), "-500": (1548, 2048), "2000-5000": (2000, 2048)}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("requested, expected", RANGES.items(), ids=RANGES)
def test_blob_range(http: RegistryHttp, repository: str, requested: str, expected: tuple[int, int],
                    algorithm: str) -> None:
    blob, (begin, end) = make_blob("ranges", algorithm, 2048), expected
    http.push_blob(repository, blob)
    answer = http.get(blob_at(repository, blob.digest), {"Range": f"bytes={requested}"}).expect(206)
    assert answer.body == blob.read()[begin:end]
    assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/2048"
    assert answer.headers["Content-Length"] == str(end - begin)


@pytest.mark.parametrize("requested", ["500-0", "5000-10000"])
def test_blob_range_that_is_none(http: RegistryHttp, repository: str, requested: str) -> None:
    blob = make_blob("bad ranges", "sha256", 2048)
    http.push_blob(repository, blob)
    answer = http.get(blob_at(repository, blob.digest), {"Range": f"bytes={requested}"}).expect(416, "RANGE_INVALID")
    assert answer.headers["Content-Range"] == "bytes */2048"


@pytest.mark.parametrize("data", [b"", b"{}"], ids=["empty", "emptyJSON"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("upload", [post_only, post_put, stream, mount], ids=lambda upload: upload.__name__)
def test_small_blob(http: RegistryHttp, repository: str, upload: Upload, algorithm: str, data: bytes) -> None:
    blob = Blob.of(data, algorithm=algorithm)
    upload(http, repository, blob).expect(201)
    check_blob(http, repository, blob)
    http.delete(blob_at(repository, blob.digest)).expect(202)
    http.head(blob_at(repository, blob.digest)).expect(404)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("upload", [post_only, post_put, chunked_multi, chunked_multi_and_put, stream],
                         ids=lambda upload: upload.__name__)
def test_bad_digest(http: RegistryHttp, repository: str, upload: Upload, algorithm: str) -> None:
    wrong = Blob.of(b"something else", algorithm=algorithm).digest
    lying = Blob(wrong, len(DATA), data=DATA)
    upload(http, repository, lying).expect(400, "DIGEST_INVALID")
    http.head(blob_at(repository, wrong)).expect(404)


# ---- data sets ------------------------------------------------------------------------------------------------------

SETS = {name: make() for name, make in DATA_SETS.items()}


def push_set(http: RegistryHttp, repository: str, content: DataSet) -> None:
    for blob in content.blobs:
        http.push_blob(repository, blob)
    for each in content.manifests:
        check_put(http.put_manifest(repository, each.digest, each.manifest), each, each.digest)
    for tag, artifact in content.tags.items():
        if content.algorithm == "sha256":
            check_put(http.put_manifest(repository, tag, artifact.manifest), artifact, artifact.digest)
        else:
            check_put(http.put_manifest(repository, f"{artifact.digest}?tag={tag}", artifact.manifest), artifact,
                      artifact.digest)


def check_put(answer: Answer, artifact: Artifact, digest: str) -> None:
    answer.expect(201)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.location.endswith(f"/manifests/{digest}")
    assert answer.headers["OCI-Subject"] == find_subject(artifact)


def check_tags(http: RegistryHttp, repository: str, content: DataSet) -> None:
    answer = http.get(f"/v2/{repository}/tags/list").expect(200)
    assert answer.headers["Content-Type"].startswith("application/json")
    tags = sorted(content.tags)
    assert answer.json() == {"name": repository, "tags": tags}
    assert http.list_tags(repository, f"?last={tags[0]}") == tags[1:]
    assert http.walk(f"/v2/{repository}/tags/list?n=1", "tags") == [[tag] for tag in tags]


def check_pull(http: RegistryHttp, repository: str, content: DataSet) -> None:
    accept = (OCI_INDEX, OCI_MANIFEST) + ((SCHEMA2, DOCKER_LIST) if "docker" in content.manifests[0].manifest.media_type
                                          else ())
    named = {**{each.digest: each for each in content.manifests}, **content.tags}
    for reference, artifact in named.items():
        head = http.head(manifest_at(repository, reference), {"Accept": ", ".join(accept)})
        got = http.get_manifest(repository, reference, *accept)
        for answer, body in ((head, b""), (got, artifact.manifest.read())):
            answer.expect(200)
            assert answer.body == body
            assert answer.headers["Content-Type"] == artifact.manifest.media_type
            assert answer.headers["Content-Length"] == str(artifact.manifest.size)
            assert answer.headers["Docker-Content-Digest"] == artifact.digest
    for blob in content.blobs:
        check_blob(http, repository, blob)


def check_referrers(http: RegistryHttp, repository: str, content: DataSet) -> None:
    wanted: dict[str, list[dict]] = {each.digest: [] for each in content.manifests}
    for each in content.manifests:
        if subject := find_subject(each):
            wanted.setdefault(subject, []).append(describe_referrer(each))
    for subject, found in wanted.items():
        answer = http.get(referrers(repository, subject)).expect(200)
        assert answer.headers["Content-Type"] == OCI_INDEX
        assert sort(answer.json()["manifests"]) == sort(found)
        for kind in {entry.get("artifactType", "application/vnd.example.none") for entry in found}:
            filtered = http.get(f"{referrers(repository, subject)}?artifactType={kind}").expect(200)
            assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
            assert sort(filtered.json()["manifests"]) == sort([e for e in found if e.get("artifactType") == kind])


def sort(entries: list[dict]) -> list[dict]:
    return sorted(entries, key=lambda entry: entry["digest"])


def delete_set(http: RegistryHttp, repository: str, content: DataSet) -> None:
    for tag, artifact in content.tags.items():
        http.delete(manifest_at(repository, tag)).expect(202)
        http.head(manifest_at(repository, tag)).expect(404)
        http.head(manifest_at(repository, artifact.digest)).expect(200)
    for each in reversed(content.manifests):
        http.delete(manifest_at(repository, each.digest)).expect(202)
        http.get_manifest(repository, each.digest).expect(404, "MANIFEST_UNKNOWN")
    for blob in content.blobs:
        http.delete(blob_at(repository, blob.digest)).expect(202)
        http.head(blob_at(repository, blob.digest)).expect(404)


@pytest.mark.parametrize("name", SETS)
def test_data_set(http: RegistryHttp, repository: str, name: str) -> None:
    content = SETS[name]
    push_set(http, repository, content)
    check_tags(http, repository, content)
    check_pull(http, repository, content)
    check_referrers(http, repository, content)
    delete_set(http, repository, content)
    for each in content.manifests:
        assert http.get(referrers(repository, each.digest)).expect(200).json()["manifests"] == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tag_parameters(http: RegistryHttp, repository: str, algorithm: str) -> None:
    artifact = make_artifact("application/vnd.example.tagged", [])
    manifest = Blob.of(artifact.manifest.read(), OCI_MANIFEST, algorithm)
    http.push_content(repository, artifact)
    tags = [f"tag-{number:02}" for number in range(12)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = http.put_manifest(repository, f"{manifest.digest}?{query}", manifest).expect(201)
    assert answer.headers["Docker-Content-Digest"] == manifest.digest
    accepted = [tag.strip() for line in answer.headers.get_all("OCI-Tag") for tag in line.split(",")]
    assert sorted(accepted) == tags
    assert http.list_tags(repository) == tags
    for tag in tags:
        answer = http.get_manifest(repository, tag).expect(200)
        assert answer.headers["Docker-Content-Digest"] == manifest.digest
        assert answer.body == manifest.read()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bad_digest_image(http: RegistryHttp, repository: str, algorithm: str) -> None:
    image = make_oci_image("bad digest")
    http.push_content(repository, image)
    wrong = Blob.of(edit_manifest(image, other=1).manifest.read(), algorithm=algorithm).digest
    http.put_manifest(repository, wrong, image.manifest).expect(400, "DIGEST_INVALID")
    http.head(manifest_at(repository, wrong)).expect(404)


# ---- what is missing, what is no digest -----------------------------------------------------------------------------

@pytest.mark.parametrize("reference", ["absent", make_blob("absent", "sha256").digest,
                                       make_blob("absent", "sha512").digest], ids=["tag", *ALGORITHMS])
def test_missing_manifest(http: RegistryHttp, repository: str, reference: str) -> None:
    http.head(manifest_at(repository, reference)).expect(404)
    http.get_manifest(repository, reference).expect(404, "MANIFEST_UNKNOWN")
    http.push(repository, make_oci_image("beside"), "present")
    http.head(manifest_at(repository, reference)).expect(404)
    http.get_manifest(repository, reference).expect(404, "MANIFEST_UNKNOWN")


def test_invalid_digest_format(http: RegistryHttp, repository: str) -> None:
    image = make_oci_image("invalid digest")
    http.push_content(repository, image)
    answer = http.put_manifest(repository, "sha256:baddigeststring", image.manifest)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert http.get_manifest(repository, "sha256:baddigeststring").status in (400, 404)


def test_read_only_content_is_pulled_and_not_changed(embedded: EmbeddedRegistry, http: RegistryHttp,
                                                     registry: object) -> None:
    """What the Docker face pulled: all reads work, and every write is refused."""
    content = SETS["index"]
    index = content.artifacts[0]
    name = registry.add(index, "conformance/read-only", "1")
    embedded.daemon.api.pull_well(name)
    seen = name.rpartition(":")[0].replace(":", "_")
    assert http.list_tags(seen) == ["1"]
    here = index.image_for(HOST_PLATFORM)
    for artifact in (index, here):
        answer = http.get_manifest(seen, artifact.digest, OCI_INDEX, OCI_MANIFEST).expect(200)
        assert answer.body == artifact.manifest.read()
    for blob in here.blobs:
        check_blob(http, seen, blob)
    assert http.get(referrers(seen, index.digest)).expect(200).json()["manifests"] == []
    http.put_manifest(seen, "2", index.manifest).expect(405, "UNSUPPORTED")
    http.post(uploads(seen)).expect(405, "UNSUPPORTED")
    http.delete(manifest_at(seen, "1")).expect(405, "UNSUPPORTED")
    http.delete(manifest_at(seen, index.digest)).expect(405, "UNSUPPORTED")
    http.delete(blob_at(seen, here.config.digest)).expect(405, "UNSUPPORTED")
    assert embedded.daemon.api.get(f"/images/{name}/json").status == 200
