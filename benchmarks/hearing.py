"""Judging what was played of 30 minutes of audio: what matches by samples, and what has to be compared.

    python benchmarks/hearing.py [--replies 180] [--rounds 3]

Each reply is ten seconds of the simulator's made voice, received in chunks of 200 ms. Every app is judged in turn, in processor time. The
bar is two seconds where the samples match, and ten where the audio is changed or unknown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from array import array
from typing import Callable, Dict, Iterator, List, Sequence

from evi_harness.replay.hearing.faults import faults
from evi_harness.replay.hearing.match import matched
from evi_harness.replay.hearing.streams import Chunk, Piece, ReceivedAudio, ReplyAudio, played_streams
from evi_harness.session.wav import Pcm
from evi_harness.simulate.voice import spoken

MS = 1_000_000
PCM = Pcm(24_000, 1)
CHUNK_MS = 200
CHUNK_BYTES = 2 * PCM.rate * CHUNK_MS // 1000
REPLY_BYTES = 2 * PCM.rate * 10

# What an app hands on for each chunk.
App = Callable[[int, bytes], Sequence[bytes]]


def received(n_replies: int) -> List[Chunk]:
    """The chunks of so many replies, each ten seconds long and unlike the others."""
    chunks: List[Chunk] = []
    at_ns = 0
    for number in range(1, n_replies + 1):
        words = " ".join(f"the {number * place % 97} of {number + place}," for place in range(1, 14))
        voice = (spoken(words, number, PCM) + spoken(words[::-1], number, PCM))[:REPLY_BYTES]
        for start in range(0, len(voice), CHUNK_BYTES):
            chunks.append(Chunk(len(chunks) + 1, at_ns, PCM, voice[start : start + CHUNK_BYTES], number))
            at_ns += CHUNK_MS * MS // 5
        at_ns += 12_000 * MS
    return chunks


def _unchanged(_: int, samples: bytes) -> Sequence[bytes]:
    return [samples]


def _recut(_: int, samples: bytes) -> Sequence[bytes]:
    size = 2 * PCM.rate * 5 // 1000
    return [samples[at : at + size] for at in range(0, len(samples), size)]


def _loses(number: int, samples: bytes) -> Sequence[bytes]:
    return [] if number % 9 == 5 else [samples]


def _softer(_: int, samples: bytes) -> Sequence[bytes]:
    return [array("h", [value // 2 for value in array("h", samples)]).tobytes()]


def _backwards(_: int, samples: bytes) -> Sequence[bytes]:
    return [array("h", samples)[::-1].tobytes()]


APPS: Dict[str, App] = {
    "unchanged": _unchanged,
    "in pieces of 5 ms": _recut,
    "one chunk of nine lost": _loses,
    "half as loud": _softer,
    "each chunk backwards": _backwards,
}


def handed_on(chunks: Sequence[Chunk], app: App) -> Iterator[Piece]:
    """What an app hands on, each piece as its chunk comes."""
    number = 0
    for place, chunk in enumerate(chunks):
        for samples in app(place, chunk.samples):
            yield Piece(chunk.at_ns, chunk.at_ns, PCM, samples, number=number)
            number += 1


def judge(chunks: Sequence[Chunk], pieces: Sequence[Piece], n_replies: int) -> List[str]:
    """The kinds of what is found."""
    match = matched(ReceivedAudio(chunks), played_streams(pieces))
    replies = [ReplyAudio(number) for number in range(1, n_replies + 1)]
    return [fault.kind.name for fault in faults(match, replies, [], chunks[-1].at_ns + 20_000 * MS, is_handed_on=True)]


def main() -> None:
    """Judge each app several times and print medians and spreads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=180, help="replies of ten seconds (default 180: 30 minutes)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    options = parser.parse_args()
    chunks = received(options.replies)
    length_s = sum(chunk.length_ns for chunk in chunks) / 1e9
    print(f"{length_s:.0f} s of audio in {len(chunks)} chunks; Python {sys.version.split()[0]}")
    for name, app in APPS.items():
        pieces = list(handed_on(chunks, app))
        times: List[float] = []
        kinds: List[str] = []
        for _ in range(options.rounds):
            began = time.process_time()
            kinds = judge(chunks, pieces, options.replies)
            times.append(time.process_time() - began)
        found = ", ".join(sorted(set(kinds))) or "nothing"
        print(f"{name:<24} median {statistics.median(times):5.2f} s, {min(times):.2f} to {max(times):.2f}; found {found}")


if __name__ == "__main__":
    main()
