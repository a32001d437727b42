"""Tests of evi_harness.storage.baseline_file."""

from __future__ import annotations

import json
import os

import pytest

from evi_harness.errors import EviHarnessError
from evi_harness.storage.baseline_file import load_json_file, replace_json_file


def test_what_is_written_is_read(tmp_path):
    """In the place of what was there, with nothing left beside it."""
    file = tmp_path / "b.json"
    file.write_text("old", encoding="utf-8")
    replace_json_file(file, {"a": [1, "é\n"]})
    assert load_json_file(file) == {"a": [1, "é\n"]}
    assert [one.name for one in tmp_path.iterdir()] == ["b.json"]


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000])
def test_what_is_no_json(tmp_path, text):
    """Is told with the file."""
    file = tmp_path / "b.json"
    file.write_bytes(text)
    with pytest.raises(EviHarnessError, match=r"b\.json: .*\bJSON\b"):
        load_json_file(file)


def test_what_is_too_large_or_not_there(tmp_path):
    """Is not read; a hole of a terabyte costs nothing."""
    with (tmp_path / "b.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(EviHarnessError, match=r"b\.json: .*\b256 MiB"):
        load_json_file(tmp_path / "b.json")
    with pytest.raises(EviHarnessError, match=r"gone\.json: .*No such file"):
        load_json_file(tmp_path / "gone.json")


def test_what_cannot_be_written(tmp_path):
    """Leaves what was there."""
    with pytest.raises(EviHarnessError, match="cannot be written"):
        replace_json_file(tmp_path / "gone" / "b.json", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(EviHarnessError, match="cannot be written"):
        replace_json_file(tmp_path / "folder", {})
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_what_is_no_regular_file_is_written_to(tmp_path):
    """A pipe, a device: another file in its place would be the end of it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_json_file(pipe, {"a": 1})
        assert json.loads(os.read(reading, 1000)) == {"a": 1}
    finally:
        os.close(reading)
    assert pipe.is_fifo()
