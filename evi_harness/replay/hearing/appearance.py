"""What wrong audio looks like, if that can be determined.

Each row of ``_LOOKS`` recognises one slip. None guesses: text is text, samples that were shifted or exchanged are found among the received
ones, and a wrong rate is heard as one, by likeness.
"""

from __future__ import annotations

import re
import string
from array import array
from typing import Callable, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence

from evi_harness.replay.hearing.likeness import RatedSamples, likeness
from evi_harness.replay.hearing.streams import KEY_BYTES, QUIET, PlayedAudio, ReceivedAudio, folded, peak

__all__ = ["HEADER", "Suspect", "appearance", "has_header", "rate_as"]

# How much of the bytes must be of an alphabet for a text.
TEXT_SHARE = 0.95
# How much is looked at: the loudest of some parts.
N_PARTS = 8
PART_SAMPLES = 1440
# Rates that audio comes in; with half and twice of each, those that it is taken for.
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
N_WINDOWS = 4

HEADER = "a WAV header is played as sound"

_RIFF = re.compile(rb"RIFF.{4}WAVE", re.DOTALL)
_HEX = frozenset(string.hexdigits.encode())
_BASE64 = frozenset((string.ascii_letters + string.digits + "+/=-_\r\n").encode())


class Suspect(NamedTuple):
    """What was played that is not what was received.

    Attributes:
        stream: The stream that it is part of.
        start, stop: From where to where, in samples.
        received: What was received.
        first, last: From where to where in that it should be, in samples.
    """

    stream: PlayedAudio
    start: int
    stop: int
    received: ReceivedAudio
    first: int
    last: int

    @property
    def raw(self) -> bytes:
        """Its bytes as they were played."""
        frame = self.stream.pcm.frame_bytes
        return self.stream.raw[self.start * frame : self.stop * frame]


def appearance(suspect: Suspect) -> str:
    """Say what something looks like, in a few words; empty where that cannot be determined."""
    return next(filter(None, (looks(suspect) for looks in _LOOKS)), "")


def has_header(raw: bytes) -> bool:
    """Whether bytes that were played as samples hold a WAV header."""
    return _RIFF.search(raw) is not None


def rate_as(rate: int, played: int) -> str:
    """How it is said that audio of one rate was played at another."""
    return f"audio of {_khz(rate)} is played at {_khz(played)}, {_factor(played / rate)}"


def _text(suspect: Suspect) -> str:
    raw = suspect.raw
    # Hex digits are in the alphabet of base64 too.
    if _share(raw, _HEX) >= TEXT_SHARE:
        return "it looks like text in hex: the data was not decoded"
    if _share(raw, _BASE64) >= TEXT_SHARE:
        return "it looks like text in base64: the data was not decoded"
    return ""


def _share(raw: bytes, alphabet: FrozenSet[int]) -> float:
    others = raw.translate(None, bytes(alphabet))
    return 1 - len(others) / len(raw) if raw else 0.0


def _zeros(suspect: Suspect) -> str:
    return "" if any(suspect.raw) else "it is nothing but zeros"


def _header(suspect: Suspect) -> str:
    return HEADER if has_header(suspect.raw) else ""


def _shifted(suspect: Suspect) -> str:
    return "its samples are shifted by one byte" if _is_there(suspect, _parts(suspect, lambda raw: raw[1:])) else ""


def _exchanged(suspect: Suspect) -> str:
    return "the two bytes of each sample are exchanged" if _is_there(suspect, _parts(suspect, _swapped)) else ""


def _swapped(raw: bytes) -> bytes:
    values = _samples(raw)
    values.byteswap()
    return values.tobytes()


