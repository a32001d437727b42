"""Hostile inputs for every parser: a few of them here, the same each time; many, and new ones, by ``tox -e long``.

A failure prints the input. What is found is mended in the parser, and its input stands behind the target's seeds from then on.
"""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

HERE = Path(__file__).resolve().parent
IS_LONG = os.environ.get("EVI_HARNESS_HYPOTHESIS") == "long"
# All of it in well under a minute; the long run has as many as its profile says.
N_EXAMPLES = settings.default.max_examples if IS_LONG else 120
GUIDED_S = 60


def script(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    sys.path.insert(0, str(HERE))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(HERE))


targets = script("targets")
TARGETS = targets.TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_before(name: str) -> None:
    """Each seed is taken or refused in the parser's own words; the first is a good one."""
    target = TARGETS[name]
    taken = [targets.run(target, seed) for seed in target.seeds]
    assert taken[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_hostile_inputs(name: str) -> None:
    """Whatever is changed in a good input, nothing comes out but what the parser documents, within two seconds of the processor."""
    target = TARGETS[name]

    @given(st.one_of(st.integers(0, 2**32 - 1).map(lambda seed: targets.mutated(target, random.Random(seed))), st.binary(max_size=200)))
    @settings(max_examples=N_EXAMPLES)
    def run(data: bytes) -> None:
        note(f"{name}: {data!r}")
        targets.run(target, data)

    run()


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_are_inputs_of_their_own(name: str) -> None:
    """They differ from the seeds and from one another, as a rule, and the same chance gives the same."""
    target = TARGETS[name]
    made = {targets.mutated(target, random.Random(seed)) for seed in range(200)}
    assert len(made - set(target.seeds)) > 100
    assert targets.mutated(target, random.Random(7)) == targets.mutated(target, random.Random(7))


def test_a_fault_is_seen() -> None:
    """A target that raises what it does not document fails, and so does one that takes too long."""

    def breaks(data: bytes) -> None:
        raise KeyError(data)

    def spins(data: bytes) -> None:
        while True:
            pass

    refused = targets.Target(breaks, (KeyError,), (b"",))
    assert targets.run(refused, b"x") is False
    with pytest.raises(KeyError):
        targets.run(targets.Target(breaks, (ValueError,), (b"",)), b"x")
    with pytest.raises(targets.TooSlow):
        targets.run(targets.Target(spins, (Exception,), (b"",)), b"x", cpu_s=0.05)


@pytest.mark.skipif(not IS_LONG, reason="takes minutes: EVI_HARNESS_HYPOTHESIS=long, or tox -e long")
@pytest.mark.parametrize("name", TARGETS)
def test_inputs_by_what_they_reach(name: str, tmp_path: Path) -> None:
    """A fuzzer that sees which code an input reaches finds nothing in a minute, with 200 MB beside what is loaded."""
    pytest.importorskip("atheris", reason="atheris has no wheel here; it is of the extra fuzz")
    words = [sys.executable, str(HERE / "guided.py"), name, f"-max_total_time={GUIDED_S}", "-print_final_stats=1"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
