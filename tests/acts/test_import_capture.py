from __future__ import annotations

import base64
import json
import re

import pytest

from evi_harness.acts.import_capture import import_capture
from evi_harness.acts.sessions import check_session
from evi_harness.errors import CaptureError, SessionUnwritable
from evi_harness.session import wav
from evi_harness.verdicts.loading import load_session

CHAT = b'{"type":"chat_metadata","chat_id":"c-1","chat_group_id":"g-1","request_id":"r"}'
END = b'{ "type" : "assistant_end" }'


def imported(tmp_path, data):
    """The session that a capture with these bytes becomes."""
    file = tmp_path / "talk.jsonl"
    file.write_bytes(data)
    return load_session(import_capture(file, out=tmp_path / "out"))


def payloads(session):
    """What was received, byte for byte."""
    return [event.frame.payload for event in session.received]


@pytest.mark.parametrize(
    "data",
    [
        CHAT + b"\n" + END + b"\n",
        CHAT + b"\n" + END,
        CHAT + b"\r\n" + END + b"\r\n",
        b"\n\n" + CHAT + b"\n \n\t\n" + END + b"\n\n",
        b"\xef\xbb\xbf" + CHAT + b"\n" + END,
    ],
    ids=["plain", "no last newline", "CRLF", "blank lines", "byte order mark"],
)
def test_a_line_becomes_a_frame_with_its_bytes(tmp_path, data):
    """Spacing stays; ends of lines and an editor's mark are not part of a frame."""
    assert payloads(imported(tmp_path, data)) == [CHAT, END]


@pytest.mark.parametrize(
    ("data", "where", "says"),
    [
        (b"", "", "no message"),
        (b"\n \n", "", "no message"),
        (CHAT + b"\nnot json\n", ":2", "not JSON"),
        (CHAT + b"\n[1]\n", ":2", "no type"),
        (CHAT + b"\n\n{}\n", ":3", "no type"),
        (b'{"type": 5}', ":1", "no type"),
        (b"\x89PNG\r\n\x1a\n\x00", ":1", "not UTF-8"),
        (CHAT.decode().encode("utf-16"), ":1", "not UTF-8"),
        (b'{"type":"x","a":' + b"[" * 100_000, ":1", "nested too deep"),
        (b'{"type":"x","a":[' + b"0," * 200_000 + b"0]}", ":1", r"JSON .*\b200000 values"),
        (b'{"type":"x","a":' + b"7" * 5000 + b"}", ":1", r"JSON .*\b5000 digits"),
    ],
    ids=["empty", "blank", "no JSON", "array", "no type", "type of a number", "binary", "UTF-16", "deep", "many values", "many digits"],
)
def test_what_is_no_capture_is_refused_with_the_line(tmp_path, data, where, says):
    """It says what a capture is, exits with 3, and nothing is written."""
    with pytest.raises(CaptureError, match=says) as raised:
        imported(tmp_path, data)
    assert raised.value.where == f"{tmp_path / 'talk.jsonl'}{where}"
    assert raised.value.exit_code == 3
    assert not (tmp_path / "out").exists()


ROW = json.dumps({"type": "receive", "time": 1764394984.1, "opcode": 1, "data": CHAT.decode()}).encode()
HISTORY = b'{"chat_id": "c-1", "timestamp": 1764394984000, "role": "USER", "type": "USER_MESSAGE", "message_text": "Hello."}'
REALTIME = b'{"type": "session.created", "event_id": "e"}\n{"type": "error", "error": {"message": "m"}}'


@pytest.mark.parametrize(
    ("data", "what", "looks"),
    [
        (ROW + b"\n" + ROW, "2 lines .*: .*'receive'", "of a browser"),
        (HISTORY, "only line .*: .*'USER_MESSAGE'", "Hume's chat history"),
        (REALTIME, "2 lines", "OpenAI's Realtime API"),
        (b'{"type": "hello"}\n' * 9, "9 lines", None),
        (b"\n".join(b'{"type": "t%d"}' % number for number in range(6)), "'t0', 't1', 't2', 't3' and 2 more", None),
        (json.dumps([json.loads(CHAT)], indent=1).encode(), "not JSON", "a JSON array"),
        (json.dumps({"log": {"entries": []}}).encode(), "no type", "a HAR file"),
        (b'{"at": 1, "raw": {"type": "assistant_end"}}', "no type", "member 'raw'"),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", "not UTF-8 text", "a WAV file"),
    ],
    ids=["browser", "history", "OpenAI", "unknown", "many types", "array", "HAR", "wrapped", "audio"],
)
def test_what_is_another_form_is_refused_by_its_name(tmp_path, data, what, looks):
    """What it looks like, where that can be told, and which format is taken; nothing is written."""
    with pytest.raises(CaptureError) as raised:
        imported(tmp_path, data)
    assert re.search(what, raised.value.what)
    *told, formats = raised.value.hint.splitlines()
    assert re.match("Supported formats: .*wire capture", formats)
    assert [looks in line for line in told] == ([True] if looks else [])
    assert not (tmp_path / "out").exists()


