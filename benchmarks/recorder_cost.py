"""What recording costs the app's event loop: the time of one ``Recorder.put``, while the recorder's thread writes.

Run it with ``python benchmarks/recorder_cost.py``. Messages come as in a conversation: a microphone frame every
10 ms and, in every other second, an audio message of 100 ms each 100 ms. ``recorder`` is a put alone; ``journal`` is one with stamping and
numbering; ``bare`` is the same with an empty function. The bar is 5 µs for the median and 50 µs for the 99th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.clock import RealClock
from evi_harness.session.events import BINARY, TEXT, Event, Frame, Handshake, Received, Sent
from evi_harness.tap.recorder import Recorder

MICROPHONE = Frame(BINARY, bytes(960))
ASSISTANT = Frame(TEXT, json.dumps({"type": "audio_output", "id": "0", "data": "A" * 12_800}).encode())


class PlainWriter:
    """Writes each frame to a file, flushed, as JSON: about the work of a session folder, for when there is none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._file = (folder / "events.jsonl").open("w")

    def write(self, event: Event) -> None:
        """Write an event."""
        frame = getattr(event, "frame", None)
        json.dump({"seq": event.seq, "at_ns": event.at_ns, "text": frame.payload.decode("latin-1") if frame else None}, self._file)
        self._file.write("\n")
        self._file.flush()

    def tend(self) -> None:
        """Nobody deletes it."""

    def close(self, **_: Any) -> None:
        """Close the file."""
        self._file.close()

    def abandon(self, _: str) -> None:
        """Close the file."""
        self._file.close()


def session_writer(folder: Path) -> Any:
    """The project's own writer."""
    from evi_harness.evi.dialect import EVI
    from evi_harness.session.header import Header
    from evi_harness.storage.writer import SessionWriter

    return SessionWriter(folder, Header(id="benchmark", made_by="script", created="2026-01-01T00:00:00Z", dialect="evi"), EVI)


async def converse(sent: Callable[[Frame], Any], received: Callable[[Frame], Any], seconds: float) -> List[int]:
    """Call both as a conversation would; gives what each call took, in nanoseconds."""
    took: List[int] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    for tick in range(int(seconds * 100)):
        await asyncio.sleep(began + tick / 100 - loop.time())
        took.append(timed(sent, MICROPHONE))
        if tick % 10 == 0 and tick // 100 % 2:
            took.append(timed(received, ASSISTANT))
    return took


def timed(call: Callable[[Frame], Any], frame: Frame) -> int:
    """What one call took, in nanoseconds."""
    began = time.perf_counter_ns()
    call(frame)
    return time.perf_counter_ns() - began


def measure(writer: Any, seconds: float, *, with_journal: bool) -> List[int]:
    """Record a conversation of so many seconds."""
    recorder = Recorder(writer)
    journal = Journal(RealClock(), recorder.put)
    journal.opened(Handshake("/"))
    if with_journal:
        took = asyncio.run(converse(journal.sent, journal.received, seconds))
    else:
        # Made beforehand, so that a put is all that is timed; one list, as seq only grows.
        seqs = range(1, int(seconds * 220))
        made = {BINARY: [Sent(seq, seq, MICROPHONE) for seq in seqs], TEXT: [Received(seq, seq, ASSISTANT) for seq in seqs]}
        seq = itertools.count()
        put: Callable[[Frame], Any] = lambda frame: recorder.put(made[frame.opcode][next(seq)])  # noqa: E731
        took = asyncio.run(converse(put, put, seconds))
    recorder.close()
    assert recorder.n_dropped == 0, "the benchmark is void: events were dropped"
    return took


def show(name: str, took: List[int]) -> None:
    """Print one row, in microseconds."""
    took.sort()
    figures: Dict[str, float] = {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "max": took[-1]}
    print(f"{name:10} {len(took):6} messages  " + "  ".join(f"{label} {ns / 1000:8.1f} µs" for label, ns in figures.items()))


def main() -> None:
    """Measure side by side and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each conversation")
    parser.add_argument("--writer", choices=["plain", "session"], default="session", help="what the recorder's thread writes with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        make = PlainWriter if options.writer == "plain" else session_writer
        show("bare", asyncio.run(converse(lambda _: None, lambda _: None, options.seconds)))
        show("recorder", measure(make(Path(name) / "recorder"), options.seconds, with_journal=False))
        show("journal", measure(make(Path(name) / "journal"), options.seconds, with_journal=True))


if __name__ == "__main__":
    main()
