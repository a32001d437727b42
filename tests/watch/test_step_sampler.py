"""Tests of evi_harness.watch.step_sampler."""

from __future__ import annotations

import threading
import time

import pytest

from evi_harness.clocks.steps import ReadySteps
from evi_harness.clocks.watchdog import Watchdog
from evi_harness.watch import step_sampler
from evi_harness.watch.step_sampler import StepSample, StepSampler

HERE = __file__


class Steps:
    """A loop's steps, set by hand."""

    n_steps = 0
    is_running = True


def looks(*seen, handling=lambda: 7):
    """Look once for each (number, whether it runs), on another thread than this one, which waits here."""
    steps = Steps()
    sampler = StepSampler(steps, handling)

    def run():
        for number, is_running in seen:
            steps.n_steps, steps.is_running = number, is_running
            sampler.look()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return {number for number in range(9) if sampler.sample(number) != StepSample()}, sampler


@pytest.mark.parametrize(
    ("seen", "sampled"),
    [
        ([], set()),
        ([(1, True)], set()),
        ([(1, True), (2, True)], set()),
        ([(1, True), (1, True)], {1}),
        ([(1, True), (1, True), (1, True), (2, True), (2, True)], {1, 2}),
        ([(1, False), (1, False)], set()),
    ],
    ids=["never", "once", "short steps", "a long step", "two long ones", "a loop that waits"],
)
def test_a_step_that_is_seen_twice_is_sampled(seen, sampled):
    """One that was not has no places."""
    assert looks(*seen)[0] == sampled


def test_a_sample_says_where_and_on_what():
    """The developer's places, and the event that was handled when it was first seen to be long."""
    events = iter([7, 8])
    _, sampler = looks((1, True), (1, True), (1, True), handling=lambda: next(events))
    assert sampler.sample(1).of == 7
    assert sampler.places(1)[0].startswith(f"{HERE}:")
    assert sampler.places(1)[0].endswith(" in looks")
    assert sampler.places(2) == ()


def test_there_is_an_upper_limit(monkeypatch):
    """A run that is blocked for ever keeps no more samples than that."""
    monkeypatch.setattr(step_sampler, "MAX_SAMPLES", 2)
    assert len(looks(*[(number, True) for number in range(9) for _ in range(2)])[0]) == 2


def test_the_watchdog_has_it_look():
    """On the watchdog's thread, for as long as that watches."""
    steps = ReadySteps()
    steps.append(object())
    steps.popleft()
    sampler = StepSampler(steps)
    with Watchdog(lambda: 0, lambda stack: None, beside=sampler.look, every_s=0.001):
        began = time.monotonic()
        while not sampler.places(1) and time.monotonic() - began < 60:
            pass
    assert sampler.places(1)[0].startswith(f"{HERE}:")
