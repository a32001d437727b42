"""Tests of the import of HAR files: those of real writers, and what is none."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from evi_harness.acts.exports.export_har import export_har
from evi_harness.acts.imports.import_har import import_har
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.errors import ImportRefused
from evi_harness.evi.dialect import EVI
from evi_harness.session.events import Closed, Frame, Note, Received, Sent
from evi_harness.session.notes import IMPORTED
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[3]
HARS = ROOT / "fixtures" / "har"
CHAT = '{"type":"chat_metadata","chat_id":"c-1","chat_group_id":"g-1","request_id":"r"}'
KEY = "Qk7InTheQueryOfAUrl123456"
START_S = 1_764_468_000.25


def message(at_s=0.1, data=CHAT, kind="receive", opcode=1, **more):
    """A message as Chrome writes it."""
    return {"type": kind, "time": START_S + at_s, "opcode": opcode, "data": data, **more}


def entry(*messages, url="wss://api.example.com/v0/evi/chat", **more):
    """An entry for a WebSocket as Chrome writes it."""
    request = {"method": "GET", "url": url, "headers": [{"name": "Host", "value": "api.example.com"}], "queryString": []}
    return {
        "startedDateTime": "2025-11-30T02:00:00.250Z",
        "time": 1,
        "request": request,
        "response": {"status": 101, "content": {}},
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
        **more,
    }


def har(*entries):
    """A HAR file with some entries."""
    return {"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [], "entries": list(entries)}}


def written_har(tmp_path, value):
    """A HAR file, of its text or of its value."""
    file = tmp_path / "talk.har"
    file.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return file


def imported(tmp_path, value):
    """The sessions that a HAR file becomes, and what was said of it."""
    found = import_har(written_har(tmp_path, value), out=tmp_path / "out")
    assert [check_session(folder) for folder in found.folders] == [[]] * len(found.folders)
    return [load_session(folder) for folder in found.folders], found


def frames(session):
    """What crossed the wire: which way, and the frame."""
    return [(one.kind, one.frame) for one in session.events if isinstance(one, (Sent, Received))]


def as_chrome(value):
    """A HAR file of Playwright's with times as Chrome's developer tools have them: in seconds."""
    for one in value["log"]["entries"]:
        for row in one.get("_webSocketMessages", ()):
            row["time"] /= 1000
    return value


@pytest.mark.parametrize("name", ["playwright", "chrome", "mitmproxy"])
def test_what_real_writers_write_is_read(tmp_path, name):
    """Text and binary messages byte for byte, in both directions, at the times of the file; keys in URL and headers are gone."""
    text = (HARS / ("playwright.har" if name == "chrome" else f"{name}.har")).read_text(encoding="utf-8")
    value = json.loads(text)
    (session,), found = imported(tmp_path, json.dumps(as_chrome(value)) if name == "chrome" else text)
    rows = next(one["_webSocketMessages"] for one in value["log"]["entries"] if "_webSocketMessages" in one)
    as_bytes = [base64.b64decode(row["data"]) if row["opcode"] == 2 else row["data"].encode() for row in rows]
    assert [one.payload for _, one in frames(session)] == as_bytes
    assert [kind for kind, _ in frames(session)] == [{"send": "sent", "receive": "received"}[row["type"]] for row in rows]
    assert [one.frame.is_text for one in session.sent] == [True, False, True, True]
    unit = 1e9 if name != "playwright" else 1e6
    gaps = [one.at_ns - session.sent[0].at_ns for one in (*session.sent, *session.received)]
    told = [*(row for row in rows if row["type"] == "send"), *(row for row in rows if row["type"] == "receive")]
    assert gaps == pytest.approx([(row["time"] - rows[0]["time"]) * unit for row in told], abs=1000)
    assert 0 <= session.sent[0].at_ns < 10**9
    assert (session.header.recorded.sent, session.header.recorded.closed, session.header.recorded.times) == (True, False, "measured")
    assert session.header.ids["chat_id"] == "00000000-0000-4000-8000-000000000001"
    asked = dict(session.handshake.query)
    assert asked == {"config_id": "c", ("api_key" if name == "mitmproxy" else "access_token"): "[redacted]"}
    # A page cannot give headers to a WebSocket; an app can.
    keys = [value for key, value in session.handshake.headers if key.lower() == "x-hume-api-key"]
    assert keys == (["[redacted]"] if name == "mitmproxy" else [])
    kept = b"".join(path.read_bytes() for path in found.folders[0].rglob("*") if path.is_file())
    assert not re.search(rb"Key(000111222|1234567890)", kept)
    (said,) = IMPORTED.all_in(session.events)
    assert said[1].form == "har"
    assert "closed" in said[1].lacks[0]
    assert replay_session(found.folders[0], handler="recorded").passed


def test_a_session_comes_back_as_it_was_exported(tmp_path):
    """Frames byte for byte, times to the nanosecond, how sends went, the handshake, the close and what is known; it replays the same."""
    for name in ("weather", "typed"):
        folder = ROOT / "sessions" / name
        before = load_session(folder)
        export_har(folder, tmp_path / f"{name}.har")
        found = import_har(tmp_path / f"{name}.har", out=tmp_path / "out")
        after = load_session(found.folders[0])
        assert frames(after) == frames(before)
        for one, other in zip((*before.sent, *before.received), (*after.sent, *after.received)):
            assert (one.at_ns, getattr(one, "took_ns", None), getattr(one, "taken_ns", None)) == (
                other.at_ns,
                getattr(other, "took_ns", None),
                getattr(other, "taken_ns", None),
            )
        assert after.handshake == before.handshake
        assert (after.closed.at_ns, after.closed.by, after.closed.code) == (before.closed.at_ns, before.closed.by, before.closed.code)
        assert after.header.recorded == before.header.recorded
        assert after.header.start.wall == before.header.start.wall
        assert after.header.endpoint == before.header.endpoint
        replays = [replay_session(one, handler="recorded") for one in (before, after)]
        assert [one.passed for one in replays] == [True, True]
        crossed = [
            [(one.kind, one.at_ns, one.frame) for one in replay.session.events if isinstance(one, (Sent, Received))] for replay in replays
        ]
        assert crossed[0] == crossed[1]


def test_what_is_no_text_comes_back(tmp_path, session_of):
    """A text frame that is no UTF-8, an empty one, a send that failed, and a close of the service's."""
    session = session_of([("received", 1, CHAT), ("sent", 2, b""), ("sent", 3, "x"), ("closed", 9, ("service", 1011, "é"))])
    events = list(session.events)
    events[1] = Received(1, 1_000_001, Frame("text", b"\xff\xfe"))
    events[3] = Sent(3, 3_000_003, Frame("text", b""), took_ns=5, outcome="failed")
    folder = write_session(tmp_path / "s", type(session)(session.header, tuple(events)), EVI)
    export_har(folder, tmp_path / "x.har")
    (after,) = map(load_session, import_har(tmp_path / "x.har", out=tmp_path / "out").folders)
    assert frames(after) == frames(load_session(folder))
    assert (after.sent[1].outcome, after.sent[1].took_ns) == ("failed", 5)
    assert (after.closed.by, after.closed.code, after.closed.reason) == ("service", 1011, "é")


