"""The commands of docs/explanation/reliability.md are there: each names a file of the project, and tests that it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Tuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "explanation" / "reliability.md").read_text(encoding="utf-8")
HEADING = "| fault | cases tried | lost | command that repeats it | remedy |"


def rows() -> List[List[str]]:
    """The cells of every row of every table of faults."""
    tables = [part.split("\n\n", 1)[0] for part in PAGE.split(HEADING)[1:]]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for table in tables for line in table.splitlines()[2:]]


def commands() -> List[Tuple[str, str]]:
    """Each command's file, and the words by which it selects tests."""
    return re.findall(r"`(?:EVI_HARNESS_HYPOTHESIS=long )?(?:python|pytest) ((?:tests|benchmarks)/[\w/.]+\.py)(?: -k (\w+))?[^`]*`", PAGE)


@pytest.mark.parametrize(("file", "word"), commands())
def test_a_command_names_what_is_there(file: str, word: str) -> None:
    """The file, and in it a test of that name."""
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not word or re.search(rf"def test_\w*{word}", text)


def test_every_row_has_its_command() -> None:
    """Fault, number, loss, command and remedy; none is empty."""
    assert len(rows()) > 10
    for row in rows():
        assert len(row) == 5, row
        assert all(row), row
        assert "`" in row[3], row
