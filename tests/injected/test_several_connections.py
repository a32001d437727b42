"""Apps that open several connections in one run, and what belongs to which session."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.corpus import replay_corpus
from evi_harness.audio.sources import SilenceSource
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.evi.dialect import EVI
from evi_harness.injected.several_connections import OwnNotes, SeveralConnections, WaitingSource, handshakes_of
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.events import Handshake, Opened
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import NoFacts
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
TYPING = str(ROOT / "fixtures" / "apps" / "typing_app.py")
SPEAKING = str(Path(__file__).parent / "two_conversations.py")
CONFIG = ("config_id", "00000000-0000-4000-8000-000000000003")
GROUP = "00000000-0000-4000-8000-000000000002"
RESUMED = ("resumed_chat_group_id", GROUP)


def conversation(chat_id, text, closed_ms):
    """The rows of a session in which the user types a text, and has it said back."""
    said = {"role": "assistant", "content": f"You said: {text}"}
    echo = {"role": "user", "content": text}
    return [
        ("received", 38, {"type": "chat_metadata", "chat_group_id": GROUP, "chat_id": chat_id, "request_id": "r"}),
        ("sent", 938, {"type": "user_input", "text": text}),
        ("received", 1000, {"type": "user_message", "message": echo, "models": {}, "from_text": True, "interim": False}),
        ("received", 1400, {"type": "assistant_message", "id": "a", "message": said, "models": {}, "from_text": False}),
        ("received", 1500, {"type": "assistant_end"}),
        ("closed", closed_ms, ("app", 1000, "")),
    ]


@pytest.fixture
def typed(tmp_path, session_of):
    """Two sessions of one conversation: the second resumes the first."""
    folders = []
    for name, text, closed_ms, query in (("first", "hello", 1500, [CONFIG]), ("second", "again", 4000, [CONFIG, RESUMED])):
        session = session_of(conversation(name, text, closed_ms), query=query, name=name)
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        write_session(folders[-1], session, EVI)
    return folders


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """``weather`` twice, the second time as a resumed chat."""
    recorded = load_session(ROOT / "sessions" / "weather")
    resumed = replace(recorded.handshake, query=(*recorded.handshake.query, RESUMED))
    events = tuple(replace(event, handshake=resumed) if isinstance(event, Opened) else event for event in recorded.events)
    folders = []
    for name, session in (("first", recorded), ("second", replace(recorded, events=events))):
        folders.append(tmp_path_factory.mktemp(name))
        write_session(folders[-1], replace(session, name=name), EVI)
    return folders


def replayed(folders, *words, **options):
    """What became of each session: its exit code, and what was wrong with it, by kind."""
    asked = ReplayOptions(handler=app_command([sys.executable, *words], together=True), **options)
    report = replay_corpus(folders, asked, n_jobs=1, keep_json=True)
    told = []
    for outcome in report.outcomes:
        found = outcome.json or {"findings": [], "deviations": []}
        wrong = [one["kind"] for one in found["findings"] if one["severity"] == "error"]
        told.append((outcome.exit_code, sorted([*wrong, *(one["kind"] for one in found["deviations"])])))
    return told, report


PASSED = (0, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("resumes", [PASSED, PASSED]),
        ("types_twice", [PASSED, PASSED]),
        ("resumes_wrongly", [PASSED, (1, ["different"])]),
        ("forgets", [PASSED, (1, ["different"])]),
        ("insists", [PASSED, (1, ["network", "raised"])]),
        ("stays_away", [PASSED, (3, [])]),
        ("asks", [PASSED, (1, ["different"])]),
    ],
)
def test_each_session_is_judged_by_its_own_connection(typed, way, told):
    """What is wrong with one of them is wrong with none of the others."""
    assert replayed(typed, TYPING, way)[0] == told


def test_an_app_is_told_of_the_conversation_before(typed):
    """Of the chat that is over, in the run of the other; what it asked is what it sends."""
    _, report = replayed(typed, TYPING, "asks")
    (deviation,) = report.outcomes[1].json["deviations"]
    assert "You said: hello" in json.dumps(deviation)


def test_the_order_of_the_sessions_does_not_matter_where_handshakes_differ(typed):
    """Two runs of each are the same, too."""
    told, report = replayed(typed[::-1], TYPING, "resumes", twice=True)
    assert told == [PASSED, PASSED]
    assert [outcome.json["twice"] for outcome in report.outcomes] == [{"identical": True, "first_difference": []}] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("block", "fault", "told"),
    [
        ("320", "none", [PASSED, PASSED]),
        ("480", "none", [PASSED, PASSED]),
        ("320", "halve 1", [(1, ["never_played", "never_played"]), PASSED]),
        ("320", "halve 2", [PASSED, (1, ["never_played", "never_played"])]),
        ("320", "block 1", [(1, ["blocked"]), PASSED]),
        ("320", "block 2", [PASSED, (1, ["blocked"])]),
    ],
)
def test_what_is_said_and_heard_belongs_to_its_conversation(spoken, block, fault, told):
    """Although the microphone and the speaker stay open from the one to the other."""
    assert replayed(spoken, SPEAKING, block, fault)[0] == told


FIRST, SECOND = Handshake("/v0/evi/chat", (CONFIG,)), Handshake("/v0/evi/chat", (CONFIG, RESUMED))


def test_an_app_is_interrupted_when_nothing_is_left_to_be_opened():
    """When the last of those that are open would be closed, and not while it is not known of one when that is."""
    several = SeveralConnections([FIRST, SECOND, FIRST], 0, EVI)
    several.opened(several.match(FIRST))
    assert several.interrupts_ns(0, 100) is None
    several.closed(0)
    assert (several.is_open, several.is_more_to_come) == (False, True)
    several.opened(several.match(SECOND))
    several.opened(several.match(FIRST))
    assert (several.latest, several.is_more_to_come, several.match(FIRST)) == (2, False, None)
    assert several.interrupts_ns(1, 300) is None
    assert several.interrupts_ns(2, 200) == 300
    several.closed(1)
    assert several.interrupts_ns(2, 200) == 200
    assert several.interrupts_ns(0, 900) == 200


def test_what_is_observed_belongs_to_the_judged_connection_while_it_is_open_and_until_another_is():
    """From the start, where it is the first."""
    several = SeveralConnections([FIRST, SECOND], 1, EVI)
    told = [several.is_judged_now]
    for step in (lambda: several.opened(0), lambda: several.opened(1), lambda: several.closed(1), lambda: several.closed(0)):
        step()
        told.append(several.is_judged_now)
    assert told == [True, False, True, True, True]
    several = SeveralConnections([FIRST, SECOND], 0, EVI)
    several.opened(0)
    several.opened(1)
    assert several.is_judged_now
    several.closed(0)
    assert not several.is_judged_now


def test_notes_of_another_conversation_are_not_written():
    """What crosses the wire is, and so is what is noted later; what was noted before is left out."""
    events, kind, is_own = [], NoteKind("seen", NoFacts), [True]
    journal = Journal(RealClock(), events.append)
    notes = OwnNotes(journal, lambda: is_own[0])
    notes.note(kind)
    notes.forget()
    is_own[0] = False
    journal.opened(FIRST)
    assert notes.opened_at_ns == journal.opened_at_ns
    assert notes.note(kind).name == "seen"
    journal.note(kind)
    is_own[0] = True
    notes.note(kind)
    notes.forget()
    assert [(event.kind, event.seq) for event in events] == [("opened", 0), ("note", 1), ("note", 2)]
    assert journal.events == events


def test_audio_waits_for_its_conversation():
    """In silence of the same format."""
    begun = []

    class Loud(SilenceSource):
        def read(self, n_frames):
            return b"\x01" * n_frames * self.pcm.frame_bytes

    source = WaitingSource(Loud(), lambda: bool(begun))
    assert source.read(3) == bytes(3 * source.pcm.frame_bytes)
    begun.append(True)
    assert source.read(2) == b"\x01" * 2 * source.pcm.frame_bytes


def test_a_recording_without_a_handshake_asked_for_the_usual_path():
    """One that was imported."""
    assert handshakes_of([SECOND, None], EVI) == [SECOND, Handshake("/v0/evi/chat")]
