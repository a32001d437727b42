from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe import Arrived, ConnectionEnded, connect

from evi_harness.acts.replay import replay_session
from evi_harness.audio.detectors import make_detector
from evi_harness.audio.ear import Ear
from evi_harness.audio.resampling import convert
from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.carriers.server import ChatServer
from evi_harness.carriers.virtual_carrier import VirtualCarrier
from evi_harness.clocks.virtual import run_virtual
from evi_harness.evi.causes import causes
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.app import App, run_app
from evi_harness.sdk.hume.handlers import callbacks_of
from evi_harness.sdk.hume.hume_adapter import HUME
from evi_harness.session.encoded_audio import base64_bytes
from evi_harness.session.events import BINARY, TEXT, Frame, Note, Opened, Received, Sent, order
from evi_harness.session.header import Anchor, Header
from evi_harness.session.protocols import POSITION, Close, Send
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm, header, split
from evi_harness.simulate.delays import Delay, Latency
from evi_harness.simulate.ids import is_simulated
from evi_harness.simulate.partners import Parrot
from evi_harness.simulate.script import parse
from evi_harness.simulate.simulator import Simulator
from evi_harness.simulate.simulator_options import Limits, Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.simulate.voice import spoken
from evi_harness.strategies import frames

MS = 1_000_000
SETTINGS = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 8_000, "channels": 1}}
VERBOSE = (("verbose_transcription", "true"),)
PAUSE, RESUME = {"type": "pause_assistant_message"}, {"type": "resume_assistant_message"}
REPLY = ["assistant_message", "audio_output", "assistant_end"]
WEATHER = """
[[turn]]
say = "Let me see."
[turn.tool]
name = "get_weather"
parameters = { place = "Bath" }
[[turn.tool.answer]]
to = "error"
say = "I cannot tell: {content}."
[[turn.tool.answer]]
say = "It is {content}."
"""


def scripted(text):
    """A partner that follows a script."""
    return parse(text).partner()


def say(*texts, **more):
    """A partner that answers turn after turn with one text each."""
    return parse({"turn": [{"say": text, **more} for text in texts]}).partner()


def typed(text):
    """What the user types."""
    return {"type": "user_input", "text": text}


def spoken_texts(talk_):
    """What the assistant said."""
    return [fields["message"]["content"] for _, fields in talk_.of("assistant_message")]


# The opening.


def test_the_first_message_is_chat_metadata(talk):
    """After the connect delay; its ids are the simulator's."""
    one = talk(Parrot(), Options(latency=Latency(connect=Delay(30))))
    one.run_to(29.999)
    assert one.messages == []
    one.run_to(30)
    ((at_ms, fields),) = one.messages
    assert (at_ms, fields["type"]) == (30, "chat_metadata")
    assert is_simulated(fields["chat_id"])
    assert is_simulated(fields["chat_group_id"])
    assert one.remarks("simulator") == [{"seed": 0, "detector": "exact 1", "partner": "parrot"}]


def test_a_resumed_group_keeps_its_id(talk):
    """The chat is a new one."""
    one = talk(Parrot(), query=(("resumed_chat_group_id", "5b80ab81"),))
    one.run_to(100)
    assert one.messages[0][1]["chat_group_id"] == "5b80ab81"
    assert is_simulated(one.messages[0][1]["chat_id"])


def test_nothing_comes_before_it(talk):
    """Neither an error nor an answer to what was sent at once."""
    one = talk(say("Hi."), Options(latency=Latency(connect=Delay(500))))
    one.send(1, "no json")
    one.send(2, typed("Hello."))
    one.run_to(3000)
    assert one.types == ["chat_metadata", "error", "user_message", *REPLY]


def test_a_greeting_comes_before_the_user_says_anything(talk):
    """As a reply of its own."""
    one = talk(scripted('[greeting]\nsay = "Hello."'))
    one.run_to(3000)
    assert one.types == ["chat_metadata", *REPLY]


# Speech.


@pytest.mark.parametrize("silence_ms", [500, 800, 1130])
@pytest.mark.parametrize("frame_ms", [10, 20, 100, 250])
def test_a_turn_ends_exactly_the_silence_after_the_speech(talk, silence_ms, frame_ms):
    """The cause is when the position got to the end and the silence; the message comes the transcription later, on the nanosecond."""
    one = talk(Parrot(), Options(detection=TurnDetection(end_of_turn_silence_ms=silence_ms), latency=Latency(transcription=Delay(300))))
    one.send(10, SETTINGS)
    one.speak(100, 0, 250, 500, 2000, frame_ms=frame_ms)
    ((at_ms, fields),) = one.of("user_message")
    assert fields["time"] == {"begin": 250, "end": 750}
    # A frame is sent when its first sample is spoken, so a position is reached a frame before that much time has passed.
    over_ms = 750 + silence_ms
    reached_ms = 100 + (over_ms - 1) // frame_ms * frame_ms
    assert at_ms == reached_ms + 300
    send = next(action for _, action in one.actions if isinstance(action, Send) and b'"user_message"' in action.frame.payload)
    assert send.cause_ns == reached_ms * MS


