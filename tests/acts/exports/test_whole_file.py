"""Tests of how an export writes its file; where it may be is tested with ``export_wav``."""

from __future__ import annotations

import pytest

from evi_harness.acts.exports.whole_file import write_pieces
from evi_harness.errors import EviHarnessError


def pieces(error):
    """A text that breaks off."""
    yield "begun"
    raise error


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_file_that_breaks_off_leaves_what_was_there(tmp_path, error):
    """Whatever ends it: the file is as before, and nothing is beside it."""
    (tmp_path / "x").write_text("mine")
    told = EviHarnessError if isinstance(error, OSError) else type(error)
    with pytest.raises(told):
        write_pieces(tmp_path / "x", pieces(error))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "mine"}


def test_lines_end_as_they_were_given(tmp_path):
    """On every system."""
    assert write_pieces(tmp_path / "x", ["a\n", "b\r\n"]) == 5
    assert (tmp_path / "x").read_bytes() == b"a\nb\r\n"
