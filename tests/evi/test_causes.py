"""Causes and prompts, row by row."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from evi_harness.evi.audio_frames import EviReader
from evi_harness.evi.causes import VERSION, causes, prompts
from evi_harness.evi.reading import read
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent, order
from evi_harness.session.position import Positions
from evi_harness.session.protocols import OPENED, POSITION, RECEIVED, SENT, Cause
from evi_harness.strategies import sessions

MS = 1_000_000
AUDIO = {"encoding": "linear16", "sample_rate": 1_000, "channels": 1}


def opened():
    """The opening."""
    return Opened(0, 0)


def sent(seq, at_ms, name, **fields):
    """A message of the app."""
    return Sent(seq, at_ms * MS, frame=Frame(TEXT, json.dumps({**fields, "type": name}).encode()))


def audio(seq, at_ms, n_ms=100):
    """So much audio of the microphone, at 1000 Hz."""
    return Sent(seq, at_ms * MS, frame=Frame(BINARY, bytes(2 * n_ms)))


def received(seq, at_ms, name, **fields):
    """A message of the service."""
    return Received(seq, at_ms * MS, frame=Frame(TEXT, json.dumps({"type": name, **fields}).encode()))


def typed(seq, at_ms, text):
    """A user_message from text."""
    return received(seq, at_ms, "user_message", message={"role": "user", "content": text}, from_text=True, interim=False)


def spoken(seq, at_ms, end, interim=False):
    """A user_message from speech."""
    return received(seq, at_ms, "user_message", message={}, time={"begin": 0, "end": end}, from_text=False, interim=interim)


# Session time 0: opened; 10 ms: the microphone's format; audio at 100, 200, 300 ms (positions 100, 200, 300).
MICROPHONE = [opened(), sent(1, 10, "session_settings", audio=AUDIO), audio(2, 100), audio(3, 200), audio(4, 300)]
AT_OPENING = Cause(OPENED)


def at(position_ms):
    """A position as a cause."""
    return Cause(POSITION, position_ns=position_ms * MS)


def by(seq):
    """A sent event as a cause."""
    return Cause(SENT, seq=seq)


def after(seq):
    """A received event as a cause."""
    return Cause(RECEIVED, seq=seq)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([opened(), received(1, 5, "chat_metadata")], {1: AT_OPENING}, id="chat_metadata"),
        pytest.param([*MICROPHONE, received(5, 400, "chat_metadata")], {5: AT_OPENING}, id="chat_metadata, late"),
        pytest.param(
            [opened(), received(1, 5, "chat_metadata"), received(2, 50, "assistant_message"), received(3, 60, "assistant_end")],
            {1: AT_OPENING, 2: AT_OPENING, 3: AT_OPENING},
            id="greeting",
        ),
        pytest.param(
            [opened(), sent(1, 1, "session_settings"), sent(2, 2, "session_settings"), received(3, 9, "session_settings")],
            {3: by(1)},
            id="first echo",
        ),
        pytest.param(
            [
                opened(),
                sent(1, 1, "session_settings"),
                sent(2, 2, "session_settings"),
                received(3, 9, "session_settings"),
                received(4, 9, "session_settings"),
                received(5, 9, "session_settings"),
                sent(6, 10, "session_settings"),
            ],
            {3: by(1), 4: by(2), 5: AT_OPENING},
            id="an echo too many",
        ),
        pytest.param(
            [opened(), sent(1, 1, "user_input", text="a"), sent(2, 2, "user_input", text="b"), typed(3, 9, "a"), typed(4, 10, "b")],
            {3: by(1), 4: by(2)},
            id="typed, by text",
        ),
        pytest.param(
            [opened(), sent(1, 1, "user_input", text="a"), sent(2, 2, "user_input", text="a"), typed(3, 9, "a"), typed(4, 10, "a")],
            {3: by(1), 4: by(2)},
            id="typed twice",
        ),
        pytest.param(
            [opened(), sent(1, 1, "user_input", text="a"), sent(2, 2, "user_input", text="b"), typed(3, 9, "other")],
            {3: by(2)},
            id="typed, changed by the service: the last one",
        ),
        pytest.param(
            [opened(), sent(1, 1, "user_input", text="a"), typed(2, 9, "a"), typed(3, 10, "a")],
            {2: by(1), 3: by(1)},
            id="typed, answered twice",
        ),
        pytest.param([opened(), typed(1, 9, "a"), sent(2, 10, "user_input", text="a")], {1: AT_OPENING}, id="typed, sent later"),
        pytest.param([*MICROPHONE, spoken(5, 400, 150)], {5: at(150)}, id="spoken, by time.end"),
        pytest.param([*MICROPHONE, spoken(5, 400, 300)], {5: at(300)}, id="spoken, end is the position"),
        pytest.param([*MICROPHONE, spoken(5, 400, 301)], {5: at(300)}, id="spoken, end lies ahead"),
        pytest.param([*MICROPHONE, spoken(5, 400, 0)], {5: at(300)}, id="spoken, no end"),
        pytest.param([*MICROPHONE, spoken(5, 400, -3)], {5: at(300)}, id="spoken, negative end"),
        pytest.param([*MICROPHONE, spoken(5, 400, "x")], {5: at(300)}, id="spoken, end is no number"),
        pytest.param([*MICROPHONE, spoken(5, 400, 150.5)], {5: Cause(POSITION, position_ns=150_500_000)}, id="spoken, float end"),
        pytest.param([*MICROPHONE, spoken(5, 400, 150, interim=True)], {5: at(150)}, id="interim"),
        pytest.param([*MICROPHONE, received(5, 400, "user_message")], {5: at(300)}, id="spoken, bare"),
        pytest.param([opened(), spoken(1, 400, 150)], {1: AT_OPENING}, id="spoken, no audio recorded"),
        pytest.param([opened(), spoken(1, 50, 10), audio(2, 100)], {1: AT_OPENING}, id="spoken, audio only later"),
        pytest.param([*MICROPHONE, received(5, 400, "user_interruption", time=810)], {5: at(300)}, id="interruption"),
        pytest.param([opened(), received(1, 400, "user_interruption", time=810)], {1: AT_OPENING}, id="interruption, no audio recorded"),
        pytest.param(
            [
                *MICROPHONE,
                spoken(5, 400, 150),
                received(6, 410, "assistant_message"),
                received(7, 420, "audio_output"),
                received(8, 430, "assistant_prosody"),
                received(9, 440, "assistant_end"),
            ],
            {5: at(150), 6: at(150), 7: at(150), 8: at(150), 9: at(150)},
            id="reply to speech",
        ),
        pytest.param(
            [*MICROPHONE, spoken(5, 400, 150), spoken(6, 410, 250, interim=True), received(7, 420, "audio_output")],
            {5: at(150), 6: at(250), 7: at(150)},
            id="an interim one answers nothing",
        ),
        pytest.param(
            [
                *MICROPHONE,
                spoken(5, 400, 150),
                received(6, 410, "tool_call"),
                sent(7, 500, "tool_response"),
                received(8, 510, "audio_output"),
            ],
            {5: at(150), 6: at(150), 8: by(7)},
            id="tool_response goes on",
        ),
        pytest.param(
            [*MICROPHONE, spoken(5, 400, 150), sent(6, 500, "tool_error"), received(7, 510, "assistant_message")],
            {5: at(150), 7: by(6)},
            id="tool_error goes on",
        ),
        pytest.param(
            [opened(), sent(1, 5, "assistant_input", text="x"), received(2, 9, "assistant_message")],
            {2: by(1)},
            id="assistant_input",
        ),
        pytest.param(
            [
                *MICROPHONE,
                sent(5, 350, "pause_assistant_message"),
                spoken(6, 400, 150),
                sent(7, 500, "resume_assistant_message"),
                received(8, 510, "assistant_message"),
            ],
            {6: at(150), 8: by(7)},
            id="resume, not pause",
        ),
        pytest.param(
            [*MICROPHONE, sent(5, 250, "assistant_input"), spoken(6, 400, 290), received(7, 410, "audio_output")],
            {6: at(290), 7: at(290)},
            id="the later in recorded time: the position, reached at 300",
        ),
        pytest.param(
            [*MICROPHONE, sent(5, 350, "assistant_input"), spoken(6, 400, 290), received(7, 410, "audio_output")],
            {6: at(290), 7: by(5)},
            id="the later in recorded time: the message, although the user_message came after it",
        ),
        pytest.param(
            [*MICROPHONE, sent(5, 300, "assistant_input"), spoken(6, 400, 290), received(7, 410, "audio_output")],
            {6: at(290), 7: by(5)},
            id="at one instant: the message",
        ),
        pytest.param(
            [opened(), sent(1, 1, "user_input", text="a"), typed(2, 9, "a"), received(3, 20, "assistant_message")],
            {2: by(1), 3: by(1)},
            id="reply to text",
        ),
        pytest.param([opened(), received(1, 5, "chat_metadata"), received(2, 6, "error")], {1: AT_OPENING, 2: after(1)}, id="error"),
        pytest.param([opened(), received(1, 5, "error")], {1: AT_OPENING}, id="error, first"),
        pytest.param(
            [opened(), received(1, 5, "tool_call", tool_type="builtin"), received(2, 6, "tool_response"), received(3, 7, "tool_error")],
            {1: AT_OPENING, 2: after(1), 3: after(2)},
            id="built-in tools",
        ),
        pytest.param([opened(), received(1, 5, "chat_metadata"), received(2, 6, "new_type")], {1: AT_OPENING, 2: after(1)}, id="unknown"),
        pytest.param(
            [
                opened(),
                received(1, 5, "chat_metadata"),
                Received(2, 6 * MS, frame=Frame(TEXT, b"no JSON")),
                Closed(3, 7 * MS, by="service"),
            ],
            {1: AT_OPENING, 2: after(1), 3: after(2)},
            id="not JSON, close by the service",
        ),
        pytest.param([opened(), Closed(1, 7 * MS, by="network")], {1: AT_OPENING}, id="close by the network, nothing received"),
        pytest.param([opened(), received(1, 5, "chat_metadata"), Closed(2, 7 * MS, by="app")], {1: AT_OPENING}, id="close by the app"),
        pytest.param([received(0, 5, "assistant_end")], {0: AT_OPENING}, id="no opening recorded"),
        pytest.param([], {}, id="nothing"),
    ],
)
def test_causes(events, expected):
    """Each received event has the cause that its row of the table gives."""
    assert causes(events) == expected


def test_a_text_chat_with_a_note_between():
    """Notes cross no wire and change no cause."""
    events = [opened(), received(1, 1, "chat_metadata"), Note(2, 2 * MS, name="x"), received(3, 3, "error")]
    assert causes(events)[3] == after(1)


def test_audio_without_a_known_format_is_placed_by_the_clock():
    """Where no length is known, the time since the first frame is the position."""
    events = [opened(), audio(1, 100), audio(2, 250), spoken(3, 400, 120)]
    assert causes(events) == {3: at(120)}
    assert causes([*events[:-1], spoken(3, 400, 200)]) == {3: at(150)}


def test_the_format_in_the_handshake_counts():
    """A length that only the handshake's query makes known counts for positions."""
    query = tuple((f"session_settings[audio][{name}]", str(value)) for name, value in AUDIO.items())
    events = [Opened(0, 0, handshake=Handshake("/", query)), audio(1, 100), received(2, 400, "user_interruption")]
    assert causes(events) == {2: at(100)}


