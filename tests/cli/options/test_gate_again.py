"""Tests of evi_harness.cli.options.gate_again."""

from __future__ import annotations

import pytest

from evi_harness.cli.commands import evi_harness
from evi_harness.cli.options.gate_again import words_again


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("replay s --gate x --json r.json", "replay s --gate x"),
        ("replay --gate=x s t -j2 --out o --html=p", "replay s t --gate x --jobs 2"),
        ("replay s --no-child --gate x --gate y --save-baseline b.json", "replay s --no-child --gate x --gate y"),
        ("replay s --child -q --seed 3 --junit j", "replay s --child --quiet --seed 3"),
        ("replay s --gate x --summary m -- python app.py --json y", "replay s --gate x -- python app.py --json y"),
        ("latency --csv - s --baseline b.json --detector none", "latency s --baseline b.json --detector none"),
        ("ab --a x --b y --json - --runs 3", "ab --a x --b y --runs 3"),
        ("ab --a-rev x --b-rev y --junit j -- evi-harness replay s", "ab --a-rev x --b-rev y -- evi-harness replay s"),
    ],
)
def test_a_command_again_writes_nothing(typed, again):
    """In all spellings that an option has; what stands behind -- is another command."""
    words = typed.split()
    command = evi_harness.get_command(None, words[0])
    assert words_again(command, words) == again.split()