def test_times_that_were_changed_since_count(tmp_path):
    """Where our own exact times do not go with the one that everybody reads, the latter is right."""
    export_har(ROOT / "sessions" / "typed", tmp_path / "x.har")
    value = json.loads((tmp_path / "x.har").read_text())
    rows = value["log"]["entries"][0]["_webSocketMessages"]
    for row in rows[1:]:
        row["time"] += 5
    (session,), _ = imported(tmp_path, value)
    assert session.received[-1].at_ns == pytest.approx(load_session(ROOT / "sessions" / "typed").received[-1].at_ns + 5e9, abs=1000)


def test_several_sockets_in_a_file(tmp_path):
    """Each conversation is a session, whatever the path where its messages tell; all other sockets are left out, broken ones too."""
    others = (
        entry(message(data="tick"), url="wss://push.example.com/live"),
        entry({"type": "?"}, url="wss://odd.example.com/"),
        {"request": {"url": "https://example.com/"}, "response": {}},
    )
    chats = (
        entry(message()),
        entry(message(), message(0.2, '{"type":"assistant_end"}'), url=f"wss://proxy.example.com/relay?token={KEY}&api_key={KEY}"),
        entry(url="wss://api.example.com/v0/evi/chat?config_id=x"),
    )
    sessions, found = imported(tmp_path, har(*others, *chats))
    assert [len(one.received) for one in sessions] == [1, 2]
    assert [one.handshake.path for one in sessions] == ["/v0/evi/chat", "/relay"]
    assert [one.header.endpoint for one in sessions] == ["wss://api.example.com/v0/evi/chat", "wss://proxy.example.com/relay"]
    told = "\n".join(found.lines())
    assert "1 conversation without" in told
    assert re.search("2 other WebSockets .*out", told)
    assert KEY not in told


