from __future__ import annotations

from dataclasses import replace

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.runs.playing import chat_paths_of
from evi_harness.session.events import Handshake

HUME = "/hume/v0/evi/chat"


@pytest.mark.parametrize("path", [HUME, *EVI.chat_paths])
def test_the_recorded_path_is_served_beside_the_usual_ones(weather, path):
    """Once, and behind them."""
    session = replace(weather, events=(replace(weather.events[0], handshake=Handshake(path)), *weather.events[1:]))
    assert chat_paths_of(session, EVI) == (*EVI.chat_paths, *([path] if path == HUME else []))


def test_where_nobody_asked_the_usual_ones_are_served(weather):
    """A service that is no session, and a session that was cut before its opening."""
    assert chat_paths_of(None, EVI) == chat_paths_of(replace(weather, events=weather.events[1:]), EVI) == EVI.chat_paths