def test_the_recorded_cause_of_a_turn_is_its_position(talk):
    """What the dialect finds in the session is what the simulator meant: the end of the speech on the position axis."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    one.speak(100, 0, 250, 500, 2000)
    events = [Opened(0, 0), Sent(1, 10 * MS, frame=Frame(TEXT, json.dumps(SETTINGS).encode()))]
    events += [Sent(0, (100 + 20 * place) * MS, frame=Frame(BINARY, bytes(320))) for place in range(130)]
    events += [Received(0, at_ns, frame=action.frame) for at_ns, action in one.actions if isinstance(action, Send)]
    events.sort(key=lambda event: event.at_ns)
    events = [type(event)(**{**event.__dict__, "seq": seq}) for seq, event in enumerate(events)]
    found = causes(events)
    (user,) = (event.seq for event in events if isinstance(event, Received) and b'"user_message"' in event.frame.payload)
    assert (found[user].kind, found[user].position_ns) == (POSITION, 750 * MS)


@pytest.mark.parametrize("lengths", [(0, 60_000), (60, 60_000), (0, 100, 30, 5000, 50, 5000)], ids=["silence", "a click", "clicks"])
def test_silence_makes_no_turn(talk, lengths):
    """Nor do noises too short to be a word."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    one.speak(20, *lengths)
    assert one.types == ["chat_metadata"]


def test_a_silent_microphone_shifts_nothing(talk):
    """Frames that are not sent are silence on the position axis, and the next turn lies where it was spoken."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    one.speak(1000, 500, 300)
    one.speak(5000, 500, 1000)
    assert [fields["time"] for _, fields in one.of("user_message")] == [{"begin": 0, "end": 500}, {"begin": 4000, "end": 4500}]


def test_an_app_that_was_blocked_shifts_nothing(talk):
    """What its microphone gathered comes in a burst, in the middle of the speech: one turn, at its place, all of it heard."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    samples = b"\x40\x00" * 8 * 1500 + bytes(16 * 1500)
    for place in range(150):
        # Nothing goes out from 500 to 1200 ms.
        at_ms = 20 * place + 20
        one.send(1200 if 500 <= at_ms < 1200 else at_ms, samples[320 * place : 320 * place + 320])
    ((_, fields),) = one.of("user_message")
    assert fields["time"] == {"begin": 0, "end": 1500}


def test_a_turn_in_one_burst_is_answered(talk):
    """An app that sends a recorded sentence with its silence at once, long after the last one, and then nothing."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    for at_ms in (20, 10_000):
        one.send(at_ms, b"\x40\x00" * 8 * 500 + bytes(16 * 1000))
    one.run_to(20_000)
    assert [fields["time"] for _, fields in one.of("user_message")] == [{"begin": 0, "end": 500}, {"begin": 9980, "end": 10_480}]


def test_a_microphone_that_stops_ends_no_turn(talk):
    """What has not come is not silence yet."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    one.speak(20, 500, 790)
    one.run_to(60_000)
    assert one.of("user_message") == []
    one.speak(60_000, 0, 20)
    one.run_to(61_000)
    assert [(at_ms, fields["time"]["end"]) for at_ms, fields in one.of("user_message")] == [(60_100, 500)]


def test_the_parrot_gives_the_users_own_samples_back(talk):
    """With the padding before the first of them, in a reply that says what it is."""
    one = talk(Parrot())
    one.send(10, SETTINGS)
    one.speak(20, 0, 1000, 600, 1500)
    one.run_to(10_000)
    assert one.types == ["chat_metadata", "user_message", *REPLY]
    wavs = [split(base64_bytes(fields["data"].encode())) for _, fields in one.of("audio_output")]
    assert {wav.pcm for wav in wavs} == {Pcm(8_000, 1)}
    assert b"".join(wav.samples for wav in wavs) == bytes(16 * 300) + b"\x40\x00" * 8 * 600 + bytes(16 * 100)
    assert spoken_texts(one) == ["Parrot: (0.6 s of speech)"]


def test_interim_transcripts_come_only_where_asked_for(talk):
    """One each 600 ms of speech, then the final one."""
    script = parse({"turn": [{"say": "Hi.", "said": "a b c"}]})
    for query, expected in ((VERBOSE, [("a", True), ("a b", True), ("a b c", True), ("a b c", False)]), ((), [("a b c", False)])):
        one = talk(script.partner(), query=query)
        one.send(10, SETTINGS)
        one.speak(20, 2000, 1000)
        assert [(fields["message"]["content"], fields["interim"]) for _, fields in one.of("user_message")] == expected
        assert all(fields["time"]["end"] <= at_ms for at_ms, fields in one.of("user_message"))


def test_audio_in_messages_is_heard_as_well(talk):
    """A WAV file, in pieces, in base64."""
    one = talk(Parrot())
    samples = b"\x40\x00" * 8 * 500 + bytes(16 * 1000)
    head = header(Pcm(8_000, 1), 0xFFFFFFFF)
    for place, start in enumerate(range(0, len(samples), 320)):
        piece = (b"" if start else head) + samples[start : start + 320]
        one.send(20 * place + 40, {"type": "audio_input", "data": base64.b64encode(piece).decode()})
    (message,) = (fields for _, fields in one.of("user_message"))
    assert message["time"] == {"begin": 0, "end": 500}


# Replies.


