"""Tests of evi_harness.replay.judging.made_up_ids, and of what player, pairing and verdict make of ids that an app makes up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.realtime_strategies import realtime_sessions
from evi_harness.replay.app_ids import GivenIds
from evi_harness.replay.judging.deviations import compare_sent
from evi_harness.replay.judging.expectations import expectation_of, expecting
from evi_harness.replay.judging.made_up_ids import in_ids_of_the_replay
from evi_harness.replay.judging.verdict import judge
from evi_harness.replay.player import Player
from evi_harness.replay.trace import first_difference
from evi_harness.replay.user import RecordedUser
from evi_harness.session.events import TEXT, Closed, Frame, Note, Opened, Received, Sent
from evi_harness.session.header import Header
from evi_harness.session.session import Session

MS = 1_000_000
HEADER = Header("id", "script", "now", OPENAI_REALTIME.name)


def sent(kind, **fields):
    """A message that the app sent."""
    return Sent(0, 0, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def create(identity, text="hello", **fields):
    """An item that the app makes."""
    return sent("conversation.item.create", item={"id": identity, "role": "user", "content": text}, **fields)


def delete(identity):
    """Its deletion."""
    return sent("conversation.item.delete", item_id=identity)


def received(kind, **fields):
    """A message that the app received."""
    return Received(0, 0, frame=Frame(TEXT, json.dumps({"type": kind, **fields}).encode()))


def added(identity):
    """What the service says of an item."""
    return received("conversation.item.added", item={"id": identity})


def session_of(*events):
    """A session of these events, one every 10 ms, with seqs in their order; the app closes it."""
    every = [Opened(0, 0), *events, Closed(0, 0, by="app", code=1000)]
    return Session(HEADER, tuple(replace(event, seq=seq, at_ns=10 * MS * seq) for seq, event in enumerate(every)))


def renamed(session, ids):
    """A session in which the app gives other ids."""

    def other(event):
        if not isinstance(event, (Sent, Received)):
            return event
        return replace(event, frame=OPENAI_REALTIME.renamed(event.kind, event.frame, ids))

    return replace(session, events=tuple(map(other, session.events)))


def differences(recorded, live):
    """The deviations, each with what differs and by which values."""
    found = compare_sent(recorded, live, OPENAI_REALTIME).deviations
    return [(one.kind, [(each.path, each.recorded, each.live) for each in one.differences]) for one in found]


HELLOS = create("a"), added("a"), create("b", previous_item_id="a"), added("b"), delete("a")
# What the app of a replay sends in the place of HELLOS, and the deviations.
LIVE = {
    "other ids": ((create("x"), create("y", previous_item_id="x"), delete("x")), []),
    "the same ids": ((create("a"), create("b", previous_item_id="a"), delete("a")), []),
    "exchanged ids": ((create("b"), create("a", previous_item_id="b"), delete("b")), []),
    "no ids": (
        (sent("conversation.item.create", item={"role": "user", "content": "hello"}), create("y", previous_item_id="s"), delete("s")),
        [("different", [("$.previous_item_id", "a", "s")]), ("different", [("$.item_id", "a", "s")])],
    ),
    "another of its own": (
        (create("x"), create("y", previous_item_id="x"), delete("y")),
        [("different", [("$.item_id", "x", "y")])],
    ),
    "that of the recording": (
        (create("x"), create("y", previous_item_id="a"), delete("x")),
        [("different", [("$.previous_item_id", "x", "a")])],
    ),
    "one that there never was": (
        (create("x"), create("y", previous_item_id="x"), delete("z")),
        [("different", [("$.item_id", "x", "z")])],
    ),
    "another text": (
        (create("x", "bye"), create("y", previous_item_id="x"), delete("x")),
        [("different", [("$.item.content", "hello", "bye")])],
    ),
    "one less": ((create("x"), delete("x")), [("missing", [])]),
    "one more": (
        (create("x"), create("y", previous_item_id="x"), delete("x"), sent("response.create")),
        [("unexpected", [])],
    ),
}


@pytest.mark.parametrize(("messages", "deviations"), LIVE.values(), ids=LIVE)
def test_what_was_sent_is_compared_with_the_ids_of_the_replay(messages, deviations):
    """An id is wrong if it means something else than the recorded one, and the deviation has it as the app has it."""
    assert differences(session_of(*HELLOS), session_of(*messages)) == deviations


def test_messages_in_another_order_take_their_ids_along():
    """The pair decides, and not the order in which ids came."""
    recorded = session_of(create("a", "one"), create("b", "two"), delete("a"), delete("b"))
    live = session_of(create("x", "two"), create("y", "one"), delete("y"), delete("x"))
    assert [kind for kind, _ in differences(recorded, live)] == ["out_of_order"]
    live = session_of(create("x", "two"), create("y", "one"), delete("x"), delete("y"))
    assert len(differences(recorded, live)) == 2


def test_an_id_that_is_given_again_means_the_later_item():
    """From there on."""
    recorded = session_of(create("a"), delete("a"), create("a", "again"), delete("a"))
    assert differences(recorded, session_of(create("x"), delete("x"), create("y", "again"), delete("y"))) == []
    assert differences(recorded, session_of(create("x"), delete("x"), create("y", "again"), delete("x"))) == [
        ("different", [("$.item_id", "y", "x")])
    ]


def test_an_id_may_be_the_same_again():
    """As that of an item that is kept; until then it is another one."""
    recorded = session_of(create("a"), delete("a"), create("a", "again"), delete("a"))
    assert differences(recorded, session_of(create("x"), delete("x"), create("a", "again"), delete("a"))) == []


def test_what_was_served_decides_between_messages_that_say_the_same():
    """If only one came, the served frame says for which."""
    recorded = session_of(create("a"), create("b"), added("b"), delete("b"))
    note = Note(0, 0, name="due", data={"due_ns": 0, "recorded_seq": 3}, of=2)
    (kind, _), *others = differences(recorded, session_of(create("x"), added("x"), note, delete("x")))
    assert (kind, others) == ("missing", [])


def test_ids_of_the_service_are_never_others():
    """Not where an app gives one to what it creates itself."""
    recorded = session_of(added("s"), create("s"), delete("s"))
    assert differences(recorded, session_of(added("s"), create("x"), delete("x"))) == [("different", [("$.item_id", "s", "x")])]


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (HELLOS, HELLOS),
        (HELLOS, (added("s"),)),
        ((sent("response.create"), added("s")), (sent("response.create"), create("x"), added("s"))),
    ],
)
def test_a_recording_without_other_ids_is_the_same_object(recorded, live):
    """So nothing that is read off it is read again."""
    recorded, live = session_of(*recorded), session_of(*live)
    found = in_ids_of_the_replay(recorded, live, OPENAI_REALTIME)
    assert found.session is recorded
    frame = create("x").frame
    assert found.as_recorded(frame) is frame


def test_a_dialect_that_does_without_reads_nothing():
    """EVI's messages have no such ids, whatever they look like."""
    recorded, live = session_of(*HELLOS), session_of(*LIVE["other ids"][0])
    assert in_ids_of_the_replay(recorded, live, EVI).session is recorded


