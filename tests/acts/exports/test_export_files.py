"""Tests of several exports at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from evi_harness.acts.exports.export_files import FORMS, export_files
from evi_harness.errors import UsageError

TYPED = Path(__file__).resolve().parents[3] / "sessions" / "typed"


def test_every_form_is_written_and_told_of(tmp_path):
    """In the order in which they were named, and the same every time."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files = {form: tmp_path / folder / f"x.{form}" for form in FORMS}
        told = [line for line in export_files(TYPED, files) if line.startswith(str(tmp_path))]
        assert [line.split(": ")[0] for line in told] == [str(file) for file in files.values()]
    for form in FORMS:
        assert (tmp_path / "a" / f"x.{form}").read_bytes() == (tmp_path / "b" / f"x.{form}").read_bytes()


def test_nothing_is_begun_where_one_may_not_be_written(tmp_path):
    """One that is there, or two that are one."""
    (tmp_path / "there").touch()
    for other in ("there", "x.csv"):
        with pytest.raises(UsageError):
            list(export_files(TYPED, {"csv": tmp_path / "x.csv", "vtt": tmp_path / other}))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