def test_delays_are_those_of_the_model(talk):
    """From the user's message to the end, each on the nanosecond; injected latency is in the response."""
    latency = Latency(response=Delay(200), first_audio=Delay(50), chunk=Delay(10), extra_ms=1000)
    one = talk(say({"text": "One two three four five."}), Options(latency=latency, chunk_ms=500))
    one.send(100, typed("Hello."))
    one.run_to(5000)
    assert [(at_ms, fields["type"]) for at_ms, fields in one.messages[1:]] == [
        (100, "user_message"),
        (1300, "assistant_message"),
        (1350, "audio_output"),
        (1360, "audio_output"),
        (1370, "audio_output"),
        (1370, "assistant_end"),
    ]


def test_a_carriers_lateness_is_not_handed_on(talk):
    """Asked a second late, the steps are those that were due, with their own due times."""
    one = talk(say("One two three."), Options(chunk_ms=500))
    one.send(100, typed("Hello."))
    late = one.simulator.due(10_000 * MS)
    assert [(action.due_ns // MS, action.held_ns) for action in late] == [(400, 0), (550, 0), (650, 0), (650, 0)]


def test_turns_that_come_within_a_reply_are_answered_behind_it(talk, grammar):
    """One after another, none lost."""
    one = talk(say("One.", "Two.", "Three."))
    for at_ms in (100, 150, 450):
        one.send(at_ms, typed(f"at {at_ms}"))
    one.run_to(20_000)
    assert one.types == ["chat_metadata", *(["user_message", *REPLY] * 3)]
    assert spoken_texts(one) == ["One.", "Two.", "Three."]
    assert grammar(one.messages, False) == []


def test_assistant_input_is_spoken_as_it_is(talk):
    """Without a message of the user's, marked as text."""
    one = talk(say())
    one.send(100, {"type": "assistant_input", "text": "Read this."})
    one.run_to(5000)
    assert one.types == ["chat_metadata", *REPLY]
    ((_, fields),) = one.of("assistant_message")
    assert (fields["message"]["content"], fields["from_text"]) == ("Read this.", True)


def test_a_reply_can_hang_up(talk):
    """The service closes with 1000 behind it, and nothing follows."""
    one = talk(scripted('at_end = "close"\n[[turn]]\nsay = "Bye."'))
    one.send(100, typed("Bye."))
    one.run_to(500_000)
    ((at_ms, code),) = one.ended
    assert (at_ms, code) == (one.messages[-1][0], 1000)
    assert one.types[-1] == "assistant_end"
    assert one.simulator.next_at_ns() is None


# Tools.


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"type": "tool_response", "content": "sunny"}, "It is sunny."),
        ({"type": "tool_error", "error": "no network"}, "I cannot tell: no network."),
        ({"type": "tool_error", "error": "e", "content": "try later"}, "I cannot tell: try later."),
    ],
)
def test_a_tools_answer_leads_on(talk, grammar, answer, expected):
    """However late it comes, what follows comes its delay later, and says what the script says to it."""
    one = talk(scripted(WEATHER))
    one.send(100, typed("Weather?"))
    one.run_to(5000)
    (_, call) = one.messages[-1]
    assert (call["name"], json.loads(call["parameters"]), call["response_required"]) == ("get_weather", {"place": "Bath"}, True)
    one.run_to(60_000)
    assert one.messages[-1][1]["type"] == "tool_call"
    one.send(60_000, {**answer, "tool_call_id": call["tool_call_id"]})
    one.run_to(70_000)
    assert spoken_texts(one) == ["Let me see.", expected]
    assert one.of("assistant_message")[1][0] == 60_300
    assert one.types[-1] == "assistant_end"
    assert grammar(one.messages, False) == []


def test_no_answer_brings_no_reply(talk):
    """The call waits until the chat ends."""
    one = talk(scripted(WEATHER))
    one.send(100, typed("Weather?"))
    one.run_to(119_000)
    assert one.types[-1] == "tool_call"


def test_an_answer_to_no_call_is_noted_and_ignored(talk):
    """Before the call, with another id, and a second time."""
    one = talk(scripted(WEATHER))
    one.send(50, {"type": "tool_response", "tool_call_id": "x", "content": ""})
    one.send(100, typed("Weather?"))
    one.run_to(5000)
    call_id = one.messages[-1][1]["tool_call_id"]
    one.send(5000, {"type": "tool_response", "tool_call_id": "y", "content": ""})
    one.send(5001, {"type": "tool_response", "tool_call_id": call_id, "content": "wet"})
    one.send(5002, {"type": "tool_response", "tool_call_id": call_id, "content": "dry"})
    one.run_to(20_000)
    assert [data["tool_call_id"] for data in one.remarks("tool_answer_ignored")] == ["x", "y", call_id]
    assert spoken_texts(one)[1:] == ["It is wet."]


def test_a_user_who_goes_on_gives_the_tool_up(talk, grammar):
    """The reply ends, the next turn is answered, and a late answer is ignored."""
    one = talk(scripted(WEATHER + '\n[[turn]]\nsay = "Well."'))
    one.send(100, typed("Weather?"))
    one.run_to(5000)
    one.send(5000, typed("Never mind."))
    one.run_to(20_000)
    assert one.types[-6:] == ["tool_call", "assistant_end", "user_message", *REPLY]
    assert grammar(one.messages, False) == []


# Interruption.

