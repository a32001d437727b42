"""Tests of evi_harness.report.next_steps."""

from __future__ import annotations

import pytest

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.report.invocation import Invocation
from evi_harness.report.next_steps import ways_to_accept

# The tool response of the session ``weather``.
ANSWER = 15
COMMAND = Invocation(path="weather", argv=("evi-harness", "replay"))


def different(*paths, seq=ANSWER):
    """A message that differs at these paths."""
    return Deviation("different", "it differs", seq, seq, differences=tuple(Difference(path, 1, 2) for path in paths))


def ways(session, *deviations, asked=COMMAND, is_part=False):
    """The sentences that are shown."""
    return list(ways_to_accept(deviations, session, EVI, asked, is_part=is_part))


@pytest.mark.parametrize(
    ("asked", "update", "ignore"),
    [
        (COMMAND, "--update ", "--ignore 'tool_response:$.content' "),
        (Invocation(path="weather", call="replay_session('weather')"), "update=True ", "ignore=['tool_response:$.content'] "),
        (Invocation(path="weather", call="…", test="test_app.py::test"), "--evi-update ", "ignore=['tool_response:$.content'] "),
    ],
)
def test_a_door_names_its_own_options(weather, asked, update, ignore):
    """With the path that differs, of messages of that type alone."""
    (told,) = ways(weather, different("$.content"), asked=asked)
    assert update in told
    assert ignore in told


def test_what_cannot_be_updated_is_only_left_out(weather):
    """A part of a session, and a session in memory."""
    for told in (ways(weather, different("$.content"), is_part=True), ways(weather, different("$.content"), asked=Invocation(argv=()))):
        assert ["--update" in line for line in told] == [False]
        assert "--ignore" in told[0]


def test_several_paths_are_named_once_each_up_to_three(weather):
    """Then an update is the shorter way; a handshake has its own type."""
    (told,) = ways(weather, different("$.content"), different("$.content", "$.b"))
    assert told.count("--ignore") == 2
    (told,) = ways(weather, different("$.a", "$.b", "$.c", "$.d"))
    assert "--ignore" not in told
    (told,) = ways(weather, different("$.query.v", seq=0))
    assert "'handshake:$.query.v'" in told


def test_an_unexpected_message_can_be_accepted_alone(weather):
    """No path leaves it out; and of what nobody means, nothing is suggested."""
    (told,) = ways(weather, Deviation("unexpected", "it came", live_seq=ANSWER, differences=(Difference("$.content", 1, 2),)))
    assert "--update" in told
    assert "--ignore" not in told
    assert ways(weather, Deviation("missing", "x", ANSWER), Deviation("stuck", "it stopped")) == []
