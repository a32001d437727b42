from __future__ import annotations

import asyncio
import threading

import pytest

from evi_harness.errors import HandlerError
from evi_harness.evi.dialect import EVI
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.runs.run import BUILT_IN, RunOptions
from evi_harness.runs.virtual_run import run_in_virtual_time
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.events import Closed, Note

MS = 1_000_000


class Hears:
    """Keeps the types of what it hears."""

    def __init__(self):
        self.heard = []

    def on_message(self, message):
        self.heard.append(message.type)


def hears(message):
    """Does nothing."""


@pytest.mark.parametrize(
    ("handler", "name"), [(None, BUILT_IN), ("recorded", "recorded"), (hears, "hears"), (Hears, "Hears"), (Hears(), "Hears")]
)
def test_a_run_is_called_after_its_handler(weather, handler, name):
    """And yields a whole session: opening first, a close last but for notes."""
    run = run_in_virtual_time(weather, handler, RunOptions(EVI, HUME, write=lambda line: None))
    assert run.handler == name
    assert run.events[0].kind == "opened"
    assert [event for event in run.events if not isinstance(event, Note)][-1].kind == "closed"
    assert [event.seq for event in run.events] == list(range(len(run.events)))
    assert run.overdue_jobs == ()


def test_what_the_quickstart_passes_is_asked_for_again(session_of):
    """Of the recorded query, the parameters that every SDK takes; never a key."""
    query = (("config_id", "c"), ("config_version", "3"), ("api_key", "[redacted]"), ("verbose_transcription", "true"))
    run = run_in_virtual_time(session_of([("closed", 10, ("app", 1000, ""))], query=query), hears, RunOptions(EVI, HUME))
    live = {name: value.lower() for name, value in run.events[0].handshake.query}
    assert {name: live.get(name) for name in ("config_id", "config_version", "verbose_transcription")} == {
        "config_id": "c",
        "config_version": "3",
        "verbose_transcription": "true",
    }
    assert "[redacted]" not in live.values()


@pytest.mark.parametrize(
    ("by", "code", "reason"), [("app", 1000, ""), ("app", 4000, "bye"), ("app", None, ""), ("service", 1011, "over"), ("network", None, "")]
)
def test_whoever_closed_closes_again(session_of, weather_rows, by, code, reason):
    """For a handler whose connection is ours, at the recorded time, with the recorded code."""
    run = run_in_virtual_time(
        session_of([*weather_rows[:-1], ("closed", 4500, (by, code, reason))]), hears_and_answers(), RunOptions(EVI, HUME)
    )
    (closed,) = [event for event in run.events if isinstance(event, Closed)]
    assert (closed.by, closed.code, closed.reason, closed.at_ns) == (by, code, reason, 4500 * MS)


def hears_and_answers():
    """A handler that does what the recorded one did."""

    class Answers:
        def set_socket(self, socket):
            self.socket = socket

        async def on_message(self, message):
            if message.type == "tool_call":
                await asyncio.sleep(0.2)
                await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": "sunny, 21 degrees"})

    return Answers()


@pytest.mark.slow
def test_a_job_that_the_clock_did_not_wait_for_is_named(weather):
    """Two runs may then differ, and the run says why."""
    freed = threading.Event()

    async def waits(message):
        if message.type == "chat_metadata":
            await asyncio.get_running_loop().run_in_executor(None, freed.wait, 5)
        elif message.type == "assistant_end":
            freed.set()

    asked = []

    async def main(message):
        if message.type == "chat_metadata":
            asked.append(asyncio.ensure_future(waits(message)))
        else:
            await waits(message)

    run = run_in_virtual_time(weather, main, RunOptions(EVI, HUME, ReplayOptions(thread_wait_s=0.01)))
    assert run.overdue_jobs
    assert "wait" in run.overdue_jobs[0]


def test_a_handler_is_built_inside_the_running_loop(weather):
    """On Python 3.9 a queue belongs to the loop that runs when it is made."""
    loops = []

    class Builds(Hears):
        def __init__(self):
            super().__init__()
            loops.append(asyncio.get_running_loop())

    run_in_virtual_time(weather, Builds, RunOptions(EVI, HUME))
    assert len(loops) == 1


def test_a_handler_that_cannot_be_built_keeps_its_cause(weather):
    """Where the message holds no secret, the exception below it leads to the developer's line."""
    with pytest.raises(HandlerError) as raised:
        run_in_virtual_time(weather, type("Broken", (Hears,), {"__init__": lambda self: 1 / 0}), RunOptions(EVI, HUME))
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