def test_what_is_accepted_has_the_ids_of_the_recording():
    """By which the service names it; what nothing was recorded for keeps its own."""
    recorded = session_of(*HELLOS)
    live = session_of(create("x", "bye"), added("x"), create("y", previous_item_id="x"), added("y"), delete("x"), create("z", "new"))
    expectation = expectation_of(recorded, live, OPENAI_REALTIME)
    assert expectation is not None
    said = [json.loads(event.frame.payload) for event in expectation.sent]
    assert [one.get("item_id") or one["item"]["id"] for one in said] == ["a", "b", "a", "z"]
    assert [one["item"]["content"] for one in said if "item" in one] == ["bye", "hello", "new"]
    again = session_of(create("1", "bye"), create("2", previous_item_id="1"), delete("1"), create("3", "new"))
    assert differences(expecting(recorded, expectation, OPENAI_REALTIME), again) == []


@given(realtime_sessions(max_turns=1))
def test_a_user_who_makes_up_other_ids_meets_the_recording(converse, session):
    """It is served its own ids, has no deviation, and is the same in another run with others again."""
    given_ids = GivenIds.of(session.events, session.sent, OPENAI_REALTIME)
    assume(given_ids.by_seq)
    runs = []
    for number in (1, 2):
        other = renamed(session, {key: f"{number}-{key[1]}" for key in given_ids.keys})
        live = converse(Player(session, OPENAI_REALTIME), RecordedUser(other, OPENAI_REALTIME, only_microphone=False, closes=True), session)
        assert [event.frame for event in live.session.received] == [event.frame for event in other.received]
        verdict = judge(session, live.session, OPENAI_REALTIME)
        assert verdict.passed, verdict
        runs.append(live.session.events)
    assert first_difference(*runs, OPENAI_REALTIME) is None
    assert first_difference(*runs) is not None