def _samples(raw: bytes) -> array[int]:
    values = array("h")
    values.frombytes(raw[: len(raw) // 2 * 2])
    return values


def _doubled(suspect: Suspect) -> str:
    parts = _parts(suspect, _halved)
    return "each sample is played twice" if suspect.stream.pcm.channels == 1 and _is_there(suspect, parts) else ""


def _halved(raw: bytes) -> bytes:
    """One of each two equal samples, nothing where they are not: a resampler puts others between the original ones."""
    values = _samples(raw)
    for pairs in (values, values[1:]):
        n = len(pairs) // 2 * 2
        if pairs[0:n:2] == pairs[1:n:2]:
            return pairs[0:n:2].tobytes()
    return b""


def _thinned(suspect: Suspect) -> str:
    there = suspect.received.samples(suspect.first, suspect.last)
    halves = [there[offset::2].tobytes() for offset in (0, 1)]
    parts = _parts(suspect, bytes)
    found = [any(part[:KEY_BYTES] in half for half in halves) for part in parts if len(part) >= KEY_BYTES]
    is_mono = suspect.stream.pcm.channels == 1
    return "every second sample is missing" if is_mono and found and 2 * sum(found) > len(found) else ""


def _channels(suspect: Suspect) -> str:
    n_channels = suspect.stream.pcm.channels
    if n_channels == 1 or not _is_there(suspect, _parts(suspect, bytes), n_channels=1):
        return ""
    return f"samples of one channel are played as those of {n_channels}"


def _floats(suspect: Suspect) -> str:
    """Samples as 32-bit floats, as NumPy and most audio libraries have them."""
    rate = suspect.received.chunk_at(suspect.first).pcm.rate
    for offset in (0, 2):
        raw = suspect.raw[offset:]
        values = array("f")
        values.frombytes(raw[: len(raw) // 4 * 4])
        if values and all(-1.5 <= value <= 1.5 for value in values):
            scaled = array("h", [max(-32768, min(32767, round(value * 32767))) for value in values])
            return "it looks like samples as 32-bit floats" if _like(RatedSamples(scaled, rate), suspect) else ""
    return ""


def _rate(suspect: Suspect) -> str:
    """The same sound at another rate: too fast, or too slow."""
    played = suspect.stream.pcm.rate
    samples = suspect.stream.samples(suspect.start, suspect.stop)
    there = suspect.received.chunk_at(suspect.first).pcm.rate
    rates = sorted({*RATES, played // 2, played * 2} - {played}, key=lambda rate: (abs(rate - there), rate))
    for rate in rates:
        if _like(RatedSamples(samples, rate), suspect):
            if rate == there:
                return rate_as(rate, played)
            return f"it plays {_factor(played / rate)}, as samples of {_khz(rate)} would at {_khz(played)}"
    return ""


_LOOKS: Sequence[Callable[[Suspect], str]] = (_text, _zeros, _header, _shifted, _exchanged, _doubled, _thinned, _channels, _floats, _rate)


def _like(sound: RatedSamples, suspect: Suspect) -> bool:
    """Whether a sound is the received one."""
    there = RatedSamples(suspect.received.samples(suspect.first, suspect.last), suspect.received.chunk_at(suspect.first).pcm.rate)
    found = likeness(sound, there, N_WINDOWS, is_far_tried=False)
    return found.is_alike and found.n_voiced >= 2


def _parts(suspect: Suspect, change: Callable[[bytes], bytes]) -> List[bytes]:
    """Some parts of what was played, changed: the loudest ones."""
    frame = suspect.stream.pcm.frame_bytes
    raw, size = suspect.raw, PART_SAMPLES * frame
    starts = range(0, max(1, len(raw) - size), size)
    step = max(1, len(starts) // (4 * N_PARTS))
    loud = sorted(((peak(_samples(raw[at : at + size])), -at) for at in starts[::step]), reverse=True)[:N_PARTS]
    return [change(raw[-at : -at + size]) for level, at in loud if level >= QUIET]


def _is_there(suspect: Suspect, parts: Sequence[bytes], n_channels: Optional[int] = None) -> bool:
    """Whether most of some parts are among the received samples."""
    n_channels = n_channels or suspect.stream.pcm.channels
    found = [any(key in suspect.received.table for key in _keys(folded(raw, n_channels))) for raw in parts]
    return bool(found) and 2 * sum(found) > len(found)


def _keys(data: bytes) -> Iterator[bytes]:
    return (data[at : at + KEY_BYTES] for at in range(0, len(data) - KEY_BYTES, 2))


def _khz(rate: int) -> str:
    return f"{rate / 1000:g} kHz"


def _factor(factor: float) -> str:
    return f"{factor:.3g} times as fast" if factor >= 1 else f"{1 / factor:.3g} times as slow"
