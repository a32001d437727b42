"""Good apps pass, whatever they do to the audio that a listener would not mind; bad apps fail, each with the finding that names its fault.

Both tables are played to a handler of each form, through the SDK's own player on software sound. What cannot be told apart on noise, or on
chunks that are all equal, stands in ``LEFT_OUT`` with the reason.
"""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Tuple

import pytest

from evi_harness.acts.replay import replay_session
from evi_harness.audio.resampling import convert
from evi_harness.session.events import BINARY, TEXT, Closed, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.header import Anchor, Header, Recorded
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, header, split
from evi_harness.simulate import wire
from evi_harness.simulate.replies import Sentence

ASSETS = Path(__file__).resolve().parents[2] / "evi_harness" / "assets" / "demo"
MS = 1_000_000
MONO = Pcm(24_000, 1)
CHUNK_MS = 200
CHUNK = MONO.rate * CHUNK_MS // 1000
TEXTS = ("The Romans built them.", "More than a million litres.")

# What is received.

SPEECH, NOISE, EQUAL = "speech", "noise", "equal chunks"
MATERIALS = (SPEECH, NOISE, EQUAL)


@cache
def spoken(name: str) -> bytes:
    """A sentence of the demo, at 24 kHz."""
    import soundfile

    with soundfile.SoundFile(str(ASSETS / f"{name}.flac")) as file:
        return convert(bytes(file.buffer_read(dtype="int16")), Pcm(file.samplerate, 1), MONO)


@cache
def material(kind: str) -> Tuple[bytes, ...]:
    """The samples of two replies, three seconds long and more."""
    if kind == SPEECH:
        return spoken("springs"), spoken("water")
    if kind == NOISE:
        return noise(1, 3 * MONO.rate), noise(2, 3 * MONO.rate)
    voiced = spoken("springs")[2 * CHUNK : 4 * CHUNK]
    return voiced * 15, voiced * 15


def noise(seed: int, n: int) -> bytes:
    """White noise, the same on every machine."""
    state, values = seed, array("h")
    for _ in range(n):
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        values.append((state >> 15) % 12_000 - 6_000)
    return values.tobytes()


@cache
def session(kind: str, *, is_interrupted: bool = False) -> Session:
    """Two replies, each received at five times the pace at which it plays; the first may be interrupted when half of it has been heard."""
    at_ms, rows = 300, []
    for number, (text, samples) in enumerate(zip(TEXTS, material(kind))):
        sentence = f"{number:032x}"
        rows.append((at_ms, wire.assistant_message(Sentence(text), sentence, wire.Random(number))))
        began_ms, chunks = at_ms, list(pieces(samples, CHUNK))
        for index, chunk in enumerate(chunks):
            at_ms += CHUNK_MS // 5
            data = header(MONO, len(chunk)) + chunk
            rows.append((at_ms, wire.audio_output(sentence, index, data, is_final=index == len(chunks) - 1)))
        if is_interrupted and number == 0:
            at_ms += CHUNK_MS
            rows.append((at_ms, wire.user_interruption(at_ms * MS)))
        rows.append((at_ms + 40, wire.assistant_end()))
        at_ms = began_ms + MONO.length_ns(len(samples)) // MS + 1000
    return Session(_header(is_interrupted), tuple(_events(rows, at_ms + 2500)), name=f"{kind}")


def _events(rows: Iterable[Tuple[int, Dict[str, Any]]], closes_ms: int) -> Iterator[Event]:
    """The events in time, with those of a user who is silent: the SDK plays only where it has a microphone."""
    yield Opened(0, 0, handshake=Handshake("/v0/evi/chat"))
    settings = {"audio": {"channels": 1, "encoding": "linear16", "sample_rate": 16_000}, "type": "session_settings"}
    sent = [(10, Frame(TEXT, json.dumps(settings).encode()))]
    sent += [(at_ms, Frame(BINARY, bytes(3200))) for at_ms in range(110, closes_ms, 100)]
    frames = [(at_ms, False, frame) for at_ms, frame in sent]
    frames += [(at_ms, True, wire.frame(fields, None)) for at_ms, fields in rows]
    seq = 0
    for seq, (at_ms, is_received, frame) in enumerate(sorted(frames, key=lambda one: one[0]), 1):
        yield Received(seq, at_ms * MS, frame=frame) if is_received else Sent(seq, at_ms * MS, frame=frame)
    yield Closed(seq + 1, closes_ms * MS, by="app", code=1000)


