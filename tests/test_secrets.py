"""Secrets are planted in every place that a person or a program can put them, and looked for in everything that comes out."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from aiohttp import web

from evi_harness.acts.import_capture import import_capture
from evi_harness.acts.paging.page_making import page_of_replay, write_page
from evi_harness.acts.replay import replay_session
from evi_harness.acts.sessions import check_session, show_session
from evi_harness.cli.main import main
from evi_harness.errors import EviHarnessError
from evi_harness.evi.dialect import EVI
from evi_harness.redacting.redaction import Redactor
from evi_harness.sdk.recorded import client_connect
from evi_harness.session.events import Closed, Note
from evi_harness.storage import writer as writer_module

# Of the run: in the environment, and known by value.
API_KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET_KEY = "Zw3SecretKeyOfThisRun987654"
# Of the session: each stands once under a secret name, and elsewhere where only its value tells.
QUERY_KEY = "Qu9InTheQuery5555555555"
HEADER_KEY = "Hd2InAHeader66666666666"
MODEL_KEY = "Lm4OfALanguageModel777777"
NOTE_KEY = "Nt6InANote88888888888"

ALL = (API_KEY, SECRET_KEY, QUERY_KEY, HEADER_KEY, MODEL_KEY, NOTE_KEY)
FORMS = {
    form for key in ALL for form in (key, key[:12], base64.b64encode(key.encode()).decode()[:16], key.encode("unicode_escape").decode())
}


@pytest.fixture(autouse=True)
def run_has_keys(monkeypatch, tmp_path):
    """The names are those of Hume's guide. What a command loads from a .env into the environment of this process goes again."""
    before = dict(os.environ)
    monkeypatch.setenv("HUME_API_KEY", API_KEY)
    monkeypatch.setenv("HUME_SECRET_KEY", SECRET_KEY)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def planted(weather_rows, session_of):
    """``weather`` with a key in the query, in headers, in messages at depth, in texts, in the close reason and in notes."""
    everywhere = " ".join(ALL)
    rows = [
        ("sent", 1, {"type": "session_settings", "language_model_api_key": MODEL_KEY, "metadata": {"deep": [{"api_key": MODEL_KEY}]}}),
        ("sent", 2, {"type": "user_input", "text": f"{everywhere} in what was typed"}),
        ("received", 3, {"type": "error", "code": everywhere, "slug": everywhere, "message": everywhere}),
        ("received", 4, {"type": everywhere, everywhere: everywhere}),
        ("sent", 5, f"no json, api_key={QUERY_KEY} {everywhere}"),
        *weather_rows[:-1],
    ]
    session = session_of(
        rows,
        query=(("api_key", QUERY_KEY), ("config_id", everywhere), ("session_settings[language_model_api_key]", MODEL_KEY)),
        headers=(("Proxy-Authorization", f"Bearer {HEADER_KEY}"), ("X-Hume-Api-Key", API_KEY), ("User-Agent", everywhere)),
        endpoint=f"https://api.example.com/v0/evi/chat?api_key={QUERY_KEY}&x={everywhere}",
        software={"app": everywhere},
    )
    last = max(event.seq for event in session.events)
    at_ns = 4_600_000_000
    tail = (
        Note(seq=last + 1, at_ns=4_000_000_000, name="seen", data={"nested": {"api_key": NOTE_KEY}, "what": everywhere}),
        Closed(seq=last + 2, at_ns=at_ns, by="app", code=4000, reason=f"{MODEL_KEY} {API_KEY} {NOTE_KEY}"),
    )
    return replace(session, events=(*session.events, *tail))


@pytest.fixture
def folder(planted, tmp_path, monkeypatch):
    """The same as a stranger's folder: written by something that redacts nothing."""

    class Blind(Redactor):
        def __init__(self, *args, **kwargs):
            super().__init__(())

    with monkeypatch.context() as patch:
        patch.setattr(writer_module, "Redactor", Blind)
        patch.setattr(writer_module.header_file, "redacted", lambda header, redactor: header)
        patch.setattr(Blind, "query", lambda self, pairs, found=None: tuple(pairs))
        patch.setattr(Blind, "headers", lambda self, pairs, found=None: tuple(pairs))
        patch.setattr(Blind, "data", lambda self, value, found=None: value)
        written = writer_module.write_session(tmp_path / "planted", planted, EVI)
    # Else the tests below would look for what is not there.
    assert set(found_in_files(written)) == set(ALL)
    return written


def found_in(text):
    """Which secrets, or recognisable parts of one, stand in a text."""
    return sorted(form for form in FORMS if form in text)


def found_in_files(place):
    """Which secrets stand in any file of a folder."""
    content = b"".join(path.read_bytes() for path in sorted(Path(place).rglob("*")) if path.is_file())
    return [key for key in ALL if key.encode() in content]