STORY = "word " * 100
SLOW = {"chunk_delay_ms": 400}


def interrupted(talk, speech_ms, text=STORY, **more):
    """Speech of a length while a reply of 8 s goes out in real time; begins at 2000 ms, position 0."""
    one = talk(say(text, "Yes?", **{**SLOW, **more}))
    one.send(100, typed("Tell me."))
    one.send(1900, SETTINGS)
    one.speak(2000, speech_ms, 1200)
    one.run_to(40_000)
    return one


def test_the_user_interrupts_after_so_much_speech(talk, grammar):
    """user_interruption with the position in ms, assistant_end, nothing more of the reply; then the user's turn."""
    one = interrupted(talk, 1500)
    ((at_ms, fields),) = one.of("user_interruption")
    assert fields["time"] == 800
    assert at_ms == 2000 + 780
    place = one.messages.index((at_ms, fields))
    assert one.messages[place + 1] == (at_ms, {"type": "assistant_end"})
    assert [fields["type"] for _, fields in one.messages[place + 2 :]][:3] == ["user_message", "assistant_message", "audio_output"]
    assert spoken_texts(one) == [STORY, "Yes?"]
    assert grammar(one.messages, False) == []


def test_shorter_speech_does_not_interrupt_and_is_answered_behind(talk, grammar):
    """780 ms of it: the reply goes to its end."""
    one = interrupted(talk, 780)
    assert one.types == ["chat_metadata", *(["user_message", *REPLY] * 2)]
    assert grammar(one.messages, False) == []


def test_what_waited_for_an_interrupted_reply_comes_behind_its_end(talk, grammar):
    """A turn that was typed during the reply is answered, and not before the reply has ended."""
    one = talk(say(STORY, "Two.", "Three.", **SLOW))
    one.send(100, typed("Tell me."))
    one.send(500, typed("And more."))
    one.send(1900, SETTINGS)
    one.speak(2000, 800, 1200)
    one.run_to(20_000)
    assert one.types[2:6] == ["assistant_message", "audio_output", "user_interruption", "assistant_end"]
    assert spoken_texts(one) == [STORY, "Two.", "Three."]
    assert grammar(one.messages, False) == []


def test_a_reply_may_not_be_interruptible(talk):
    """However long the user speaks."""
    one = interrupted(talk, 3000, interruptible=False)
    assert one.of("user_interruption") == []
    assert one.types == ["chat_metadata", *(["user_message", *REPLY] * 2)]


def test_where_all_has_been_sent_there_is_nothing_to_interrupt(talk):
    """Only the client's playback goes on: the user's words are a turn and no interruption."""
    one = interrupted(talk, 1500, chunk_delay_ms=10)
    assert one.of("user_interruption") == []
    assert one.types == ["chat_metadata", *(["user_message", *REPLY] * 2)]


def test_a_reply_that_is_being_thought_of_is_interrupted_too(talk, grammar):
    """Nothing of it was heard, and nothing of it comes."""
    one = interrupted(talk, 1500, delay_ms=5000)
    assert one.types[:4] == ["chat_metadata", "user_message", "user_interruption", "assistant_end"]
    assert spoken_texts(one) == ["Yes?"]
    assert grammar(one.messages, False) == []


def test_the_user_interrupts_a_call_that_waits(talk):
    """A late answer is ignored then."""
    one = talk(scripted(WEATHER))
    one.send(100, typed("Weather?"))
    one.send(1900, SETTINGS)
    one.speak(2000, 1500, 1200)
    one.run_to(10_000)
    assert one.types[-4:] == ["tool_call", "user_interruption", "assistant_end", "user_message"]


# Pause and resume.


def test_while_paused_the_user_is_transcribed_and_only_the_last_turn_is_answered(talk, grammar):
    """After the resume, with the response's delay."""
    one = talk(say("One.", "Two.", "Three."))
    one.send(100, PAUSE)
    one.send(200, typed("first"))
    one.send(300, typed("second"))
    one.run_to(20_000)
    assert one.types == ["chat_metadata", "user_message", "user_message"]
    one.send(20_000, RESUME)
    one.run_to(30_000)
    assert spoken_texts(one) == ["Two."]
    assert one.of("assistant_message")[0][0] == 20_300
    assert grammar(one.messages, False) == []


def test_what_has_begun_when_the_app_pauses_goes_to_its_end(talk):
    """It is queued already; the next reply is not."""
    one = talk(say("One.", "Two."))
    one.send(100, typed("first"))
    one.send(450, PAUSE)
    one.send(460, typed("second"))
    one.run_to(20_000)
    assert one.types == ["chat_metadata", "user_message", *REPLY, "user_message"]


def test_what_has_not_begun_waits_for_the_resume(talk):
    """The reply is still being thought of when the app pauses."""
    one = talk(say("One."))
    one.send(100, typed("first"))
    one.send(350, PAUSE)
    one.run_to(20_000)
    assert one.types == ["chat_metadata", "user_message"]
    one.send(20_000, RESUME)
    one.run_to(30_000)
    assert one.types == ["chat_metadata", "user_message", *REPLY]


