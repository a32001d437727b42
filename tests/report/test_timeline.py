from __future__ import annotations

import re
from dataclasses import replace

from evi_harness.evi.dialect import EVI
from evi_harness.report.timeline import around, as_lines
from evi_harness.session.events import Note, Unknown
from evi_harness.session.header import Recorded, TrackFile
from evi_harness.session.wav import Pcm, header


def test_a_session_is_its_header_and_one_line_an_event(weather):
    """Audio frames that follow one another are one line, with how long they play."""
    lines = as_lines(weather, EVI)
    patterns = [
        "session     made",
        r"made by {5}script, 2026-01-02T03:04:05\.000000Z, versions .*",
        "service     unknown",
        "recorded {4}sent .*received; .*measured",
        r"length {6}4\.500 s, 2 turns",
        r"events {6}18 sent, 10 received, 0 notes",
        "complete    yes",
    ]
    head = lines[: lines.index("")]
    assert len(head) == len(patterns)
    assert [line for line, pattern in zip(head, patterns) if not re.fullmatch(pattern, line)] == []
    timeline = lines[lines.index("") + 1 :]
    patterns = [
        r"    0\.000 s  #0       opened    /v0/evi/chat\?config_id=weather-config",
        r"    0\.050 s  #1     ← received  chat chat-1",
        r"    0\.060 s  #2     → sent      session settings: .*\b16000 Hz, 1\b.*",
        r"    0\.100 s  #3     → sent      1\.000 s .*audio, 10 frames .*1\.000 s",
        r'    1\.200 s  #13    ← received  user: "What.*"',
    ]
    assert len(timeline) > len(patterns)
    assert [line for line, pattern in zip(timeline, patterns) if not re.fullmatch(pattern, line)] == []
    assert re.fullmatch(r"    4\.500 s  #29      closed    .*\bapp, .*\b1000", timeline[-1])


def test_what_is_not_known_is_said(session_of):
    """A capture's header says so; audio of no known format is told in bytes."""
    session = session_of(
        [("sent", 10, b"webm"), ("closed", 20, ("network", None, ""))],
        recorded=Recorded(sent=False, closed=False, times="synthesised"),
        complete=False,
        tracks=(TrackFile("user", "payloads/user.webm", 4), TrackFile("assistant", "assistant.wav", 100, 24000, 1, 2)),
    )
    lines = as_lines(replace(session, missing=("events.jsonl, line 9: gone.",)), EVI)
    for line in (
        "recorded    received only; the app's messages are unknown; the end is unknown; times are made up, not measured",
        "user        payloads/user.webm: as it came, 4 bytes",
        "assistant   assistant.wav: 24000 Hz, 1 ch, 16 bit, 100 bytes",
        "complete    no",
        "missing     events.jsonl, line 9: gone.",
        "    0.010 s  #1     → sent      4 bytes of audio, 1 frame",
        "    0.020 s  #2       closed    by network, no code",
    ):
        assert line in lines


def test_notes_sends_that_failed_and_unknown_events_are_told(session_of):
    """Each in its line, with the event it is about."""
    session = session_of([("sent", 10, {"type": "user_input", "text": "hello"}), ("closed", 90, ("service", 1011, "over"))])
    events = (
        session.events[0],
        replace(session.events[1], outcome="failed"),
        Note(seq=5, at_ns=20_000_000, name="due", of=1, data={"held_ns": 0}),
        Unknown(seq=6, at_ns=30_000_000, name="weather_changed"),
        session.events[2],
    )
    timeline = as_lines(replace(session, events=events), EVI)[-4:]
    assert [line.split("  ", 3)[-1].strip() for line in timeline] != []
    assert re.search(r'\buser .*"hello" \(failed\)$', timeline[0])
    assert timeline[1].endswith("note      due #1 held_ns=0")
    assert re.search("unknown +weather_changed; .*version", timeline[2])
    assert re.search(r"\bservice, .*\b1011: over$", timeline[3])


