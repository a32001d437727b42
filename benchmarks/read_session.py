"""How long it takes to read a session of one hour to events, and how much memory that needs beyond them.

Writes a folder of 180,000 sent microphone frames of 20 ms and 5,000 received messages (4,000 of them sentences with scores, 1,000
audio) into a temporary directory, then reads it several times in this process, which has read nothing before.

    python benchmarks/read_session.py [RUNS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path
from typing import FrozenSet, Iterator, Optional

from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Event, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.frame_audio import KnownAudio
from evi_harness.session.header import Header
from evi_harness.session.json_places import top_level_strings
from evi_harness.session.protocols import AudioPlace, Told
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

FRAME_NS = 20_000_000
N_FRAMES = 180_000
MICROPHONE = Pcm(16_000, 1)
SPEAKER = Pcm(48_000, 1)


class Reader:
    """Reads the frames of the made session."""

    told = Told()

    def read(self, kind: str, frame: Frame) -> Optional[KnownAudio]:
        """Binary sent frames are samples; a received message's ``data`` is base64."""
        if kind == "sent":
            return KnownAudio((AudioPlace("user", 0, len(frame.payload), False, MICROPHONE),), None)
        place = next(((start, stop) for name, start, stop in top_level_strings(frame.payload) if name == "data"), None)
        return KnownAudio((AudioPlace("assistant", *place, True),), None) if place else None


class Dialect:
    """As much of a dialect as a writer needs."""

    secret_names: FrozenSet[str] = frozenset({"api_key"})
    folded_names: FrozenSet[str] = frozenset()

    def reader(self, _handshake: Optional[Handshake] = None) -> Reader:
        """A reader for one session."""
        return Reader()


def events() -> Iterator[Event]:
    """The events of one hour."""
    yield Opened(0, 0, Handshake("/v0/evi/chat"))
    scores = ",".join(f'"Emotion {n}":0.{n + 100}' for n in range(48))
    sentence = b'{"type":"assistant_message","models":{"prosody":{"scores":{' + scores.encode() + b"}}}}"
    blob = wav.header(SPEAKER, 9600) + bytes(9600)
    spoken = b'{"type":"audio_output","data":"' + b64encode(blob) + b'","index":0}'
    seq = 0
    for number in range(N_FRAMES):
        seq += 1
        at_ns = number * FRAME_NS
        yield Sent(seq, at_ns, Frame(BINARY, bytes(640)), took_ns=21_000)
        if number % 36 == 0:
            seq += 1
            frame = Frame(TEXT, spoken if number % 180 == 0 else sentence)
            yield Received(seq, at_ns + 1, frame, taken_ns=at_ns + 400_000)


def main() -> None:
    """Make the folder, read it, print the figures."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    header = Header(id="0", made_by="script", created="2026-01-01T00:00:00Z", dialect="none")
    with tempfile.TemporaryDirectory() as parent:
        begun = time.perf_counter()
        folder = write_session(Path(parent) / "hour", Session(header, tuple(events())), Dialect())  # type: ignore[arg-type]
        print(f"written in {time.perf_counter() - begun:.2f} s")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = []
        for _ in range(n_runs):
            begun = time.perf_counter()
            session = read_session(folder)
            times.append(time.perf_counter() - begun)
        print(f"{len(session.events)} events read in {min(times):.2f} s at best, {max(times):.2f} s at worst of {n_runs}")
        print(f"peak memory grew by {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
