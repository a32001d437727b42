"""How a simulator behaves, whatever it speaks; the defaults are EVI's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from evi_harness.session.wav import Pcm
from evi_harness.simulate.delays import Latency
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.simulate.uplink import Formats

__all__ = ["DEFAULT_OPTIONS", "EVI_PCM", "Limits", "Options"]

# What the one real capture has; Hume's documentation says 48 kHz.
EVI_PCM = Pcm(24_000, 1)


@dataclass(frozen=True)
class Limits:
    """When the service ends a chat of its own accord, with EVI's defaults.

    Attributes:
        inactivity_s: Seconds without a word of the user's.
        max_duration_s: Seconds since the opening.
    """

    inactivity_s: float = 120
    max_duration_s: float = 1800


@dataclass(frozen=True)
class Options:
    """How the simulator behaves, whoever answers.

    Attributes:
        seed: Of ids, delays, scores and the made voice. Give each connection its own.
        detection: When a turn is over.
        latency: How long it takes for what.
        limits: When it ends the chat.
        formats: Which formats of the user's audio are heard; other audio is none.
        pcm: The format of what the assistant says.
        chunk_ms: How long a chunk of it is; 0 for a sentence in one chunk.
        echoes_settings: Whether it sends session_settings back. No capture shows EVI doing so, only the SDK's types do.
        sdk: Version of the SDK whose apps are to understand it: where that knows no assistant_prosody, the scores are in the
            assistant_message. None for what a script asks for.
    """

    seed: int = 0
    detection: TurnDetection = field(default_factory=TurnDetection)
    latency: Latency = field(default_factory=Latency)
    limits: Limits = Limits()
    formats: Formats = field(default_factory=Formats)
    pcm: Pcm = EVI_PCM
    chunk_ms: int = 400
    echoes_settings: bool = False
    sdk: Optional[str] = None


DEFAULT_OPTIONS = Options()
