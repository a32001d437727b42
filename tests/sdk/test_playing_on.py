from __future__ import annotations

import asyncio
import base64
from types import SimpleNamespace

import pytest

from evi_harness.live.journal import Journal
from evi_harness.sdk.playing_on import PlayingOn
from evi_harness.session import wav
from evi_harness.session.events import Handshake, Received

MS = 1_000_000
INTERRUPTION = "interruption"
TAKEN = "taken"


class Clock:
    """Stands where it is put."""

    ns = 0

    def now_ns(self):
        return self.ns


class Handler:
    """Has ``byte_strs`` of the SDK's shape."""

    def __init__(self):
        self.byte_strs = SimpleNamespace(queue=asyncio.Queue())

    async def on_message(self, message): ...


def sound(number):
    """A chunk of 100 ms that is told from every other."""
    samples = (number + 1).to_bytes(2, "little") * 2400
    return wav.header(wav.Pcm(24000, 1), len(samples)) + samples


def notes(*steps, handler=None, heard=None, ended_ns=0):
    """What is noted: an int is a chunk that is received, bytes are put, ``TAKEN`` takes the next out, ``INTERRUPTION`` is one.

    Each takes a millisecond; the conversation goes on for ``ended_ns`` behind them.
    """

    async def main():
        clock = Clock()
        journal = Journal(clock)
        journal.opened(Handshake("/"))
        acting = Handler() if handler is None else handler
        watch = PlayingOn(lambda: getattr(acting, "byte_strs", None), journal, heard)
        for seq, step in enumerate(steps, 1):
            clock.ns += MS
            if isinstance(step, bytes):
                acting.byte_strs.queue.put_nowait(step)
                continue
            if step == TAKEN:
                acting.byte_strs.queue.get_nowait()
                continue
            data = base64.b64encode(sound(step)).decode() if isinstance(step, int) else ""
            message = SimpleNamespace(type="audio_output" if isinstance(step, int) else "user_interruption", data=data)
            watch.before(message)
            watch.after(Received(seq, clock.ns), message)
        clock.ns += ended_ns
        watch.finish()
        return [event for event in journal.events if event.kind == "note"]

    return asyncio.run(main())


def test_what_is_handed_on_after_the_interruption_is_told():
    """Once, with how late, how much the handler held, and which event it is about."""
    (note,) = notes(0, 1, 2, sound(0), INTERRUPTION, sound(1), sound(2))
    assert (note.name, note.of) == ("plays_on", 5)
    assert (note.data["late_ns"], note.data["held_ns"]) == (MS, 200 * MS)
    told = "audio of the interrupted reply went to byte_strs 1 ms after the interruption"
    assert note.data["what"] == f"{told}; the handler held 0.20 s of it"


def test_samples_without_their_header_are_known():
    """An app may cut it off."""
    assert len(notes(0, INTERRUPTION, sound(0)[44:])) == 1


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (0, sound(0)),
        (0, sound(0), INTERRUPTION),
        (0, INTERRUPTION),
        (0, INTERRUPTION, 1, sound(1)),
        (0, INTERRUPTION, 0, sound(0)),
        (0, INTERRUPTION, b""),
        (0, sound(0), INTERRUPTION, sound(0)),
        (INTERRUPTION, INTERRUPTION),
    ],
    ids=[
        "nothing",
        "no interruption",
        "handed on before",
        "dropped",
        "the next reply",
        "the next reply sounds the same",
        "no audio",
        "audio that was heard, once more",
        "nothing to play",
    ],
)
def test_who_falls_silent_is_told_nothing(steps):
    """No finding where nothing of the interrupted reply that was held is handed on."""
    assert notes(*steps) == []


def test_each_interruption_is_its_own():
    """A handler that plays on twice is told so twice."""
    found = notes(0, INTERRUPTION, sound(0), 1, INTERRUPTION, sound(1))
    assert [note.of for note in found] == [2, 5]


