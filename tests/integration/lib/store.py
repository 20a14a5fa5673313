# SPDX-License-Identifier: Apache-2.0
"""What must hold of a data root whenever no operation runs (invariants of the store)."""
from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lib.wait import wait_until

PARTIAL = re.compile(r"(sha256-[0-9a-f]{64}|sha512-[0-9a-f]{128})\.(part|map)")
PARTIAL_HOURS = 24
UPLOAD = re.compile(r"upload-([0-9a-f]{32})")
MAX_WAL_BYTES = 64 << 20


def check_store(data_root: Path) -> None:
    """AssertionError unless nothing is under way, files and index agree, and all that is visible is complete."""
    wait_until(lambda: not list_temporaries(data_root), "nothing but partials that can be resumed is in ingest/")
    _check_partials(data_root)
    with open_index(data_root) as index:
        wait_until(lambda: _column(index, "SELECT count(*) FROM lease") == [0], "no lease is left")
        assert _column(index, "PRAGMA integrity_check") == ["ok"]
        assert _column(index, "PRAGMA foreign_key_check") == []
        _check_files(index, data_root)
        _check_images(index)
        _check_repositories(index)
        wait_until(lambda: _upload_ids(data_root) <= set(_column(index, "SELECT id FROM upload")),
                   "what arrived of uploads is of known sessions")
    _check_space(data_root)


def list_partials(data_root: Path) -> dict[str, set[str]]:
    """What a transfer can go on from: for each ALGORITHM-HEX the endings of its files."""
    partials: dict[str, set[str]] = {}
    for path in (data_root / "ingest").iterdir():
        if match := PARTIAL.fullmatch(path.name):
            partials.setdefault(match[1], set()).add(match[2])
    return partials


def list_temporaries(data_root: Path) -> list[Path]:
    """Files of ingest/ that belong to an operation."""
    return [path for path in (data_root / "ingest").iterdir()
            if not PARTIAL.fullmatch(path.name) and not UPLOAD.fullmatch(path.name)]


def _upload_ids(data_root: Path) -> set[str]:
    return {match[1] for path in (data_root / "ingest").iterdir() if (match := UPLOAD.fullmatch(path.name))}


def _check_partials(data_root: Path) -> None:
    for name, endings in list_partials(data_root).items():
        # A part is written first and removed last; a map alone describes nothing.
        assert "part" in endings, f"{name} has a map and no part"
        algorithm, _, hex_digits = name.partition("-")
        assert not (data_root / "blobs" / algorithm / hex_digits).exists(), f"{name} is both a blob and a partial"
        age = time.time() - (data_root / "ingest" / f"{name}.part").stat().st_mtime
        assert age < PARTIAL_HOURS * 3600, f"{name} is {age / 3600:.0f} h old"


def _check_space(data_root: Path) -> None:
    """Every byte on disk is of a blob, of a partial or of the index: nothing else lies about."""
    known = {"blobs", "ingest", "lighterd.db", "lighterd.db-wal", "lighterd.db-shm", "lock", "engine-id", "oci-layout", "index.json"}
    others = [path.name for path in data_root.iterdir() if path.name not in known]
    assert others == [], f"unknown in the data root: {others}"
    wal = data_root / "lighterd.db-wal"
    assert not wal.exists() or wal.stat().st_size < MAX_WAL_BYTES, "the write-ahead log grows"


@contextmanager
def open_index(data_root: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{data_root}/lighterd.db?mode=ro", uri=True, isolation_level=None)) as index:
        yield index


def list_files(data_root: Path) -> dict[str, Path]:
    return {f"{folder.name}:{path.name}": path for folder in (data_root / "blobs").iterdir()
            for path in folder.iterdir()}


def list_known_blobs(data_root: Path) -> set[str]:
    with open_index(data_root) as index:
        return set(_column(index, "SELECT digest FROM blob"))


def _check_files(index: sqlite3.Connection, data_root: Path) -> None:
    sizes = dict(index.execute("SELECT digest, size FROM blob"))
    files = list_files(data_root)
    assert files.keys() - sizes.keys() == set(), "files that the index does not know"
    assert sizes.keys() - files.keys() == set(), "rows without a file"
    for digest, path in files.items():
        assert path.stat().st_size == sizes[digest], f"size of {digest}"
        assert _digest_of(path, digest.partition(":")[0]) == digest


def _check_images(index: sqlite3.Connection) -> None:
    """The manifest that an image shows is here with its config and every layer that may be passed on; it shows one if
    it has one."""
    missing = index.execute("""
        SELECT image.digest, link.role, link.child FROM image JOIN link ON link.parent=image.manifest
        WHERE link.role IN ('config', 'layer') AND NOT link.is_foreign AND NOT EXISTS(SELECT 1 FROM blob WHERE blob.digest=link.child)
    """).fetchall()
    assert missing == [], "images that are visible but not complete"
    hidden = index.execute("""
        SELECT image.digest FROM image JOIN link ON link.parent=image.digest JOIN manifest ON manifest.digest=link.child
        WHERE image.manifest IS NULL AND manifest.kind='image' AND manifest.missing=0 AND manifest.is_published
            AND link.entry='image'
    """).fetchall()
    assert hidden == [], "images that do not show a platform that is here"
    counted = index.execute("""
        SELECT digest FROM manifest WHERE missing<>(SELECT count(DISTINCT child) FROM link
            WHERE parent=manifest.digest AND role<>'manifest' AND NOT is_foreign AND child NOT IN (SELECT digest FROM blob))
    """).fetchall()
    assert counted == [], "manifests that miss something else than they say"
    unverified = index.execute("""
        SELECT image.digest, link.child FROM image JOIN manifest ON manifest.digest=image.manifest
        JOIN link ON link.parent=image.manifest
        WHERE manifest.kind='image' AND link.role='layer' AND link.child IN (SELECT digest FROM blob)
            AND NOT EXISTS(SELECT 1 FROM layer WHERE digest=link.child)
    """).fetchall()
    assert unverified == [], "layers without a diff ID"


def _check_repositories(index: sqlite3.Connection) -> None:
    """That tags have manifests and these have blobs, foreign keys say; and a pushed manifest is whole."""
    missing = index.execute("""
        SELECT repository.name, link.parent, link.child FROM repository_manifest
        JOIN repository ON repository.id=repository_manifest.repository JOIN link ON link.parent=repository_manifest.digest
        WHERE repository.kind='pushed' AND link.role<>'manifest' AND NOT link.is_foreign AND NOT EXISTS(
            SELECT 1 FROM repository_blob WHERE repository=repository_manifest.repository AND digest=link.child)
    """).fetchall()
    assert missing == [], "pushed manifests that are visible but not complete"
    kept = index.execute("""
        SELECT repository, digest FROM repository_blob WHERE NOT is_waiting AND NOT EXISTS(
            SELECT 1 FROM link JOIN repository_manifest AS needing ON needing.digest=link.parent
            WHERE link.child=repository_blob.digest AND link.role<>'manifest'
                AND needing.repository=repository_blob.repository)
    """).fetchall()
    assert kept == [], "blobs that would stay although nothing needs them"


def _column(index: sqlite3.Connection, sql: str) -> list:
    return [row[0] for row in index.execute(sql)]


def _digest_of(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
