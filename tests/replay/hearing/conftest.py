"""What the tests of hearing share: speech, which likeness needs; everything else they make themselves."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Callable

import pytest

from evi_harness.audio.resampling import convert
from evi_harness.session.wav import Pcm

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = (ROOT / "evi_harness" / "assets" / "demo", ROOT / "fixtures" / "speech")


@pytest.fixture(scope="session")
def speech() -> Callable[[str], bytes]:
    """Recorded speech by its name: 16-bit mono samples at 24 kHz."""
    import soundfile

    @cache
    def read(name: str) -> bytes:
        path = next(path for folder in FOLDERS for path in (folder / f"{name}.flac",) if path.exists())
        samples, rate = soundfile.read(str(path), dtype="int16", always_2d=True)
        return convert(samples.tobytes(), Pcm(rate, samples.shape[1]), Pcm(24000, 1))

    return read
