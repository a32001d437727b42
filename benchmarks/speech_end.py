"""How far from the truth each speech detector places the end of what a user says, on real voices with known word times.

Each recording is made a session, its audio sent in frames of 20 ms, and listened to as ``evi-harness latency`` listens. The error is where
the detector has the end of an utterance less where its last word ends: above 0 is too late, so that a turn gap comes out too short.
Besides the recordings as they are: quieter, and with white noise from a seeded generator. The same at every run.

    python benchmarks/speech_end.py [FOLDER]

FOLDER holds the recordings and is ../shared/data/speech by default; docs/reference/latency.md has the table that comes out.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import wave
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.session.events import BINARY, TEXT, Event, Frame, Handshake, Opened, Sent
from evi_harness.session.header import Header
from evi_harness.session.session import Session
from evi_harness.session.turn import Speech
from evi_harness.verdicts.speech import AUTO, DETECTORS, NOBODY, hear

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "speech"
FRAME_MS = 20
MS = 1_000_000
# Where an utterance ends is asked, not where a turn does: pauses within one are shorter than those between two.
PAUSE_NS = 500 * MS
SEED = 1

# From, and until, in seconds.
Utterance = Tuple[float, float]

# Given with the recordings; of the first, in its file of word times.
KNOWN: Dict[str, Tuple[Utterance, ...]] = {
    "librivox-sns-0870.wav": (),
    "jfk.wav": ((0.0, 10.5),),
    "two-speakers-katiesteve.wav": ((0.0, 1.18), (2.22, 2.90), (3.92, 11.50), (12.38, 23.88), (24.74, 25.34), (26.48, 28.68)),
}

Samples = Tuple[int, ...]


@dataclass(frozen=True)
class Condition:
    """What is done to a recording before it is listened to: its samples made quieter, and noise of a loudness added."""

    name: str
    gain: float = 1.0
    noise_db: Optional[float] = None

    def of(self, samples: Samples) -> Samples:
        """The samples as they are heard."""
        generator = random.Random(SEED)
        loudness = 0.0 if self.noise_db is None else 32768 * 10 ** (self.noise_db / 20)
        heard = (sample * self.gain + (generator.gauss(0, loudness) if loudness else 0) for sample in samples)
        return tuple(max(-32768, min(32767, round(sample))) for sample in heard)


CONDITIONS = (
    Condition("as recorded"),
    Condition("a tenth as loud", gain=0.1),
    Condition("noise at -50 dB", noise_db=-50),
    Condition("noise at -35 dB", noise_db=-35),
)


def utterances(folder: Path, name: str) -> Tuple[Utterance, ...]:
    """Where each utterance of a recording is."""
    if KNOWN[name]:
        return KNOWN[name]
    words = json.loads((folder / name).with_suffix(".align.json").read_text(encoding="utf-8"))["w"]
    spoken = [word for word in words if word["t"] != "<sil>"]
    return ((spoken[0]["b"], spoken[-1]["b"] + spoken[-1]["d"]),)


def session_of(samples: Samples, rate: int) -> Session:
    """A session in which a microphone heard this."""
    settings = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": rate, "channels": 1}}
    events: List[Event] = [Opened(0, 0, Handshake("/v0/evi/chat")), Sent(1, 0, Frame(TEXT, json.dumps(settings).encode()))]
    size = rate * FRAME_MS // 1000
    for start in range(0, len(samples), size):
        piece = samples[start : start + size]
        at_ns = (start // size + 1) * FRAME_MS * MS
        events.append(Sent(len(events), at_ns, Frame(BINARY, struct.pack(f"<{len(piece)}h", *piece))))
    return Session(Header(id="0", made_by="script", created="", dialect="evi"), tuple(events))


def errors_ms(heard: Sequence[Speech], known: Sequence[Utterance]) -> List[Optional[float]]:
    """How much later than it was the end of each utterance was heard, None where the utterance was not heard at all."""
    found: List[Optional[float]] = []
    for (begin_s, end_s), (next_s, _) in zip(known, [*known[1:], (float("inf"), 0.0)]):
        # What begins before the middle of the pause behind it belongs to it.
        until_s = (end_s + next_s) / 2
        mine = [one for one in heard if begin_s - 0.5 <= one.begin_ns / 1e9 < until_s]
        found.append(mine[-1].end_ns / 1e6 - end_s * 1000 if mine else None)
    return found


def read(file: Path) -> Tuple[Samples, int]:
    """The samples of a recording, and its rate."""
    with wave.open(str(file)) as audio:
        data = audio.readframes(audio.getnframes())
        return struct.unpack(f"<{len(data) // 2}h", data), audio.getframerate()


def row(name: str, condition: str, found: Sequence[Optional[float]]) -> str:
    """A line of the table."""
    there = [error for error in found if error is not None]
    worst = max(there, key=abs)
    return f"| {name} | {condition} | {len(there)} of {len(found)} | {median(there):+.0f} | {worst:+.0f} |"


def main(write: Callable[[str], object] = print) -> None:
    """Listen to all of it with each detector that is installed, and print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    recordings = [(*read(folder / name), utterances(folder, name)) for name in KNOWN]
    write("| detector | heard | found | median (ms) | worst (ms) |")
    write("| --- | --- | --- | --- | --- |")
    for detector in DETECTORS:
        if detector in (AUTO, NOBODY):
            continue
        for condition in CONDITIONS:
            found: List[Optional[float]] = []
            name = detector
            try:
                for samples, rate, known in recordings:
                    heard = hear(session_of(condition.of(samples), rate), detector, PAUSE_NS)
                    found += errors_ms(heard.speech or (), known)
                    name = f"{heard.detector} {heard.version}"
            except EviHarnessError as error:
                write(f"| {detector} | not run: {error.what} | | | |")
                break
            write(row(name, condition.name, found))


if __name__ == "__main__":
    main()