def test_base64_audio_counts_like_binary():
    """audio_input moves the position as a binary frame does."""
    events = [*MICROPHONE[:2], sent(2, 100, "audio_input", data="AAAA" * 100), received(3, 400, "user_interruption")]
    assert causes(events) == {3: at(150)}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(MICROPHONE[:3], {1: AT_OPENING, 2: AT_OPENING}, id="audio and its format"),
        pytest.param(
            [
                opened(),
                received(1, 5, "chat_metadata"),
                sent(2, 6, "audio_input", data="AAAA"),
                sent(3, 7, "session_settings", audio=AUDIO),
            ],
            {2: AT_OPENING, 3: AT_OPENING},
            id="audio, whatever was received",
        ),
        pytest.param(
            [opened(), received(1, 5, "chat_metadata"), sent(2, 6, "session_settings", system_prompt="p")],
            {2: after(1)},
            id="other settings",
        ),
        pytest.param([opened(), sent(1, 6, "user_input", text="a")], {1: AT_OPENING}, id="nothing received yet"),
        pytest.param(
            [
                opened(),
                received(1, 5, "tool_call", tool_call_id="a"),
                received(2, 6, "tool_call", tool_call_id="b"),
                received(3, 7, "error"),
                sent(4, 8, "tool_error", tool_call_id="a"),
                sent(5, 9, "tool_response", tool_call_id="b"),
                sent(6, 10, "tool_response", tool_call_id="c"),
                sent(7, 11, "tool_response"),
            ],
            {4: after(1), 5: after(2), 6: after(3), 7: after(3)},
            id="tools, by id",
        ),
        pytest.param(
            [
                opened(),
                received(1, 5, "chat_metadata"),
                sent(2, 6, "user_input"),
                sent(3, 7, "assistant_input"),
                sent(4, 8, "pause_assistant_message"),
                sent(5, 9, "resume_assistant_message"),
                sent(6, 10, "new_type"),
                Closed(7, 11 * MS, by="app"),
            ],
            {2: after(1), 3: after(1), 4: after(1), 5: after(1), 6: after(1), 7: after(1)},
            id="the rest: what was received before",
        ),
        pytest.param([opened(), Closed(1, 5, by="app")], {1: AT_OPENING}, id="close by the app, nothing received"),
        pytest.param([opened(), received(1, 5, "error"), Closed(2, 6 * MS, by="service")], {}, id="close by the service"),
    ],
)
def test_prompts(events, expected):
    """Each sent event, and a close by the app, answers what its row says."""
    assert prompts(events) == expected