def test_what_the_app_has_said_is_said_after_the_resume(talk):
    """All of it, in order, beside the last turn."""
    one = talk(say("One.", "Two."))
    one.send(100, PAUSE)
    for at_ms, message in ((200, typed("a")), (300, {"type": "assistant_input", "text": "Read."}), (400, typed("b"))):
        one.send(at_ms, message)
    one.run_to(1000)
    one.send(1000, RESUME)
    one.run_to(10_000)
    assert spoken_texts(one) == ["Read.", "Two."]


def test_a_resume_with_nothing_held_says_nothing(talk):
    """Nor does a pause."""
    one = talk(say("One."))
    for at_ms, message in ((100, RESUME), (200, PAUSE), (300, PAUSE), (400, RESUME)):
        one.send(at_ms, message)
    one.run_to(5000)
    assert one.types == ["chat_metadata"]


# Settings.


@pytest.mark.parametrize("echoes", [False, True])
def test_settings_are_echoed_only_where_asked_for(talk, echoes):
    """Without the key that may stand in them."""
    one = talk(Parrot(), Options(echoes_settings=echoes))
    one.send(100, {**SETTINGS, "system_prompt": "Be brief.", "language_model_api_key": "secret"})
    one.run_to(200)
    assert [fields for _, fields in one.of("session_settings")] == [{**SETTINGS, "system_prompt": "Be brief."}] * echoes


def test_the_apps_name_for_its_session_comes_back_from_then_on(talk):
    """From the query or any message; the latest counts."""
    one = talk(say("One."), query=(("session_settings[custom_session_id]", "a"),))
    one.run_to(50)
    one.send(100, {**typed("Hi."), "custom_session_id": "b"})
    one.run_to(5000)
    assert [fields.get("custom_session_id") for _, fields in one.messages] == ["a", "b", "b", "b", "b"]


# Errors.


@pytest.mark.parametrize(
    ("text", "code"), [("{", "E0100"), ('{"type": "dance"}', "E0101"), ('{"type": "session_settings", "metadata": 5}', "E0101")]
)
def test_a_message_that_is_wrong_gets_an_error_and_the_chat_goes_on(talk, grammar, text, code):
    """At once; what comes then is answered."""
    one = talk(say("One."))
    one.send(100, text)
    one.send(200, typed("Hello."))
    one.run_to(3000)
    ((at_ms, fields),) = one.of("error")
    assert (at_ms, fields["code"]) == (100, code)
    assert one.types[-1] == "assistant_end"
    assert grammar(one.messages, False) == []


def test_ten_errors_that_are_the_same_end_the_chat(talk):
    """Not nine, and not ten that differ."""
    one = talk(Parrot())
    for place in range(9):
        one.send(100 + place, "{")
        one.send(100 + place, {"type": f"dance {place}"})
    assert one.ended == []
    one.send(200, "{")
    assert one.ended == [(200, 1000)]
    assert len(one.of("error")) == 19


NOISE = bytes(place * 7919 % 65521 % 256 for place in range(64_000))


@pytest.mark.parametrize(
    ("first", "audio", "why"),
    [
        (None, bytes(320), "no format"),
        (None, b"\x1aE\xdf\xa3" + bytes(320), "container"),
        (SETTINGS, b"OggS" + bytes(320), "container"),
        (SETTINGS, b"What's the weather like? " * 700, "it is text"),
    ],
)
def test_audio_that_is_none_ends_the_chat(talk, first, audio, why):
    """I0116, then 1000; what the app still sends changes nothing."""
    one = talk(Parrot())
    if first is not None:
        one.send(40, first)
    one.send(50, audio)
    one.send(60, audio)
    one.send(70, typed("Hello?"))
    ((_, fields),) = one.of("error")
    assert (fields["code"], fields["slug"]) == ("I0116", "transcription_failure")
    assert one.ended == [(50, 1000)]
    (data,) = one.remarks("unheard")
    assert why in data["why"]
    assert one.simulator.next_at_ns() is None


def test_inactivity_ends_the_chat(talk):
    """So long after the user's last word, whatever the assistant says, to the nanosecond."""
    one = talk(say("word " * 40), Options(limits=Limits(inactivity_s=5)))
    one.send(1000, typed("Hello."))
    one.run_to(60_000)
    assert one.messages[-1][1]["code"] == "E0714"
    assert "5 seconds" in one.messages[-1][1]["message"]
    assert one.ended == [(6000, 1000)]


def test_who_speaks_is_not_inactive(talk):
    """A speech of a minute outlasts the limit, silence does not."""
    one = talk(Parrot(), Options(limits=Limits(inactivity_s=5)))
    one.send(10, SETTINGS)
    end_ms = one.speak(20, 60_000, 4000)
    assert one.ended == []
    one.speak(end_ms, 0, 10_000)
    assert one.messages[-1][1]["code"] == "E0714"


def test_the_maximal_duration_ends_the_chat(talk):
    """In the middle of a reply too."""
    one = talk(say(STORY, **SLOW), Options(limits=Limits(max_duration_s=2)))
    one.send(1000, typed("Hello."))
    one.run_to(60_000)
    assert one.messages[-1][1]["code"] == "E0715"
    assert one.messages[-1][1]["message"].endswith("max duration of 2 seconds.")
    assert one.ended == [(2000, 1000)]