def tells(message):
    """A handler that puts keys wherever an exception can hold them."""
    if message.type == "chat_metadata":
        error = ValueError(f"refused with {API_KEY}\nand {MODEL_KEY}", {"secret_key": SECRET_KEY})
        error.api_key = API_KEY
        raise error


class Answers:
    """Answers the tool call with a key in it, and sends one that was not recorded."""

    def set_socket(self, socket):
        self.socket = socket

    async def on_message(self, message):
        if message.type == "tool_call":
            await self.socket._send(
                {"type": "tool_response", "tool_call_id": message.tool_call_id, "content": f"{'x' * 60} {' '.join(ALL)}"}
            )
            await self.socket._send({"type": "user_input", "text": " ".join(ALL)})
            await self.socket._send({"type": "session_settings", "language_model_api_key": MODEL_KEY})


@pytest.mark.parametrize("handler", [tells, Answers, None, "recorded"], ids=["raises", "sends", "built in", "recorded"])
def test_a_replay_tells_no_secret(planted, tmp_path, capfd, handler):
    """Not in the text, the JSON, the folder, what the built-in handler prints, nor on standard error."""
    written = []
    result = replay_session(planted, handler=handler, out=tmp_path / "out", twice=True, write=written.append)
    assert found_in("\n".join([*written, *result.lines()])) == []
    assert found_in(json.dumps(result.json())) == []
    assert found_in_files(result.report.folder) == []
    assert found_in(repr(result.verdict)) == []
    assert found_in(repr(result.session.notes)) == []
    assert found_in("".join(capfd.readouterr())) == []


def test_a_replay_does_show_what_it_found(planted):
    """The test above sees what it is to see: the same places, with the secret gone."""
    raised = replay_session(planted, handler=tells)
    assert "[redacted]" in raised.verdict.findings[0].what
    sent = replay_session(planted, handler=Answers)
    assert any("[redacted]" in line for line in sent.lines())


def test_the_shown_session_holds_no_secret(folder):
    """Header and timeline of a stranger's folder."""
    lines = show_session(folder)
    assert found_in("\n".join(lines)) == []
    assert any("[redacted]" in line for line in lines)


def test_check_finds_the_secrets_and_tells_none(folder):
    """A folder with secrets has problems."""
    problems = check_session(folder)
    assert problems
    assert found_in("\n".join(map(str, problems))) == []


@pytest.mark.parametrize("handler", [tells, Answers, None], ids=["raises", "sends", "built in"])
def test_the_page_of_a_replay_holds_no_secret(planted, tmp_path, handler):
    """In no message, note, finding, line of source, title or command."""
    result = replay_session(planted, handler=handler, write=lambda line: None)
    page = write_page(page_of_replay(result), tmp_path / "page.html").file
    assert found_in(page.read_text(encoding="utf-8")) == []
    assert "[redacted]" in page.read_text(encoding="utf-8")


def test_the_page_of_a_strangers_folder_holds_no_secret(folder, tmp_path, capfd):
    """Whatever was written there unredacted; nor does the index tell any, or a line that is printed."""
    assert main(["report", str(folder), "-o", "page.html"]) == 0
    assert main(["report", str(folder), str(folder), "-o", "pages"]) == 0
    assert main(["replay", str(folder), "--html", "replayed.html"]) == 1
    pages = [tmp_path / "page.html", tmp_path / "replayed.html", *(tmp_path / "pages").iterdir()]
    assert len(pages) == 5
    assert found_in("".join(page.read_text(encoding="utf-8") for page in pages)) == []
    assert found_in("".join(capfd.readouterr())) == []


@pytest.mark.parametrize("line", ["replay planted", "replay planted --handler recorded --json -", "show planted", "check planted"])
def test_the_command_line_tells_no_secret(folder, capfd, line):
    """On neither output."""
    main(line.split())
    assert found_in("".join(capfd.readouterr())) == []


def test_an_imported_capture_holds_none_of_this_runs_keys(tmp_path):
    """By value, and by the names in the messages."""
    message = {"type": "error", "message": " ".join(ALL), "nested": {"api_key": NOTE_KEY, "access_token": HEADER_KEY}}
    rest = {"type": "session_settings", "language_model_api_key": MODEL_KEY, "secret_key": QUERY_KEY}
    (tmp_path / "talk.jsonl").write_text(json.dumps(message) + "\n" + json.dumps(rest) + "\n")
    assert found_in_files(import_capture(tmp_path / "talk.jsonl", out=tmp_path / "out")) == []


