"""Tests of ``event_rows``: what a row of a log says, in the forms in which people write it, and what is refused."""

from __future__ import annotations

import json

import pytest

from evi_harness.openai_realtime.event_rows import LogRow, NotEvents, event_rows

CREATE = {"type": "response.create"}
DONE = {"type": "response.done", "response": {}}
S = 1_000_000_000


def rows_of(*values, texts=None):
    """Rows as a file has them, with their texts where it has them."""
    return [LogRow(value, f"line {number}", None if texts is None else texts[number - 1]) for number, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    "row",
    [
        CREATE,
        {"direction": "sent", "data": CREATE},
        {"kind": "message", "direction": "sent", "data": CREATE},
        {"dir": ">", "message": CREATE},
        {"from": "Client", "event": CREATE},
        {"direction": "outgoing", "payload": json.dumps(CREATE)},
        {"event": CREATE},
    ],
)
def test_what_a_row_holds(row):
    """The message itself, or around it an object with a direction or without; a type says who sends it."""
    (found,) = event_rows(rows_of(row))
    assert (found.is_sent, json.loads(found.message), found.at_ns, found.place) == (True, CREATE, None, "line 1")


def test_a_text_is_kept_to_the_byte():
    """That of a line, and that of a string in a row; what a file has as an object is written anew."""
    line = b'{ "type" : "response.create" }'
    lined, texted, anew = event_rows(
        [LogRow(CREATE, "line 1", line), LogRow({"data": line.decode()}, "line 2", b"{...}"), LogRow({"data": CREATE}, "line 3", b"{...}")]
    )
    assert (lined.message, texted.message, anew.message) == (line, line, json.dumps(CREATE).encode())
    assert [lined.is_original, texted.is_original, anew.is_original] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "first", "second", "apart_ns"),
    [
        ("time", 0, 1.5, 1_500_000_000),
        ("timestamp", 1764460800.25, 1764460801.25, S),
        ("ts", 1764460800250, 1764460801250, S),
        ("t", 1764460800250000, 1764460801250000, S),
        ("at", 1764460800250000000, 1764460801250000000, S),
        ("time_ms", 10, 20, 10_000_000),
        ("at_ns", 5, 7, 2),
        ("elapsed_s", 1, 2, S),
        ("timestamp", "1764460800.5", "1764460801", S // 2),
        ("created_at", "2026-11-30T00:00:00Z", "2026-11-30T00:00:00.001500+00:00", 1_500_000),
        ("time", "2026-11-30 00:00:00.123456789", "2026-11-30T00:00:00.123456790", 1),
    ],
)
def test_times(name, first, second, apart_ns):
    """In seconds, or as the name or the size of the number says; ISO 8601 too."""
    one, other = event_rows(rows_of({"data": CREATE, name: first}, {"data": DONE, name: second}))
    assert other.at_ns - one.at_ns == apart_ns


def test_the_end_of_a_connection():
    """A row that says so has no message; the code where it has one."""
    _, by_app, by_service = event_rows(
        rows_of(CREATE, {"kind": "close", "direction": "sent", "code": 1000}, {"event": "closed", "dir": "in", "code": 7})
    )
    assert (by_app.is_sent, by_app.message, by_app.code) == (True, None, 1000)
    assert (by_service.is_sent, by_service.message, by_service.code) == (False, None, None)


@pytest.mark.parametrize(
    ("values", "named", "place"),
    [
        ([], "no event", ""),
        ([CREATE, 3], "3", "line 2"),
        ([{"type": "chat_metadata"}], "chat_metadata", "line 1"),
        ([{"a": 1}], "no type", "line 1"),
        ([{"direction": "received", "data": CREATE}], "response.create", "line 1"),
        ([{"direction": "sent", "data": DONE}], "response.done", "line 1"),
        ([{"data": "{broken"}], "not JSON", "line 1"),
        ([{"data": CREATE, "time": 1}, DONE], "no time", "line 2"),
        ([{"data": CREATE, "time": "noon"}], "noon", "line 1"),
        ([{"data": CREATE, "time": float("inf")}], "time", "line 1"),
        ([{"data": CREATE, "time": -1}], "-1", "line 1"),
        ([{"data": CREATE, "time": True}], "true", "line 1"),
        ([{"type": "session.start"}], "GPT-Live", "line 1"),
        ([{"direction": "received", "data": {"type": "session.started"}}], "GPT-Live", "line 1"),
        ([{"setupComplete": {}}], "Gemini Live", "line 1"),
        ([{"data": {"serverContent": {}}}], "Gemini Live", "line 1"),
        ([{"kind": "close", "code": 1000}], "no event", ""),
    ],
)
def test_what_is_refused(values, named, place):
    """By what it is, with its place; other protocols by their names."""
    with pytest.raises(NotEvents) as caught:
        event_rows(rows_of(*values))
    assert named in caught.value.what
    assert caught.value.place == place
