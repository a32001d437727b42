"""Tests of evi_harness.live.heard."""

from __future__ import annotations

import base64
import json

import pytest

from evi_harness.audio.speaker import Playback
from evi_harness.evi.dialect import EVI
from evi_harness.live.heard import chunks_of, note_heard, pieces_of
from evi_harness.live.journal import Journal
from evi_harness.replay.hearing import Piece
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame, Handshake

MS = 1_000_000
MONO = wav.Pcm(24000, 1)
OPENED_NS = 5000 * MS


class Clock:
    """A clock that is set."""

    at_ns = OPENED_NS

    def now_ns(self):
        return self.at_ns


def samples(number):
    """100 ms that are told from all others."""
    return (number + 1).to_bytes(2, "little") * 2400


def audio(number, **changes):
    """A message with a chunk."""
    data = base64.b64encode(wav.header(MONO, 4800) + samples(number)).decode()
    return {"type": "audio_output", "id": "s-1", "index": number, "data": data, **changes}


def conversation(*messages, close_ms=10_000):
    """A journal in which these come at once, in the reply to what the user said."""
    clock = Clock()
    journal = Journal(clock)
    journal.opened(Handshake("/v0/evi/chat"))
    said = {"type": "user_message", "message": {"role": "user", "content": "Hi."}, "from_text": False, "interim": False}
    for message in (said, *messages):
        journal.received(Frame(TEXT, json.dumps(message).encode()))
    clock.at_ns += close_ms * MS
    journal.closed("app", 1000)
    return journal


def playback(*rows, is_known=True, at_ms=0):
    """What a stream played that was started at a time: numbers of chunks, None for 100 ms of silence."""
    played = Playback(MONO, OPENED_NS + at_ms * MS)
    for number in rows:
        if number is not None and is_known:
            played.chunks.append(played.n_heard)
        played.add(bytes(4800) if number is None else samples(number), 0 if number is None else 4800, played.began_ns)
    return played


def noted(journal, *playbacks):
    """Name, event and time of each fault."""
    note_heard(journal, playbacks, EVI)
    notes = [event for event in journal.events if event.kind == "note" and event.name != "heard"]
    return [(note.name, note.of, round(note.data["at_ns"] / MS)) for note in notes]


def test_the_chunks_of_a_session():
    """Audio with its place and its reply; what is no WAV is passed over."""
    journal = conversation(audio(0), {"type": "assistant_end"}, audio(1, data="AAAA"), audio(2, index="x"))
    chunks = list(chunks_of(journal.events, EVI))
    assert [(one.seq, one.at_ns, one.pcm, one.samples, one.place) for one in chunks] == [
        (2, 0, MONO, samples(0), ("s-1", 0)),
        (5, 0, MONO, samples(2), None),
    ]
    assert chunks[0].reply == 1


def test_the_pieces_of_a_playback():
    """Each as it was handed on, with when it sounded in session time; the last may have been cut off."""
    pieces = list(pieces_of(playback(0, None, 1), OPENED_NS))
    assert [(one.at_ns // MS, round(one.end_ns / MS), one.samples, one.is_last) for one in pieces] == [
        (0, 100, samples(0), False),
        (200, 300, samples(1), True),
    ]


def test_a_playback_of_unknown_pieces_is_one():
    """All of it; one in which nothing was heard has none."""
    (piece,) = pieces_of(playback(0, 1, is_known=False), OPENED_NS)
    assert piece.samples == samples(0) + samples(1)
    assert list(pieces_of(playback(None), OPENED_NS)) == []
    assert isinstance(piece, Piece)


@pytest.mark.parametrize(
    ("played", "told"),
    [
        ([(0, 1, 2)], []),
        ([(0,), (1, 2)], []),
        ([(0, 2)], [("never_played", 3, 100)]),
        ([(0, 1, 1, 2)], [("played_twice", 3, 200)]),
        ([(0, 2, 1)], [("out_of_order_audio", 3, 200)]),
        ([(0, None, None, 1, 2)], [("underrun", 3, 100)]),
        ([], []),
    ],
    ids=["all in order", "in two streams", "passed over", "twice", "swapped", "dry", "not at all"],
)
def test_what_was_heard_is_held_against_what_came(played, told):
    """Each fault is a note about the chunk, at its own time."""
    journal = conversation(audio(0), audio(1), audio(2))
    # A second stream begins where the first has ended.
    assert noted(journal, *(playback(*rows, at_ms=100 * at) for at, rows in enumerate(played))) == told


def test_what_the_user_interrupted_is_not_missed():
    """The dialect knows what an interruption is."""
    journal = conversation(audio(0), audio(1), {"type": "user_interruption", "time": 50}, {"type": "assistant_end"})
    assert noted(journal, playback(0)) == []


def test_nothing_is_told_where_nobody_connected():
    """There was no session."""
    journal = Journal(Clock())
    note_heard(journal, [playback(0)], EVI)
    assert journal.events == []


def test_when_each_chunk_was_heard_is_noted():
    """The first time, from when until when; what was not heard has no note."""
    journal = conversation(audio(0), audio(1), audio(2))
    note_heard(journal, [playback(0, None, 1, 1)], EVI)
    heard = [note for note in journal.events if note.kind == "note" and note.name == "heard"]
    times = [(note.of, round(note.data["at_ns"] / MS), round(note.data["until_ns"] / MS)) for note in heard]
    assert times == [(2, 0, 100), (3, 200, 300)]