@pytest.mark.parametrize(
    ("socket", "place"),
    [
        (entry(message(data="tick"), request={"url": "wss://push.example.com/", "headers": [5]}), "request.headers[0]"),
        (
            entry(message(data="tick"), request={"url": "wss://push.example.com/", "headers": [{"name": "a", "value": 1}]}),
            "request.headers[0]",
        ),
        (entry(message(data="tick"), request={"method": "GET"}), "request.url"),
        (entry(message(data="tick"), request=None), "request.url"),
        (entry(message(data="tick"), url="wss://[/"), "request.url"),
        (entry(url="wss://push.example.com/", _webSocketMessages=5), "_webSocketMessages"),
    ],
)
def test_a_broken_socket_that_is_no_conversation_refuses_nothing(tmp_path, socket, place):
    """It is left out, and one line says where it is broken; a file that has nothing else is refused for it."""
    sessions, found = imported(tmp_path, har(entry(message(data="tick"), url="wss://push.example.com/"), socket, entry(message())))
    assert [len(one.received) for one in sessions] == [1]
    (told,) = (line for line in found.remarks if "left out" in line)
    assert re.match(rf"2 other WebSockets left out; 1 .*\blog\.entries\[1\]\.{re.escape(place)}: ", told)
    with pytest.raises(ImportRefused, match="this ") as raised:
        import_har(written_har(tmp_path, har(socket)), out=tmp_path / "none")
    assert raised.value.where.endswith(f": log.entries[0].{place}")


