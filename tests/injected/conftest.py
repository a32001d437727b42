"""What stands for an app's run in these tests."""

from __future__ import annotations

import pytest

from evi_harness.injected.loops import AppTime, InjectedLoop

MS = 1_000_000


class FakeStage:
    """Runs loops on which nothing is watched."""

    thread_wait_ns = 200 * MS
    limit_ns = 3600_000 * MS

    def __init__(self):
        self.refused = []

    def serves(self, host, port):
        return host == "api.hume.ai" and port in (None, 443)

    def loop_began(self, loop):
        pass

    def loop_ends(self, loop):
        pass

    def loop_ended(self, loop):
        pass

    def connected(self, transport, protocol):
        pass

    def charged(self, loop, charge):
        pass

    def runs_job(self, is_out):
        pass

    def is_parked(self, thread):
        return False

    def ends_input(self):
        pass

    def not_supported(self, what):
        self.refused.append(what)


@pytest.fixture
def stage(monkeypatch):
    """What loops are run by."""
    stage = FakeStage()
    monkeypatch.setattr(InjectedLoop, "stage", stage, raising=False)
    return stage


@pytest.fixture
def app_time(stage, monkeypatch):
    """The time of an app, on loops of its own."""
    monkeypatch.setattr(InjectedLoop, "app_time", AppTime(), raising=False)
    return InjectedLoop.app_time


@pytest.fixture
def run(app_time):
    """Runs a coroutine on a loop of the app's."""

    def run_here(main):
        loop = InjectedLoop()
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()

    return run_here
