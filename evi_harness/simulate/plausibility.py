"""Whether data announced as linear PCM can be sound at all.

Compressed audio, floats, the wrong byte order and text, taken for 16-bit samples, are loud noise in which no sample knows the one before
it, or letters. Sound is neither for a whole second: not even a shout, a hiss or a hum.

Rules of living here: a doubt is decided for the app; the first quiet or connected tenth of a second with anything in it settles the
matter for good; silence says nothing either way.
"""

from __future__ import annotations

import struct
from typing import Optional

from evi_harness.session.wav import Pcm

__all__ = ["Plausibility"]

WINDOW_MS = 100
# How many windows in a row, silence left out, must be no sound.
N_WINDOWS = 10
# Frames of a window that are looked at: enough to tell, few enough to cost nothing.
MAX_FRAMES = 800
# Of full scale. Uniform bytes have 0.58; the loudest speech, mastered, hardly reaches 0.3.
LOUD = 0.4
# Correlation of neighbours: about 0 in noise, 0.8 and more in voiced speech at any rate that is used.
CONNECTED = 0.25

_TEXT = frozenset({*range(0x20, 0x7F), 0x09, 0x0A, 0x0D})


class Plausibility:
    """Judges the first second of a stream of audio."""

    def __init__(self) -> None:
        self._window = b""
        self._n_implausible = 0
        self._is_settled = False

    def doubt(self, samples: bytes, pcm: Pcm) -> Optional[str]:
        """Look at the next piece.

        Args:
            samples: Whole frames.
            pcm: The announced format.

        Returns:
            Why it is not sound, None while it may be some.
        """
        if self._is_settled or pcm.width != 2:
            return None
        heard, self._window = self._window + samples, b""
        size = max(1, pcm.rate * WINDOW_MS // 1000) * pcm.frame_bytes
        n_whole = len(heard) // size
        number = 0
        while number < n_whole and not self._is_settled:
            why = self._judge(heard[number * size : (number + 1) * size], pcm)
            number += 1
            if self._n_implausible >= N_WINDOWS:
                self._is_settled = True
                return why
        self._window = heard[n_whole * size :]
        return None

    def _judge(self, window: bytes, pcm: Pcm) -> Optional[str]:
        if not window.strip(b"\0"):
            return None
        why = "it is text" if _TEXT.issuperset(window) else "it is noise at full scale" if _is_noise(window, pcm) else None
        if why is None:
            self._is_settled = True
        else:
            self._n_implausible += 1
        return why


def _is_noise(window: bytes, pcm: Pcm) -> bool:
    values = struct.unpack(f"<{len(window) // 2}h", window)[:: pcm.channels][:MAX_FRAMES]
    power = sum(value * value for value in values)
    if power < (LOUD * 32768) ** 2 * len(values):
        return False
    neighbours = abs(sum(one * other for one, other in zip(values, values[1:])))
    return bool(neighbours < CONNECTED * power)