def _header(is_interrupted: bool) -> Header:
    now = "2026-11-22T12:00:00.000000Z"
    return Header(
        id=f"00000000-0000-4000-8000-00000000000{is_interrupted:d}",
        made_by="script",
        created=now,
        dialect="evi",
        recorded=Recorded(),
        user_interrupt="allowed",
        start=Anchor(0, now),
        complete=True,
    )


# What an app makes of it.


class Player:
    """Hands on each chunk as it came; what an app does otherwise is in its subclasses.

    Attributes:
        put: Hands something on to be played.
        clear: Drops what is waiting to be played.
    """

    put: Callable[[bytes], None]
    clear: Callable[[], None]

    def chunk(self, samples: bytes, data: bytes, number: int) -> None:
        """A chunk has come: its samples, all its bytes, and its number in the conversation."""
        for piece in self.changed(samples):
            self.put(self.wav(piece))

    def changed(self, samples: bytes) -> Iterable[bytes]:
        """What is played in its place."""
        return [samples]

    def wav(self, samples: bytes, pcm: Pcm = MONO) -> bytes:
        """Samples as the SDK's player wants them."""
        return header(pcm, len(samples)) + samples

    def end(self) -> None:
        """A reply is over."""

    def interrupted(self) -> None:
        """The user interrupts."""
        self.clear()


def pieces(samples: bytes, n_frames: int) -> Iterator[bytes]:
    """Samples in pieces of so many."""
    return (samples[at : at + 2 * n_frames] for at in range(0, len(samples), 2 * n_frames))


def scaled(samples: bytes, factor: float) -> bytes:
    """Louder or softer, and clipped where that is too much."""
    values = array("h", samples)
    return array("h", [max(-32768, min(32767, round(factor * value))) for value in values]).tobytes()


def faded(samples: bytes) -> bytes:
    """With a fade of 5 ms at both ends."""
    values, n = array("h", samples), MONO.rate // 200
    for at in range(min(n, len(values))):
        values[at] = values[at] * at // n
        values[-1 - at] = values[-1 - at] * at // n
    return values.tobytes()


def trimmed(samples: bytes) -> bytes:
    """Without what is quiet at both ends."""
    values = array("h", samples)
    loud = [at for at, value in enumerate(values) if abs(value) > 150]
    return values[loud[0] : loud[-1] + 1].tobytes() if loud else b""


def tone(ms: int) -> bytes:
    """A beep: a triangle of 600 Hz."""
    n = MONO.rate * ms // 1000
    return array("h", [abs((at * 100) % 4000 - 2000) * 6 - 6000 for at in range(n)]).tobytes()


class Recut(Player):
    """Plays what came in pieces of another length."""

    ms = 20

    def __init__(self) -> None:
        self.held = b""

    def chunk(self, samples, data, number):
        self.held += samples
        size = 2 * MONO.rate * self.ms // 1000
        while len(self.held) >= size:
            self.piece(self.held[:size])
            self.held = self.held[size:]

    def piece(self, samples):
        self.put(self.wav(samples))

    def end(self):
        if self.held:
            self.piece(self.held)
        self.held = b""

    def interrupted(self):
        super().interrupted()
        self.held = b""


class Recut5(Recut):
    """At the pace of the speaker: of more than 32 pieces at once, before it has opened the speaker, the SDK's player hangs."""

    ms = 5

    def __init__(self) -> None:
        super().__init__()
        self.free_s = 0.0

    def piece(self, samples):
        loop = asyncio.get_running_loop()
        self.free_s = max(loop.time(), self.free_s) + self.ms / 1000
        loop.call_at(self.free_s, super().piece, samples)


class Recut200(Recut):
    ms = 200


class OnePiece(Recut):
    ms = 60_000


class Stereo(Player):
    """Copies the channel."""

    def wav(self, samples, pcm=MONO):
        frames = b"".join(samples[at : at + 2] * 2 for at in range(0, len(samples), 2))
        return super().wav(frames, Pcm(MONO.rate, 2))


class Softer(Player):
    def changed(self, samples):
        return [scaled(samples, 0.5)]