def test_an_imported_har_holds_none_of_this_runs_keys(tmp_path, capfd):
    """Nor those that stand under a name in its URL and headers: in no message, no URL, no note; and what is refused quotes none."""
    everywhere = " ".join(ALL)
    request = {
        "url": f"wss://u:{QUERY_KEY}@h/v0/evi/chat?api_key={QUERY_KEY}&x={quote(everywhere)}",
        "headers": [{"name": "Authorization", "value": f"Bearer {HEADER_KEY}"}, {"name": "X-Other", "value": everywhere}],
    }
    texts = (
        {"type": "assistant_end", "x": everywhere},
        {"type": "session_settings", "language_model_api_key": MODEL_KEY},
        {"api_key": NOTE_KEY},
    )
    rows = [{"type": "receive", "time": 1764468000.5, "opcode": 1, "data": json.dumps(text)} for text in texts]
    rows += [{"type": "send", "time": 1764468001, "opcode": 2, "data": base64.b64encode(everywhere.encode()).decode()}]
    entry = {"startedDateTime": "2025-11-30T02:00:00Z", "request": request, "_webSocketMessages": rows}
    (tmp_path / "x.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    assert main(["import", "har", "x.har", "--out", "out"]) == 0
    assert found_in_files(tmp_path / "out") == []
    (folder,) = (tmp_path / "out").iterdir()
    assert main(["export", str(folder), "--har", "again.har"]) == 0
    request["url"] = f"wss://u:{QUERY_KEY}@h/elsewhere?api_key={QUERY_KEY}"
    (tmp_path / "y.har").write_text(json.dumps({"log": {"entries": [{**entry, "_webSocketMessages": rows[3:]}]}}))
    assert main(["import", "har", "y.har"]) == 3
    assert found_in("".join(capfd.readouterr())) == []


def test_an_imported_chat_history_holds_none_of_this_runs_keys(tmp_path, capfd):
    """In no message that is made again, and in no note; what is refused quotes none."""
    everywhere = " ".join((API_KEY, SECRET_KEY))
    texts = (
        ("SYSTEM_PROMPT", everywhere),
        ("SESSION_SETTINGS", json.dumps({"type": "session_settings", "language_model_api_key": MODEL_KEY})),
        ("USER_MESSAGE", f"{everywhere} {MODEL_KEY}"),
    )
    rows = [
        {"id": API_KEY, "chat_id": SECRET_KEY, "timestamp": 1764468000 + number, "type": kind, "message_text": text}
        for number, (kind, text) in enumerate(texts)
    ]
    (tmp_path / "x.json").write_text(json.dumps([{**row, "id": f"{row['id']}{number}"} for number, row in enumerate(rows)]))
    assert main(["import", "chat-history", "x.json", "--out", "out"]) == 0
    assert found_in_files(tmp_path / "out") == []
    (tmp_path / "y.json").write_text(json.dumps([{**rows[0], "timestamp": 5, "emotion_features": everywhere}]))
    assert main(["import", "chat-history", "y.json"]) == 3
    assert found_in("".join(capfd.readouterr())) == []


def test_an_export_of_a_strangers_folder_holds_no_secret(folder, tmp_path, capfd):
    """Whatever was written there unredacted."""
    forms = ("vtt", "labels", "csv", "metrics", "har", "trace")
    assert main(["export", str(folder), *(word for form in forms for word in (f"--{form}", f"x.{form}"))]) == 0
    said = "".join(capfd.readouterr())
    assert {form: found_in(said + (tmp_path / f"x.{form}").read_text()) for form in forms} == {form: [] for form in forms}


@pytest.mark.parametrize(
    "source",
    [
        f"raise ValueError('{API_KEY} is wrong')",
        f"class App:\n    def __init__(self): raise ValueError('{SECRET_KEY} is wrong')\n    def on_message(self, message): ...",
    ],
    ids=["import", "building"],
)
def test_an_error_before_the_replay_quotes_no_secret(weather, tmp_path, capfd, source):
    """Neither the message nor the exceptions below it that a traceback prints the texts of."""
    (tmp_path / "app.py").write_text(source)
    with pytest.raises(EviHarnessError, match="redacted") as raised:
        replay_session(weather, handler="app.py:App")
    assert found_in(str(raised.value)) == []
    # Python prints source lines of its own accord; the exceptions' texts are ours.
    assert found_in("".join(traceback.format_exception_only(raised.type, raised.value))) == []
    assert raised.value.__suppress_context__
    assert main(["replay", str(tmp_path), "--handler", "app.py:App"]) == 3
    assert found_in("".join(capfd.readouterr())) == []


# In the source of a handler alone: only the names before them tell.
IN_SOURCE = ("Sr1InTheSource1111111111", "Sr2InTheSource2222222222", "Sr3InTheSource3333333333", "Sr4InTheSource4444444444")

# Keys right beside each line that is shown: those of this run by value, others by name, in the forms that people write.
LEAKY = f'''
import asyncio
import time

HUME_SECRET_KEY: str = "{IN_SOURCE[0]}"


class App:
    def set_socket(self, socket):
        self.socket = socket

    async def on_open(self):
        value = "{API_KEY}"; api_key = "{IN_SOURCE[0]}"
        self.task = asyncio.ensure_future(asyncio.sleep(10_000))  # {SECRET_KEY}
        headers = {{"X-Hume-Api-Key": "{IN_SOURCE[1]}"}}

    async def on_message(self, message):
        if message.type == "tool_call":
            value = "{SECRET_KEY}"
            time.sleep(0.3)  # api_key={IN_SOURCE[3]}
            auth = "Bearer {IN_SOURCE[2]}"
            await self.send(message, api_key="{IN_SOURCE[3]}", place="{API_KEY}")
            HUME_SECRET_KEY="{IN_SOURCE[0]}"
            raise ValueError("no weather") from dict(access_token="{IN_SOURCE[1]}", error=None)["error"]

    async def send(self, message, api_key, place, secret_key="{IN_SOURCE[2]}"):
        os_environ = {{}}; os_environ["HUME_API_KEY"] = "{IN_SOURCE[3]}"
        await self.socket._send({{"type": "user_input", "text": "{IN_SOURCE[1]}"[:0]}}); token = "{IN_SOURCE[0]}"
        password = (
            "{IN_SOURCE[1]}"
        )
'''


def source_forms_in(text):
    """Which of all keys, or the beginning of one, stand in a text."""
    return sorted(key for key in (API_KEY, SECRET_KEY, *IN_SOURCE) if key[:12] in text)


@pytest.mark.parametrize("words", [[], ["--clock", "real", "--speed", "4"], ["--twice"]], ids=["virtual", "real", "twice"])
def test_the_source_that_a_report_shows_holds_no_secret(weather, tmp_path, monkeypatch, capfd, words):
    """Text, JSON, JUnit, marks and summary for a CI server, the written session: by value and by name, wherever a place is shown."""
    writer_module.write_session(tmp_path / "weather", weather, EVI)
    (tmp_path / "app.py").write_text(LEAKY, encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    line = ["replay", "weather", "--handler", "app.py:App", "--json", "r.json", "--junit", "j.xml", "--out", "out", *words]
    assert main(line) == 1
    said = "".join(capfd.readouterr())
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "app.py" and "__pycache__" not in path.parts]
    assert {"r.json", "j.xml", "summary.md", "events.jsonl"} <= {path.name for path in files}
    assert source_forms_in(said) == []
    assert {path.name: source_forms_in(path.read_bytes().decode("latin-1")) for path in files} == {path.name: [] for path in files}
    # What is looked for was there to be shown.
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    found = {one["kind"]: one["places"][0] for one in (*told["findings"], *told["deviations"])}
    assert {"blocked", "leaked_task", "raised", "unexpected"} <= set(found)
    assert all("[redacted]" in json.dumps(found[kind]["source"]) for kind in ("blocked", "leaked_task", "raised", "unexpected"))
    assert "> " in said
    assert "time.sleep(0.3)" in said


TELLS_ITS_ARGUMENT = """
class App:
    def __init__(self, token, api_key):
        self.token = token

    def on_message(self, message):
        raise ValueError(self.token)
"""


def test_a_command_that_is_told_holds_no_secret(weather, tmp_path, capfd):
    """An argument by its name, in the command, the arguments and whatever quotes it; and by value."""
    writer_module.write_session(tmp_path / "weather", weather, EVI)
    (tmp_path / "app.py").write_text(TELLS_ITS_ARGUMENT, encoding="utf-8")
    line = ["replay", "weather", "--handler", "app.py:App", "--json", "r.json", "--out", "out"]
    assert main([*line, "--arg", f"token={IN_SOURCE[0]}", "--arg", f"api_key={API_KEY}"]) == 1
    said = "".join(capfd.readouterr())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert source_forms_in(said + "".join(path.read_bytes().decode("latin-1") for path in files)) == []
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert told["arguments"] == {"token": "[redacted]", "api_key": "[redacted]"}
    assert told["command"]["is_redacted"]
    assert "token=[redacted]" in told["command"]["argv"]


# In no variable and in no session: in a .env that nobody loads, as the key of another service.
DOTENV_KEY = "Dv5InADotenvFile9999999999"
# Bytes that URLs and base64 write in other ways.
ODD_KEY = "Od6+With/Odd=Bytes~In~It00000"
PLANTED = (API_KEY, SECRET_KEY, QUERY_KEY, HEADER_KEY, MODEL_KEY, NOTE_KEY, DOTENV_KEY, ODD_KEY)


def shapes(key):
    """A key as it is, in URLs, doubly, byte by byte, and in base64 at every place in a group, in both alphabets."""
    raw = key.encode()
    percent = quote(key, safe="")
    every_byte = "".join(f"%{byte:02X}" for byte in raw)
    encoded = [encode(b"xy"[:shift] + raw).decode() for shift in range(3) for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    return [
        key,
        percent,
        quote(percent, safe=""),
        every_byte,
        quote(every_byte, safe=""),
        *encoded,
        *(quote(one, safe="") for one in encoded),
    ]


# Those of the run: known whatever is read.
OF_THE_RUN = (API_KEY, SECRET_KEY, DOTENV_KEY, ODD_KEY)


def traces_of(keys):
    """What is looked for of some keys: so much out of the middle of each shape that nobody else has it."""
    return frozenset(shape[6:18] if not shape.startswith("%") else shape[18:42] for key in keys for shape in shapes(key))


ALL_TRACES, TRACES_OF_THE_RUN = traces_of(PLANTED), traces_of(OF_THE_RUN)


def traces_in(text, traces=ALL_TRACES):
    """Which shapes of planted keys stand in a text."""
    return sorted(trace for trace in traces if trace in text)


def traces_in_files(place, *leaving_out, traces=ALL_TRACES):
    """The files below a folder in which planted keys stand, each with what stands there."""
    found = {}
    for path in sorted(Path(place).rglob("*")):
        if path.is_file() and not {*leaving_out, "__pycache__"} & {path.name, *path.parts}:
            there = traces_in(path.read_bytes().decode("latin-1"), traces)
            if there:
                found[path.name] = there
    return found


# Puts all shapes of all keys wherever an app can: it prints, on both streams, in lines and in pieces, from a thread and from a child; it
# logs, warns, raises, sends them and closes with them. Its own source names none: they come in a file.
SPILLS = """
import json, logging, os, sys, threading, warnings

with open(os.environ["PLANTED_SHAPES"]) as file:
    SHAPES = json.load(file)

class App:
    def set_socket(self, socket):
        self.socket = socket

    def on_open(self):
        for one in SHAPES:
            print(one)
            print("on stderr:", one, file=sys.stderr)
            sys.stdout.buffer.write(one.encode() + b"\\n")
            print(one[:7], end=""); print(one[7:])
        logging.getLogger("app").warning("all: %s", " ".join(SHAPES))
        warnings.warn(" ".join(SHAPES))
        thread = threading.Thread(target=lambda: print("thread", *SHAPES))
        thread.start(); thread.join()
        sys.stdout.flush(); sys.stderr.flush()
        child = os.fork()
        if not child:
            print("child", *SHAPES); sys.stdout.flush(); os._exit(0)
        os.waitpid(child, 0)

    async def on_message(self, message):
        if message.type == "tool_call":
            content = json.dumps({"all": SHAPES})
            await self.socket._send({"type": "tool_response", "tool_call_id": message.tool_call_id, "content": content})
            await self.socket._send({"type": "session_settings", "system_prompt": " ".join(SHAPES)})
            raise ValueError(" ".join(SHAPES), {"nested": SHAPES})
        if message.type == "assistant_end":
            raise KeyError(SHAPES[len(SHAPES) // 2]) from ValueError(*SHAPES)
        if message.type == "user_message" and "AND_CLOSES" in os.environ:
            socket = getattr(self.socket, "_websocket", None) or self.socket.websocket
            await socket.close(4000, os.environ["AND_CLOSES"])
"""


@pytest.fixture
def spilling(planted, folder, tmp_path, monkeypatch):
    """A folder with sessions to replay, an app that spills, and the environment of a CI server."""
    shape_file = tmp_path / "planted.shapes"
    shape_file.write_text(json.dumps([shape for key in PLANTED for shape in shapes(key)]), encoding="utf-8")
    (tmp_path / "spills.py").write_text(SPILLS, encoding="utf-8")
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={DOTENV_KEY}\n", encoding="utf-8")
    monkeypatch.setenv("THIRD_ACCESS_TOKEN", ODD_KEY)
    monkeypatch.setenv("PLANTED_SHAPES", str(shape_file))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (tmp_path / "many").mkdir()
    for name in ("first", "second"):
        shutil.copytree(folder, tmp_path / "many" / name)
    return tmp_path


# What was planted there.
LEFT_OUT = ("planted.shapes", ".env", "planted", "many")

REPORTS = "--json r.json --junit j.xml"
SPILLED = {
    "one session": (f"replay planted --handler spills.py:App --allow-incomplete --out out {REPORTS}", 1),
    "in this process": (f"replay planted --handler spills.py:App --allow-incomplete --no-child --out out {REPORTS}", 1),
    "report on standard output": ("replay planted --handler spills.py:App --allow-incomplete --json -", 1),
    "twice": (f"replay planted --handler spills.py:App --allow-incomplete --twice {REPORTS}", 1),
    "repeated": (f"replay planted --handler spills.py:App --allow-incomplete --repeat 2 {REPORTS}", 1),
    "real time": (f"replay planted --handler spills.py:App --allow-incomplete --clock real --speed 8 {REPORTS}", 1),
    "update": ("replay planted --handler spills.py:App --allow-incomplete --update --dry-run --json r.json", 1),
    "several sessions": (f"replay many --handler spills.py:App --allow-incomplete -j 2 {REPORTS}", 1),
    "several sessions, one at a time": (f"replay many --handler spills.py:App --allow-incomplete -j 1 {REPORTS}", 1),
    "several sessions in this process": (f"replay many --handler spills.py:App --allow-incomplete -j 1 --no-child {REPORTS}", 1),
    "gate": (f"replay many --handler spills.py:App --allow-incomplete -j 1 --gate queue:max<1 --save-baseline b.json {REPORTS}", 1),
    "show": ("show planted many", 0),
    "show turns": ("show planted --json r.json", 0),
    "show events": ("show planted --events --audio --grep . --json r.json", 0),
    "check": ("check planted many --json r.json", 1),
    "latency": ("latency planted many --allow-incomplete --json r.json --csv r.csv --gate turn_gap:max<1 --junit j.xml", 4),
    "compare": ("compare planted planted --json r.json --html r.html", 0),
    "export": ("export planted --wav out.wav", 0),
    "doctor": ("doctor --offline --for replay", None),
    "doctor for programs": ("doctor --offline --json", None),
    "devices": ("devices", None),
}


@pytest.mark.parametrize(("line", "code"), SPILLED.values(), ids=SPILLED)
def test_no_command_lets_a_key_out(spilling, capfd, line, code):
    """Whatever the session holds and the app does with it: not on standard output or error, nor in any file that is written."""
    found = main(line.split())
    assert code is None or found == code
    said = "".join(capfd.readouterr())
    assert traces_in(said) == []
    assert traces_in_files(spilling, *LEFT_OUT) == {}
    if "spills.py" in line:
        # What is looked for was there to be shown.
        reported = "".join(
            path.read_text(encoding="utf-8") for path in spilling.iterdir() if path.name in ("j.xml", "r.json", "summary.md")
        )
        assert (said + reported).count("[redacted]") > 40


def test_no_explanation_lets_a_key_out(spilling, capfd):
    """Of a report whose keys were taken out, and of one into which somebody has put them back."""
    main(["replay", "planted", "--handler", "spills.py:App", "--allow-incomplete", "--json", "r.json"])
    capfd.readouterr()
    assert main(["explain", "r.json"]) == 0
    told = "".join(capfd.readouterr())
    assert (traces_in(told), "1. " in told, len(told.encode()) < 2000) == ([], True, True)
    report = json.loads((spilling / "r.json").read_text(encoding="utf-8"))
    for found in (*report["findings"], *report["deviations"]):
        found["observed"] = found["expected"] = EVERYTHING
    (spilling / "r.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["explain", "r.json"]) == 0
    told = "".join(capfd.readouterr())
    assert (traces_in(told), len(told.encode()) < 2000) == ([], True)


MIC = str(Path(__file__).resolve().parents[1] / "fixtures" / "speech" / "user-1.flac")
EVERYTHING = " ".join(shape for key in OF_THE_RUN for shape in shapes(key))
# A close frame takes 123 bytes.
REASONS = [" ".join(shapes(key)[index] for index in (0, 5)) for key in OF_THE_RUN]


def started(*words, **environment):
    """A command in a process of its own."""
    everything = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "evi_harness", *words], env=everything, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def asked_of(port, request):
    """What comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while True:
            part = connection.recv(65536)
            if not part:
                return answer.decode("latin-1")
            answer += part


REQUESTS = [
    "GET /v0/evi/chat?api_key={key} HTP/1.1\r\n\r\n",
    "GE T /v0/evi/chat?api_key={key} HTTP/1.1\r\n\r\n",
    "GET /v0/evi/chat HTTP/1.1\r\nX-Hume-Api-Key {key}\r\n\r\n",
    "GET /v0/evi/chat HTTP/1.1\r\nX-Hume-Api-Key: {key}\x00\r\n\r\n",
    "{key}\r\n\r\n",
    "GET http://[{key}/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "POST /oauth2-cc/token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n{key}",
    "GET / HTTP/1.1\r\nHost: {long}{key}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://{long}{key}\r\n\r\n",
    "GET /{key} HTTP/1.1\r\nHost: {key}\r\nConnection: close\r\n\r\n",
    "GET /{long}{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "{key} /v0/evi/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /v0/evi/chat?api_key={key} HTTP/1.1\r\nHost: localhost\r\nCookie: {key}\r\nConnection: close\r\n\r\n",
]


async def chat_with_keys(url, reason):
    """A client that has keys in its query, headers, settings, messages and close reason."""
    connect = client_connect()
    headers = [("X-Hume-Api-Key", API_KEY), ("Proxy-Authorization", f"Bearer {HEADER_KEY}"), ("X-Other", ODD_KEY)]
    name = "extra_headers" if ".legacy." in connect.__module__ else "additional_headers"
    query = urlencode({"api_key": API_KEY, "config_id": SECRET_KEY, "session_settings[language_model_api_key]": MODEL_KEY})
    async with connect(f"{url.replace('http', 'ws')}/v0/evi/chat?{query}", max_size=None, **{name: headers}) as websocket:
        await websocket.send(json.dumps({"type": "session_settings", "language_model_api_key": MODEL_KEY, "system_prompt": EVERYTHING}))
        await websocket.send(json.dumps({"type": "tool_response", "tool_call_id": "t", "content": EVERYTHING}))
        await websocket.send(EVERYTHING)
        await websocket.close(4000, reason)


@pytest.mark.parametrize("words", [("planted", "--allow-incomplete"), ("--simulate",)], ids=["a session", "the simulator"])
def test_serve_lets_no_key_out(spilling, words):
    """Requests that cannot be read, paths that are not there, chats with keys in every place: in no answer, no line and no folder."""
    with started("serve", *words, "--require-key", "--out", "served") as process, ExitStack() as stack:
        # Popen waits for it, whatever goes wrong here.
        stack.callback(process.kill)
        url = process.stdout.readline().split()[-1]
        answers = []
        for key in (API_KEY, ODD_KEY, *shapes(SECRET_KEY)[3:6]):
            for request in REQUESTS:
                asked = request.replace("{key}", key).replace("{long}", "x" * 190)
                answers.append(asked_of(int(url.rpartition(":")[2]), asked.encode("latin-1")))
        for reason in REASONS:
            asyncio.run(chat_with_keys(url, reason))
        # Whatever is still said of the last one is said before the process ends.
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    # Who has sent all that it will may be gone before the library answers.
    assert {answer.split(" ", 2)[1] for answer in answers if answer} >= {"400", "403", "411"}
    assert "went wrong" not in err
    assert traces_in(out + err) == []
    assert traces_in("".join(answers), TRACES_OF_THE_RUN) == []
    assert len(list((spilling / "served").iterdir())) == len(REASONS)
    assert traces_in_files(spilling, *LEFT_OUT, traces=TRACES_OF_THE_RUN) == {}


def test_a_proxy_lets_no_key_out(spilling):
    """Before a server that takes what it gets: the same requests and chats, in no line of the proxy's and no folder."""
    with ExitStack() as stack:
        service = stack.enter_context(started("serve", "--simulate"))
        stack.callback(service.kill)
        process = stack.enter_context(started("proxy", "--upstream", service.stdout.readline().split()[-1], "--out", "proxied"))
        stack.callback(process.kill)
        url = process.stdout.readline().split()[-1]
        for key in (API_KEY, ODD_KEY, *shapes(SECRET_KEY)[3:6]):
            for request in REQUESTS:
                asked = request.replace("{key}", key).replace("{long}", "x" * 190)
                asked_of(int(url.rpartition(":")[2]), asked.encode("latin-1"))
        for reason in REASONS:
            asyncio.run(chat_with_keys(url, reason))
        process.terminate()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert traces_in(out + err) == []
    assert len(list((spilling / "proxied").iterdir())) == len(REASONS)
    assert traces_in_files(spilling, *LEFT_OUT, traces=TRACES_OF_THE_RUN) == {}


@pytest.fixture
def spilling_service(spilling):
    """A service that has keys in its messages and in its close, or in what it refuses with; gives what starts it, with its URL."""
    answering = []

    async def chat(request):
        if answering[-1] == "refuses":
            return web.Response(status=403, reason=API_KEY, text=EVERYTHING, headers={"X-Said": API_KEY})
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        metadata = {"type": "chat_metadata", "chat_id": EVERYTHING, "chat_group_id": API_KEY, "request_id": EVERYTHING}
        await socket.send_str(json.dumps(metadata))
        text = {"role": "assistant", "content": EVERYTHING}
        await socket.send_str(json.dumps({"type": "assistant_message", "id": "a", "message": text, "models": {}, "from_text": False}))
        await socket.send_str(json.dumps({"type": "error", "code": API_KEY, "slug": EVERYTHING, "message": EVERYTHING}))
        await socket.send_str(EVERYTHING)
        await socket.close(code=4000, message=answering[-1].encode())
        return socket

    async def token(request):
        return web.Response(status=401, reason=SECRET_KEY, text=f"{await request.text()} {request.headers['Authorization']} {EVERYTHING}")

    loop = asyncio.new_event_loop()

    async def start():
        app = web.Application()
        app.router.add_get("/v0/evi/chat", chat)
        app.router.add_post("/oauth2-cc/token", token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", answering
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


LIVE = {
    "record": (f"record --mic {MIC} --duration 2 --out out", False),
    "record with a handler": (f"record --mic {MIC} --duration 2 --out out --handler spills.py:App", False),
    "record with a token": (f"record --mic {MIC} --duration 2 --out out", True),
    "replay --live": ("replay planted --live --allow-incomplete --out out --max-duration 2 --json r.json --junit j.xml", False),
    "replay --live with a token": ("replay planted --live --allow-incomplete --out out --json r.json --junit j.xml", True),
}


@pytest.mark.parametrize("says", ["refuses", REASONS[0]], ids=["refuses", "closes"])
@pytest.mark.parametrize(("line", "has_secret_key"), LIVE.values(), ids=LIVE)
def test_a_live_conversation_lets_no_key_out(spilling, spilling_service, capfd, monkeypatch, line, has_secret_key, says):
    """With a service that sends back what it was given, or refuses with it."""
    url, answering = spilling_service
    answering.append(says)
    if not has_secret_key:
        # Still known, as another's.
        monkeypatch.delenv("HUME_SECRET_KEY")
        monkeypatch.setenv("OTHER_SECRET_KEY", SECRET_KEY)
    code = main([*line.split(), "--base-url", url])
    said = "".join(capfd.readouterr())
    assert code in ((3,) if says == "refuses" or has_secret_key else (0, 1, 3))
    assert "Traceback" not in said
    assert traces_in(said, TRACES_OF_THE_RUN) == []
    assert traces_in_files(spilling, *LEFT_OUT, traces=TRACES_OF_THE_RUN) == {}
    # A chat that was held is on disk.
    assert bool(list(spilling.glob("out/*/events.jsonl"))) is (says != "refuses" and not has_secret_key)


def test_what_is_compared_and_imported_lets_no_key_out(spilling, capfd):
    """``ab`` of commands that print keys and fail; a capture with keys in it."""
    program = f"{sys.executable} -c 'import os; print(open(os.environ[chr(80) + \"LANTED_SHAPES\"]).read()); raise SystemExit(1)'"
    assert main(["ab", "--a", program, "--b", program, "--runs", "1", "--json", "r.json", "--junit", "j.xml"]) == 3
    capture = [{"type": "error", "code": "x", "slug": EVERYTHING, "message": EVERYTHING}, {"type": EVERYTHING}]
    (spilling / "planted.jsonl").write_text("".join(json.dumps(one) + "\n" for one in capture), encoding="utf-8")
    assert main(["import", "capture", "planted.jsonl", "--out", "imported"]) == 0
    said = "".join(capfd.readouterr())
    assert "exited with code 1" in said
    assert traces_in(said, TRACES_OF_THE_RUN) == []
    assert traces_in_files(spilling, *LEFT_OUT, "planted.jsonl", traces=TRACES_OF_THE_RUN) == {}


@pytest.mark.parametrize(
    "line",
    [
        "show {key}",
        "replay {key}",
        "replay planted --handler {key}",
        "replay planted --handler {key}.py:App",
        "replay planted --gate {key}",
        "replay planted --severity {key}",
        "replay planted --seed {key}",
        "latency planted --gate {key}:max<1",
        "check {key}",
        "export planted --wav {key}/x.wav",
        "import capture {key}",
        "import har {key}",
        "import chat-history {key}",
        "export planted --har {key}/x.har",
        "report {key} -o x.html",
        "report planted -o {key}/x.html",
        "serve {key}",
        "serve --simulate --host {key}",
        "serve --simulate --port {key}",
        "proxy --upstream http://{key}@x",
        "proxy --upstream {key}://x",
        "proxy --host {key}",
        "proxy --name {key}/x",
        "proxy --limit {key}=1",
        "record --base-url http://{key}@x",
        "record --device {key}",
        "record --name {key}/x",
        "doctor --base-url http://x/?{key}",
        "ab --a {key} --b {key} --runs 1",
        "{key}",
        "--{key}",
    ],
)
def test_a_key_in_the_wrong_place_of_a_command_is_not_quoted(spilling, capfd, line):
    """Whoever pastes it there finds it in no error."""
    for key in (API_KEY, ODD_KEY):
        junit = ["--junit", "j.xml"] if line.startswith(("replay", "latency", "ab")) else []
        assert main([*line.replace("{key}", key).split(), *junit]) in (1, 2, 3)
        said = "".join(capfd.readouterr())
        assert said
        assert traces_in(said, TRACES_OF_THE_RUN) == []
    assert traces_in_files(spilling, *LEFT_OUT, traces=TRACES_OF_THE_RUN) == {}
