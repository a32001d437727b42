"""Tests of the dialect as the other rooms know it: what is compared, rejected, answered and shown; and its failures."""

from __future__ import annotations

import base64
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from realtime_session import append, events_of

from evi_harness.dialects import dialect_named
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as DIALECT
from evi_harness.session.events import BINARY, TEXT, Frame, Handshake
from evi_harness.session.protocols import RECEIVED, SENT

KEY = "sk-test-0123456789"


def message(kind=SENT, **fields):
    """A message as the dialect reads it."""
    return DIALECT.read(kind, Frame(TEXT, json.dumps(fields).encode()))


def output(call_id="c", **more):
    """The output of a tool."""
    return {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": call_id, "output": "fog", **more}}


def test_it_is_built_in_and_can_be_sent_elsewhere():
    """By its name in a header; and pickled, as one that is given to another process."""
    assert dialect_named("openai-realtime") is DIALECT
    assert pickle.loads(pickle.dumps(DIALECT.strictly())).must_equal(message(type="x", event_id="1")) == {"type": "x", "event_id": "1"}


@pytest.mark.parametrize(
    ("then", "now"), [("response.audio.delta", "response.output_audio.delta"), ("response.text.done", "response.output_text.done")]
)
def test_the_betas_names_are_read_as_todays(then, now):
    """So that every rule has one name; the fields stay as they came."""
    read = message(RECEIVED, type=then)
    assert (read.type, read.fields["type"]) == (now, then)
    assert DIALECT.is_known(read)


@given(st.binary(max_size=80) | st.sampled_from([b"[]", b"{}", b'{"type":3}', b"1e999", b"\xff", b'{"type":"error","error":[]}']))
def test_whatever_comes_is_read(payload):
    """Nothing raises, in either direction, of either kind of frame."""
    for kind in (SENT, RECEIVED):
        for opcode in (TEXT, BINARY):
            read = DIALECT.read(kind, Frame(opcode, payload))
            for ask in (DIALECT.describe, DIALECT.saying, DIALECT.telling):
                ask(kind, read)
            for ask in (
                DIALECT.family,
                DIALECT.identity,
                DIALECT.must_equal,
                DIALECT.ended_by,
                DIALECT.typed,
                DIALECT.ids,
                DIALECT.is_call,
            ):
                ask(read)


def test_what_is_compared():
    """All but secrets, the audio, and the ids that an app makes up; with ``strict`` these too."""
    update = {
        "type": "session.update",
        "event_id": "e1",
        "session": {"tools": [{"type": "mcp", "authorization": KEY, "server_label": "x"}]},
    }
    assert DIALECT.must_equal(message(**update)) == {
        "type": "session.update",
        "session": {"tools": [{"type": "mcp", "server_label": "x"}]},
    }
    assert DIALECT.must_equal(message(**output(id="mine"))) == output()
    assert DIALECT.strictly().must_equal(message(**output(id="mine"))) == output(id="mine")
    assert DIALECT.must_equal(message(type="input_audio_buffer.append", audio="AAAA")) == {"type": "input_audio_buffer.append"}
    assert DIALECT.must_equal(DIALECT.read(SENT, Frame(TEXT, b"hello"))) == {"no JSON object": "hello"}


TRUNCATE = {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1250.5}


def test_how_much_was_heard_is_judged_and_not_compared():
    """Unless ``strict`` asks for that: it differs by milliseconds in each run."""
    assert DIALECT.must_equal(message(**TRUNCATE)) == {name: TRUNCATE[name] for name in ("type", "item_id", "content_index")}
    assert DIALECT.strictly().must_equal(message(**TRUNCATE)) == TRUNCATE
    others = ({**TRUNCATE, "audio_end_ms": "all"}, {**TRUNCATE, "type": "conversation.item.delete"}, {"type": "response.create"})
    sent = [(">", one) for one in ({"type": "input_audio_buffer.clear"}, TRUNCATE, *others)]
    assert DIALECT.truncations(events_of(*sent, ("<", TRUNCATE))) == {2: ("a", 1_250_500_000)}
    assert DIALECT.identity(message(**sound(20))) == "a"


def test_a_tools_answer_is_addressed_anew():
    """Only the id changes, to the byte; what answers nothing stays as it is."""
    call = message(RECEIVED, type="response.function_call_arguments.done", call_id='n"ew', name="get", arguments='{"b": 1, "a": 2}')
    raw = json.dumps(output("old"), indent=1).encode()
    assert DIALECT.answer_to(call, Frame(TEXT, raw)).payload == raw.replace(b'"old"', b'"n\\"ew"')
    other = Frame(TEXT, b'{"type": "response.create"}')
    assert DIALECT.answer_to(call, other) == other
    assert (DIALECT.is_call(call), DIALECT.call_text(call), DIALECT.identity(call)) == (True, 'get {"a": 2, "b": 1}', 'n"ew')
    assert (DIALECT.family(message(**output())), DIALECT.identity(message(**output()))) == ("tool_answer", "c")


def sound(n_ms):
    """A piece of the assistant's audio."""
    return {"type": "response.output_audio.delta", "response_id": "r", "item_id": "a", "delta": base64.b64encode(bytes(48 * n_ms)).decode()}


CREATE = (">", {"type": "response.create"})
CREATED = ("<", {"type": "response.created", "response": {"id": "r"}})
DONE = ("<", {"type": "response.done", "response": {"id": "r", "status": "completed"}})


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([CREATE, CREATED, DONE, CREATE], None),
        ([CREATE, CREATED, CREATE], "under way"),
        ([CREATE, CREATED, (">", {"type": "response.create", "response": {"conversation": "none"}})], None),
        ([append(), (">", {"type": "input_audio_buffer.commit"})], None),
        ([(">", {"type": "input_audio_buffer.commit"})], "empty"),
        ([append(), ("<", {"type": "input_audio_buffer.committed"}), (">", {"type": "input_audio_buffer.commit"})], "empty"),
        ([("<", sound(20)), (">", {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 20})], None),
        ([("<", sound(20)), ("<", sound(20)), (">", {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 41})], "40 ms"),
        ([("<", sound(20)), (">", {"type": "conversation.item.truncate", "item_id": "b", "audio_end_ms": 41})], None),
        (
            [("<", {"type": "session.created", "session": {"voice": "a"}}), (">", {"type": "session.update", "session": {"voice": "b"}})],
            None,
        ),
        (
            [
                ("<", {"type": "session.updated", "session": {"audio": {"output": {"voice": "a"}}}}),
                ("<", sound(20)),
                (">", {"type": "session.update", "session": {"audio": {"output": {"voice": "b"}}}}),
            ],
            "voice",
        ),
        ([(">", {"type": "session.created"})], "session.created"),
        ([(">", {"type": "conversation.create"})], "conversation.create"),
        ([(">", "no JSON")], "JSON"),
    ],
)
def test_what_the_service_does_not_take(rows, named):
    """One rule each, of the message that breaks it; what keeps to it is taken."""
    found = DIALECT.rejected(events_of(*rows))
    if named is None:
        assert found == {}
    else:
        (reasons,) = found.values()
        assert list(found) == [len(rows)]
        assert named in " ".join(reasons)


