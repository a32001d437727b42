"""Tests of evi_harness.replay.carried_over: a recorded user before a service of another dialect, in time that jumps."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.moving.migrating import move_of
from evi_harness.acts.serve.simulating import simulation
from evi_harness.audio.detectors import make_detector
from evi_harness.audio.ear import Ear
from evi_harness.audio.resampling import Resampler, convert
from evi_harness.dialects import dialect_named, dialect_of
from evi_harness.errors import UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.measure.turn_latency import turn_latencies
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as REALTIME
from evi_harness.replay.cues import CLOCK, TURN, Cues
from evi_harness.replay.live_user import LiveUser
from evi_harness.session.events import TEXT, Frame, Handshake
from evi_harness.session.wav import Pcm
from evi_harness.simulate.simulators import SIMULATORS
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
SCRIPT = ROOT / "evi_harness" / "assets" / "demo" / "conversation.toml"


@pytest.fixture(scope="module")
def demo():
    """The recording of the demo: three turns, a tool call, an interruption."""
    return load_session(ROOT / "sessions" / "demo")


@pytest.fixture
def move(converse):
    """Holds a session again with the simulator of another dialect: the new session and the user; ``move(session, name, …)``."""

    def run(recorded, name, script=SCRIPT, given=None, later_ms=0, cadence=TURN):
        live = dialect_named(name)
        moved = move_of(recorded, dialect_of(recorded), live, given or {})
        cues = Cues.of(recorded, dialect_of(recorded), cadence, left_out=moved.what.left_out)
        user, mannerly = moved.user(lambda wording: LiveUser(recorded, live, cues, wording=wording))
        parsed = simulation(script, name).script
        options = replace(parsed.options, latency=replace(parsed.options.latency, extra_ms=later_ms))
        service = SIMULATORS[name].open(Ear(make_detector()), parsed.partner(), options, convert, None, None)
        asked = replace(recorded, events=(replace(recorded.opened, handshake=Handshake("/", moved.client.query)), *recorded.events[1:]))
        session = converse(service, mannerly, asked).session
        return replace(session, header=replace(session.header, dialect=name)), user, moved

    return run


def said(session):
    """What each turn was: what was understood, called and replied, and whether the reply was interrupted."""
    turns = dialect_of(session).turns(session.events)
    return [(one.user_text, len(one.tool_calls), one.reply_text.split(".")[0], one.interrupted_by is not None) for one in turns]


def messages(session, kind):
    """The sent messages of a type."""
    found = [json.loads(event.frame.payload) for event in session.sent if event.frame.is_text]
    return [one for one in found if one["type"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("cadence", [TURN, CLOCK])
def test_there_and_back_the_conversation_is_the_same(demo, move, cadence):
    """The same turns, calls, answers and interruption with the other dialect's simulator, and with EVI's again."""
    there, user, moved = move(demo, "openai-realtime", cadence=cadence)
    assert (user.lapses, moved.what.lost) == ([], ())
    assert user.has_done_all(there.duration_ns)
    assert said(there) == said(demo)
    assert there.closed.by == "app"
    assert REALTIME.rejected(there.events) == {}
    back, user, _ = move(there, "evi", cadence=cadence)
    assert user.lapses == []
    assert said(back) == said(demo)
    assert EVI.rejected(back.events) == {}
    for session, kind, field in ((there, "conversation.item.create", "item"), (back, "tool_response", "content")):
        (answer,) = messages(session, kind)
        content = answer[field]["output"] if field == "item" else answer[field]
        assert json.loads(content) == {"location": "Bath", "sky": "rain", "celsius": 11}


def test_what_is_added_to_the_service_is_what_its_responses_take_longer(demo, move):
    """To the nanosecond: 150 ms; twice that where a call of a tool comes between the user's words and the reply."""
    usual, later = (turn_latencies(move(demo, "openai-realtime", later_ms=ms)[0], REALTIME) for ms in (0, 150))
    assert [(now.response_ns - then.response_ns) // MS for then, now in zip(usual, later)] == [300, 150, 150]
    assert all((now.response_ns - then.response_ns) % MS == 0 for then, now in zip(usual, later))


def test_the_audio_is_resampled_as_one_stream(demo, move):
    """As long as it was, at each piece, and what one resampler makes of all of an utterance; silence only behind it."""
    moved = move_of(demo, EVI, REALTIME, {})
    cues = Cues.of(demo, EVI)
    user, _ = moved.user(lambda wording: LiveUser(demo, REALTIME, cues, wording=wording))
    wording = user._wording
    audio = demo.audio(EVI)
    for utterance in (cue.what for cue in cues.spoken if hasattr(cue.what, "frames")):
        wording.begin(utterance)
        reader, pieces, there_ns = REALTIME.reader(), b"", 0
        reader.read("sent", moved.client.opening[0])
        for event in utterance.frames:
            frame = wording.audio(event)
            (place,) = reader.read("sent", frame).places
            assert place.pcm == Pcm(24_000, 1)
            pieces += base64.b64decode(frame.payload[place.start : place.stop])
            there_ns += audio.length_ns(event.seq)
            if event is not utterance.frames[-1]:
                assert abs(place.pcm.length_ns(len(pieces)) - there_ns) < MS
        whole = Resampler(Pcm(16_000, 1), 24_000)
        sent = b"".join(event.frame.payload for event in utterance.frames)
        assert pieces == whole.push(sent) + whole.finish()


def test_typed_texts_and_greetings_are_asked_to_be_answered(session_of, move, tmp_path):
    """A response.create for each, never while another response runs."""
    script = tmp_path / "script.toml"
    script.write_text('[greeting]\nsay = "Hello."\n[[turn]]\nsay = "Yes."\n[[turn]]\nsay = "No."\n')
    typed = {"type": "user_message", "from_text": True}
    recorded = session_of(
        [
            ("received", 10, {"type": "assistant_message", "message": {"role": "assistant", "content": "Hello."}}),
            ("received", 20, {"type": "assistant_end"}),
            ("sent", 500, {"type": "user_input", "text": "a"}),
            ("received", 510, {**typed, "message": {"role": "user", "content": "a"}}),
            ("received", 800, {"type": "assistant_message", "message": {"role": "assistant", "content": "Yes."}}),
            ("received", 810, {"type": "assistant_end"}),
            ("sent", 900, {"type": "user_input", "text": "b"}),
            ("received", 910, {**typed, "message": {"role": "user", "content": "b"}}),
            ("received", 950, {"type": "assistant_message", "message": {"role": "assistant", "content": "No."}}),
            ("received", 960, {"type": "assistant_end"}),
            ("closed", 1200, ("app", 1000, "")),
        ]
    )
    there, user, _ = move(recorded, "openai-realtime", script)
    assert user.lapses == []
    assert [(one.user_text, one.reply_text) for one in REALTIME.turns(there.events)] == [("", "Hello."), ("a", "Yes."), ("b", "No.")]
    assert len(messages(there, "response.create")) == 3
    assert REALTIME.rejected(there.events) == {}
    back, user, _ = move(there, "evi", script)
    assert user.lapses == []
    assert [(one.user_text, one.reply_text) for one in EVI.turns(back.events)] == [("", "Hello."), ("a", "Yes."), ("b", "No.")]


def test_a_muted_microphone_is_silence_for_as_long_as_nothing_plays(move, tmp_path):
    """The recorded one sends nothing while the assistant plays: the new service detects the end of the turn all the same."""
    weather = load_session(ROOT / "sessions" / "weather")
    script = tmp_path / "script.toml"
    detection = {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1500}}}}
    script.write_text('[[turn]]\nsaid = "What?"\nsay = "Yes."\n[[turn]]\nsaid = "And?"\nsay = "No."\n')
    there, user, _ = move(weather, "openai-realtime", script, detection)
    # The recording has less silence behind its first words than that.
    assert [lapse.name for lapse in user.lapses] == ["not_called"]
    assert [one.user_text for one in REALTIME.turns(there.events)] == ["What?", "And?"]
    assert there.audio(REALTIME).told.end_of_turn_ns == 1500 * MS


