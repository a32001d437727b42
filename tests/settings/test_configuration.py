"""Tests of evi_harness.settings.configuration."""

from __future__ import annotations

import pytest

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.measure.effect import Effect
from evi_harness.settings.configuration import Configuration, load_configuration


def project(folder, text):
    """A project with this table."""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_everything_that_can_be_set(tmp_path):
    """Each key; a baseline stands from the folder of the file; the search goes up from where one is."""
    project(
        tmp_path,
        "[tool.evi-harness]\n"
        'gate = ["handle: max<50"]\nbaseline = "perf/base.json"\ninconclusive = "pass"\nseed = 7\n'
        "false-alarm = 0.02\njob-noise = 0\n"
        '[tool.evi-harness.least-effect]\ndefault = "5%"\nturn_gap = "50ms"\n',
    )
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert load_configuration(tmp_path / "a" / "b") == Configuration(
        ("handle: max<50",),
        tmp_path / "perf" / "base.json",
        "pass",
        7,
        0.02,
        0.0,
        Effect(0.05),
        {"turn_gap": Effect(0.0, 50.0)},
        tmp_path / "pyproject.toml",
    )


def test_one_least_effect_for_all(tmp_path):
    """A text instead of a table."""
    found = load_configuration(project(tmp_path, '[tool.evi-harness]\nleast-effect = "3%"\n'))
    assert (found.least, found.least_by_metric) == (Effect(0.03), {})


def test_nothing_is_set(tmp_path):
    """Where there is no such table; the nearest pyproject.toml alone is read."""
    project(tmp_path, '[tool.evi-harness]\ninconclusive = "pass"\n')
    (tmp_path / "inner").mkdir()
    assert load_configuration(project(tmp_path / "inner", "[project]\n")).inconclusive is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gates = []", ["no key 'gates'", "gate, baseline, inconclusive, seed, false-alarm, job-noise, least-effect"]),
        ("gate = 'handle: max<5'", ["gate:", "list of thresholds"]),
        ("gate = [1]", ["gate: ", "list of thresholds", "[1]"]),
        ("baseline = ''", ["baseline:", "of a file"]),
        ("inconclusive = 'skip'", ["inconclusive:", "'fail' or 'pass'"]),
        ("seed = true", ["seed:", "whole number"]),
        ("seed = 1.5", ["seed:", "whole number"]),
        ("false-alarm = 0.5", ["false-alarm:", "below 0.5"]),
        ("job-noise = -1", ["job-noise:", "a share"]),
        ("least-effect = 5", ["least-effect:", "5%,1ms..50ms"]),
        ("least-effect = 'much'", ["least-effect:", "'much'"]),
        ("least-effect = {handel = '5%'}", ["least-effect:", "no metric 'handel'", "handle"]),
    ],
)
def test_what_cannot_be_meant_is_told_with_file_and_key(tmp_path, text, words):
    """And with what is possible."""
    with pytest.raises(UsageError) as refused:
        load_configuration(project(tmp_path, f"[tool.evi-harness]\n{text}\n"))
    told = str(refused.value)
    assert told.startswith(str(tmp_path / "pyproject.toml"))
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool", "cannot be read"),
        ("[tool]\nevi-harness = 3\n", r"\[tool\.evi-harness\].* 3"),
        ("tool = 3\n", r"\[tool\.evi-harness\].* 3"),
    ],
)
def test_what_is_no_configuration(tmp_path, text, words):
    """No TOML, or no table: an error, not an empty one."""
    with pytest.raises(EviHarnessError, match=rf"pyproject\.toml: .*{words}"):
        load_configuration(project(tmp_path, text))


@pytest.mark.parametrize("name", ["evi_harness", "Evi-Harness", '"evi harness"', "eviharness"])
def test_a_table_by_another_name_is_not_passed_over(tmp_path, name):
    """A gate in it would hold nothing to anything; a table of another program is nobody's business here."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.{name}]\ngate = ["handle: max<5"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"Did you mean \[tool\.evi-harness\]\?"):
        load_configuration(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.evi-harness-extra]\nx = 1\n[tool.ruff]\n", encoding="utf-8")
    assert load_configuration(tmp_path).is_empty
