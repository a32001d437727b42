"""Tests of ``dialect_defaults``: nothing of a protocol is claimed that a dialect has not said."""

from __future__ import annotations

import json

from evi_harness.json_dialects.dialect_defaults import DialectDefaults
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.session.protocols import RECEIVED, SENT, Message, Saying

DEFAULTS = DialectDefaults()


def message(**fields):
    """A message with these fields."""
    return DEFAULTS.read(SENT, Frame(TEXT, json.dumps(fields).encode()))


def test_messages_are_json_objects_with_a_type():
    """What is binary or no object has no type, and a text is kept as it is."""
    assert message(type="a", b=1) == Message("a", {"type": "a", "b": 1})
    assert DEFAULTS.read(RECEIVED, Frame(BINARY, b"{}")).type is None
    assert DEFAULTS.read(RECEIVED, Frame(TEXT, b"hello")).text == "hello"


def test_nothing_is_claimed():
    """No call, format, key, id, truncation or refusal in whatever is sent; only ``error`` is an error, and it ends nothing."""
    one, handshake = message(type="session.update", id="x"), Handshake("/", (("key", "k"),))
    assert not any(ask(one) for ask in (DEFAULTS.is_call, DEFAULTS.sets_audio, DEFAULTS.gives_format, DEFAULTS.sets_up, DEFAULTS.is_error))
    assert (DEFAULTS.ids(one), DEFAULTS.identity(one), DEFAULTS.chunk(one), DEFAULTS.typed(one)) == ({}, None, None, None)
    assert (DEFAULTS.truncations([]), DEFAULTS.rejected([]), DEFAULTS.history(handshake, [])) == ({}, {}, None)
    assert (DEFAULTS.keys_in(handshake), DEFAULTS.subprotocol(handshake), DEFAULTS.resumed(handshake)) == ((), None, None)
    assert DEFAULTS.key_check("a", "b", token_seconds=1, token_name="t") is None
    assert (DEFAULTS.token_path, DEFAULTS.history_paths) == (None, ())
    error = message(type="error", code=7)
    assert (DEFAULTS.is_error(error), DEFAULTS.ended_by(error)) == (True, None)
    assert "7" in DEFAULTS.explain(7)
    assert DEFAULTS.comparable_handshakes(handshake, Handshake("/other")) == ({}, {})


def test_what_is_said_tells_most():
    """A message is described by its words where it has some, else by the names of its fields; a call comes before what is neither."""

    class Spoken(DialectDefaults):
        def saying(self, kind, message):
            return Saying("user", "Hello.") if message.type == "words" else None

        def is_call(self, message):
            return message.type == "call"

    dialect = Spoken()
    words, call, other = message(type="words"), message(type="call", a=1, b=2), message(type="other")
    assert [dialect.telling(SENT, one) for one in (words, call, other)] == [0, 1, 2]
    assert [dialect.describe(SENT, one) for one in (words, call)] == ["words Hello.", "call a, b"]
    assert (dialect.call_text(call), dialect.family(call)) == ("a, b", "call")
    answer = Frame(TEXT, b'{"type": "answer"}')
    assert dialect.answer_to(call, answer) is answer
    assert dialect.token_answer("t", b"", 0, 1) == {"token": "t"}
