"""What an app leaves behind when it is replayed by its command, and when it takes its messages; each app is a process of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.replay import replay_asked
from evi_harness.evi.dialect import EVI
from evi_harness.measure import reasons
from evi_harness.measure.measuring import measure
from evi_harness.measure.metrics import METRICS
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.events import TEXT, Frame
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[2]
TYPED, WEATHER = ROOT / "sessions" / "typed", ROOT / "sessions" / "weather"
APPS = ROOT / "fixtures" / "apps"


def replayed(app, *words, session=TYPED):
    """The result of a replay of an app by its command."""
    command = AppCommand((sys.executable, str(APPS / app), *words), (("api.hume.ai", None),))
    return replay_asked(session, ReplayOptions(handler=command))


def kinds(result):
    """What was found."""
    return sorted(finding.kind for finding in result.findings) + [one.kind for one in result.deviations]


def measured(result, metric):
    """The values of a metric in milliseconds, by the message's type, and why there are none."""
    live = result.session
    types = {event.seq: EVI.read(event.kind, event.frame).type for event in live.received}
    mine = [one for one in measure(live, EVI).samples if one.metric == metric]
    assert {one.why for one in mine if one.value is None} <= set(METRICS[metric].unavailable)
    return {types[one.of]: one.value for one in mine if one.value is not None}, {one.why for one in mine if one.value is None}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ways", "found"),
    [
        (["ends_soon"], []),
        (["task", "callback", "thread", "job"], ["swallowed"] * 4),
        (["pending", "unawaited", "held", "socket"], ["leaked_task", "never_awaited", "never_awaited", "open_socket"]),
        (["waits"], ["leaked_thread"]),
        (["sends_soon"], []),
        (["sends_late"], ["sends_after_close"]),
        pytest.param(["waits_in_a_job"], ["leaked_thread", "never_returns"], marks=pytest.mark.slow),
    ],
    ids="-".join,
)
def test_what_an_app_leaves_behind_is_found(ways, found):
    """As of a handler: what nobody looks at, what is pending, what still runs and what is open when the app has ended by itself."""
    result = replayed("leaving_app.py", *ways)
    assert kinds(result) == found
    places = [finding.places[0] for finding in result.findings if finding.kind != "never_returns"]
    assert {Path(place.file).name for place in places} <= {"leaving_app.py"}


def test_a_message_to_a_closed_connection_has_its_place():
    """With its type, and how late it was sent."""
    (finding,) = replayed("leaving_app.py", "sends_late").findings
    assert finding.places[0].function == "sends_late"
    assert ("user_input" in finding.what, "1500 ms" in finding.what) == (True, True)


def test_what_is_pending_when_an_app_is_interrupted_is_no_finding():
    """Ctrl+C ends it, as it did then; the report says that it is not counted. What was never awaited is one all the same."""
    result = replayed("leaving_app.py", "pending", "socket", "unawaited", "stays")
    assert kinds(result) == ["never_awaited"]
    assert "interrupted" in [one.kind for one in result.report.unseen]


@pytest.mark.parametrize("app", [["leaving_app.py", "ends_soon"], ["typing_app.py", "aiohttp"]], ids=lambda app: app[-1])
def test_a_message_is_taken_when_recv_returns_it_and_handled_until_the_next_call(app):
    """By websockets' connection as by aiohttp's, one message after another."""
    result = replayed(*app)
    values, missing = measured(result, "handle")
    assert (values["chat_metadata"], values["tool_call"], values["user_message"]) == (900.0, 120.0, 0.0)
    assert missing <= {reasons.NOT_DONE}
    assert len(measured(result, "cpu")[0]) == len(values)


@pytest.mark.parametrize(
    ("way", "taken", "why"),
    [("hands_on", "chat_metadata", reasons.HANDED_ON), ("reads_twice", "chat_metadata", reasons.NOT_WATCHED)],
)
def test_how_long_an_app_handles_messages_is_unavailable_where_it_does_not_read_in_sequence(way, taken, why):
    """With the reason; when the first was taken is known."""
    result = replayed("leaving_app.py", way)
    assert result.passed
    assert measured(result, "handle") == ({}, {why})
    assert measured(result, "queue")[0][taken] == 0.0


def test_a_message_that_the_sdk_cannot_parse_is_told_as_of_a_handler(tmp_path, monkeypatch):
    """With its fields, and where it was to be handled; the exception that ends the app is not told besides."""
    monkeypatch.setenv("HUME_API_KEY", "none")
    session = read_session(WEATHER)
    first = next(event for event in session.received if EVI.read(event.kind, event.frame).type == "user_message")
    said = {**json.loads(first.frame.payload), "message": 7}
    events = [replace(one, frame=Frame(TEXT, json.dumps(said).encode())) if one.seq == first.seq else one for one in session.events]
    strange = write_session(tmp_path / "strange", replace(session, events=tuple(events)), EVI)
    (finding,) = [finding for finding in replayed("current_quickstart.py", session=strange).findings if finding.fails]
    assert (finding.kind, finding.recorded_seq, finding.ended) == ("unparseable", first.seq, True)
    assert "message" in finding.what
    assert finding.places[0].function == "listen"
