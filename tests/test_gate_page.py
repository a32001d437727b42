"""What docs/how-to/gate.md and docs/explanation/statistics.md say holds: thresholds parse, options exist, the table is the benchmark's."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Iterator

import pytest

from evi_harness.cli.options.gate_options import _COMPARING, _GATE
from evi_harness.measure.comparison import IMPROVED, INCONCLUSIVE, REGRESSED, ComparisonRules
from evi_harness.measure.effect import LEAST_EFFECT, parse_effect
from evi_harness.measure.thresholds import parse_threshold
from evi_harness.settings.configuration import load_configuration

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "gate.md").read_text(encoding="utf-8")
STATISTICS = (ROOT / "docs" / "explanation" / "statistics.md").read_text(encoding="utf-8")


@pytest.fixture
def benchmark() -> Iterator[ModuleType]:
    """The script that made the table."""
    spec = importlib.util.spec_from_file_location("benchmarks_gate", ROOT / "benchmarks" / "gate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_configuration_is_read(tmp_path: Path) -> None:
    """As it stands; what it has is the default, but for what belongs to a project."""
    (tmp_path / "pyproject.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0], encoding="utf-8")
    found, default = load_configuration(tmp_path), ComparisonRules()
    assert (found.least, found.seed, found.false_alarm, found.job_noise) == (
        default.least,
        default.seed,
        default.false_alarm,
        default.job_noise,
    )
    assert [parse_threshold(text).text for text in found.gate] == list(found.gate)


def test_thresholds_and_options_are_there() -> None:
    """Every threshold on the page can be read, and every option that a gate has is named on it."""
    found = re.findall(r"--gate '([^']+)'", PAGE)
    assert len(found) > 3
    assert [parse_threshold(text).text for text in found] == found
    options = {name for option in (*_COMPARING, *_GATE) for name in _names(option)}
    assert {name for name in options if name not in PAGE} == set()
    for page in (PAGE, STATISTICS):
        assert parse_effect(re.findall(r"\(`(\d[^`]+)`\)", page)[0]) == LEAST_EFFECT


def _names(option: object) -> list:
    def command() -> None:
        """Take an option."""

    return [name for param in option(command).__click_params__ for name in param.opts]


@pytest.mark.parametrize(
    ("truth", "verdict"),
    [("same code", "passed"), ("+10% on p50", REGRESSED), ("+100 ms on p95", REGRESSED), ("-10% everywhere", IMPROVED)],
)
def test_the_table_is_of_the_benchmark(benchmark: ModuleType, truth: str, verdict: str) -> None:
    """Its rows are there, and a few jobs of each come out as the page says; with few runs they are open, and then decided."""
    assert f"\n| {truth} | 20 |" in STATISTICS
    assert f"\n| {truth} | 5 |" in STATISTICS
    (scenario,) = [one for one in benchmark.SCENARIOS if one.name == truth]
    found = [benchmark.judge(number, scenario, 20)[0] for number in range(12)]
    assert found.count(verdict) >= 11
    first, second, more = benchmark.judge(1, scenario, 5)
    assert (first, second) == (INCONCLUSIVE, verdict)
    assert more > 0