def test_after_the_apps_close_nothing_comes(talk):
    """In the middle of a reply too."""
    one = talk(say(STORY))
    one.send(100, typed("Hello."))
    one.run_to(500)
    one.close()
    n_messages = len(one.messages)
    one.run_to(500_000)
    assert len(one.messages) == n_messages
    assert one.ended == []
    assert one.simulator.next_at_ns() is None


def test_before_the_opening_nothing_is_due():
    """A service that was given no opening has nothing to say."""
    assert Simulator(Ear(make_detector()), Parrot()).next_at_ns() is None


# Whatever an app does.

SCRIPT = """
[greeting]
say = "Hello."
[[turn]]
said = "What is the weather like?"
say = ["Let me see.", { text = "One moment.", prosody = true }]
[turn.tool]
name = "get_weather"
[[turn.tool.answer]]
say = "It is {content}."
[[turn]]
say = [{ text = "A longer story, which goes on for a while, and on.", chunk_ms = 200 }]
chunk_delay_ms = 190
[[turn]]
expect = "text"
say = { text = "Quick.", quick = true }
[[turn]]
[turn.tool]
name = "note"
response_required = false
[turn.tool.parameters]
text = "x"
"""

ANSWER = {"type": "tool_response", "tool_call_id": "", "content": "wet"}
DOINGS = st.one_of(
    st.tuples(st.just("speak"), st.integers(1, 150).map(lambda n: 20 * n), st.integers(0, 80).map(lambda n: 20 * n)),
    st.tuples(st.just("wait"), st.integers(0, 6000), st.just(0)),
    st.tuples(
        st.just("send"),
        st.sampled_from(
            [typed("Hello."), {"type": "assistant_input", "text": "Read."}, PAUSE, RESUME, SETTINGS, "{", {"type": "user_input"}]
        ),
        st.just(0),
    ),
    st.tuples(st.just("answer"), st.booleans(), st.just(0)),
)


def act_out(talk, doings, seed, **options):
    """An app that does what was drawn."""
    latency = Latency(transcription=Delay(100, 0.5), response=Delay(300, 0.5), first_audio=Delay(100, 0.5), chunk=Delay(80, 0.5))
    partner = parse(SCRIPT, options=Options()).partner()
    one = talk(partner, Options(seed=seed, latency=latency, **options), query=VERBOSE)
    one.send(40, SETTINGS)
    at_ms = 50
    for doing, first, second in doings:
        if doing == "speak":
            at_ms = one.speak(at_ms, first, second)
        elif doing == "wait":
            at_ms += first
            one.run_to(at_ms)
        elif doing == "send":
            one.send(at_ms, first)
        else:
            called = [fields["tool_call_id"] for _, fields in one.of("tool_call")] or ["none"]
            one.send(at_ms, {**ANSWER, "tool_call_id": called[-1]})
        at_ms += 1
    one.run_to(at_ms + 20_000)
    return one


@given(st.lists(DOINGS, max_size=12), st.integers(0, 3), st.booleans())
@settings(max_examples=120, deadline=None)
def test_whatever_the_app_does_the_grammar_holds(talk, grammar, doings, seed, echoes):
    """Everything is in EVI's order and parses in the SDK, and the times are honest; twice the same gives the same bytes."""
    one = act_out(talk, doings, seed, echoes_settings=echoes)
    assert grammar(one.messages, True) == []
    assert act_out(talk, doings, seed, echoes_settings=echoes).actions == one.actions


def test_another_seed_gives_another_conversation(talk):
    """Ids and delays differ, what is said does not."""
    doings = [("speak", 1000, 1500), ("send", typed("x"), 0)]
    one, other = act_out(talk, doings, 1), act_out(talk, doings, 2)
    assert one.types == other.types
    assert [at for at, _ in one.messages] != [at for at, _ in other.messages]
    assert one.messages[0][1]["chat_id"] != other.messages[0][1]["chat_id"]


@given(st.lists(frames(), max_size=15))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_is_survived(talk, grammar, sent):
    """Frames of any kind, also those that nobody should send: nothing raises, and the grammar holds."""
    one = talk(Parrot())
    for place, frame in enumerate(sent):
        one.send(50 * place, frame.payload if not frame.is_text else frame.payload.decode())
    one.run_to(20_000)
    assert grammar(one.messages, False) == []


# Real voices.


def pieces(samples, rate, frame_ms=20):
    """A microphone's frames, with its settings before them."""
    settings_ = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": rate, "channels": 1}}
    size = 2 * rate * frame_ms // 1000
    return [Frame(TEXT, json.dumps(settings_).encode())] + [Frame(BINARY, samples[at : at + size]) for at in range(0, len(samples), size)]


# Words as they were aligned, in seconds: first and last of each stretch that is followed by a pause longer than the silence.
VOICES = [
    ("whats-the-weather-like.wav", [(0.1, 1.3)]),
    ("learner-working-dogs.wav", [(0.2, 1.7), (2.6, 4.5)]),
    ("librivox-sns-0870.wav", [(0.2, 6.85)]),
]


