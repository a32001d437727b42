"""Turns."""

from __future__ import annotations

import json

from hypothesis import given

from evi_harness.evi.reading import read
from evi_harness.evi.turns import REPLY, turns
from evi_harness.session.events import TEXT, Frame, Opened, Received, Sent
from evi_harness.session.turn import Speech, Turn
from evi_harness.strategies import sessions

MS = 1_000_000


def session(*messages):
    """Events from opened on, a millisecond apart: a dict is received, a pair of ("sent", dict) is sent."""
    events = [Opened(0, 0)]
    for seq, message in enumerate(messages, start=1):
        kind, fields = message if isinstance(message, tuple) else ("received", message)
        made = Sent if kind == "sent" else Received
        events.append(made(seq, seq * MS, frame=Frame(TEXT, json.dumps(fields).encode())))
    return events


def user(text, interim=False, **fields):
    """A user_message."""
    return {"type": "user_message", "message": {"content": text}, "interim": interim, **fields}


def assistant(text, identity="a"):
    """A sentence of the assistant."""
    return {"type": "assistant_message", "id": identity, "message": {"content": text}}


def sound(identity="a"):
    """Audio of a sentence."""
    return {"type": "audio_output", "id": identity, "index": 0, "data": ""}


END = {"type": "assistant_end"}
INTERRUPTION = {"type": "user_interruption", "time": 810}
CALL = {"type": "tool_call", "tool_call_id": "t"}
ANSWER = ("sent", {"type": "tool_response", "tool_call_id": "t", "content": ""})
SETTINGS = {"type": "session_settings"}


def shape(events):
    """User, reply, interruption and end of each turn."""
    return [(turn.user, turn.reply, turn.interrupted_by, turn.end) for turn in turns(events)]


def test_a_whole_turn():
    """A turn holds the user's words and where they were, the reply in order, its sentences, its first audio and its end."""
    events = session(
        user("What's", interim=True, time={"begin": 7390, "end": 7800}),
        user("What's that?", time={"begin": 7390, "end": 8210}),
        assistant("Oh."),
        sound(),
        SETTINGS,
        assistant("Hello.", "b"),
        sound("b"),
        END,
    )
    assert turns(events) == [
        Turn(
            number=1,
            user=2,
            user_text="What's that?",
            speech=Speech(7390 * MS, 8210 * MS),
            reply=(3, 4, 6, 7, 8),
            reply_text="Oh. Hello.",
            first_audio=4,
            tool_calls=(),
            interrupted_by=None,
            end=8,
        )
    ]


def test_a_greeting_is_a_turn_without_a_user():
    """What the assistant says first makes turn 1; the user's first words make turn 2."""
    events = session({"type": "chat_metadata"}, assistant("Hi."), sound(), END, user("Hello."), assistant("Good.", "b"), END)
    assert shape(events) == [(None, (2, 3, 4), None, 4), (5, (6, 7), None, 7)]
    assert turns(events)[0].user_text == ""


def test_an_interrupted_reply():
    """The interruption belongs to the reply that it cut, and the end behind it too."""
    events = session(user("a"), assistant("One."), sound(), INTERRUPTION, END, user("b"), assistant("Two.", "b"), END)
    assert shape(events) == [(1, (2, 3, 5), 4, 5), (6, (7, 8), None, 8)]


def test_the_end_of_an_interrupted_reply_may_be_overtaken():
    """An end that comes behind the user's next words, before any reply to them, is that of the interrupted reply."""
    events = session(user("a"), assistant("One."), INTERRUPTION, user("b"), END, assistant("Two.", "b"), END)
    assert shape(events) == [(1, (2, 5), 3, 5), (4, (6, 7), None, 7)]


def test_late_parts_of_a_sentence():
    """Audio and prosody go with the sentence that they name, even behind the end or in the next turn."""
    prosody = {"type": "assistant_prosody", "id": "a", "models": {}}
    events = session(user("a"), assistant("One."), END, prosody, user("b"), sound(), assistant("Two.", "b"), END)
    assert shape(events) == [(1, (2, 3, 4, 6), None, 3), (5, (7, 8), None, 8)]
    assert [turn.first_audio for turn in turns(events)] == [6, None]


def test_tools():
    """A call and what follows its answer are one reply, also where the service said end in between."""
    events = session(user("a"), CALL, ANSWER, assistant("One."), END)
    assert shape(events) == [(1, (2, 4, 5), None, 5)]
    assert turns(events)[0].tool_calls == (2,)
    events = session(user("a"), CALL, END, ANSWER, assistant("One."), END)
    assert shape(events) == [(1, (2, 3, 5, 6), None, 6)]


def test_built_in_tools():
    """What the service answers itself is part of the reply."""
    assert shape(session(user("a"), CALL, {"type": "tool_response", "tool_call_id": "t"}, END)) == [(1, (2, 3, 4), None, 4)]


def test_what_the_app_lets_the_assistant_say():
    """An assistant_input after the end makes a turn with no user."""
    events = session(user("a"), END, ("sent", {"type": "assistant_input", "text": "x"}), assistant("x"), END)
    assert shape(events) == [(1, (2,), None, 2), (None, (4, 5), None, 5)]


def test_a_user_who_is_not_answered():
    """Two final messages in a row are two turns, the first with no reply."""
    assert shape(session(user("a"), user("b"), assistant("One."))) == [(1, (), None, None), (2, (3,), None, None)]


def test_speech():
    """Where the user spoke is known from a spoken message with a sensible time only."""
    times = [{"begin": 1, "end": 2}, {"begin": 2, "end": 1}, {"begin": -1, "end": 2}, {"begin": 1}, None]
    found = [turn.speech for turn in turns(session(*(user("a", time=time) for time in times)))]
    assert found == [Speech(MS, 2 * MS), None, None, None, None]
    assert turns(session(user("a", time={"begin": 1, "end": 1}, from_text=True)))[0].speech is None


def test_silence():
    """A session in which nobody said anything has no turns."""
    assert turns([]) == turns(session({"type": "chat_metadata"}, INTERRUPTION, ANSWER)) == []


@given(sessions())
def test_every_part_is_in_one_turn(session):
    """Each final user_message begins a turn, each part of a reply is in exactly one, turns are numbered from 1, and each has ended."""
    found = turns(session.events)
    messages = {event.seq: read("received", event.frame) for event in session.received}
    users = [seq for seq, message in messages.items() if message.type == "user_message" and not message.fields["interim"]]
    parts = [seq for seq, message in messages.items() if message.type in REPLY]
    assert [turn.user for turn in found if turn.user is not None] == users
    assert sorted(seq for turn in found for seq in turn.reply) == sorted(parts)
    assert [turn.number for turn in found] == list(range(1, len(found) + 1))
    assert sum(turn.end is not None for turn in found) == sum(message.type == "assistant_end" for message in messages.values())
    assert sum(turn.interrupted_by is not None for turn in found) == sum(m.type == "user_interruption" for m in messages.values())