@pytest.mark.parametrize(
    ("calls", "chosen"),
    [
        ([("look", '{"a": 2}'), ("look", '{"a": 1.0}')], [1, 0]),
        ([("see", "{}"), ("look", '{"a": 1}')], [None, 0]),
        ([("look", '{"a": 3}'), ("look", '{"a": 2}'), ("look", '{"a": 1}')], [0, 0, None]),
        ([("", "{}")], [0]),
    ],
)
def test_an_answer_is_that_to_the_same_call_or_to_the_same_tool(session_of, calls, chosen):
    """By name and by the value of the arguments, else by name, in the recorded order; each once."""
    events = [("received", 1, {"type": "user_message", "message": {"role": "user", "content": "x"}, "from_text": True})]
    for number in (1, 2):
        call = {"type": "tool_call", "name": "look", "parameters": json.dumps({"a": number}), "tool_call_id": f"c{number}"}
        events.append(("received", 10 * number, {**call, "response_required": True}))
    events += [("sent", 30 + number, {"type": "tool_response", "tool_call_id": f"c{number}", "content": str(number)}) for number in (1, 2)]
    recorded = session_of([*events, ("closed", 99, ("app", 1000, ""))])
    moved = move_of(recorded, EVI, REALTIME, {})
    user, _ = moved.user(lambda wording: LiveUser(recorded, REALTIME, Cues.of(recorded, EVI), wording=wording))
    left = [event for event in recorded.sent if event.seq in moved.what.uses]
    found = []
    for name, arguments in calls:
        message = REALTIME.read(
            "received",
            Frame(TEXT, json.dumps({"type": "response.function_call_arguments.done", "name": name, "arguments": arguments}).encode()),
        )
        found.append(user._wording.chosen(message, left))
        if found[-1] is not None:
            del left[found[-1]]
    assert found == chosen