@pytest.mark.parametrize(("name", "stretches"), VOICES)
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_a_real_voice_is_heard_where_it_spoke(shared_data, name, stretches, rate):
    """Each stretch is a turn, its times within the detector's error, and it comes right behind the silence."""
    wav = split((shared_data / "speech" / name).read_bytes())
    samples = convert(wav.samples, wav.pcm, Pcm(rate, 1)) + bytes(2 * rate * 2)
    simulator = Simulator(Ear(make_detector()), Parrot(), conversion=convert)
    simulator.take(Opened(0, 0), 0)
    found = []
    for place, frame in enumerate(pieces(samples, rate)):
        at_ns = max(0, place - 1) * 20 * MS
        simulator.take(Sent(place + 1, at_ns, frame=frame), at_ns)
        found += [one for one in simulator.due(at_ns) if isinstance(one, Send) and b'"user_message"' in one.frame.payload]
    assert len(found) == len(stretches)
    for action, (begin, end) in zip(found, stretches):
        time = json.loads(action.frame.payload)["time"]
        assert time["begin"] / 1000 == pytest.approx(begin, abs=0.2)
        assert time["end"] / 1000 == pytest.approx(end, abs=0.15)
        # To the frame: the position is reached by the frame that holds it.
        assert 0 <= time["end"] + 800 + 100 - action.due_ns / MS <= 20


# Carried.


class Microphone:
    """A service on the client's side: sends frames at a microphone's pace, waits, and closes."""

    def __init__(self, frames_, close_ms):
        self.plan = [(100 + 20 * place, Send(frame, 0)) for place, frame in enumerate(frames_)]
        self.plan.append((close_ms, Close(1000)))

    def take(self, event, at_ns): ...

    def due(self, at_ns):
        now = [action for at_ms, action in self.plan if at_ms * MS <= at_ns]
        self.plan = self.plan[len(now) :]
        return now

    def next_at_ns(self):
        return self.plan[0][0] * MS if self.plan else None


def voice(shared_data):
    """The weather question, with silence behind it."""
    wav = split((shared_data / "speech" / "whats-the-weather-like.wav").read_bytes())
    return wav.samples + bytes(2 * 16_000 * 2)


def served(open_service, clock, journal):
    """A server that simulates, on a clock."""
    return ChatServer(lambda _: open_service(), clock=clock, chat_paths=EVI.chat_paths, journal_for=lambda _: journal)


def parrot():
    """A simulator that says back what it heard."""
    return Simulator(Ear(make_detector()), Parrot(), conversion=convert)


def test_it_serves_a_plain_client(shared_data, grammar):
    """Over the virtual carrier: a real voice in, EVI's messages out, each at its due time, and the inactivity at the end."""

    async def main(loop):
        journal = Journal(loop)
        got = []
        async with VirtualCarrier(loop, served(parrot, loop, journal)) as carrier:
            probe = await connect(carrier.url, EVI.chat_paths[0], carrier.now_ns)
            for frame in pieces(voice(shared_data), 16_000):
                probe.send(frame)
                await asyncio.sleep(0.02)
            while not isinstance(item := await probe.next(), ConnectionEnded):
                if isinstance(item, Arrived):
                    got.append((item.at_ns / MS, json.loads(item.frame.payload)))
            return got, item.code, journal.events

    got, code, events = run_virtual(main)
    assert code == 1000
    assert grammar(got, False) == []
    assert [fields["type"] for _, fields in got if fields["type"] != "audio_output"] == [
        "chat_metadata",
        "user_message",
        "assistant_message",
        "assistant_end",
        "error",
    ]
    at_ns = {event.seq: event.at_ns for event in events if isinstance(event, Received)}
    assert {at_ns[note.of] - note.data["due_ns"] for note in events if note.kind == "note" and note.name == "due"} == {0}


def test_the_real_sdk_talks_to_it(shared_data):
    """In virtual time: an app's handler gets every message parsed; a second run is the same."""

    def run():
        taken = []

        async def main(loop):
            arrivals = Arrivals()
            journal = Journal(loop, arrivals.tell)
            async with VirtualCarrier(loop, served(parrot, loop, journal)) as carrier:
                callbacks = callbacks_of(lambda message: taken.append(message), "handler")
                user = Microphone(pieces(voice(shared_data), 16_000), 8000)
                await run_app(App(carrier.url, HUME, callbacks, user, journal, loop, arrivals, redact=str))
            return journal.events

        events = run_virtual(main)
        assert [event for event in events if event.kind == "note" and event.name in ("unparseable", "raised")] == []
        return [message.type for message in taken], [(event.at_ns, event.frame.payload) for event in events if isinstance(event, Received)]

    types, received = run()
    assert [one for one in types if one != "audio_output"] == ["chat_metadata", "user_message", "assistant_message", "assistant_end"]
    assert len(types) == len(received)
    assert run() == (types, received)


def test_what_was_said_with_it_replays(shared_data):
    """A session with the simulator, recorded, is met by itself: every message again, at its time."""

    async def main(loop):
        arrivals = Arrivals()
        journal = Journal(loop, arrivals.tell)
        async with VirtualCarrier(loop, served(parrot, loop, journal)) as carrier:
            user = Microphone(pieces(voice(shared_data), 16_000), 8000)
            callbacks = callbacks_of(lambda message: None, "handler")
            await run_app(App(carrier.url, HUME, callbacks, user, journal, loop, arrivals, redact=str))
        return journal.events

    crossed = sorted((event for event in run_virtual(main) if not isinstance(event, Note)), key=order)
    events = tuple(replace(event, seq=seq) for seq, event in enumerate(crossed))
    wall = "2026-01-02T03:04:05.000000Z"
    made = Header(id="0", made_by="script", created=wall, dialect="evi", service="simulator", complete=True, start=Anchor(0, wall))
    result = replay_session(Session(made, events, name="simulated"), handler="recorded")
    assert result.passed, "\n".join(result.lines())
    assert [event.at_ns for event in result.session.received] == [event.at_ns for event in events if isinstance(event, Received)]


