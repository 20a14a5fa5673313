# SPDX-License-Identifier: Apache-2.0
"""The table of docs/differences.md: what differs on purpose, and where."""
from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

from stage import Difference

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A row: patterns of requests and of places in their answers, each a list in backquotes."""

    line: int
    steps: tuple[str, ...]
    paths: tuple[str, ...]

    def covers(self, difference: Difference) -> bool:
        return (any(fnmatch.fnmatchcase(difference.step, pattern) for pattern in self.steps)
                and any(fnmatch.fnmatchcase(difference.path, pattern) for pattern in self.paths))


def read_explanations(document: Path = DOCUMENT) -> list[Explanation]:
    rows = []
    for number, line in enumerate(document.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            rows.append(Explanation(number, *(tuple(re.findall("`([^`]+)`", cell)) for cell in cells[:2])))
    return rows


def find_problems(differences: Sequence[Difference], explanations: Sequence[Explanation]) -> list[str]:
    """Differences that no row covers, and rows that cover nothing."""
    unexplained = [str(difference) for difference in differences
                   if not any(row.covers(difference) for row in explanations)]
    idle = [f"{DOCUMENT.name}:{row.line} explains nothing any more" for row in explanations
            if not any(row.covers(difference) for difference in differences)]
    return unexplained + idle
