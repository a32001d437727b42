from __future__ import annotations

import pytest

from evi_harness.settings.redrawing import can_redraw


@pytest.mark.parametrize(
    ("environment", "can"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
        ({}, False),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "TF_BUILD": "True"}, False),
        ({"TERM": "xterm", "BUILD_NUMBER": "12"}, False),
    ],
)
def test_a_line_is_drawn_again_where_that_can_be_seen(environment, can):
    """On a terminal that erases, and not in a log."""
    assert can_redraw(environment) is can
