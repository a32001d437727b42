"""Tests of evi_harness.acts.paging.page_tracks_of."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from evi_harness.acts.paging import page_tracks_of
from evi_harness.acts.paging.page_tracks_of import Sounding, Sounds
from evi_harness.verdicts.redacted_views import redactor_for


def test_an_interrupt_ends_what_has_begun(weather, monkeypatch):
    """A track that would take very long ends with its second."""
    has_begun, ended = threading.Event(), []

    def made(job, tick):
        if job.role == "user":
            has_begun.wait()
            raise KeyboardInterrupt
        if job.role != "heard":
            return
        has_begun.set()
        try:
            # To the end of it, it would take minutes.
            for _ in range(10**8):
                tick()
        except CancelledError:
            ended.append(job.role)
            raise

    monkeypatch.setattr(page_tracks_of, "_made", made)
    with pytest.raises(KeyboardInterrupt):
        Sounds("ogg", redactor_for(weather), lambda done, total: None).tracks([Sounding(weather)])
    assert "heard" in ended
