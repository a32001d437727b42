"""The same app in three styles: callbacks, a coroutine that reads the connection, and start_listening. A replay finds the same in each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Received

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ROOT / "fixtures" / "handlers"
SESSIONS = {"weather": {}, "typed": {"typed": "What's the weather in Bath?"}}
NEEDS_EVENTS = pytest.mark.skipif(
    importlib.util.find_spec("hume.core.events") is None, reason="the SDK has start_listening and on from 0.13 on"
)
STYLES = ["iterates.py:main", "receives.py:main", pytest.param("listens.py:main", marks=NEEDS_EVENTS)]


def replayed(session, style, **options):
    """The result of a replay, in virtual time the same twice over."""
    options = {"twice": options.get("clock") != "real", **options}
    spec = str(HANDLERS / style)
    return replay_session(ROOT / "sessions" / session, handler=spec, arguments=SESSIONS[session], write=lambda line: None, **options)


def messages(result):
    """What was sent but for the message that tells of the microphone's format, and what was received: type and time."""
    events = [event for event in result.session.events if isinstance(event, Received) or event.kind == "sent"]
    read = [(event.kind, event.at_ns, EVI.read(event.kind, event.frame)) for event in events]
    return [(kind, at_ns, message.type, EVI.must_equal(message)) for kind, at_ns, message in read if not EVI.sets_audio(message)]


def handled(result):
    """The events that the handler had, in order, by when it got each."""
    return [(note.of, note.at_ns) for note in result.session.notes if note.name == "handler_entered" and note.of is not None]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("session", SESSIONS)
def test_every_style_gives_the_same(session, style):
    """The verdict, and each message and each frame of audio with its time, to the nanosecond."""
    guide, other = replayed(session, "guide.py:App"), replayed(session, style)
    assert guide.passed, guide.lines()
    assert other.passed, other.lines()
    assert messages(other) == messages(guide)
    assert len(messages(guide)) > 6
    assert [at_ns for _, at_ns in handled(other)] == [at_ns for _, at_ns in handled(guide)]
    assert other.session.closed.at_ns == guide.session.closed.at_ns


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_in_real_time_too(style):
    """The typed session passes, and the handler gets each message."""
    result = replayed("typed", style, clock="real")
    assert [one.kind for one in (*result.findings, *result.deviations) if one.kind != "maybe_blocked"] == []
    assert [of for of, _ in handled(result)] == [event.seq for event in result.session.received]
