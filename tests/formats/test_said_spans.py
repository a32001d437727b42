"""Tests of who said what, and when."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from evi_harness.evi.dialect import EVI
from evi_harness.formats.said_spans import said_in
from evi_harness.measure.session_times import Reading
from evi_harness.session.events import Frame, Received
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000


def said(session):
    """What was said in a session."""
    return said_in(Reading(session, EVI), str)


def test_the_users_words_stand_where_they_were_spoken_and_the_assistants_where_they_sound():
    """One sentence after another; what the user cut off ends there, and what came behind is left out."""
    session = load_session(ROOT / "sessions" / "demo")
    found = said(session)
    assert [one.who for one in found.spans] == ["user", "assistant", "assistant", "user", "assistant", "user", "assistant"]
    assert [one.turn for one in found.spans] == [1, 1, 1, 2, 2, 3, 3]
    assert not any(one.is_assumed for one in found.spans)
    assistant = [one for one in found.spans if one.who == "assistant"]
    assert all(one.end_ns <= other.begin_ns for one, other in zip(assistant, assistant[1:]))
    interrupted = next(turn for turn in EVI.turns(session.events) if turn.interrupted_by is not None)
    at_ns = {event.seq: event.at_ns for event in session.events}
    assert assistant[2].end_ns == at_ns[interrupted.interrupted_by]
    assert found.n_unheard == 1


def test_what_nobody_spoke_stands_from_when_it_came(session_of):
    """For as long as its length takes to read, and no longer than until the next; what is not final, or empty, is not said."""

    def message(who, text, **more):
        return ("received", 0, {"type": f"{who}_message", "message": {"role": who, "content": text}, "models": {}, **more})

    rows = [
        message("user", "Hm", from_text=False, interim=True),
        message("user", "x" * 1000, from_text=True, interim=False),
        message("assistant", " \n ", from_text=False),
        message("assistant", "Hi\nthere \u202e", from_text=False),
    ]
    times = (100, 200, 300, 400)
    session = session_of([(kind, at, what) for (kind, _, what), at in zip(rows, times)])
    first, second = said(session).spans
    assert (first.who, first.begin_ns, first.end_ns, first.is_assumed) == ("user", 200 * MS, 400 * MS, True)
    assert (second.text, second.begin_ns, second.end_ns) == ("Hi there \\u202e", 400 * MS, 1400 * MS)


def test_secrets_are_taken_out(session_of):
    """Before a text is put into one line."""
    rows = [("received", 1, {"type": "assistant_message", "message": {"role": "assistant", "content": "a\nkey"}, "models": {}})]
    (one,) = said_in(Reading(session_of(rows), EVI), lambda text: text.replace("key", "[redacted]")).spans
    assert one.text == "a [redacted]"


def test_a_strangers_messages_are_no_error(session_of):
    """Of any form; what says nothing is not said."""
    session = session_of([])
    texts = [b"\xff", b"[]", b'{"type":"assistant_message"}', b'{"type":"user_message","message":5}', json.dumps({"type": ["x"]}).encode()]
    events = (*session.events, *(Received(seq, seq, Frame("text", text)) for seq, text in enumerate(texts, 1)))
    assert said(replace(session, events=events)).spans == ()
