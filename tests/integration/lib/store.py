# SPDX-License-Identifier: Apache-2.0
"""What must hold of a data root whenever no operation runs (invariants of the store)."""
from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lib.wait import wait_until


def check_store(data_root: Path) -> None:
    """AssertionError unless nothing is under way, files and index agree, and all that is visible is complete."""
    wait_until(lambda: not list((data_root / "ingest").iterdir()), "ingest/ is empty")
    with open_index(data_root) as index:
        wait_until(lambda: _column(index, "SELECT count(*) FROM lease") == [0], "no lease is left")
        assert _column(index, "PRAGMA integrity_check") == ["ok"]
        assert _column(index, "PRAGMA foreign_key_check") == []
        _check_files(index, data_root)
        _check_images(index)


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
    """Every image has the manifest that it shows, with its config and all of its layers."""
    missing = index.execute("""
        SELECT image.digest, link.role, link.child FROM image JOIN link ON link.parent=image.manifest
        WHERE link.role IN ('config', 'layer') AND NOT EXISTS(SELECT 1 FROM blob WHERE blob.digest=link.child)
    """).fetchall()
    assert missing == [], "images that are visible but not complete"
    assert _column(index, "SELECT digest FROM image WHERE manifest IS NULL") == []
    unverified = index.execute("""
        SELECT image.digest, link.child FROM image JOIN manifest ON manifest.digest=image.manifest
        JOIN link ON link.parent=image.manifest
        WHERE manifest.kind='image' AND link.role='layer' AND NOT EXISTS(SELECT 1 FROM layer WHERE digest=link.child)
    """).fetchall()
    assert unverified == [], "layers without a diff ID"


def _column(index: sqlite3.Connection, sql: str) -> list:
    return [row[0] for row in index.execute(sql)]


def _digest_of(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
