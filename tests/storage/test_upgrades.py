"""Tests of evi_harness.storage.upgrades; that a folder opens through them is tested with the reader."""

from __future__ import annotations

import pytest

from evi_harness.session.header import FORMAT_VERSION
from evi_harness.storage import upgrades
from evi_harness.storage.upgrades import UPGRADES, Upgrade, upgraded_header, upgraded_line


def test_every_version_has_its_step():
    """From each version before the present one there is a way."""
    assert sorted(UPGRADES) == list(range(1, FORMAT_VERSION))


def test_steps_are_taken_one_after_the_other(monkeypatch):
    """Each step sees what the one before it made; the present version needs none; a missing one is a KeyError."""
    steps = {
        1: Upgrade(lambda members: {**members, "path": [1]}, lambda fields: {**fields, "path": [1]}),
        2: Upgrade(lambda members: {**members, "path": [*members["path"], 2]}, lambda fields: {**fields, "path": [*fields["path"], 2]}),
    }
    monkeypatch.setattr(upgrades, "UPGRADES", steps)
    assert upgraded_header({"version": 1}, 1, 3) == {"version": 3, "path": [1, 2]}
    assert upgraded_line({"seq": 0}, 1, 3) == {"seq": 0, "path": [1, 2]}
    assert upgraded_line({"seq": 0}, 3, 3) == {"seq": 0}
    with pytest.raises(KeyError):
        upgraded_header({"version": 1}, 1, 4)