def test_the_way_from_another_form_names_the_file(tmp_path):
    """So that it can be pasted; what it makes is a capture."""
    file = tmp_path / "my rows.jsonl"
    file.write_bytes(ROW)
    with pytest.raises(CaptureError, match=rf"jq -r '[^']+' '{file}' > capture.jsonl"):
        import_capture(file, out=tmp_path / "out")
    assert payloads(imported(tmp_path, json.loads(ROW)["data"].encode())) == [CHAT]


def test_one_known_message_makes_a_capture(tmp_path):
    """Types are an open set: what else is in it is kept."""
    strange = b'{"type": "of_next_year"}'
    assert payloads(imported(tmp_path, strange + b"\n" + END)) == [strange, END]


def heard(end):
    """A message of the server's that says when its speech ended."""
    told = {"type": "user_message", "message": {"role": "user", "content": "Hi."}, "models": {}, "from_text": False, "interim": False}
    return json.dumps({**told, "time": {"begin": 0, "end": 0}}).replace('"end": 0', f'"end": {end}').encode()


def sound(rate, n_bytes):
    """A message with audio at some frames a second."""
    data = base64.b64encode(wav.header(wav.Pcm(rate, 1, 1), n_bytes) + bytes(n_bytes)).decode()
    return json.dumps({"type": "audio_output", "id": "s", "index": 0, "data": data}).encode()


@pytest.mark.parametrize("end", ["7200001", str(2**63 - 1), str(2**63), "7" * 400])
def test_a_time_that_no_chat_has_is_refused(tmp_path, end):
    """With the line; one number must not make a session of years. Nothing is written."""
    file = tmp_path / "talk.jsonl"
    file.write_bytes(CHAT + b"\n\n" + heard(end) + b"\n" + END)
    with pytest.raises(CaptureError, match="half an hour") as raised:
        import_capture(file, out=tmp_path / "out")
    assert raised.value.where == f"{file}:3"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("end", ["7200000", "-5", "1e400", '"7"', "null", "1.5"])
def test_a_time_that_is_odd_or_late_is_kept(tmp_path, end):
    """What is no time is none, and a long chat is a chat."""
    session = imported(tmp_path, CHAT + b"\n" + heard(end) + b"\n" + END)
    assert session.duration_ns <= (7_200_000 + 800) * 1_000_000
    assert check_session(tmp_path / "out" / session.name) == []


def test_audio_that_would_last_for_days_is_refused(tmp_path):
    """However it is made; at a rate that no sound has, it has no length."""
    file = tmp_path / "talk.jsonl"
    file.write_bytes(b"\n".join([CHAT, *[sound(400, 18_000_000)] * 2, END]))
    with pytest.raises(CaptureError, match="than a day") as raised:
        import_capture(file, out=tmp_path / "out")
    assert raised.value.where == f"{file}:4"
    assert imported(tmp_path, b"\n".join([CHAT, sound(1, 1_000_000), END])).duration_ns == 0


def test_a_folder_and_a_missing_file_are_no_captures(tmp_path):
    """The system's own word is told."""
    for path, words in ((tmp_path, "this is a folder"), (tmp_path / "gone", "cannot be read: ")):
        with pytest.raises(CaptureError, match=words):
            import_capture(path, out=tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    """A file is where the folder should be."""
    (tmp_path / "talk.jsonl").write_bytes(CHAT)
    with pytest.raises(SessionUnwritable, match="cannot be created"):
        import_capture(tmp_path / "talk.jsonl", out=tmp_path / "talk.jsonl")


def test_the_header_says_what_is_not_known(tmp_path):
    """Times are synthesised, nothing sent is known, and there is no clock."""
    session = imported(tmp_path, CHAT + b"\n" + END)
    header = session.header
    assert (header.recorded.times, header.recorded.sent, header.recorded.closed) == ("synthesised", False, False)
    assert (header.start, header.end, header.made_by, header.service) == (None, None, "import", "unknown")
    assert header.ids == {"chat_id": "c-1", "chat_group_id": "g-1"}
    assert header.source["file"] == "talk.jsonl"
    assert header.source["n_messages"] == 2
    assert session.sent == ()
    assert session.closed is None


def test_each_import_is_a_session_of_its_own(tmp_path):
    """Ids differ, folders too."""
    first, second = imported(tmp_path, CHAT), imported(tmp_path, CHAT)
    assert first.header.id != second.header.id
    assert first.name != second.name


def test_the_real_capture(tmp_path, shared_data):
    """Each line is a frame, times never go back and are not all the same, and nothing is wrong with the folder."""
    file = next(shared_data.glob("evi-capture-*.jsonl"))
    folder = import_capture(file, out=tmp_path)
    session = load_session(folder)
    assert payloads(session) == [line for line in file.read_bytes().splitlines() if line.strip()]
    times = [event.at_ns for event in session.received]
    assert times == sorted(times)
    assert len(set(times)) > 5
    assert session.missing == ()
    assert check_session(folder) == []
    assert json.loads((folder / "session.json").read_text())["recorded"]["times"] == "synthesised"
