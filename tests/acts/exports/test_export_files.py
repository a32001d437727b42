"""Tests of several exports at once."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from evi_harness.acts.exports.export_files import FORMS, export_files
from evi_harness.errors import EviHarnessError, UsageError

ROOT = Path(__file__).resolve().parents[3]
TYPED = ROOT / "sessions" / "typed"


def made_damaged():
    """The script that makes damaged folders, which is in no package."""
    sys.path.insert(0, str(ROOT / "fixtures"))
    try:
        return importlib.import_module("make_damaged")
    finally:
        sys.path.remove(str(ROOT / "fixtures"))


DAMAGED = made_damaged()


def test_every_form_is_written_and_told_of(tmp_path):
    """In the order in which they were named, and the same every time; whoever wants to know hears of each when it is done."""
    done = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files = {form: tmp_path / folder / f"x.{form}" for form in FORMS}
        lines = export_files(TYPED, files, on_done=lambda folder=folder: done.append(len(list((tmp_path / folder).iterdir()))))
        told = [line for line in lines if line.startswith(str(tmp_path))]
        assert [line.split(": ")[0] for line in told] == [str(file) for file in files.values()]
    assert done == [*range(1, len(FORMS) + 1)] * 2
    for form in FORMS:
        assert (tmp_path / "a" / f"x.{form}").read_bytes() == (tmp_path / "b" / f"x.{form}").read_bytes()


def test_nothing_is_begun_where_one_may_not_be_written(tmp_path):
    """One that is there, or two that are one."""
    (tmp_path / "there").touch()
    for other in ("there", "x.csv"):
        with pytest.raises(UsageError):
            list(export_files(TYPED, {"csv": tmp_path / "x.csv", "vtt": tmp_path / other}))
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("damage", DAMAGED.DAMAGES)
def test_a_damaged_folder_is_exported_or_refused(tmp_path, damage):
    """Each form has what can be read, or says why not; nothing is left behind by one that fails."""
    folder = DAMAGED.build(damage, tmp_path / "folder")
    for form in FORMS:
        refused = ""
        try:
            list(export_files(folder, {form: tmp_path / form}))
        except EviHarnessError as error:
            refused = str(error)
        assert bool(refused) is not (tmp_path / form).exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
