"""Tests of evi_harness.replay.hearing.truncation."""

from __future__ import annotations

from array import array

import pytest

from evi_harness.replay.hearing.match import matched
from evi_harness.replay.hearing.streams import Chunk, Piece, ReceivedAudio, played_streams
from evi_harness.replay.hearing.truncation import SLACK_NS, Truncation, truncations
from evi_harness.session.wav import Pcm

MS = 1_000_000
MONO = Pcm(24000, 1)
CHUNK_MS = 100
N = 24 * CHUNK_MS
SLACK_MS = SLACK_NS // MS
# Of two items of ten chunks, all of which came in the first 20 ms; the seq of a chunk is its number.
ITEMS = {number: "a" if number <= 10 else "b" for number in range(1, 21)}


def sound(number, silent=()):
    """100 ms that are told from all others."""
    if number in silent:
        return bytes(2 * N)
    return array("h", [((number * N + at) * 40503 + 9000) % 65536 - 32768 for at in range(N)]).tobytes()


# Which is nobody's: no stretch of it is that of a chunk.
OTHER = array("h", [at * at * 7919 % 65536 - 32768 for at in range(N)]).tobytes()


def judged(said, played, *, silent=(), held_ms=0, others=()):
    """What is wrong with what an app says: of each, what it claims and what was heard, in ms; and how many cannot be judged.

    Args:
        said: When, of which item and how much the app says was heard, in ms.
        played: Chunks, and when each began to sound, in ms.
        silent: Chunks that are nothing but zeros, and are no sound of the speaker's either.
        held_ms: What the stream holds.
        others: When the app played sound of its own.
    """
    received = ReceivedAudio(Chunk(number, number * MS, MONO, sound(number, silent), 1) for number in ITEMS)
    pieces = [Piece(at * MS, (at + CHUNK_MS) * MS, MONO, sound(number)) for number, at in played if number not in silent]
    pieces += [Piece(at * MS, (at + CHUNK_MS) * MS, MONO, OTHER, 1) for at in others]
    claims = [Truncation(100 + index, at * MS, item, heard * MS) for index, (at, item, heard) in enumerate(said)]
    faults, unjudged = truncations(matched(received, played_streams(pieces)), ITEMS, claims, held_ms * MS)
    return [(one.seq, one.facts["claimed_ns"] // MS, one.facts["heard_ns"] // MS) for one in faults], len(unjudged)


FIVE = [(number, 50 + CHUNK_MS * number) for number in range(1, 6)]


@pytest.mark.parametrize("off_ms", [0, SLACK_MS, -SLACK_MS])
def test_what_was_heard_is_right(off_ms):
    """Give or take what a player of the app's own counts in."""
    assert judged([(400, "a", 250 + off_ms)], FIVE) == ([], 0)


@pytest.mark.parametrize("off_ms", [SLACK_MS + 1, -SLACK_MS - 1, 750])
def test_what_was_not_heard_is_wrong(off_ms):
    """Too much, as what was received; or too little. The block, or the buffer, that the stream holds is allowed besides."""
    assert judged([(400, "a", 250 + off_ms)], FIVE) == ([(100, 250 + off_ms, 250)], 0)
    assert judged([(400, "a", 250 + off_ms)], FIVE, held_ms=abs(off_ms)) == ([], 0)


def test_what_sounded_later_does_not_count():
    """An app may play on: that is another finding."""
    assert judged([(400, "a", 500)], FIVE) == ([(100, 500, 250)], 0)
    assert judged([(700, "a", 500)], FIVE) == ([], 0)


@pytest.mark.parametrize(("item", "heard_ms"), [("b", 0), ("nobody's", 0)])
def test_another_item_was_not_heard(item, heard_ms):
    """Such as the one that is to come."""
    assert judged([(400, item, 250)], FIVE) == ([(100, 250, heard_ms)], 0)


def test_an_item_is_counted_from_its_own_beginning():
    """Not from where playing began, nor over what was played before."""
    played = [(number, CHUNK_MS * number) for number in range(1, 14)]
    assert judged([(1400, "b", 300), (1400, "b", 1300), (1400, "a", 1000)], played) == ([(101, 1300, 300)], 0)


def test_each_is_judged_by_its_own_time():
    """And told by its message."""
    assert judged([(250, "a", 100), (400, "a", 100), (400, "a", 900)], FIVE) == ([(101, 100, 250), (102, 900, 250)], 0)


def test_what_was_left_out_before_is_passed_over():
    """How much of an item was heard is a place in it."""
    assert judged([(400, "a", 450)], [(1, 150), (4, 250), (5, 350)]) == ([], 0)


@pytest.mark.parametrize("claimed", [200, 300, 400, 500])
def test_silence_may_have_been_heard(claimed):
    """Where zeros were received, nobody can hear how far a player has come in them; no farther than time has gone."""
    silent = (3, 4, 5)
    played = [(number, CHUNK_MS * number) for number in range(1, 6)]
    assert judged([(500, "a", claimed)], played, silent=silent) == ([], 0)
    assert judged([(500, "a", 501)], played, silent=silent)[0] == [(100, 501, 200)]
    assert judged([(500, "a", 99)], played, silent=silent)[0] == [(100, 99, 200)]


def test_silence_at_the_beginning_may_have_been_heard():
    """Of an item that begins with zeros."""
    assert judged([(201, "a", 200)], [], silent=(1, 2)) == ([], 0)
    assert judged([(201, "a", 301)], [], silent=(1, 2)) == ([(100, 301, 0)], 0)


def test_sound_that_is_not_known_is_not_judged():
    """Where the app played something else meanwhile, as it does with audio at another rate, it may be right."""
    assert judged([(400, "a", 900)], FIVE, others=(120,)) == ([], 1)
    assert judged([(400, "a", 900)], FIVE, others=(400,)) == ([(100, 900, 250)], 0)
