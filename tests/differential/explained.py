# SPDX-License-Identifier: Apache-2.0
"""The table of docs/differences.md: what differs on purpose, and where; expected.json says what is said here instead."""
from __future__ import annotations

import dataclasses
import fnmatch
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stage import Difference

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
EXPECTED = Path(__file__).resolve().parent / "expected.json"
# Clients act on these: it is not enough that they differ.
STATED_STEPS = ("delete-", "prune", "events-")
STATED_PATHS = re.compile(r"status|body|body\.message|body\.messages\.\d+\.\w+")


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A row: patterns of requests and of places in their answers, each a list in backquotes."""

    line: int
    steps: tuple[str, ...]
    paths: tuple[str, ...]

    def covers(self, difference: Difference) -> bool:
        return (any(fnmatch.fnmatchcase(difference.step, pattern) for pattern in self.steps)
                and any(fnmatch.fnmatchcase(difference.path, pattern) for pattern in self.paths))

    def find_idle(self, differences: Sequence[Difference]) -> list[str]:
        """Patterns of it that match nothing of what it covers."""
        covered = [difference for difference in differences if self.covers(difference)]
        steps, paths = {each.step for each in covered}, {each.path for each in covered}
        return [*(pattern for pattern in self.steps if not fnmatch.filter(steps, pattern)),
                *(pattern for pattern in self.paths if not fnmatch.filter(paths, pattern))]


def read_explanations(document: Path = DOCUMENT) -> list[Explanation]:
    rows = []
    for number, line in enumerate(document.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            rows.append(Explanation(number, *(tuple(re.findall("`([^`]+)`", cell)) for cell in cells[:2])))
    return rows


def find_problems(differences: Sequence[Difference], explanations: Sequence[Explanation]) -> list[str]:
    """Differences that no row covers, patterns that cover nothing, and answers that are not what expected.json states."""
    unexplained = [str(difference) for difference in differences
                   if not any(row.covers(difference) for row in explanations)]
    idle = [f"{DOCUMENT.name}:{row.line} `{pattern}` explains nothing any more" for row in explanations
            for pattern in row.find_idle(differences)]
    return [*unexplained, *idle, *_find_unexpected(differences, json.loads(EXPECTED.read_text()))]


def _find_unexpected(differences: Sequence[Difference], expected: dict[str, Any]) -> Iterator[str]:
    seen = set()
    for difference in differences:
        place = f"{difference.step} {difference.path}"
        seen.add(place)
        if place in expected and not _is_as_stated(difference.ours, expected[place]):
            yield f"{place}: {json.dumps(difference.ours)}, expected is {json.dumps(expected[place])}"
        if place not in expected and _must_be_stated(difference):
            yield f"{place}: {EXPECTED.name} does not state {json.dumps(difference.ours)}"
    yield from (f"{EXPECTED.name}: {place} does not differ any more" for place in expected.keys() - seen)


def _is_as_stated(value: Any, stated: Any) -> bool:
    """`*` in a text stands for anything: the host's platform, the blob that was first."""
    if isinstance(stated, str) and isinstance(value, str):
        return re.fullmatch(".*".join(map(re.escape, stated.split("*"))), value, re.DOTALL) is not None
    return value == stated


def _must_be_stated(difference: Difference) -> bool:
    return difference.step.startswith(STATED_STEPS) or STATED_PATHS.fullmatch(difference.path) is not None
