"""A synthetic voice: sound for a text that resembles speech.

Pulses ring through the formants of vowels, period after period. Pitch, loudness and vowel follow the letters, and a space is a pause.
Nobody would understand a word, but whatever compares, cuts or measures sound finds what it finds in speech, and no chunk is like another.

Rules of living here: the same text and seed give the same bytes on every machine and every Python. So there are whole numbers alone: no
floats, whose last bit can differ, no random module, and no table of Unicode, which grows.
"""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from itertools import accumulate, cycle, repeat
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Protocol, Tuple

from evi_harness.session.wav import Pcm

__all__ = ["MAX_MS", "Made", "VoiceMaker", "length_ms", "spoken"]

# About as long as it takes to say a letter.
MS_A_LETTER = 60
# In one chunk at 48 kHz this is just below the 1 MiB that the SDK takes in a message.
MAX_MS = 8_000

# Fractions are counted in so many parts.
_ONE = 1 << 12
# The peak of a vowel, of 32767: as loud as speech is recorded.
_PEAK = 9_000
# A period at a lower pitch than any.
_LOWEST_HZ = 70
# Formants in Hz, each with its loudness in eighths; after Peterson and Barney, 1952. The last one is what sounds through a closed mouth.
_VOWELS: Dict[str, Tuple[Tuple[int, int], ...]] = {
    "a": ((730, 8), (1090, 6), (2440, 2)),
    "e": ((530, 8), (1840, 4), (2480, 2)),
    "i": ((270, 8), (2290, 3), (3010, 2)),
    "o": ((570, 8), (840, 6), (2410, 1)),
    "u": ((300, 8), (870, 5), (2240, 1)),
    "y": ((440, 8), (1020, 4), (2240, 2)),
    "r": ((490, 8), (1350, 5), (1690, 3)),
    "m": ((250, 8), (1100, 2), (2200, 1)),
}
_BANDWIDTHS_HZ = (90, 110, 170)
_VOICED, _BREATHED = "bdgjlmnvwz", "cfhkpqstx"
_SILENT = frozenset("\t\n\r !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
# How many random bytes are for the letters' pitches, and for how the voice wavers.
_N_PITCHES, _N_WAVERS = 512, 4096


class Made(Protocol):
    """A voice that is being made.

    Attributes:
        samples: What ``spoken`` gives, None until it is there.
    """

    @property
    def samples(self) -> Optional[bytes]:
        """What ``spoken`` gives, None until it is there."""


class VoiceMaker(Protocol):
    """Makes voices elsewhere, for one conversation, while the conversation goes on."""

    def __call__(self, text: str, seed: int, pcm: Pcm) -> Made:
        """Begin to make what ``spoken`` gives."""

    def wake_by(self, wake: Callable[[], object]) -> None:
        """Say what is to be called when one is there."""

    def close(self) -> None:
        """No more is needed, nor what is being made."""


class _Sound(NamedTuple):
    """What is made of a letter.

    Attributes:
        vowel: How the mouth stands.
        voice: How loud the voice is, up to ``_ONE``.
        breath: How loud the breath is, in sixteenths of its samples of 8 bits.
        is_silent: Whether it is a pause.
    """

    vowel: str
    voice: int
    breath: int
    is_silent: bool = False


# What fades out towards a pause keeps its breath, so that no end is like another.
_PAUSE = _Sound("m", 0, 2, is_silent=True)


def length_ms(text: str) -> int:
    """How long a text is spoken: as long for each letter, whatever it is, for one at least and ``MAX_MS`` at most."""
    return min(MAX_MS, MS_A_LETTER * max(1, len(text)))


def spoken(text: str, seed: int, pcm: Pcm) -> bytes:
    """Speak a text.

    Args:
        text: The text; any, also an empty one.
        seed: With another one the same text is spoken otherwise.
        pcm: The format; of 16 bits.

    Returns:
        Whole frames, as many as ``length_ms`` gives, all channels alike.
    """
    n_frames = pcm.rate * length_ms(text) // 1000
    chance = hashlib.shake_256(f"{seed} ".encode() + text.encode("utf-8", "surrogatepass")).digest(_N_PITCHES + _N_WAVERS + n_frames)
    # Letters behind the longest sound are not heard.
    sounds = [*_sounds(text[: MAX_MS // MS_A_LETTER + 1]), _PAUSE]
    samples = [sample for period in _periods(sounds, chance, pcm.rate, n_frames) for sample in period]
    whole = struct.pack(f"<{n_frames}h", *samples[:n_frames])
    return whole if pcm.channels == 1 else b"".join(whole[at : at + 2] * pcm.channels for at in range(0, len(whole), 2))


def _sounds(letters: str) -> Iterator[_Sound]:
    has_sound = any(letter not in _SILENT for letter in letters)
    for letter in letters or "a":
        small = chr(ord(letter) | 0x20) if "A" <= letter <= "Z" else letter
        if small in _VOICED:
            yield _Sound("m", _ONE // 3, 3)
        elif small in _BREATHED:
            yield _Sound("i", _ONE // 24, 60)
        elif letter in _SILENT and has_sound:
            yield _PAUSE
        else:
            yield _Sound(small if small in _VOWELS else "aeiou"[ord(letter) % 5], _ONE, 2)


def _periods(sounds: List[_Sound], chance: bytes, rate: int, n_frames: int) -> Iterator[List[int]]:
    """The samples of each period of the voice, and of each pause, one behind the other.

    Args:
        sounds: What is made of each letter; a pause at the end.
        chance: Random bytes: for pitches, for how the voice wavers, and one for each frame.
        rate: Frames a second.
        n_frames: How many frames are wanted; there may come a few more.
    """
    pulses, pitches_hz = _pulses(rate), _pitches_hz(chance, len(sounds))
    wavers = cycle([one - 128 for one in chance[_N_PITCHES : _N_PITCHES + _N_WAVERS]])
    breath = [one - 128 for one in chance[_N_PITCHES + _N_WAVERS :]]
    at = 0
    for place, (sound, following) in enumerate(zip(sounds, sounds[1:])):
        begin, end = (rate * MS_A_LETTER * one // 1000 for one in (place, place + 1))
        if sound.is_silent:
            yield [0] * max(0, end - at)
            at = max(at, end)
        is_first = place == 0 or sounds[place - 1].is_silent
        while at < min(end, n_frames):
            # How far the mouth is on its way to the next letter; behind a pause the voice comes up in the first quarter of it.
            way = (at - begin) * _ONE // (end - begin)
            rise = min(_ONE, 4 * way + _ONE // 8) if is_first else _ONE
            # No two periods of a voice are as long, or as loud.
            waver = next(wavers)
            hz = _between(pitches_hz[place], pitches_hz[place + 1], way)
            length = max(1, rate * (_ONE + waver) // (_ONE * hz))
            voice = _between(sound.voice, following.voice, way) * rise // _ONE * (2048 + waver) // 2048
            puff = _between(sound.breath, following.breath, way)
            one, other = voice * (_ONE - way) // _ONE, voice * way // _ONE
            mixed = zip(pulses[sound.vowel][:length], pulses[following.vowel], breath[at : at + length])
            period = [(a * one + b * other) // _ONE + (c * puff >> 4) for a, b, c in mixed]
            yield period
            at += len(period)


def _between(one: int, other: int, way: int) -> int:
    return (one * (_ONE - way) + other * way) // _ONE


def _pitches_hz(chance: bytes, n_letters: int) -> List[int]:
    """The pitch of each letter: a voice of 100 to 180 Hz, up and down by a fifth, which falls by a tenth to the end."""
    base_hz = 100 + chance[0] * 80 // 255
    return [base_hz * (80 + chance[1 + place] * 40 // 255 - 10 * place // n_letters) // 100 for place in range(n_letters)]


@lru_cache(maxsize=4)
def _pulses(rate: int) -> Dict[str, List[int]]:
    """What one pulse of the voice sounds like in each vowel, for as long as the longest period."""
    sines = [_sine(place) for place in range(1024)]
    found = {}
    for vowel, formants in _VOWELS.items():
        sums = [0] * max(1, rate // _LOWEST_HZ)
        for (hz, loudness), bandwidth_hz in zip(formants, _BANDWIDTHS_HZ):
            if 2 * hz < rate:
                # A sine that dies away by pi times the bandwidth a second.
                left = max(0, 65536 - 205_887 * bandwidth_hz // rate)
                levels = accumulate(repeat(left, len(sums) - 1), lambda level, left: level * left >> 16, initial=loudness << 16)
                ringing = (level * sines[place * hz * 1024 // rate & 1023] >> 16 for place, level in enumerate(levels))
                sums = [one + other for one, other in zip(sums, ringing)]
        peak = max(map(abs, sums)) or 1
        found[vowel] = [one * _PEAK // peak for one in sums]
    return found


def _sine(place: int) -> int:
    """A sine of 1024 places, from -4096 to 4096, by Bhaskara's formula, which needs no more than fractions."""
    half, sign = place & 511, -1 if place & 512 else 1
    product = half * (512 - half)
    return sign * 4096 * 16 * product // (5 * 512 * 512 - 4 * product)
