"""Tests of evi_harness.session.header."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION, MEASURED, Header


def test_what_is_not_known_is_not_guessed():
    """A header of which only the required is given says nothing more than that."""
    header = Header("id", "script", "2026-01-01T00:00:00Z", "evi")
    assert (header.service, header.user_interrupt) == ("unknown", "unknown")
    assert (header.endpoint, header.start, header.end, header.abandoned) == (None, None, None, None)
    assert not header.complete
    assert header.recorded.times == MEASURED
    assert (header.version, header.minor) == (FORMAT_VERSION, FORMAT_MINOR)


def test_a_header_is_frozen_and_keeps_unknown_fields_uncompared():
    """Nobody can change a header; what a later version wrote does not make two differ."""
    header = Header("id", "script", "now", "evi", extra={"new": 1})
    assert header == Header("id", "script", "now", "evi")
    with pytest.raises(FrozenInstanceError):
        header.complete = True
