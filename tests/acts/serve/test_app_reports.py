"""Tests of evi_harness.acts.serve.app_reports, with a pipe as an app's process has it."""

from __future__ import annotations

import asyncio
import os

from evi_harness.acts.serve.app_reports import AppReports
from evi_harness.runs.app_channel import INPUT, InputLine, Reports


def listening(write):
    """What is heard of what a process writes at once, before the loop could look, and whether that is all."""

    async def main():
        heard = []
        reports = AppReports(lambda kind, what: heard.append((kind, what)))
        said = os.dup(reports.said)
        reports.begin()
        write(said)
        reports.catch_up()
        found = list(heard)
        os.close(said)
        reports.catch_up()
        reports.end()
        return found, heard

    return asyncio.run(main())


def test_what_was_reported_by_now_is_taken_when_it_is_asked_for():
    """In order, however much it is; when nobody has the other end any more, it is over."""
    lines = [InputLine("x" * 1000, number) for number in range(40)]
    plan = os.open(os.devnull, os.O_RDWR)

    def write(pipe):
        for line in lines:
            Reports(pipe, plan, ends_alone=False).send(INPUT, line)

    found, heard = listening(write)
    os.close(plan)
    assert found == heard == [(INPUT, line) for line in lines]


def test_nothing_is_waited_for():
    """Not even for the rest of a report."""
    assert listening(lambda pipe: os.write(pipe, INPUT + b"\0\0")) == ([], [])


def test_a_process_goes_on_when_nobody_listens_any_more():
    """What it reports is lost."""
    heard, said = os.pipe()
    plan = os.open(os.devnull, os.O_RDWR)
    os.close(heard)
    Reports(said, plan, ends_alone=False).send(INPUT, InputLine("one", 1))
    os.close(said)
    os.close(plan)
