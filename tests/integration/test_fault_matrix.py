# SPDX-License-Identifier: Apache-2.0
"""A share of the fault matrix (contrib/torture matrix plays the whole): each kind of fault somewhere."""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "torture"))

from matrix import quick_cases  # noqa: E402
from run_matrix import SCALED, Matrix, running_daemon  # noqa: E402

# The bounds of time are for a machine that does nothing else; here they only tell what ends from what hangs.
SLACK = 10


def test_faults_end_as_the_table_says(binary: Path) -> None:
    with running_daemon(binary, SCALED) as (daemon, folder):
        matrix = Matrix(daemon, folder, SLACK)
        cases = quick_cases()
        matrix.run(cases, crowds=[case for case in cases if case.endpoint == "layer"])
        failures = [f"{verdict.name}: {verdict.problems}" for verdict in matrix.verdicts if verdict.problems]
        assert failures + matrix.problems == []
        daemon.stop()
