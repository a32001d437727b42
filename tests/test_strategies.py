"""The public strategies draw what they promise."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from evi_harness.evi.compat import problems
from evi_harness.evi.dialect import EVI
from evi_harness.evi.messages import MESSAGES
from evi_harness.evi.reading import read
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import BINARY, Closed, Opened, Received, Sent, order
from evi_harness.session.wav import split
from evi_harness.strategies import frames, received_messages, sent_messages, sessions

NEWEST = "0.14.1"
MS = 1_000_000


def types(session, kind):
    """The types of one side's messages, in time."""
    return [read(kind, event.frame).type for event in session.events if event.kind == kind]


@given(sessions())
def test_a_session_is_whole(session):
    """Opened first, closed last, seqs without a gap, ordered by (at_ns, seq), times whole, a header that fits the events."""
    assert list(session.events) == sorted(session.events, key=order)
    assert sorted(event.seq for event in session.events) == list(range(len(session.events)))
    assert isinstance(session.events[0], Opened)
    assert isinstance(session.events[-1], Closed)
    assert all(type(event.at_ns) is int for event in session.events)
    assert session.header.counts == {kind: sum(event.kind == kind for event in session.events) for kind in session.header.counts}
    assert (session.header.dialect, session.header.complete, session.header.end.at_ns) == ("evi", True, session.duration_ns)
    assert session.header.recorded.times == "measured"
    assert session.header.recorded.sent


@given(sessions())
def test_lines_are_in_the_order_of_writing(session):
    """A received line is written when it is received, a sent one when its send has ended; seqs follow that order."""
    written = [
        (event.at_ns + (event.took_ns or 0 if isinstance(event, Sent) else 0))
        for event in sorted(session.events, key=lambda event: event.seq)
    ]
    assert written == sorted(written)


@given(sessions())
def test_every_message_parses(session):
    """The newest SDK parses all that is received, and every message sent fits its type."""
    for event in session.events:
        if isinstance(event, Received):
            assert problems(event.frame, NEWEST) == []
        elif isinstance(event, Sent) and event.frame.is_text:
            fields = read("sent", event.frame).fields
            assert MESSAGES[fields["type"]].sent
            assert set(MESSAGES[fields["type"]].required) <= set(fields)


@given(sessions(max_turns=2))
@settings(max_examples=20)
def test_the_installed_sdk_parses_every_message(session):
    """What is received parses in the installed SDK; what is sent is what its models write, byte for byte."""
    try:
        from hume.core.pydantic_utilities import parse_obj_as
        from hume.empathic_voice.chat.types.publish_event import PublishEvent
        from hume.empathic_voice.types import SubscribeEvent
    except (ImportError, OSError) as error:
        pytest.skip(f"no SDK with these names can be imported: {error}")
    for event in session.events:
        if isinstance(event, Received):
            assert parse_obj_as(SubscribeEvent, json.loads(event.frame.payload)).type == read("received", event.frame).type
        elif isinstance(event, Sent) and event.frame.is_text:
            model = parse_obj_as(PublishEvent, json.loads(event.frame.payload))
            assert json.dumps(model.dict()).encode() == event.frame.payload


@given(sessions())
def test_the_grammar(session):
    """chat_metadata comes first and once; audio and prosody follow the sentence that they name; indexes count from 0."""
    names = types(session, "received")
    assert names[0] == "chat_metadata"
    assert names.count("chat_metadata") == 1
    sentences = {}
    for event in session.received:
        fields = read("received", event.frame).fields
        if fields["type"] == "assistant_message":
            assert fields["id"] not in sentences
            sentences[fields["id"]] = 0
        elif fields["type"] == "audio_output":
            assert fields["index"] == sentences[fields["id"]]
            sentences[fields["id"]] += 1
            assert split(base64_bytes(fields["data"].encode())).samples
        elif fields["type"] == "assistant_prosody":
            assert fields["id"] in sentences


@given(sessions(audio=True))
def test_transcripts_grow(session):
    """From one interim message to the next and to the final one, text and time grow or stay."""
    before = None
    for event in session.received:
        fields = read("received", event.frame).fields
        if fields["type"] == "user_message" and not fields["from_text"]:
            if before is not None:
                assert fields["message"]["content"].startswith(before["message"]["content"])
                assert fields["time"]["begin"] == before["time"]["begin"]
                assert fields["time"]["end"] >= before["time"]["end"]
            before = fields if fields["interim"] else None


@given(sessions())
def test_tools_are_answered(session):
    """Every call of a tool is answered once, by the app or, where the tool is built in, by the service."""
    asked, answered = {}, {}
    for event in session.events:
        if isinstance(event, (Sent, Received)) and event.frame.is_text:
            fields = read(event.kind, event.frame).fields
            if fields["type"] == "tool_call":
                asked[fields["tool_call_id"]] = "sent" if fields["response_required"] else "received"
            elif fields["type"] in ("tool_response", "tool_error"):
                answered[fields["tool_call_id"]] = event.kind
    assert answered == asked


