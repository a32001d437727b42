"""Fuzzes one target with atheris, which sees what code an input reaches: ``python tests/fuzzing/guided.py TARGET [options of libFuzzer]``.

It ends with the first fault, and leaves the input in the current folder as crash-…; without ``-max_total_time`` or ``-runs`` it goes on.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import atheris

# The fuzzer ends the process itself, and nothing is taken away behind it: what is in work stands where the input of a fault will.
tempfile.tempdir = str(Path.cwd())

with atheris.instrument_imports(include=["evi_harness"]):
    import targets

# Beside what is loaded.
MAX_MB = 200


def main() -> None:
    """Fuzz the target that is named."""
    if len(sys.argv) < 2 or sys.argv[1] not in targets.TARGETS:
        raise SystemExit(f"usage: guided.py TARGET [options of libFuzzer]; the targets are: {', '.join(targets.TARGETS)}")
    target = targets.TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(target.seeds):
            (corpus / str(number)).write_bytes(seed)
        words = Path(scratch, "words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in {*target.words, *targets.PIECES, *targets.NUMBERS} if len(word) <= 64))
        for seed in target.seeds:
            # What it loads when it is first asked is no leak.
            targets.run(target, seed)
        loaded_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        options = [f"-dict={words}", f"-rss_limit_mb={loaded_mb + MAX_MB}", "-max_len=16384", *sys.argv[2:], str(corpus)]

        def try_one(data: bytes) -> None:
            targets.run(target, data)

        atheris.Setup([sys.argv[0], *options], try_one)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
