"""Tests of evi_harness.replay.judging.pairing."""

from __future__ import annotations

import json
from dataclasses import replace

from evi_harness.evi.dialect import EVI
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.app_ids import AppIds, GivenIds
from evi_harness.replay.judging.pairing import Pairing, comparable
from evi_harness.session.events import TEXT, Frame, Sent
from evi_harness.session.protocols import SENT, Message


def say(text, **more):
    """A text of the user."""
    return Message("user_input", {"type": "user_input", "text": text, **more})


def answer(call, content="sunny"):
    """A tool's result."""
    return Message("tool_response", {"type": "tool_response", "tool_call_id": call, "content": content})


def fail(call):
    """A tool's error."""
    return Message("tool_error", {"type": "tool_error", "tool_call_id": call, "error": "none"})


def pairing(*recorded):
    """A pairing of messages whose seqs are counted from 0."""
    return Pairing(dict(enumerate(recorded)), EVI)


def test_an_equal_message_meets_at_once():
    """Order does not matter while it runs, and each recorded message is met once, the first of equals first."""
    pair = pairing(say("a"), say("b"), say("a"))
    pair.meet(say("b"), 10)
    pair.meet(say("a"), 20)
    assert [pair.met_at_ns(seq) for seq in range(3)] == [20, 10, None]
    pair.meet(say("a"), 30)
    assert pair.met_at_ns(2) == 30


def test_what_equals_nothing_meets_nothing():
    """An unexpected message is loose: only asking tells what it could stand in for."""
    pair = pairing(say("a"), answer("call"))
    pair.meet(say("x"), 10)
    assert pair.met_at_ns(0) is None
    assert (pair.stand_in_at_ns(0), pair.stand_in_at_ns(1)) == (10, None)


def test_a_stand_in_is_of_the_same_family_and_identity():
    """A tool's error stands in for its answer, but for that of no other call."""
    pair = pairing(answer("one"), answer("two"))
    pair.meet(fail("two"), 10)
    assert (pair.stand_in_at_ns(0), pair.stand_in_at_ns(1)) == (None, 10)
    pair.accept_stand_in(0)
    pair.accept_stand_in(1)
    assert (pair.met_at_ns(0), pair.met_at_ns(1)) == (None, 10)


def test_a_stand_in_is_accepted_once():
    """What stands in for one message stands in for no other, and one that has come needs none."""
    pair = pairing(say("a"), say("b"))
    pair.meet(say("x"), 10)
    pair.accept_stand_in(0)
    assert pair.stand_in_at_ns(1) is None
    pair.meet(say("b"), 20)
    pair.meet(say("y"), 30)
    pair.accept_stand_in(1)
    assert (pair.met_at_ns(0), pair.met_at_ns(1)) == (10, 20)


def test_what_was_stood_in_for_may_come():
    """One message too many does not shift those behind it: the right one is then itself, and stands in for no other."""
    pair = pairing(say("a"), say("b"))
    pair.meet(say("x"), 10)
    pair.accept_stand_in(0)
    pair.meet(say("a"), 20)
    assert (pair.met_at_ns(0), pair.met_at_ns(1), pair.stand_in_at_ns(1)) == (10, None, None)


def test_what_was_given_up_may_come():
    """A message that comes too late is not taken for an equal one that may still come, nor for another."""
    pair = pairing(say("a"), say("b"))
    pair.give_up(0)
    pair.meet(say("a"), 20)
    assert (pair.met_at_ns(0), pair.stand_in_at_ns(1)) == (None, None)
    twice = pairing(say("a"), say("a"))
    twice.give_up(0)
    twice.meet(say("a"), 20)
    assert (twice.met_at_ns(0), twice.met_at_ns(1)) == (None, 20)


def test_giving_up_gives_up_what_was_before():
    """What should have come even earlier is not waited for either: an equal message behind is met first."""
    pair = pairing(say("a"), answer("one"), say("a"))
    pair.give_up(1)
    pair.give_up(1)
    pair.meet(say("a"), 20)
    assert (pair.met_at_ns(0), pair.met_at_ns(2)) == (None, 20)
    pair.meet(say("a"), 30)
    assert pair.stand_in_at_ns(0) is None