@given(sessions())
def test_echoes_are_all_or_none(session):
    """A service that echoes session_settings echoes each of them, in order and as it was sent."""
    echoed = [read("received", event.frame) for event in session.received if read("received", event.frame).type == "session_settings"]
    given_ = [read("sent", event.frame) for event in session.sent if read("sent", event.frame).type == "session_settings"]
    assert echoed in ([], given_)


@given(sessions(audio=True, drops_frames=True))
def test_the_microphone_is_dead_while_the_assistant_plays(session):
    """Where frames are dropped, none is sent from the first audio received on for as long as that chunk plays."""
    chunks = [(event.at_ns, session.audio(EVI).length_ns(event.seq)) for event in session.received]
    playing = [(start, start + length) for start, length in chunks if length is not None]
    for event in session.sent:
        if not event.frame.is_text:
            assert not any(start <= event.at_ns < stop for start, stop in playing)
    assert session.header.user_interrupt == "dropped"


@given(sessions(audio=True, drops_frames=False))
def test_the_microphone_keeps_a_grid(session):
    """Where no frame is dropped, frames come one block apart, give or take the jitter."""
    frames_ = [(event.at_ns, session.audio(EVI).length_ns(event.seq)) for event in session.sent]
    times = [(at_ns, length) for at_ns, length in frames_ if length is not None]
    for (before, _), (after, length) in zip(times, times[1:]):
        assert abs(after - before - length) <= 15 * MS


@given(sessions(audio=False))
def test_a_text_chat_has_no_audio(session):
    """Without a microphone nothing binary is sent, no format is announced and nobody interrupts."""
    assert all(event.frame.is_text for event in session.sent)
    assert "user_interruption" not in types(session, "received")
    assert not any("audio" in read("sent", event.frame).fields for event in session.sent)


@given(sessions(max_turns=0, closed_by=("network",)))
def test_arguments_are_kept(session):
    """No turn where none is asked for; the close is by whom it is asked for."""
    assert "user_message" not in types(session, "received")
    assert (session.closed.by, session.closed.code) == ("network", None)


SHRINK = settings(
    phases=[Phase.generate, Phase.shrink], max_examples=500, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
# A search ends with the first that it finds. What it draws depends on the modules that are loaded, whose constants hypothesis collects, so
# where one example in a hundred will do, a search of five hundred is not sure to meet it.
SEARCH = settings(SHRINK, phases=[Phase.generate], max_examples=20_000)

WANTED = [
    "user_interruption",
    "assistant_prosody",
    "tool_call",
    "tool_response",
    "session_settings",
    "error",
    "assistant_message",
    "user_message",
]


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("name", WANTED)
def test_every_kind_of_message_occurs(name):
    """Each received type is found in some session."""
    assert name in types(find(sessions(), lambda session: name in types(session, "received"), settings=SEARCH), "received")


def test_sessions_shrink_to_little():
    """The smallest session with a user's words has no more than it takes."""
    smallest = find(sessions(max_turns=1, audio=False), lambda session: "user_message" in types(session, "received"), settings=SHRINK)
    assert types(smallest, "received") == ["chat_metadata", "user_message", "assistant_message", "audio_output", "assistant_end"]


@given(received_messages())
def test_received_messages(frame):
    """A message of the service is compact JSON that the newest SDK parses."""
    assert problems(frame, NEWEST) == []
    fields = json.loads(frame.payload)
    assert MESSAGES[fields["type"]].received
    assert json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() == frame.payload


@given(sent_messages())
def test_sent_messages(frame):
    """A message of the app is JSON as the SDK writes it: ASCII, spaced, names in order with null last."""
    fields = json.loads(frame.payload)
    assert MESSAGES[fields["type"]].sent
    names = sorted(fields, key=lambda name: (fields[name] is None, name))
    assert json.dumps({name: fields[name] for name in names}).encode() == frame.payload


@given(st.data(), st.sampled_from(sorted(MESSAGES)))
def test_messages_of_chosen_types(data, name):
    """Asked for one type, both draw that type, as far as that side sends it."""
    row = MESSAGES[name]
    for has_it, strategy in ((row.received, received_messages), (row.sent, sent_messages)):
        if has_it:
            assert json.loads(data.draw(strategy((name,))).payload)["type"] == name
        else:
            with pytest.raises(KeyError):
                strategy((name,))


@given(frames())
def test_frames(frame):
    """Text frames are UTF-8, binary ones are marked as such, and none names a secret."""
    assert frame.opcode == BINARY or frame.payload.decode() is not None
    assert re.search(rb"api_?key|access_?token|authorization", frame.payload, re.IGNORECASE) is None


@pytest.mark.parametrize(
    "wanted",
    [
        lambda frame: frame.payload == b"",
        lambda frame: not frame.is_text and frame.payload[:4] == b"RIFF",
        lambda frame: frame.is_text and frame.payload and read("received", frame).type is None,
        lambda frame: read("received", frame).type == "no_such_type",
        lambda frame: not frame.is_text and read("received", frame).type == "assistant_end",
    ],
)
def test_frames_of_every_kind_occur(wanted):
    """Empty, audio, garbage, unknown and binary JSON frames are all drawn."""
    assert find(frames(), wanted, settings=SEARCH)
