"""Tests of evi_harness.replay.app_ids, with the messages of the Realtime protocol."""

from __future__ import annotations

import json

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.json_dialects.dialect_defaults import DialectDefaults
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.app_ids import NONE_GIVEN, AppIds, GivenIds, given_in, in_ids_of, naming
from evi_harness.session.events import BINARY, TEXT, Frame, Note, Received, Sent
from evi_harness.session.protocols import RECEIVED, SENT
from evi_harness.verdicts.comparing import Comparing, Rules


def frame(**message):
    """A message."""
    return Frame(TEXT, json.dumps(message).encode())


def create(identity, **more):
    """An item with an id."""
    return frame(type="conversation.item.create", item={"id": identity}, **more)


def added(identity, before=None):
    """What the service says of it."""
    return frame(type="conversation.item.added", item={"id": identity}, previous_item_id=before)


def delete(identity):
    """Its deletion."""
    return frame(type="conversation.item.delete", item_id=identity)


def events(*frames):
    """The events of a session: what is sent in a list of its own, what is received plain; one a millisecond."""
    return [
        Sent(seq, seq * 1_000_000, frame=one[0]) if isinstance(one, list) else Received(seq, seq * 1_000_000, frame=one)
        for seq, one in enumerate(frames)
    ]


def given(*frames):
    """The ids that the app gives in these events."""
    run = events(*frames)
    return GivenIds.of(run, [event for event in run if isinstance(event, Sent)], OPENAI_REALTIME)


def ids(*frames):
    """What is known of a replay of these events before anything has come."""
    return AppIds(given(*frames), OPENAI_REALTIME)


def met(known, seq, one):
    """Take that a frame of this run stands for a recorded message."""
    known.pair(seq, known.given(one))


def test_who_knows_ids():
    """The dialect that has them, however it is wrapped; not EVI, and not a dialect that does without."""
    assert naming(OPENAI_REALTIME) is OPENAI_REALTIME
    assert naming(Comparing(Comparing(OPENAI_REALTIME))) is OPENAI_REALTIME
    strict = naming(Comparing(OPENAI_REALTIME, Rules(strict=True)))
    assert strict is not None
    assert list(strict.named_ids(SENT, create("x"))) == []
    assert naming(EVI) is naming(Comparing(EVI)) is naming(DialectDefaults()) is None


def test_an_id_is_the_apps_if_it_gave_it_first():
    """What the service named before is the service's, whoever repeats it."""
    found = given(added("s"), [create("a")], added("a", "s"), [create("s")], [create("b", event_id="e")], added("b", "a"), [delete("a")])
    assert {seq: [one.id for one in ones] for seq, ones in found.by_seq.items()} == {1: ["a"], 4: ["e", "b"]}
    assert found.named_by == {2, 5}
    assert found.foreign == {("item", "s")}
    assert {one for _, one in found.keys} == {"a", "b", "e"}


def test_where_the_app_gives_none_there_is_nothing():
    """Nor where the dialect knows of none; what the service sent is not even read."""
    assert given([frame(type="response.create")], added("s")) is NONE_GIVEN
    assert GivenIds.of(events([create("a")]), events([create("a")]), None) is NONE_GIVEN
    assert (dict(NONE_GIVEN.by_seq), NONE_GIVEN.keys) == ({}, frozenset())


def test_before_anything_has_come_all_stays():
    """The same objects."""
    known, one = ids([create("a")], added("a")), added("a")
    assert known.to_live(RECEIVED, one) is known.to_recorded(SENT, one) is known.compared(one) is one
    assert not known.differ


def test_what_stands_for_a_message_gives_its_ids():
    """Received frames name this run's, and what is sent is compared by the recorded ones."""
    known = ids([create("a", event_id="e")], added("a"))
    met(known, 0, create("x", event_id="f"))
    assert known.differ
    assert known.to_live(RECEIVED, added("a", "a")) == added("x", "x")
    assert known.to_live(RECEIVED, frame(type="error", error={"event_id": "e"})) == frame(type="error", error={"event_id": "f"})
    assert known.to_recorded(SENT, delete("x")) == known.compared(delete("x")) == delete("a")
    # An event's id is no item's.
    assert known.to_live(RECEIVED, added("e")) == added("e")
    assert known.compared(delete("f")) == delete("f")


def test_an_id_of_another_run_equals_none():
    """Neither the recorded one, which nobody gave in this run, nor one that was never given."""
    known = ids([create("a")], [create("b")])
    met(known, 0, create("x"))
    assert known.compared(delete("a")) not in (delete("a"), delete("x"))
    assert known.to_recorded(SENT, delete("a")) == delete("a")
    assert known.compared(delete("y")) == delete("y")
    # Until something stands for it, nobody knows.
    assert known.compared(delete("b")) == delete("b")


def test_a_message_may_refer_to_the_id_that_it_gives():
    """As one that attaches its own to the response that it asks for: it equals one that does the same, before anything is known."""

    def asks(identity, attached):
        return frame(type="response.create", event_id=identity, response={"metadata": {"client_event_id": attached}})

    known = ids([asks("a", "a")], [asks("b", "a")])
    assert known.compared(asks("x", "x")) == known.as_compared(asks("a", "a"))
    assert known.compared(asks("x", "y")) != known.as_compared(asks("a", "a"))
    met(known, 0, asks("x", "x"))
    assert known.compared(asks("y", "x")) == known.as_compared(asks("b", "a"))
    assert known.compared(asks("y", "y")) != known.as_compared(asks("b", "a"))


