from __future__ import annotations

import os

import pytest

from evi_harness.runs.app_channel import EVENT, FAILED, FINISHED, AppOutcome, ReportReader, Reports


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_reports_are_the_same_however_their_bytes_come(size):
    """Whatever has an end in the pipe; that the injected part has failed is text."""
    heard, pipe = os.pipe()
    reports = Reports(pipe, -1)
    reports.send(EVENT, ["an event"])
    reports.send(FINISHED, (1, AppOutcome(sdk="0.14.1")))
    os.write(pipe, FAILED + (3).to_bytes(8, "big") + b"why")
    os.close(pipe)
    with os.fdopen(heard, "rb") as pipe_end:
        data = pipe_end.read()
    reader = ReportReader()
    found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size])]
    assert found == [(EVENT, ["an event"]), (FINISHED, (1, AppOutcome(sdk="0.14.1"))), (FAILED, "why")]


def test_a_forked_child_reports_nothing(monkeypatch):
    """It has no part in the run."""
    heard, pipe = os.pipe()
    reports = Reports(pipe, -1)
    process = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: process + 1)
    reports.send(EVENT, "of the child")
    os.close(pipe)
    with os.fdopen(heard, "rb") as pipe_end:
        assert pipe_end.read() == b""