def test_another_queue_on_the_way_is_watched_too():
    """A handler may make its stream anew; the old one still counts."""

    class Anew(Handler):
        @property
        def byte_strs(self):
            return self.streams[-1]

        @byte_strs.setter
        def byte_strs(self, stream):
            self.streams = [*getattr(self, "streams", []), stream]

    async def main():
        clock, handler = Clock(), Anew()
        journal = Journal(clock)
        journal.opened(Handshake("/"))
        watch = PlayingOn(lambda: handler.byte_strs, journal)
        watch.before(SimpleNamespace(type="audio_output", data=base64.b64encode(sound(0)).decode()))
        watch.after(Received(1, 0), SimpleNamespace(type="user_interruption"))
        handler.byte_strs = SimpleNamespace(queue=asyncio.Queue())
        watch.before(SimpleNamespace(type="assistant_end"))
        handler.byte_strs.queue.put_nowait(sound(0))
        return [event.name for event in journal.events if event.kind == "note"]

    assert asyncio.run(main()) == ["plays_on"]


@pytest.mark.parametrize("byte_strs", [None, [], SimpleNamespace(queue=[])], ids=["none", "a list", "a queue of its own kind"])
def test_what_is_no_stream_is_not_watched(byte_strs):
    """And nothing goes wrong with it."""

    class Other:
        async def on_message(self, message): ...

    handler = Other()
    handler.byte_strs = byte_strs
    assert notes(0, INTERRUPTION, handler=handler) == []


@pytest.mark.parametrize(
    ("steps", "heard_ms", "tail_ms"),
    [
        ((0, sound(0), TAKEN, INTERRUPTION), 30, 70),
        ((0, sound(0), TAKEN, INTERRUPTION), 0, 100),
        ((0, 1, sound(0), sound(1), TAKEN, TAKEN, INTERRUPTION), 130, 70),
        ((0, sound(0), TAKEN, INTERRUPTION), 100, None),
        ((0, sound(0), INTERRUPTION), 0, None),
        ((0, INTERRUPTION), 0, None),
    ],
    ids=["a part", "all", "two chunks", "it was heard", "it lies in byte_strs", "it was not handed on"],
)
def test_what_the_player_had_taken_and_not_played_is_a_note(steps, heard_ms, tail_ms):
    """Taken out of ``byte_strs`` and not heard when the user interrupted: nobody can drop that any more."""
    found = notes(*steps, heard=lambda: heard_ms * MS)
    assert [(note.name, note.data["tail_ns"]) for note in found] == ([] if tail_ms is None else [("player_tail", tail_ms * MS)])
    assert all(f"had taken {tail_ms / 1000:.2f} s" in note.data["what"] for note in found)


def test_a_function_is_not_watched():
    """It belongs to no object."""
    watch = PlayingOn(lambda: None, Journal(Clock()))
    watch.before(SimpleNamespace(type="audio_output", data="no base64"))


def test_a_handler_that_hands_on_nothing_is_told_once():
    """About the first message with sound, with how much came in how many."""
    (note,) = notes(0, 1, 2, ended_ns=1000 * MS)
    assert (note.name, note.of) == ("plays_nothing", 1)
    assert note.data["what"] == "0.30 s of audio came in 3 messages, and the handler put nothing into its byte_strs"


class NoStream:
    """Does not play."""


class Unwatched:
    """Has a stream of a make of its own."""

    byte_strs = SimpleNamespace()


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ((0, sound(0)), {}),
        ((0, b"something else"), {}),
        ((0,), {"handler": NoStream()}),
        ((0,), {"handler": Unwatched()}),
        ((0,), {"heard": lambda: 1}),
        ((0,), {"ended_ns": 900 * MS}),
        ((-1,), {}),
        ((INTERRUPTION,), {}),
    ],
    ids=["plays", "plays its own", "no stream", "no queue", "plays otherwise", "no time", "silence", "no audio"],
)
def test_of_whom_it_is_not_told_that_nothing_is_played(steps, more):
    """Of all who play, cannot be watched, need not play, or had no time to."""
    assert [note.name for note in notes(*steps, **{"ended_ns": 2000 * MS, **more})] == []


def test_what_was_put_there_before_it_was_watched_counts():
    """A queue that is not empty has been put something into."""
    assert notes(sound(0), 0, ended_ns=2000 * MS) == []
