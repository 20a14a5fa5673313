# SPDX-License-Identifier: Apache-2.0
"""Every trap that is known has a test that bears its number."""
from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.mark.parametrize("file, prefix, count", [("test_traps.py", "test_trap_", 48),
                                                 ("test_user_traps.py", "test_user_trap_", 19)])
def test_every_trap_has_a_test(file: str, prefix: str, count: int) -> None:
    text = (Path(__file__).parent / file).read_text()
    numbers = {int(number) for number in re.findall(rf"^def {prefix}([0-9]{{2}})_", text, re.MULTILINE)}
    assert numbers == set(range(1, count + 1))
