"""Tests of evi_harness.cli.options.gate_options."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import click
import pytest

from evi_harness.acts.asked_of_gate import GateOptions
from evi_harness.acts.ci_outputs import CiOptions
from evi_harness.cli.options.gate_options import NAMES, ci_options, comparing_options, gate_options


@click.command()
@gate_options
@ci_options
def judging(gate, ci):
    """A command with all of them."""
    return gate, ci


def asked(*words):
    """What the command is called with."""
    with judging.make_context("judging", list(words)) as context:
        return judging.invoke(context)


def test_nothing_is_asked(monkeypatch):
    """Everything is left to the configuration."""
    for name in ("EVI_HARNESS_SAVE_BASELINE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    gate, ci = asked()
    assert (gate, ci) == (GateOptions(), CiOptions())


def test_all_is_asked(tmp_path, monkeypatch):
    """By the names that the harness has; files by paths that do not depend on the working directory, which an app may change."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("b.json").touch()
    words = "--gate a --gate b --baseline b.json --save-baseline n.json --job-noise 0 --inconclusive pass --gate-seed 7 --false-alarm 0.05"
    gate, ci = asked(*words.split(), "--least-effect", "3%", "--junit", "j.xml", "--summary", "s.md")
    assert gate == GateOptions(("a", "b"), Path("b.json").absolute(), Path("n.json").absolute(), "pass", 7, 0.05, 0.0, "3%")
    assert ci == CiOptions(Path("j.xml").absolute(), Path("s.md").absolute())


def test_a_folder_for_baselines_may_come_from_outside(monkeypatch):
    """So that `ab` gets at what is measured below its commands."""
    monkeypatch.setenv("EVI_HARNESS_SAVE_BASELINE", "folder")
    assert asked()[0].save_baseline == Path("folder").absolute()


def test_every_parameter_is_named():
    """Commands that refuse some find them all."""
    assert {param.name for param in judging.params} == set(NAMES)
    assert len(fields(GateOptions)) + 2 == len(NAMES)


@pytest.mark.parametrize("words", [["--false-alarm", "0.5"], ["--false-alarm", "0"], ["--job-noise", "-1"], ["--inconclusive", "skip"]])
def test_what_is_refused_at_once(words):
    """A value that is never possible."""
    with pytest.raises(click.UsageError):
        asked(*words)


def test_a_comparison_has_no_baseline():
    """Both sides are run."""

    @click.command()
    @comparing_options
    def comparing(comparing):
        """A command that compares."""
        return comparing

    with comparing.make_context("comparing", ["--gate-seed", "3"]) as context:
        assert comparing.invoke(context) == GateOptions(gate_seed=3)
    assert "--baseline" not in {name for param in comparing.params for name in param.opts}