class Louder(Player):
    """Twice as loud as it came, from a level at which that clips."""

    def changed(self, samples):
        return [scaled(scaled(samples, 2.5), 2.0)]


class Resampled(Player):
    rate = 48_000

    def wav(self, samples, pcm=MONO):
        to = Pcm(self.rate, 1)
        return super().wav(convert(samples, MONO, to), to)


class Resampled16(Resampled):
    rate = 16_000


class Fades(Player):
    def changed(self, samples):
        return [faded(samples)]


class Pauses(Player):
    """Puts 20 ms of silence behind each chunk."""

    def changed(self, samples):
        return [samples, bytes(2 * MONO.rate // 50)]


class Trims(Player):
    def changed(self, samples):
        kept = trimmed(samples)
        return [kept] if kept else []


class Beeps(Player):
    """Beeps when a reply is over."""

    def end(self):
        self.put(self.wav(tone(250)))


class HoldMusic(Player):
    """Plays something until the first audio comes."""

    is_first = True

    def chunk(self, samples, data, number):
        if self.is_first:
            self.is_first = False
            self.put(self.wav(tone(400)))
        super().chunk(samples, data, number)


class Late(Player):
    """Keeps all audio until a reply is over, and plays it half a second later."""

    def __init__(self) -> None:
        self.held: List[bytes] = []

    def chunk(self, samples, data, number):
        self.held.append(self.wav(samples))

    def end(self):
        held, self.held = self.held, []
        asyncio.get_running_loop().call_later(0.5, lambda: [self.put(one) for one in held])


class Undecoded(Player):
    """The commonest slip: the text of the message is played."""

    def chunk(self, samples, data, number):
        self.put(base64.b64encode(data))


class Hex(Player):
    def chunk(self, samples, data, number):
        self.put(data.hex().encode())


class Shifted(Player):
    def changed(self, samples):
        return [samples[1:] + b"\0"]


class Swapped(Player):
    def changed(self, samples):
        values = array("h", samples)
        values.byteswap()
        return [values.tobytes()]


class Zeros(Player):
    def changed(self, samples):
        return [bytes(len(samples))]


class Thinned(Player):
    def changed(self, samples):
        return [array("h", samples)[::2].tobytes()]


class Doubled(Player):
    """Each sample twice."""

    def changed(self, samples):
        return [b"".join(samples[at : at + 2] * 2 for at in range(0, len(samples), 2))]


class WrongRate(Player):
    def wav(self, samples, pcm=MONO):
        return super().wav(samples, Pcm(48_000, 1))


class Headerless(Player):
    """Cuts the header off, so that the player takes the audio for its own rate."""

    def chunk(self, samples, data, number):
        self.put(samples)


class HeaderKept(Player):
    """Puts a header of its own before the one that is there."""

    def changed(self, samples):
        return [header(MONO, len(samples)) + samples]


class Cuts(Player):
    """Loses the last 5 ms of each chunk."""

    def changed(self, samples):
        return [samples[: -2 * MONO.rate // 200]]


class TwiceInside(Player):
    """Each piece holds its samples two times."""

    def changed(self, samples):
        return [samples * 2]


class Loses(Player):
    def chunk(self, samples, data, number):
        if number != 5:
            super().chunk(samples, data, number)


class FadesAndLoses(Loses):
    """What it changes does not hide what it loses."""

    def changed(self, samples):
        return [faded(samples)]


class Thrice(Player):
    def chunk(self, samples, data, number):
        for _ in range(3 if number == 5 else 1):
            super().chunk(samples, data, number)


class Swaps(Recut):
    """Exchanges two of the pieces that it has cut."""

    ms = 40
    n = 0
    kept = b""

    def piece(self, samples):
        self.n += 1
        if self.n == 20:
            self.kept = samples
            return
        super().piece(samples)
        if self.kept:
            kept, self.kept = self.kept, b""
            super().piece(kept)


class LosesReply(Player):
    """Plays nothing of the first reply."""

    n_ended = 0

    def chunk(self, samples, data, number):
        if self.n_ended:
            super().chunk(samples, data, number)

    def end(self):
        self.n_ended += 1


class SilencesReply(Player):
    """Plays silence in place of the first reply."""

    n_ended = 0

    def changed(self, samples):
        return [samples if self.n_ended else bytes(len(samples))]

    def end(self):
        self.n_ended += 1


class SomebodyElse(Player):
    """Plays something else of the same length."""

    at = 0

    def changed(self, samples):
        other = other_sound()
        start, self.at = self.at, self.at + len(samples)
        return [other[start : start + len(samples)]]


@cache
def other_sound() -> bytes:
    """Other sentences, one after another, longer than both replies."""
    return b"".join(map(spoken, ("rain", "goodbye", "umbrella"))) * 2


class PlaysOn(Player):
    """Paces what it hands on, and goes on when the user interrupts."""

    def __init__(self) -> None:
        self.waiting: List[bytes] = []
        self.is_pacing = False

    def chunk(self, samples, data, number):
        self.waiting.append(self.wav(samples))
        if not self.is_pacing:
            self.is_pacing = True
            self.pace()

    def pace(self):
        if self.waiting:
            self.put(self.waiting.pop(0))
            asyncio.get_running_loop().call_later(CHUNK_MS / 1000, self.pace)
        else:
            self.is_pacing = False

    def interrupted(self):
        pass


class Row:
    """An app, and what a replay of it finds."""

    def __init__(self, app: Callable[[], Player], *kinds: str, is_interrupted: bool = False) -> None:
        self.app = app
        self.kinds: FrozenSet[str] = frozenset(kinds)
        self.is_interrupted = is_interrupted


CHANGED = "changed_audio"
GOOD: Dict[str, Row] = {
    "unchanged": Row(Player),
    "in pieces of 5 ms": Row(Recut5),
    "in pieces of 20 ms": Row(Recut),
    "in pieces of 200 ms": Row(Recut200),
    "one piece a reply": Row(OnePiece),
    "a stereo copy": Row(Stereo),
    "half as loud": Row(Softer, CHANGED),
    "twice as loud, clipped": Row(Louder, CHANGED),
    "at 48 kHz": Row(Resampled, CHANGED),
    "at 16 kHz": Row(Resampled16, CHANGED),
    "fades": Row(Fades, CHANGED),
    "silence between chunks": Row(Pauses),
    "silent edges trimmed": Row(Trims),
    "a beep": Row(Beeps),
    "hold music": Row(HoldMusic),
    "queue dropped at an interruption": Row(Player, is_interrupted=True),
    "everything late": Row(Late),
}
WRONG = "wrong_audio"
BAD: Dict[str, Row] = {
    "base64": Row(Undecoded, WRONG),
    "hex": Row(Hex, WRONG),
    "shifted by a byte": Row(Shifted, WRONG),
    "bytes swapped": Row(Swapped, WRONG),
    "zeros": Row(Zeros, WRONG),
    "every second sample": Row(Thinned, WRONG),
    "each sample twice": Row(Doubled, WRONG),
    "wrong rate": Row(WrongRate, WRONG),
    "header cut off": Row(Headerless, WRONG),
    "header kept": Row(HeaderKept, WRONG),
    "last 5 ms of each chunk": Row(Cuts, "wrong_length"),
    "samples doubled in a piece": Row(TwiceInside, "played_twice"),
    "a chunk lost": Row(Loses, "never_played"),
    "fades, and a chunk lost": Row(FadesAndLoses, CHANGED, "never_played"),
    "base64, and interrupted": Row(Undecoded, WRONG, is_interrupted=True),
    "a chunk three times": Row(Thrice, "played_twice"),
    "pieces swapped": Row(Swaps, "out_of_order_audio"),
    "a reply lost": Row(LosesReply, "never_played"),
    "a reply silenced": Row(SilencesReply, WRONG),
    "somebody else": Row(SomebodyElse, WRONG),
    "plays on": Row(PlaysOn, "plays_on", is_interrupted=True),
}
# (material, row) → why it cannot be told there.
LEFT_OUT: Dict[Tuple[str, str], str] = {
    (NOISE, "somebody else"): "noise has no voice to compare: a warning says that it cannot be judged",
    (NOISE, "at 16 kHz"): "noise has no voice to compare, and a third of it is above what 16 kHz hold: a warning, but another one",
    (EQUAL, "pieces swapped"): "pieces of equal chunks are the same samples in any order",
    (EQUAL, "a reply silenced"): "both replies are the same samples: the one that was played may be either",
}

# How a handler may be written.


def _feed(player: Player, message: Any, counter: List[int]) -> None:
    if message.type == "audio_output":
        data = base64.b64decode(message.data)
        wav = split(data)
        assert wav is not None
        player.chunk(wav.samples, data, counter[0])
        counter[0] += 1
    elif message.type == "user_interruption":
        player.interrupted()
    elif message.type == "assistant_end":
        player.end()


def _bind(player: Player, stream: Any) -> None:
    player.put = stream.queue.put_nowait

    def clear() -> None:
        while not stream.queue.empty():
            stream.queue.get_nowait()

    player.clear = clear


def as_object(app: Callable[[], Player]) -> Any:
    """An object of the quickstart's shape."""

    class App:
        def __init__(self) -> None:
            from hume import Stream

            self.byte_strs = Stream.new()
            self._player, self._counter = app(), [0]
            _bind(self._player, self.byte_strs)

        async def on_message(self, message: Any) -> None:
            _feed(self._player, message, self._counter)

    return App


def as_function(app: Callable[[], Player]) -> Any:
    """A function of a message and a stream."""
    player, counter = app(), [0]

    def on_message(message: Any, stream: Any) -> None:
        if not counter[0]:
            _bind(player, stream)
        _feed(player, message, counter)

    return on_message


def as_coroutine(app: Callable[[], Player]) -> Any:
    """A coroutine that reads the connection, and runs the SDK's microphone and playback with a stream of its own."""

    async def main(socket: Any) -> None:
        from hume import MicrophoneInterface, Stream

        player, counter, stream = app(), [0], Stream.new()
        _bind(player, stream)
        playing = asyncio.ensure_future(MicrophoneInterface.start(socket, byte_stream=stream))
        try:
            async for message in socket:
                _feed(player, message, counter)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    return main


FORMS = {"object": as_object, "function": as_function, "coroutine": as_coroutine}


@dataclass(frozen=True)
class Case:
    """A row of a table on some material, and the form of its handler."""

    name: str
    row: Row
    material: str
    form: str


def cases(table: Dict[str, Row]) -> List[Any]:
    """Every row on speech in each form, and on the other materials in one; what is neither speech nor an object is slow.

    tests/replay/hearing has noise and equal chunks, too, before the functions that decide.
    """
    return [
        pytest.param(
            Case(name, row, kind, form),
            id=f"{kind}, {form}: {name}",
            marks=[] if (kind, form) == (SPEECH, "object") else pytest.mark.slow,
        )
        for kind in MATERIALS
        for form in (FORMS if kind == SPEECH else ["object"])
        for name, row in table.items()
        if (kind, name) not in LEFT_OUT
    ]


def kinds_found(case: Case, **options: Any) -> Tuple[bool, FrozenSet[str]]:
    """Whether a replay passed, and the kinds of its findings."""
    handler = FORMS[case.form](case.row.app)
    result = replay_session(
        session(case.material, is_interrupted=case.row.is_interrupted), handler=handler, write=lambda _: None, **options
    )
    return result.passed, frozenset(finding.kind for finding in result.findings)


@pytest.mark.parametrize("case", cases(GOOD))
def test_a_good_app_passes(case):
    """With the warnings that its row has, and no others."""
    assert kinds_found(case) == (True, case.row.kinds)


@pytest.mark.parametrize("case", cases(BAD))
def test_a_bad_app_fails(case):
    """With its own finding, and no other."""
    assert kinds_found(case) == (False, case.row.kinds)


@pytest.mark.parametrize(("kind", "name"), list(LEFT_OUT))
def test_what_is_left_out_is_left_out_for_a_reason(kind, name):
    """Where a row was left out, the replay does find something else than the row says; or else it belongs into the table."""
    row = {**GOOD, **BAD}[name]
    assert kinds_found(Case(name, row, kind, "object")) != (name in GOOD, row.kinds)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), [pytest.param(name, row, id=name) for name, row in {**GOOD, **BAD}.items()])
def test_in_real_time_too(name, row):
    """The quickstart's object, over a real socket and on the machine's clock, at four times the pace."""
    case = Case(name, row, SPEECH, "object")
    assert kinds_found(case, clock="real", speed=4, severities={"underrun": "off", "maybe_blocked": "off"}) == (name in GOOD, row.kinds)
