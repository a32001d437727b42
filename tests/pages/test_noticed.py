"""Tests of evi_harness.pages.noticed."""

from __future__ import annotations

import re

import pytest

from evi_harness.pages.noticed import noticed


def turn(number, begin_ms, message_ms, first_audio_ms, *, question="Will it rain?", answer="It will."):
    """A turn as the page has it."""
    reply = None if answer is None else {"text": answer, "first_audio_ms": first_audio_ms}
    user = None if question is None else {"text": question, "message_ms": message_ms}
    return {"number": number, "begin_ms": begin_ms, "user": user, "reply": reply}


def side(turns, *, lost=(), interruptions=(), lines=()):
    """A side as the page has it."""
    transcript = [{"seq": seq, "who": who, "text": text, "turn": number, "is_interim": False} for seq, who, text, number in lines]
    pieces = [
        {"kind": kind, "seq": seq, "turn": number, "length_ms": length, "begin_ms": 800.0 + 100 * seq} for kind, seq, number, length in lost
    ]
    silences = [{"seq": seq, "at_ms": at_ms, "silent_ms": silent_ms} for seq, at_ms, silent_ms in interruptions]
    return {"turns": turns, "lost_audio": pieces, "interruptions": silences, "transcript": transcript}


def problem(kind, at_ms=1500.0, *, what="finding", seq=7, until_ms=None, more=()):
    """A problem as the page has it."""
    again = [{"replayed_seq": one} for one in more]
    return {"kind": kind, "what": what, "at_ms": at_ms, "until_ms": until_ms, "replayed_ms": at_ms, "replayed_seq": seq, "more": again}


GOOD = side([turn(1, 0, 1000, 1500)])
SAID = ((3, "user", "Will it rain?", 1), (4, "assistant", "It will.", 1), (5, "assistant", "Take a coat.", 1), (6, "assistant", "Bye.", 1))
RECORDED = side([turn(1, 0, 1000, 1500)], lines=SAID)
LATE = side([turn(1, 0, 1000, 3600)])
LOST = side([turn(1, 0, 1000, 1500), turn(2, 4000, 5000, 5500)], lost=[("skipped", 7, 1, 400), ("cut", 8, 1, 300), ("skipped", 17, 2, 800)])
DRY = side([turn(1, 0, 1000, 1500)], lost=[("late", 8, 1, 300), ("late", 9, 1, 900)])
BEGINS = side([turn(1, 0, 1000, 1500)], lost=[("late", 7, 1, 300), ("late", 9, 1, 900)])
TALKS = side([turn(1, 0, 1000, 1500)], interruptions=[(7, 1500, 4700), (17, 5000, 6000), (27, 8000, None)])
ONE_GAP = r".* silent once .*\b0\.90 s .*"
NOTHING = ".*notices nothing.*"
NOT_KNOWN = ".*not known."


@pytest.mark.parametrize(
    ("one", "consequences", "replayed", "told"),
    [
        (problem("missing", what="deviation"), [4], GOOD, r".*“Will it rain\?” .*never hears “It will\.”\."),
        (
            problem("missing", what="deviation"),
            [4, 5, 6, 99],
            side([turn(1, 0, 1000, None, answer=None)]),
            r".*“Will it rain\?” .*hears nothing: “It will\.”, “Take a coat\.” and 1 more .*",
        ),
        (problem("raised"), [3, 99], GOOD, None),
        (problem("missing", what="deviation"), [], GOOD, None),
        (problem("plays_on"), [], TALKS, r".*interrupts, .*\b3\.20 s\."),
        (problem("plays_on", more=[17, 27]), [], TALKS, r".*interrupts, .*\b3\.20 s, .*again\."),
        (problem("plays_on", seq=27), [], TALKS, r".*interrupts, .*goes on\b[^\d]*"),
        (problem("never_played"), [], LOST, r".*not hear 0\.70 s .*“It will\.”\."),
        (
            problem("never_played", more=[17]),
            [],
            LOST,
            r".*not hear 1\.50 s .*\b2 replies; .*“It will\.”\.",
        ),
        (problem("never_played", seq=55), [], LOST, None),
        (problem("blocked"), [], LATE, r".*“Will it rain\?” begins 2\.10 s later\b.*"),
        (problem("blocked", until_ms=3500.0), [], GOOD, r".*\b2\.00 s .*react.*anything\."),
        (problem("falls_behind"), [], DRY, r".* silent 2 times .*\b1\.20 s .*"),
        (
            problem("underrun"),
            [],
            BEGINS,
            rf".*“Will it rain\?” begins 0\.30 s later\b.*\. {ONE_GAP}",
        ),
        (problem("falls_behind"), [], LOST, None),
        (problem("played_twice"), [], GOOD, ".*hears .*twice."),
        (problem("different", what="deviation"), [], GOOD, NOT_KNOWN),
        (problem("closed_early", what="deviation"), [], GOOD, r".*ends after 1\.50 s\."),
        (problem("leaked_task"), [], GOOD, NOTHING),
        (problem("leaked_task"), [], LOST, None),
        (problem("leaked_task"), [], side([]), None),
        (problem("failed", what="gate"), [4], GOOD, None),
    ],
)
def test_what_the_user_notices(one, consequences, replayed, told):
    """Only what the page holds says so; where nothing does, there is no sentence."""
    found = noticed(one, consequences, [RECORDED, replayed], [[1, 1], [None, 2]])
    assert found is None if told is None else re.fullmatch(told, found)


def test_where_the_replay_is_not_there_what_was_not_said_is_known_all_the_same():
    """From the recording; that nothing is amiss is not known then."""
    assert re.fullmatch(r".*“Will it rain\?” .*never hears “It will\.”\.", noticed(problem("raised"), [4], [RECORDED], [[1]]))
    assert noticed(problem("leaked_task"), [], [RECORDED], [[1]]) is None


def test_a_long_sentence_is_cut():
    """It is there to be recognised."""
    recorded = side([turn(1, 0, 1000, 1500, question=None)], lines=[(4, "assistant", "a " * 90, 1)])
    told = noticed(problem("missing", what="deviation"), [4], [recorded, GOOD], [[1, 1]])
    assert told is not None
    assert ("never hears “a a" in told, told.endswith("a…”."), len(told) < 110) == (True, True, True)
