from __future__ import annotations

import time

import pytest

from evi_harness.runs.app_process import is_alive


@pytest.fixture
def wait_for_end():
    """Waits for the end of a process that is no child of ours, by its number; fails where it goes on."""

    def wait(process: int) -> None:
        until_s = time.monotonic() + 60
        while is_alive(process):
            assert time.monotonic() < until_s, f"process {process} goes on"
            time.sleep(0.01)

    return wait
