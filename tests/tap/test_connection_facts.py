from __future__ import annotations

from types import SimpleNamespace

import pytest

from evi_harness.tap.connection_facts import end_of, is_closed


def close(code, reason=""):
    """A close frame as the library keeps it."""
    return SimpleNamespace(code=code, reason=reason)


@pytest.mark.parametrize(
    ("received", "sent", "received_first", "expected"),
    [
        (close(1000, "done"), close(1000, "done"), True, ("service", 1000, "done")),
        (close(1008, "policy"), None, None, ("service", 1008, "policy")),
        (close(1005), close(1005), True, ("service", None, "")),
        (close(1000), close(4001, "enough"), False, ("app", 4001, "enough")),
        (None, close(1000), None, ("app", 1000, "")),
        (None, close(1009, "over size limit"), None, ("app", 1009, "over size limit")),
        (None, close(1011, "keepalive ping timeout"), None, ("network", None, "keepalive ping timeout")),
        (None, None, None, ("network", None, "")),
    ],
)
@pytest.mark.parametrize("has_protocol", [False, True])
def test_who_closed_is_told_from_the_close_frames(received, sent, received_first, expected, has_protocol):
    """Who sent its close frame first has closed; without any, or when the library gave up on a ping, the network has."""
    keeper = SimpleNamespace(
        close_rcvd=received, close_sent=sent, close_rcvd_then_sent=received_first, state=SimpleNamespace(name="CLOSED")
    )
    connection = SimpleNamespace(protocol=keeper) if has_protocol else keeper
    assert end_of(connection) == expected
    assert is_closed(connection)
