from __future__ import annotations

from evi_harness.session.problem import FILE_CUT, KINDS, Problem


def test_a_problem_reads_as_a_sentence():
    """str() gives place, what and hint on one line."""
    assert str(Problem("a.wav", None, "it is gone.", "Look for it.")) == "a.wav: it is gone. Look for it."
    assert str(Problem("", 3, "x.")) == "the folder, line 3: x."


def test_a_place_is_file_and_line():
    """The folder itself has no name of its own."""
    assert Problem("events.jsonl", 7, "x.").place == "events.jsonl, line 7"
    assert Problem("", None, "x.").place == "the folder"


def test_each_kind_is_one():
    """No name stands twice, and the cause of others is one of them."""
    assert len(set(KINDS)) == len(KINDS)
    assert FILE_CUT in KINDS
