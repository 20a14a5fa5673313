# SPDX-License-Identifier: Apache-2.0
"""Every trap that is known has a test that bears its number."""
from __future__ import annotations

import re
from pathlib import Path

import pytest


# Those of registries that concern a server; the others are of clients.
SERVER_TRAPS = {*range(1, 15), 18, 21, 28, 30, 31, 33, 34, 35, 37, 38, 40}


@pytest.mark.parametrize("file, prefix, wanted", [("test_traps.py", "test_trap_", {*range(1, 49)}),
                                                  ("test_user_traps.py", "test_user_trap_", {*range(1, 20)}),
                                                  ("test_registry_traps.py", "test_registry_trap_", SERVER_TRAPS)])
def test_every_trap_has_a_test(file: str, prefix: str, wanted: set[int]) -> None:
    text = (Path(__file__).parent / file).read_text()
    numbers = {int(number) for number in re.findall(rf"^def {prefix}([0-9]{{2}})_", text, re.MULTILINE)}
    assert numbers == wanted