@given(sessions())
def test_everything_has_a_cause_before_it(session):
    """Received and sent events and the close have one cause or prompt each, strictly before them in (at_ns, seq)."""
    found = {**causes(session.events), **prompts(session.events)}
    assert sorted(found) == sorted(event.seq for event in session.events if not isinstance(event, Opened))
    by_seq = {event.seq: event for event in session.events}
    positions = recorded_positions(session)
    for seq, cause in found.items():
        if cause.seq is not None:
            assert by_seq[cause.seq].kind == cause.kind
            assert order(by_seq[cause.seq]) < order(by_seq[seq])
        elif cause.kind == POSITION:
            assert positions.reached_at_ns(cause.position_ns) <= by_seq[seq].at_ns
        else:
            assert cause == AT_OPENING


@given(sessions(audio=True))
def test_speech_is_caused_by_its_end(session):
    """In a conforming session every spoken message is caused by the position that its own time gives, or by where the audio had got."""
    found = causes(session.events)
    positions = recorded_positions(session)
    for event in session.received:
        message = read("received", event.frame)
        if message.type == "user_message" and not message.fields["from_text"]:
            here_ns = positions.at(event.at_ns)
            end_ns = message.fields["time"]["end"] * MS
            assert found[event.seq] == Cause(POSITION, position_ns=end_ns if 0 < end_ns <= here_ns else here_ns)


def recorded_positions(session) -> Positions:
    """The positions of a recording, counted here once more."""
    reader, positions = EviReader(session.opened.handshake), Positions()
    for event in session.sent:
        audio = reader.read("sent", event.frame)
        if audio is not None:
            positions.add(event.at_ns, audio.length_ns)
    return positions


def test_version():
    """The table that is tested here is version 1; a change of what comes out needs a new number."""
    assert VERSION == 1