def test_handshakes_are_compared_by_what_they_ask_for():
    """The model; neither keys nor an API's version nor, unless ``strict``, the path."""
    then = Handshake("/v1/realtime", (("model", "m"), ("api_key", KEY), ("api-version", "1")))
    now = Handshake("/openai/v1/realtime", (("model", "n"),))
    assert DIALECT.comparable_handshakes(then, now) == ({"query": {"model": "m"}}, {"query": {"model": "n"}})
    assert DIALECT.strictly().comparable_handshakes(then, now)[0]["path"] == "/v1/realtime"


@pytest.mark.parametrize(
    ("kind", "fields", "saying"),
    [
        (RECEIVED, {"type": "response.output_text.done", "text": "Hi"}, ("assistant", "Hi")),
        (RECEIVED, {"type": "response.audio_transcript.done", "transcript": "Hi"}, ("assistant", "Hi")),
        (RECEIVED, {"type": "conversation.item.input_audio_transcription.completed", "transcript": "Hi"}, ("user", "Hi")),
        (RECEIVED, {"type": "response.output_text.delta", "delta": "Hi"}, None),
        (SENT, output(), ("tool", "fog")),
        (
            SENT,
            {"type": "conversation.item.create", "item": {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}},
            ("user", "Hi"),
        ),
        (SENT, {"type": "conversation.item.create", "item": {"role": "user", "content": "Hi"}}, None),
        (SENT, {"type": "response.create"}, None),
    ],
)
def test_what_a_message_says(kind, fields, saying):
    """Whole texts, each once."""
    said = DIALECT.saying(kind, message(kind, **fields))
    assert saying == (None if said is None else (said.who, said.text))


def test_no_line_has_a_secret_or_breaks():
    """Whatever a service or an app puts into a message."""
    for fields in (
        {"type": "error", "error": {"code": "a\nb", "message": "x\x1b[31m" * 50}},
        {"type": "session.update", "session": {"client_secret": KEY}},
        {"type": "new.type\n", "client_secret": KEY},
        {"type": "response.done", "response": {"status": "cancelled", "status_details": "unimplemented"}},
    ):
        line = DIALECT.describe(RECEIVED, message(RECEIVED, **fields))
        assert KEY not in line
        assert line.isprintable()


def test_the_end_of_a_session_is_known():
    """A session that lasts as long as one may is ended by an error with a code; others go on."""
    expired = message(RECEIVED, type="error", error={"code": "session_expired"})
    assert (DIALECT.is_error(expired), DIALECT.ended_by(expired)) == (True, "session_expired")
    assert DIALECT.ended_by(message(RECEIVED, type="error", error={"code": "x"})) is None
    assert "60" in DIALECT.explain("session_expired")
    assert "1001" in DIALECT.explain("session_expired")
    assert "nothing-known" in DIALECT.explain("nothing-known")
