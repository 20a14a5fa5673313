# SPDX-License-Identifier: Apache-2.0
"""What nothing needs goes while pushes go on, and nothing else."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from lib.embedded_registry import EmbeddedRegistry
from lib.engine_archives import docker_archive, load_well
from lib.registry_churn import churn, describe, list_needed, verify
from lib.registry_content import make_oci_image, make_platform_index
from lib.registry_http import RegistryHttp, blob_at, manifest_at
from lib.samples import make_small_image
from lib.store import list_files, list_known_blobs
from lib.wait import SANITIZED, wait_until
from image_maker import Blob

PUSHES = 200
CLIENTS = 8
GRACE_SECONDS = 5 if SANITIZED else 2
OFTEN = ("--gc-interval", "100ms", "--gc-grace", f"{GRACE_SECONDS}s")


@pytest.fixture
def start(make_embedded: Callable[..., EmbeddedRegistry]) -> Callable[..., EmbeddedRegistry]:
    return lambda *arguments: make_embedded(*OFTEN, *arguments).start()


def wait_for_blobs(registry: EmbeddedRegistry, wanted: set[str]) -> None:
    """Exactly these are left, in the index and on disk."""
    root = registry.daemon.data_root
    wait_until(lambda: list_known_blobs(root) == wanted, "the index has what is needed and no more", 5 * GRACE_SECONDS)
    wait_until(lambda: list_files(root).keys() == wanted, "so has the disk")


def test_pushes_and_deletes_while_it_collects(start: Callable[..., EmbeddedRegistry]) -> None:
    registry = start()
    accounts = churn(registry.host, PUSHES, CLIENTS, registry.daemon.api)
    assert sum(account.pushes for account in accounts) == PUSHES, describe(accounts)
    with registry.client() as http:
        for account in accounts:
            verify(http, account)
        wait_for_blobs(registry, list_needed(accounts))
        for account in accounts:
            verify(http, account)
            for digest in list(account.manifests):
                http.delete(manifest_at(account.repository, digest)).expect(202)
    wait_for_blobs(registry, set())
    assert "collect" in registry.daemon.log_text()
    registry.stop()


def test_a_blob_waits_for_its_manifest_as_long_as_it_is_asked_for(start: Callable[..., EmbeddedRegistry],
                                                                 repository: str) -> None:
    registry = start()
    asked, forgotten = Blob.of(b"asked for"), Blob.of(b"forgotten")
    with registry.client() as http:
        http.push_blob(repository, asked)
        http.push_blob(repository, forgotten)

        def is_forgotten() -> bool:
            http.head(blob_at(repository, asked.digest)).expect(200)
            return forgotten.digest not in list_known_blobs(registry.daemon.data_root)

        wait_until(is_forgotten, "the other one is collected", 5 * GRACE_SECONDS)
        http.get(blob_at(repository, forgotten.digest)).expect(404, "BLOB_UNKNOWN")
        assert http.get(blob_at(repository, asked.digest)).expect(200).body == b"asked for"
    wait_for_blobs(registry, set())
    registry.stop()


def test_faces_keep_what_each_other_need(start: Callable[..., EmbeddedRegistry], repository: str) -> None:
    registry = start()
    api = registry.daemon.api
    shared = make_oci_image("shared by faces")
    with registry.client() as http:
        http.push(repository, shared, "1")
        name = f"{registry.host}/{repository}:1"
        api.pull_well(name)
        load_well(api, docker_archive((make_small_image("loaded"), ["loaded:1"])))
        kept = list_known_blobs(registry.daemon.data_root)
        # Of the image alone: the registry goes on.
        assert api.delete(f"/images/{name}").status == 200
        assert api.post("/images/prune", {"filters": '{"dangling":["false"]}'}).status == 200
        check_pulls(http, repository, shared)
        wait_for_blobs(registry, {shared.digest, *(blob.digest for blob in shared.blobs)})
        assert list_known_blobs(registry.daemon.data_root) < kept
        # Of the registry alone: the image goes on.
        api.pull_well(name)
        http.delete(manifest_at(repository, shared.digest)).expect(202)
        other = Blob.of(b"something to be collected")
        http.push_blob(repository, other)
        wait_until(lambda: other.digest not in list_known_blobs(registry.daemon.data_root), "a round went by",
                   5 * GRACE_SECONDS)
    assert api.get(f"/images/{name}/json").status == 200
    wait_for_blobs(registry, {shared.digest, *(blob.digest for blob in shared.blobs)})
    assert api.delete(f"/images/{name}").status == 200
    wait_for_blobs(registry, set())
    registry.stop()


def check_pulls(http: RegistryHttp, repository: str, image: object) -> None:
    assert http.get_manifest(repository, "1").expect(200).body == image.manifest.read()
    for blob in image.blobs:
        assert http.get(blob_at(repository, blob.digest)).expect(200).body == blob.read()


def test_retention_keeps_the_newest_tags(start: Callable[..., EmbeddedRegistry]) -> None:
    registry = start("--registry-retention", "kept:keep=2", "--registry-retention", "kept/more:keep=3")
    images = {repository: [make_oci_image(f"{repository} {number}") for number in range(5)]
              for repository in ("kept/app", "kept/more", "keptnot")}
    index = make_platform_index("kept")
    with registry.client() as http:
        for repository, made in images.items():
            for number, image in enumerate(made):
                http.push(repository, image, f"v{number}")
        http.push("kept/index", index, "1")
        wait_until(lambda: http.list_tags("kept/app") == ["v3", "v4"], "the newest two stay")
        wait_until(lambda: http.list_tags("kept/more") == ["v2", "v3", "v4"], "the longest prefix counts")
        left = [*images["kept/app"][3:], *images["kept/more"][2:], *images["keptnot"], *index.manifests]
        wait_for_blobs(registry, {index.digest, *(image.digest for image in left),
                                  *(blob.digest for image in left for blob in image.blobs)})
        http.get_manifest("kept/app", images["kept/app"][0].digest).expect(404, "MANIFEST_UNKNOWN")
        assert http.list_tags("keptnot") == ["v0", "v1", "v2", "v3", "v4"]
        for image in images["kept/app"][3:]:
            http.get_manifest("kept/app", image.digest).expect(200)
            for blob in image.blobs:
                assert http.get(blob_at("kept/app", blob.digest)).expect(200).body == blob.read()
    registry.stop()


def test_retention_by_age(start: Callable[..., EmbeddedRegistry]) -> None:
    registry = start("--registry-retention", f"aged:age={GRACE_SECONDS}s")
    old, new = make_oci_image("old"), make_oci_image("new")
    with registry.client() as http:
        http.push("aged/app", old, "old")
        http.push("other/app", old, "old")

        def only_new() -> bool:
            http.put_manifest("aged/app", "new", new.manifest).expect(201)
            return http.list_tags("aged/app") == ["new"]

        http.push_content("aged/app", new)
        wait_until(only_new, "the old one goes, and what is pushed again stays", 5 * GRACE_SECONDS)
        assert http.list_tags("other/app") == ["old"]
    registry.stop()