def test_of_the_places_of_a_note_the_innermost_is_told(session_of):
    """Without its source: an event is a line. What has not their form is not told."""
    place = {"file": "app.py", "line": 3, "function": "f", "source": [{"line": 3, "text": "x = 1"}]}
    notes = (Note(5, 1, "raised", data={"what": "x", "places": [place, {**place, "line": 9}]}), Note(6, 2, "odd", data={"places": "y"}))
    session = session_of([])
    first, second = as_lines(replace(session, events=(*session.events, *notes)), EVI)[-2:]
    assert re.search(r"note      raised what=x .*\bapp\.py:3\b.* f$", first)
    assert second.endswith("note      odd")


def test_an_empty_session_has_a_header_and_no_line(session_of):
    """Nothing at all is one opening; not even that is none."""
    session = session_of([])
    assert as_lines(replace(session, events=()), EVI)[-1] == ""
    assert as_lines(session, EVI)[-1].endswith("/v0/evi/chat")


def test_a_strangers_words_never_reach_the_terminal(session_of):
    """Control characters in every place are escaped, and each event stays one line."""
    evil = "\x1b[2J\n\x9b\u202e"
    session = session_of(
        [
            ("received", 1, {"type": "chat_metadata", "chat_id": evil}),
            ("received", 2, {"type": evil, evil: evil}),
            ("received", 3, {"type": "error", "code": evil, "slug": evil, "message": evil}),
            ("sent", 4, {"type": "tool_response", "tool_call_id": evil, "content": evil}),
            ("closed", 9, ("app", 1000, evil)),
        ],
        query=((evil, evil),),
        name=evil,
        endpoint=evil,
        service=evil,
        software={evil: evil},
        tracks=(TrackFile(evil, evil, 4),),
    )
    note = Note(seq=8, at_ns=8, name=evil, data={evil: {evil: evil}})
    session = replace(session, events=(*session.events, note, Unknown(seq=9, at_ns=9, name=evil)), missing=(evil,))
    lines = as_lines(session, EVI)
    assert [line for line in lines if not line.isprintable()] == []
    assert sum(line.startswith("    0.") for line in lines) == len(session.events)


def test_around_a_place(weather):
    """So many rows up to it and behind it, as the whole timeline tells them, notes left out."""
    whole = as_lines(weather, EVI)
    rows = around(weather, (1_600_000_000, 15), EVI, 2)
    assert [row.seq for row in rows] == [14, 15, 16, 17]
    assert {*map(str, rows)} < {*whole}
    # Audio is as long as the message before it says, though that is not told.
    (row,) = around(weather, (100_000_000, 3), EVI, 1)[:1]
    assert (row.seq, row.last_seq) == (3, 12)
    assert re.fullmatch(r"1\.000 s .*audio, 10 frames .*1\.000 s", row.what)


def test_audio_with_headers_is_as_long_as_its_samples(session_of):
    """In the whole timeline and around a place; where a length cannot be known, bytes are counted."""
    rows = [
        *[("sent", 20 * number, header(Pcm(16_000, 1), 640) + bytes(640)) for number in range(1, 51)],
        ("received", 1010, {"type": "assistant_end"}),
        *[("sent", 1000 + 20 * number, header(Pcm(8_000, 1), 320) + bytes(320)) for number in range(1, 6)],
        ("received", 1110, {"type": "assistant_end"}),
        ("sent", 1120, bytes(320)),
        ("received", 1130, {"type": "assistant_end"}),
        ("sent", 1140, b"OggS" + bytes(96)),
    ]
    session = session_of(rows)
    lines = [line.split("sent      ")[1] for line in as_lines(session, EVI) if "sent      " in line]
    patterns = [
        r"1\.000 s .*audio, 50 frames .*1\.000 s",
        r"0\.100 s .*audio, 5 frames .*1\.100 s",
        r"0\.020 s .*audio, 1 frame",
        "100 bytes .*audio, 1 frame",
    ]
    assert len(lines) == len(patterns)
    assert [line for line, pattern in zip(lines, patterns) if not re.fullmatch(pattern, line)] == []
    (row,) = [row for row in around(session, (1_120_000_000, 58), EVI, 1) if row.kind == "sent"]
    assert row.what == lines[2]
