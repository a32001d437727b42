"""Tests of evi_harness.session.loss: a loss says where it was and what."""

from __future__ import annotations

from evi_harness.session.loss import Loss


def test_a_loss_is_a_sentence_with_its_place():
    """With the line, where it is about one."""
    assert str(Loss("changed", "user.wav", None, "it was changed.")) == "user.wav: it was changed."
    assert str(Loss("line_cut", "events.jsonl", 7, "it was cut.")) == "events.jsonl, line 7: it was cut."
