"""Tests of evi_harness.runs.names_in_file."""

from __future__ import annotations

import pytest

from evi_harness.runs.names_in_file import likely_names


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("class Other: ...\nclass App:\n    async def on_message(self, message): ...\nraise SystemExit", ["App"]),
        ("class A: ...\nclass B: ...\nclass _C: ...\ndef f(): ...", ["A", "B"]),
        ("async def main(socket): ...\ndef _f(): ...", ["main"]),
        ("def (", []),
        ("import os", []),
        ("", []),
    ],
)
def test_a_file_is_read_and_not_run(tmp_path, code, names):
    """Classes with callbacks come first, then others, then functions; a broken file has none."""
    (tmp_path / "app.py").write_text(code, encoding="utf-8")
    assert likely_names(str(tmp_path / "app.py")) == names


def test_what_is_no_file_has_no_names(tmp_path):
    """Nor has what cannot be one."""
    assert [likely_names(place) for place in (str(tmp_path), str(tmp_path / "gone.py"), "a\0b.py")] == [[], [], []]
