"""EVI behind the Dialect protocol."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hypothesis import given

from evi_harness.evi.dialect import EVI, NO_OBJECT, Evi
from evi_harness.evi.messages import ALWAYS_VOLATILE, MESSAGES
from evi_harness.session.events import Frame, Handshake
from evi_harness.session.protocols import Dialect, Message
from evi_harness.strategies import sent_messages, sessions


def message(name, **fields):
    """A message of a type with fields."""
    return Message(name, {"type": name, **fields})


def test_every_member_of_the_protocol_is_there():
    """Names, methods and their arguments are those of the protocol."""
    for name in Dialect.__annotations__:
        assert hasattr(EVI, name)
    for name, method in inspect.getmembers(Dialect, inspect.isfunction):
        if not name.startswith("_"):
            assert list(inspect.signature(getattr(Evi, name)).parameters) == list(inspect.signature(method).parameters)


def test_constants():
    """Paths and names are those of the protocol."""
    assert (EVI.name, EVI.version, EVI.token_path) == ("evi", 1, "/oauth2-cc/token")
    assert EVI.chat_paths[0] == "/v0/evi/chat"
    assert "x-hume-api-key" in EVI.secret_names
    assert "session_settings" in EVI.folded_names


@pytest.mark.parametrize(
    ("name", "is_awaited"),
    [
        ("user_input", True),
        ("assistant_input", True),
        ("tool_response", True),
        ("tool_error", True),
        ("resume_assistant_message", True),
        ("pause_assistant_message", False),
        ("session_settings", False),
        ("audio", False),
        ("audio_input", False),
        (None, False),
    ],
)
def test_is_awaited(name, is_awaited):
    """EVI answers what makes it speak, and nothing else."""
    assert EVI.is_awaited(Message(name)) is is_awaited


@pytest.mark.parametrize(
    ("name", "sets_up"),
    [
        ("chat_metadata", True),
        ("session_settings", True),
        ("assistant_message", False),
        ("user_input", False),
        ("audio", False),
        (None, False),
    ],
)
def test_sets_up(name, sets_up):
    """Metadata, settings and their echo set a session up; a greeting does not."""
    assert EVI.sets_up(Message(name)) is sets_up


@pytest.mark.parametrize(
    ("fields", "sets_audio"),
    [({"audio": {"channels": 1}}, True), ({"audio": None}, False), ({"audio": {}}, False), ({"system_prompt": "p"}, False)],
)
def test_sets_audio(fields, sets_audio):
    """Only the session_settings with an audio object is the microphone's."""
    assert EVI.sets_audio(message("session_settings", **fields)) is sets_audio
    assert not EVI.sets_audio(message("user_input", **fields))


def test_family():
    """A tool's response and a tool's error may stand for one another; nothing else may."""
    assert EVI.family(message("tool_response")) == EVI.family(message("tool_error"))
    names = ["tool_response", "user_input", "assistant_input", "audio", "audio_input", "pause_assistant_message", None]
    assert len({EVI.family(Message(name)) for name in names}) == len(names)


def test_identity():
    """A tool's answer is about its call; what says nothing of the kind is about nothing."""
    assert EVI.identity(message("tool_error", tool_call_id="t1")) == "t1"
    assert EVI.identity(message("tool_error", tool_call_id=7)) is None
    assert EVI.identity(message("user_input", text="a", id="x")) is None
    assert EVI.identity(Message(None)) is None


def test_must_equal():
    """Secrets at any depth, custom_session_id and audio are left out; null stays, as it is not the same as absent."""
    settings = message(
        "session_settings",
        context=None,
        custom_session_id="s",
        language_model_api_key="k",
        metadata={"list": [{"api_key": "k", "x": 1}]},
    )
    assert EVI.must_equal(settings) == {"type": "session_settings", "context": None, "metadata": {"list": [{"x": 1}]}}
    assert EVI.must_equal(message("audio_input", data="AAAA")) == {"type": "audio_input"}
    assert EVI.must_equal(message("user_input", text="a", data="kept")) == {"type": "user_input", "text": "a", "data": "kept"}
    assert EVI.must_equal(Message("audio")) == {}


def test_must_equal_of_what_is_no_object():
    """Its text; so two texts that differ are different."""
    assert EVI.must_equal(EVI.read("sent", Frame("text", b"hello"))) == {NO_OBJECT: "hello"}
    assert EVI.must_equal(EVI.read("sent", Frame("text", b"[1]"))) == {NO_OBJECT: "[1]"}


def test_strict():
    """What is given anew in each run must be equal too, and the path of the handshake; secrets and audio never."""
    strict = EVI.strictly()
    settings = message("session_settings", custom_session_id="s", language_model_api_key="k")
    assert strict.must_equal(settings) == {"type": "session_settings", "custom_session_id": "s"}
    assert strict.must_equal(message("audio_input", data="AAAA")) == {"type": "audio_input"}
    asked = Handshake("/v0/evi/chat", (("custom_session_id", "s"), ("api_key", "k")))
    assert strict.comparable_handshakes(asked, asked)[0] == {"path": "/v0/evi/chat", "query": {"custom_session_id": "s"}}
    assert EVI.comparable_handshakes(asked, asked)[0] == {"query": {}}


def test_comparable_handshakes():
    """The queries are compared by what they mean."""
    then, now = EVI.comparable_handshakes(Handshake("/", (("v", "True"),)), Handshake("/other", (("v", "true"),)))
    assert then == now == {"query": {"v": "true"}}


def table_of(page, head):
    """The cells of a table's rows, without backquotes."""
    rows = page[page.index(head) :].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def test_the_page_shows_the_table():
    """docs/reference/dialect.md has a row for each type: what it is about, what is given anew in each run, and what may stand for it."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "dialect.md").read_text(encoding="utf-8")
    told = table_of(page, "| type | sent by | about | given anew | audio | may stand for |")
    by = {(True, False): "app", (False, True): "service", (True, True): "both"}
    assert told == [
        [
            row.name,
            by[row.sent, row.received],
            row.identity or "",
            ", ".join(row.volatile),
            row.audio or "",
            ", ".join(
                other.name
                for other in MESSAGES.values()
                if row.sent and other.sent and other is not row and EVI.family(Message(other.name)) == EVI.family(Message(row.name))
            ),
        ]
        for row in MESSAGES.values()
    ]
    assert all(f"`{name}`" in page for name in ALWAYS_VOLATILE)


@given(sent_messages())
def test_what_must_equal_holds_no_secret(frame):
    """No name of a secret is among what is compared."""
    assert not EVI.secret_names & set(EVI.must_equal(EVI.read("sent", frame)))


@given(sessions(max_turns=1))
def test_it_asks_the_tables(session):
    """Causes, prompts, turns, places and lines of a session come out of the one object."""
    assert set(EVI.causes(session.events)) | set(EVI.prompts(session.events)) == {event.seq for event in session.events[1:]}
    assert isinstance(EVI.turns(session.events), list)
    assert EVI.reader(session.opened.handshake).read("received", Frame("text", b"")) is None
    assert all(EVI.describe(event.kind, EVI.read(event.kind, event.frame)) for event in session.sent + session.received)


def test_what_a_user_typed_is_a_user_inputs_text() -> None:
    """And of no other message."""
    said = [b'{"type":"user_input","text":"hi"}', b'{"type":"user_input"}', b'{"type":"assistant_input","text":"hi"}', b"no JSON"]
    assert [EVI.typed(EVI.read("sent", Frame("text", one))) for one in said] == ["hi", None, None, None]