def test_what_came_may_be_handed_over_to_a_later_twin():
    """The later one has then come, at that time; the earlier one may still come, before those behind it."""
    pair = pairing(say("a"), say("b"), say("a"), say("a"))
    assert pair.twins_before(2) == []
    pair.meet(say("a"), 10)
    assert (pair.twins_before(0), pair.twins_before(1), pair.twins_before(2), pair.twins_before(3)) == ([], [], [0], [0])
    pair.hand_over(0, 2)
    assert [pair.met_at_ns(seq) for seq in range(4)] == [None, None, 10, None]
    assert (pair.twins_before(2), pair.twins_before(3)) == ([], [2])
    pair.meet(say("a"), 20)
    assert ([pair.met_at_ns(seq) for seq in range(4)], pair.twins_before(3)) == ([20, None, 10, None], [2, 0])


def test_what_stood_in_is_no_twin_and_what_was_given_up_wants_none():
    """Only what has come itself can be handed over, and only to what may still be waited for."""
    pair = pairing(say("a"), say("a"), say("a"))
    pair.meet(say("x"), 10)
    pair.accept_stand_in(0)
    assert pair.twins_before(1) == []
    pair.meet(say("a"), 20)
    assert pair.twins_before(2) == [1]
    pair.give_up(2)
    assert pair.twins_before(2) == []


def test_what_is_overtaken():
    """A message came before the one behind which it was recorded, not beside or after it."""
    pair = pairing(say("b"), say("a"), say("c"), say("a"), say("d"))
    for text in ("d", "b", "a"):
        pair.meet(say(text), 10)
    assert not pair.is_overtaken(1, 3)
    pair.meet(say("c"), 10)
    assert not pair.is_overtaken(1, 3)
    early = pairing(say("a"), say("c"), say("a"))
    early.meet(say("c"), 10)
    early.meet(say("a"), 10)
    assert early.is_overtaken(0, 2)


def test_must_equal_decides():
    """Ids that change from run to run and secrets are not compared, all else is."""
    a = comparable(say("a"), EVI)
    assert a.equals(comparable(say("a", custom_session_id="x"), EVI))
    assert not a.equals(comparable(say("a", other=None), EVI))
    assert not a.equals(comparable(Message("assistant_input", {"type": "assistant_input", "text": "a"}), EVI))


def test_a_message_that_is_nested_too_deep_is_still_one():
    """What Python cannot walk is compared without its fields, and ends nothing."""
    deep = []
    for _ in range(5000):
        deep = [deep]
    one = comparable(say("a", context=deep), EVI)
    assert one.type == "user_input"
    assert one.equals(comparable(say("b", context=deep), EVI))
    assert not one.equals(comparable(say("a"), EVI))


def named(number, identity):
    """A message that gives an item an id, recorded or live, and equals each of its number."""
    text = json.dumps({"type": "conversation.item.create", "item": {"id": identity, "number": number}})
    return Sent(0, 0, frame=Frame(TEXT, text.encode()))


def test_what_is_met_tells_which_ids_stand_for_which():
    """At once if it is equal, also when nothing waits for it; once it is accepted, if it stands in; anew if it is handed over."""
    recorded = [
        replace(named(number, identity), seq=seq) for seq, (number, identity) in enumerate([(1, "a"), (2, "b"), (1, "c"), (3, "d")])
    ]
    ids = AppIds(GivenIds.of(recorded, recorded, OPENAI_REALTIME), OPENAI_REALTIME)
    pair = Pairing({event.seq: OPENAI_REALTIME.read(SENT, event.frame) for event in recorded}, OPENAI_REALTIME, ids)

    def meet(number, identity):
        frame = named(number, identity).frame
        pair.meet(OPENAI_REALTIME.read(SENT, frame), 10, ids.given(frame))

    def served():
        frames = (ids.to_live(SENT, event.frame) for event in recorded)
        return [json.loads(frame.payload)["item"]["id"] for frame in frames]

    meet(1, "w")
    assert served() == ["w", "b", "c", "d"]
    pair.hand_over(0, 2)
    assert served() == ["a", "b", "w", "d"]
    meet(9, "x")
    assert served() == ["a", "b", "w", "d"]
    pair.accept_stand_in(1)
    assert served() == ["a", "x", "w", "d"]
    pair.give_up(3)
    meet(3, "y")
    assert served() == ["a", "x", "w", "y"]
