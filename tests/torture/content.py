# SPDX-License-Identifier: Apache-2.0
"""Bytes that a server sends: pieces in memory or a file, never copied as a whole."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Union

import image_maker

Piece = Union[bytes, memoryview]
FILE_PIECE_BYTES = 256 << 10


class Content:
    """Immutable; used by many threads at once."""

    def __init__(self, *pieces: Piece, path: Path | None = None):
        self._pieces = [memoryview(piece) for piece in pieces]
        self._file = os.open(path, os.O_RDONLY) if path else -1
        self.size = os.fstat(self._file).st_size if path else sum(len(piece) for piece in self._pieces)

    @staticmethod
    def of(blob: image_maker.Blob) -> "Content":
        return Content(path=blob.path) if blob.path else Content(blob.read())

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def slices(self, start: int, stop: int, most: int = FILE_PIECE_BYTES) -> Iterator[Piece]:
        """The bytes [start, stop) in order, in pieces of at most `most` bytes."""
        while self._file >= 0 and start < stop:
            piece = os.pread(self._file, min(most, stop - start), start)
            if not piece:
                return
            yield piece
            start += len(piece)
        at = 0
        for piece in self._pieces:
            for begin in range(max(start - at, 0), min(stop - at, len(piece)), most):
                yield piece[begin:min(begin + most, stop - at, len(piece))]
            at += len(piece)

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        return b"".join(self.slices(start, self.size if stop is None else stop))

    def digest(self) -> str:
        hasher = hashlib.sha256()
        for piece in self.slices(0, self.size):
            hasher.update(piece)
        return "sha256:" + hasher.hexdigest()


class Coverage:
    """Which bytes of one blob went out, and how often (not thread-safe)."""

    def __init__(self) -> None:
        self.total = 0
        self._ranges: list[list[int]] = []
        self._ends: dict[int, int] = {}  # where a range ends, and which one it is: the next piece lengthens it

    def add(self, start: int, stop: int) -> None:
        if stop <= start:
            return
        self.total += stop - start
        index = self._ends.pop(start, len(self._ranges))
        if index == len(self._ranges):
            self._ranges.append([start, stop])
        self._ranges[index][1] = stop
        self._ends[stop] = index

    def take_back(self, start: int, stop: int) -> None:
        """The last bytes that were added never left this machine."""
        index = self._ends.pop(stop, None)
        if stop <= start or index is None:
            return
        self.total -= stop - start
        self._ranges[index][1] = start

    @property
    def distinct(self) -> int:
        """Bytes that went out at least once."""
        end = result = 0
        for start, stop in sorted(self._ranges):
            result += max(0, stop - max(start, end))
            end = max(end, stop)
        return result

    @property
    def repeated(self) -> int:
        return self.total - self.distinct