def test_the_same_ids_in_another_order_are_other_ids():
    """Of counted ids, the second may be the first of this run."""
    known = ids([create("1")], [create("2")])
    met(known, 1, create("1"))
    met(known, 0, create("2"))
    assert known.to_live(RECEIVED, added("1", "2")) == added("2", "1")
    assert known.compared(delete("1")) == delete("2")
    assert known.compared(delete("2")) == delete("1")


def test_of_several_the_latest_counts():
    """An id that is given twice, as of an item that was deleted; what named the earlier one still means it."""
    known = ids([create("a")], [create("a")])
    met(known, 0, create("x"))
    met(known, 1, create("y"))
    assert known.to_live(RECEIVED, added("a")) == added("y")
    assert known.compared(delete("x")) == known.compared(delete("y")) == delete("a")


def test_an_id_that_is_given_for_two_stands_for_both():
    """Where this run's app gives one twice."""
    known = ids([create("a")], [create("b")])
    met(known, 0, create("x"))
    met(known, 1, create("x"))
    assert known.to_live(RECEIVED, added("b", "a")) == added("x", "x")
    assert known.compared(delete("x")) == delete("b")


def test_what_is_handed_over_stands_for_another():
    """Of two messages that say the same, it was the other one that came."""
    known = ids([create("a")], [create("b")], [create("c")])
    met(known, 2, create("z"))
    met(known, 0, create("x"))
    known.hand_over(0, 1)
    assert known.to_live(RECEIVED, added("a", "b")) == added("a", "x")
    assert known.compared(delete("x")) == delete("b")
    assert known.compared(delete("z")) == delete("c")
    known.hand_over(0, 2)
    assert known.to_live(RECEIVED, added("c", "b")) == added("z", "x")


@pytest.mark.parametrize("live", [frame(type="conversation.item.create", item={}), create("s"), create("a")])
def test_nothing_stands_for_what_is_equal_or_the_services(live):
    """An app that gives no id in this run, one of the service's, or the same."""
    known = ids(added("s"), [create("a")], added("a"))
    met(known, 1, live)
    assert not known.differ
    assert known.to_live(RECEIVED, added("a", "s")) == added("a", "s")


def test_a_message_that_gave_none_gives_none():
    """Whose id the service chose: the app of this run has to take it."""
    known = ids([frame(type="conversation.item.create", item={})], added("s"), [create("a")])
    met(known, 0, create("x"))
    assert not known.differ


def test_what_was_served_tells_it_too():
    """The n-th id of a frame stands for the n-th of the other, if it is the app's."""
    known = ids(added("s"), [create("a")], added("a"))
    known.meet(OPENAI_REALTIME.named_ids(RECEIVED, added("a", "s")), OPENAI_REALTIME.named_ids(RECEIVED, added("x", "t")))
    assert known.to_live(RECEIVED, added("a", "s")) == added("x", "s")


AUDIO = {"type": "input_audio_buffer.append", "audio": "AAAA"}
RUN = [[create("a", event_id="e")], added("a"), [frame(**AUDIO, event_id="g")], [delete("a")], [Frame(BINARY, b"a")], added("s", "a")]
OTHER = [[create("x", event_id="f")], added("x"), [frame(**AUDIO, event_id="h")], [delete("x")], [Frame(BINARY, b"a")], added("s", "x")]


def test_a_run_in_the_ids_of_another():
    """What is sent, with audio too, and received; all else stays, notes among it."""
    note = Note(9, 9, name="n", data={"id": "a"})
    assert in_ids_of(events(*OTHER), [*events(*RUN), note], OPENAI_REALTIME) == [*events(*OTHER), note]
    assert in_ids_of(events(*RUN), events(*RUN), OPENAI_REALTIME) == events(*RUN)
    assert in_ids_of([], events(*RUN), OPENAI_REALTIME) == events(*RUN)


@pytest.mark.parametrize(
    ("run", "other"),
    [
        # One id for two, two for one.
        ([[create("a")], [create("a")]], [[create("x")], [create("y")]]),
        ([[create("a")], [create("b")]], [[create("x")], [create("x")]]),
        # One that means another, one that is nobody's, and one that the service gave.
        ([[create("a")], [create("b")], [delete("a")]], [[create("x")], [create("y")], [delete("y")]]),
        ([[create("a")], [delete("a")]], [[create("x")], [delete("z")]]),
        ([added("s"), [delete("s")]], [added("s"), [delete("t")]]),
        ([added("s"), [create("s")]], [added("t"), [create("t")]]),
        # Only one of them gives any.
        ([[create("a")]], [[frame(type="conversation.item.create", item={})]]),
        ([[create("a")]], [[frame(type="conversation.item.create", item={"id": "x"}, event_id="e")]]),
    ],
)
def test_runs_that_differ_in_more_stay_different(run, other):
    """In both directions."""
    assert in_ids_of(events(*other), events(*run), OPENAI_REALTIME) != events(*other)
    assert in_ids_of(events(*run), events(*other), OPENAI_REALTIME) != events(*run)


def test_given_in_a_frame():
    """In the order of their places."""
    assert [one.id for one in given_in(create("a", event_id="e", previous_item_id="p"), OPENAI_REALTIME)] == ["e", "a"]
    assert given_in(delete("a"), OPENAI_REALTIME) == ()
