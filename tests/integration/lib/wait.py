# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition, never for time to pass."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SANITIZED = bool(os.environ.get("LIGHTERD_SANITIZE"))
# Deadlines are for a plain build; sanitizers make the daemon several times slower.
SLOWNESS = 5 if SANITIZED else 1


def wait_until(condition: Callable[[], T], what: str, seconds: float = 10) -> T:
    """The first true value of the condition; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds * SLOWNESS
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * SLOWNESS:g} s: {what}")
        time.sleep(0.005)
