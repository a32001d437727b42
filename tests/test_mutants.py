"""The mutants of benchmarks/mutants.py: every operator has its sites, and what a change does is told without a look at any finding."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Iterator, Tuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
CAREFUL = (ROOT / "fixtures" / "handlers" / "careful.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scripts() -> Iterator[Tuple[ModuleType, ModuleType]]:
    """The operators and what judges them."""
    path, names = list(sys.path), ("mutation", "mutants", "make_failing", "make_weather")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("mutation"), importlib.import_module("mutants")
    sys.path[:] = path
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_every_operator_changes_what_it_finds(scripts):
    """Each has a site in the careful handler, and each site gives a program that differs from the handler."""
    mutation, _ = scripts
    same = ast.unparse(ast.parse(CAREFUL))
    for operator in mutation.OPERATORS:
        n_sites = len(list(operator.sites(ast.parse(CAREFUL))))
        assert n_sites, operator.name
        texts = [ast.unparse(mutation.mutated(CAREFUL, operator, number)) for number in range(n_sites)]
        assert same not in texts, operator.name
        assert len(set(texts)) == n_sites, operator.name
        for text in texts:
            compile(text, operator.name, "exec")


def test_there_are_enough_operators(scripts):
    """No two have a name in common."""
    mutation, _ = scripts
    assert len({operator.name for operator in mutation.OPERATORS}) == len(mutation.OPERATORS) >= 20


def test_the_mutants_are_drawn_by_the_seed(scripts):
    """The same seed gives the same ones, another one others; never more of a handler than are asked for."""
    mutation, mutants = scripts
    some = mutation.OPERATORS[:3]
    assert mutants.chosen(some, 1, 0) == mutants.chosen(some, 1, 0)
    assert mutants.chosen(some, 1, 0) != mutants.chosen(some, 1, 1)
    assert len(set(mutants.chosen(some, 1, 0))) == len(mutants.chosen(some, 1, 0)) <= len(some) * len(mutants.SUBJECTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operator", "number", "rank"),
    [
        ("not answered", 0, "fails"),
        # The service tells of no error in this session: that branch is looked at and never taken.
        ("message type misspelt", 3, "equivalent"),
        ("wrong text", 0, "not reached"),
        ("leaves a task", 0, "fails"),
    ],
)
def test_a_mutant_is_classified(scripts, operator, number, rank, tmp_path):
    """By what it does in the sessions that its handler passes."""
    _, mutants = scripts
    assert mutants.judged(mutants.Mutant("careful.py:App", operator, number), [ROOT / "sessions" / "weather"], tmp_path)[0] == rank


def test_what_two_runs_did_is_compared_within_a_tenth_of_a_second(scripts):
    """Other frames, other samples, another end, something left, or the same later than that."""
    _, mutants = scripts
    seen = mutants.Seen(sent=((b"{}", 0),), heard=((b"\1\0", 5),), ended=(("on_open", "returned"),), left=())
    ms = 1_000_000
    assert seen.is_like(mutants.Seen(((b"{}", 100 * ms),), ((b"\1\0", 5),), (("on_open", "returned"),), ()))
    for other in (
        mutants.Seen(((b"{}", 101 * ms),), seen.heard, seen.ended, ()),
        mutants.Seen(((b"[]", 0),), seen.heard, seen.ended, ()),
        mutants.Seen(seen.sent, ((b"\2\0", 5),), seen.ended, ()),
        mutants.Seen(seen.sent, seen.heard, (("on_open", "OSError"),), ()),
        mutants.Seen(seen.sent, seen.heard, (), ()),
        mutants.Seen(seen.sent, seen.heard, seen.ended, ("socket 9",)),
    ):
        assert not seen.is_like(other)


def test_lines_that_changed(scripts):
    """What was put in, what is another, and what stands where something was taken away."""
    _, mutants = scripts
    assert mutants.changed_lines("a\nb\nc", "a\nx\nb\nc") == {2}
    assert mutants.changed_lines("a\nb\nc", "a\ny\nc") == {2}
    assert mutants.changed_lines("a\nb\nc", "a\nc") == {2}