@pytest.mark.parametrize(
    "events",
    [
        [("sent", 1, {"type": "assistant_input", "text": "x"})],
        [("sent", 1, {"type": "audio_input", "data": base64.b64encode(b"\x1aE\xdf\xa3" + bytes(80)).decode()})],
        [("sent", 1, {"type": "audio_input", "data": base64.b64encode(bytes(80)).decode()})],
    ],
    ids=["speech put into its mouth", "webm", "of no known format"],
)
def test_what_cannot_be_carried_over_is_refused(session_of, events):
    """Before anything is connected, with the event."""
    recorded = session_of([*events, ("closed", 99, ("app", 1000, ""))])
    with pytest.raises(UsageError, match="#1"):
        move_of(recorded, EVI, REALTIME, {})


def test_what_has_no_word_is_told_and_the_rest_carried(session_of):
    """What is set up before the user begins is set up at the opening, later changes where they were."""
    recorded = session_of(
        [
            ("sent", 1, {"type": "session_settings", "system_prompt": "Be short.", "voice_id": "v"}),
            ("sent", 5, {"type": "user_input", "text": "a"}),
            ("sent", 9, {"type": "session_settings", "system_prompt": "Be long."}),
            ("closed", 99, ("app", 1000, "")),
        ]
    )
    moved = move_of(recorded, EVI, REALTIME, {})
    assert moved.what.setup.instructions == "Be short."
    assert json.loads(moved.client.opening[0].payload)["session"]["instructions"] == "Be short."
    later = [(act.kind, act.text, act.setup.instructions) for act in moved.what.acts.values()]
    assert later == [("types", "a", None), ("sets_up", "", "Be long.")]
    assert moved.what.lost == ("#1 voice_id",)