def test_a_broken_socket_that_is_a_conversation_is_refused(tmp_path):
    """By its path or by its messages: nothing of a conversation is passed over."""
    for socket in (
        entry(message(), url="wss://[/"),
        entry(message(), request={"url": "wss://h/relay", "headers": [5]}),
        entry(message(data="tick"), request={"url": "wss://h/v0/evi/chat", "headers": [5]}),
    ):
        with pytest.raises(ImportRefused, match=r"log\.entries\[1\]\.request"):
            import_har(written_har(tmp_path, har(entry(message()), socket)), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_control_frames_and_errors_are_left_out_and_counted(tmp_path):
    """They are no messages; the note says how many there were."""
    rows = [
        message(),
        message(0.2, "", opcode=9),
        message(0.3, "", "send", 10),
        {"type": "error", "time": START_S, "opcode": -1, "data": "x"},
    ]
    (session,), _ = imported(tmp_path, har(entry(*rows)))
    assert len(frames(session)) == 1
    (said,) = IMPORTED.all_in(session.events)
    assert [re.match(r"2 control frames|1 .*\berror\b", left) is not None for left in said[1].left_out] == [True, True]


@pytest.mark.parametrize("started", ["2025-11-30T02:00:09Z", "2024-01-01T00:00:00Z", "yesterday", None, 5, "9999-99-99T00:00:00Z"])
def test_an_opening_that_cannot_be_is_assumed(tmp_path, started):
    """Then the connection opened with its first message, and the note says that this was assumed."""
    (session,), _ = imported(tmp_path, har(entry(message(0.5), startedDateTime=started)))
    assert session.received[0].at_ns == 0
    (said,) = IMPORTED.all_in(session.events)
    assert "first message" in said[1].assumed[0]


@pytest.mark.parametrize("started", ["2025-11-30T02:00:00.25Z", "2025-11-30T02:00:00.250000+00:00", "2025-11-30T03:00:00.25+0100"])
def test_the_opening_is_when_the_file_says(tmp_path, started):
    """In the forms that writers have for it."""
    (session,), _ = imported(tmp_path, har(entry(message(0.5), startedDateTime=started)))
    assert session.received[0].at_ns == pytest.approx(5e8, abs=1000)
    assert session.header.start.wall == "2025-11-30T02:00:00.250000Z"


def test_messages_are_put_in_order(tmp_path):
    """By their times; those of one time stay as they are."""
    rows = [message(0.3, '{"type":"assistant_end"}'), message(0.1), message(0.1, "second", "send")]
    (session,), _ = imported(tmp_path, har(entry(*rows)))
    assert [one.payload for _, one in frames(session)] == [CHAT.encode(), b"second", b'{"type":"assistant_end"}']


HERE = "log.entries[0]._webSocketMessages[0]"
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("value", "where", "says"),
    [
        ("", "", "not JSON"),
        ("{", "", "not JSON"),
        (DEEP, "", "nested too deep"),
        ("[" + "0," * 4_000_001 + "0]", "", "more than 4,000,000 values"),
        ('{"log":{"entries":[NaN]}}', "", "NaN is not JSON"),
        ("7" * 5000, "", "5000 digits"),
        ([], "", "list of entries"),
        ({"log": {}}, "", "list of entries"),
        ({"log": {"entries": {}}}, "", "list of entries"),
        (har(), "", "no WebSocket"),
        (har({"request": {"url": "https://example.com/"}}), "", "no WebSocket"),
        (har("x"), "log.entries[0]", "not an entry"),
        (har({"_webSocketMessages": []}), "log.entries[0].request.url", "no URL"),
        (har(entry(message(), url="wss://[/")), "log.entries[0].request.url", "no URL"),
        (har(entry(message(), url="wss://h:99999/v0/evi/chat")), "log.entries[0].request.url", "no URL"),
        (har(entry(message(), url="wss://h/v0/evi/chat?" + "a=b&" * 2000)), "log.entries[0].request.url", "more than 1000 parameters"),
        (har(entry(message(), _webSocketMessages=5)), "log.entries[0]._webSocketMessages", "list of messages"),
        (har(entry()), "", "no message of wss://api.example.com/v0/evi/chat is in it"),
        (har(entry(_webSocketMessages=None, response={"content": {"_file": "x.jsonl"}})), "", "in another file, 'x.jsonl'"),
        (har(entry(message(data="tick"), url="wss://push.example.com/?key=1")), "", r"none of .*WebSockets .* wss://push.example.com/\n"),
        (har(entry(5)), HERE, "not a message"),
        (har(entry(message(kind="?"))), f"{HERE}.type", "send nor receive"),
        (har(entry(message(opcode=3))), f"{HERE}.opcode", "invalid opcode"),
        (har(entry(message(opcode=1.0))), f"{HERE}.opcode", "invalid opcode"),
        (har(entry(message(opcode=True))), f"{HERE}.opcode", "invalid opcode"),
        (har(entry(message(data=None))), f"{HERE}.data", "no data"),
        (har(entry(message(data="?", opcode=2))), f"{HERE}.data", "not base64"),
        (har(entry(message(data="AAA", opcode=2))), f"{HERE}.data", "not base64"),
        (har(entry(message(data="\ud800"))), f"{HERE}.data", "surrogate"),
        (har(entry(message(time=None))), f"{HERE}.time", "no time"),
        (har(entry(message(time=True))), f"{HERE}.time", "no time"),
        (har(entry(message(time="1"))), f"{HERE}.time", "no time"),
        (har(entry(message(time=-1))), f"{HERE}.time", "'minimal'"),
        (har(entry(message(time=0.5))), f"{HERE}.time", "seconds nor milliseconds"),
        (har(entry(message(time=-1e12))), f"{HERE}.time", "seconds nor milliseconds"),
        (har(entry(message(time=10**400))), f"{HERE}.time", "seconds nor milliseconds"),
        (json.dumps(har(entry(message()))).replace(str(START_S + 0.1), "1e400"), f"{HERE}.time", "seconds nor milliseconds"),
        (har(entry(message(), message(time=START_S * 1000))), f"{HERE[:-3]}[1].time", "unit"),
        (har(entry(message(), message(200_000.0))), f"{HERE[:-3]}[1].time", "days after"),
        (
            har(entry(message(), request={"url": "wss://h/v0/evi/chat", "headers": [5]})),
            "log.entries[0].request.headers[0]",
            "not a header",
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(tmp_path, value, where, says):
    """Exit code 3, what to do next, and nothing is written."""
    with pytest.raises(ImportRefused, match=says) as raised:
        imported(tmp_path, value)
    assert raised.value.where == (f"{tmp_path / 'talk.har'}: {where}" if where else str(tmp_path / "talk.har"))
    assert raised.value.hint
    assert raised.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_what_is_no_text_is_refused_by_what_it_looks_like(tmp_path):
    """A HAR in a ZIP, as Playwright has it too, one packed by zlib, and UTF-16; a byte order mark is nobody's message."""
    for data, looks in (
        (b"PK\x03\x04\xff", "a ZIP archive"),
        (json.dumps(har()).encode("utf-16"), "null bytes"),
        (b"\x78\xda\xff", "UTF-8"),
    ):
        (tmp_path / "x.har").write_bytes(data)
        with pytest.raises(ImportRefused) as raised:
            import_har(tmp_path / "x.har", out=tmp_path / "out")
        assert looks in str(raised.value)
    (tmp_path / "x.har").write_bytes(b"\xef\xbb\xbf" + json.dumps(har(entry(message()))).encode())
    assert len(import_har(tmp_path / "x.har", out=tmp_path / "out").folders) == 1


def test_members_of_our_own_in_a_strangers_file_are_looked_at(tmp_path):
    """Whatever they hold: what is none of ours says nothing."""
    for own in (
        {"version": 1, "closed": {"by": "me", "at_ns": 1}, "recorded": 5, "dialect": 5},
        {"version": 1, "closed": {"by": "app", "at_ns": 10**30}, "recorded": {"sent": 0, "times": "x"}},
        {"version": 1, "closed": {"by": "app", "at_ns": 0, "code": 7, "reason": 5}},
        {"version": [], "closed": 1},
        [],
    ):
        row = message(_atNs=-1, _takenNs="x", _isBase64=1)
        sent = message(0.2, "x", "send", _atNs=10**40, _tookNs=-5, _outcome="lost")
        (session,), _ = imported(tmp_path, har(entry(row, sent, _eviHarness=own)))
        assert session.header.recorded.times == "measured"
        assert (session.received[0].taken_ns, session.sent[0].took_ns, session.sent[0].outcome) == (None, None, "sent")
        assert [one.code for one in session.events if isinstance(one, Closed)] in ([], [None])
        assert [one.name for one in session.events if isinstance(one, Note)] == ["imported"]