# A hearing that needs a while.


class Slow:
    """Hears by another's marks; what a piece holds is known when it is told so."""

    name = "slow 1"
    is_behind = False

    def __init__(self, hearing):
        self._hearing = hearing
        self.coming = []
        self.known = []
        self.is_closed = False
        self.wake = None

    @property
    def has_heard(self):
        return bool(self.known)

    def hear(self, samples, pcm, start_ns):
        self.coming.extend(self._hearing.hear(samples, pcm, start_ns))
        return self.heard()

    def heard(self):
        known, self.known = self.known, []
        return known

    def know(self):
        self.known, self.coming = self.known + self.coming, []

    def wake_by(self, wake):
        self.wake = wake

    def close(self):
        self.is_closed = True


def sent_and_due(one):
    """What went out, with when it was due and what it answers."""
    actions = [action for _, action in one.actions if isinstance(action, Send)]
    return [(json.loads(action.frame.payload), action.due_ns, action.cause_ns) for action in actions]


@pytest.mark.parametrize("asks", [True, False], ids=["asked between frames", "with the next frame"])
def test_what_is_heard_late_is_answered_on_time(talk, asks):
    """The messages, when they are due and what they answer are the same as where everything is heard at once."""
    found = []
    for is_slow in (False, True):
        one = talk(Parrot(), Options(detection=TurnDetection(end_of_turn_silence_ms=200)))
        if is_slow:
            slow = Slow(one.simulator._hearing)
            one.simulator = Simulator(slow, Parrot(), Options(detection=TurnDetection(end_of_turn_silence_ms=200)))
            one.actions.clear()
            one._take(Opened(0, 0))
        one.send(0, SETTINGS)
        for place in range(60):
            one.send(100 + 20 * place, (b"\x40\0" if 5 <= place < 20 else b"\0\0") * 160)
            if is_slow:
                slow.know()
                if asks:
                    one.run_to(101 + 20 * place)
        one.run_to(3000)
        one.close()
        found.append(sent_and_due(one))
    names = [fields["type"] for fields, _, _ in found[1]]
    assert names[:2] == ["chat_metadata", "user_message"]
    assert names[-1] == "assistant_end"
    assert found[1] == found[0]
    assert slow.is_closed


def test_audio_that_changes_nothing_says_so(talk):
    """So that a carrier need not ask after each of very many frames; what is said is a change."""
    one = talk(Parrot())
    one.send(0, SETTINGS)
    silent, said = (Frame(BINARY, sample * 160) for sample in (b"\0\0", b"\x40\0"))
    assert one.simulator.take(Sent(2, 100 * MS, frame=silent), 100 * MS) is False
    assert [one.simulator.take(Sent(3, at * MS, frame=said), at * MS) for at in range(120, 260, 20)][-1] is None


class SlowVoice:
    """Makes a voice when it is told to."""

    def __init__(self):
        self.orders = []
        self.is_closed = False

    def __call__(self, text, seed, pcm):
        self.orders.append(SimpleNamespace(samples=None, make=lambda: spoken(text, seed, pcm)))
        return self.orders[-1]

    def make(self):
        for one in self.orders:
            one.samples = one.samples or one.make()

    def wake_by(self, wake):
        self.wake = wake

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("made_ms", [1, 5000], ids=["in time", "late"])
def test_a_voice_that_needs_a_while_is_the_same_voice(talk, made_ms):
    """What goes out is the same, and due at the same time after what went before it; nothing goes out before it is there."""
    plain, late = talk(say("Once upon a time.", "There was a machine.")), talk(say("Once upon a time.", "There was a machine."))
    slow = SlowVoice()
    late.simulator = Simulator(late.simulator._hearing, say("Once upon a time.", "There was a machine."), Options(), voice=slow)
    late.actions.clear()
    late._take(Opened(0, 0))
    for one in (plain, late):
        one.send(100, typed("hello"))
        one.run_to(100 + made_ms)
        if one is late:
            assert not late.of("audio_output")
            slow.make()
            one._keep(one.now_ns, one.simulator.due(one.now_ns))
        one.run_to(10_000)
        one.close()
    assert [fields for fields, _, _ in sent_and_due(late)] == [fields for fields, _, _ in sent_and_due(plain)]
    assert len(late.of("audio_output")) > 1
    if made_ms == 1:
        assert sent_and_due(late) == sent_and_due(plain)
    assert slow.is_closed


def test_no_turns_wait_without_end(talk):
    """Who is far ahead of every reply is closed as one that breaks the rules."""
    one = talk(say(*["A long, long story. " * 20] * 100))
    for place in range(100):
        one.send(100 + place, typed("Tell me more."))
    one.run_to(300)
    assert [code for _, code in one.ended] == [1008]
    long = talk(Parrot())
    for place in range(6):
        long.send(100 + place, typed("x" * (1 << 20)))
    long.run_to(300)
    assert [code for _, code in long.ended] == [1008]
