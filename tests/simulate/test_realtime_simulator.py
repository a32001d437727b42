"""Tests of evi_harness.simulate.realtime_simulator: conversations by hand, and what the dialect says of them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.acts.replay import replay_session
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME as DIALECT
from evi_harness.openai_realtime.realtime_messages import CLIENT
from evi_harness.session.events import TEXT, Closed, Frame, Handshake, Opened, Received, Sent
from evi_harness.session.g711 import encoded_samples, linear_samples
from evi_harness.session.header import Header
from evi_harness.session.protocols import Close
from evi_harness.session.session import Session
from evi_harness.session.wav import A_LAW, MU_LAW, Pcm
from evi_harness.simulate.delays import Delay, Latency
from evi_harness.simulate.partners import Parrot
from evi_harness.simulate.realtime_simulator import REALTIME_OPTIONS, RealtimeSimulator
from evi_harness.simulate.script import parse
from evi_harness.simulate.simulator_options import Limits

MS = 1_000_000
RATE = 24_000
PCM = Pcm(RATE, 1)
CREATE = {"type": "response.create"}
CANCEL = {"type": "response.cancel"}
COMMIT = {"type": "input_audio_buffer.commit"}
WEATHER = """
[[turn]]
say = "Let me see."
[turn.tool]
name = "get_weather"
parameters = { place = "Bath" }
[[turn.tool.answer]]
say = "It is {content}."
"""
# Everything a spoken turn brings, but for what is repeated; deltas once.
TURN = [
    *("input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"),
    *("conversation.item.added", "conversation.item.done", "response.created", "response.output_item.added", "conversation.item.added"),
    *("response.content_part.added", "response.output_audio_transcript.delta", "response.output_audio.delta"),
    *("response.output_audio.done", "response.output_audio_transcript.done", "response.content_part.done", "conversation.item.done"),
    *("response.output_item.done", "response.done", "rate_limits.updated"),
]


@pytest.fixture
def begin(talk):
    """Begins a conversation: ``begin(partner, options)``."""

    def begin(partner=None, options=REALTIME_OPTIONS, query=(("model", "m"),), headers=()):
        found = talk(partner or Parrot(), options, query=query, headers=headers, kind=RealtimeSimulator)
        found.events = [Opened(0, 0, Handshake("/v1/realtime", query, headers))]
        return found

    return begin


def send(conversation, at_ms, **message):
    """Send a message."""
    conversation.send(at_ms, message)
    conversation.events.append(Sent(0, conversation.now_ns, Frame(TEXT, json.dumps(message).encode())))


def speak(conversation, at_ms, *lengths_ms, pcm=PCM):
    """Send speech and silence by turns, in messages of 20 ms, at the pace of a microphone; when it ends."""
    for number, length_ms in enumerate(lengths_ms):
        for _ in range(length_ms // 20):
            samples = encoded_samples((b"\0\0" if number % 2 else b"\x40\x10") * (pcm.rate // 50), pcm)
            send(conversation, at_ms, type="input_audio_buffer.append", audio=base64.b64encode(samples).decode())
            at_ms += 20
    return at_ms


def types(conversation):
    """The types of what came, the same in a row once."""
    found = [fields["type"] for _, fields in conversation.messages]
    return [one for one, before in zip(found, [None, *found]) if one != before]


def errors(conversation):
    """The codes of the errors, and the events that they are about."""
    return [(fields["error"]["code"], fields["error"]["event_id"]) for _, fields in conversation.of("error")]


def dones(conversation):
    """How the responses ended, and of which types their items are."""
    found = [fields["response"] for _, fields in conversation.of("response.done")]
    return [(one["status"], (one["status_details"] or {}).get("reason"), [item["type"] for item in one["output"]]) for one in found]


def session_of(conversation):
    """The conversation as a session in which the app closes at the end."""
    events = [*conversation.events]
    for at_ns, action in conversation.actions:
        if hasattr(action, "frame"):
            events.append(Received(0, at_ns, action.frame))
    # What is sent at a time goes before what it is answered with.
    events.sort(key=lambda event: (event.at_ns, isinstance(event, Received)))
    events.append(Closed(0, conversation.now_ns + MS, "app", 1000))
    header = Header(id="i", made_by="record", created="2026-11-30T10:00:00Z", dialect="openai-realtime")
    return Session(header, tuple(replace(event, seq=seq) for seq, event in enumerate(events)))


def item(**fields):
    """A message that adds an item."""
    return {"type": "conversation.item.create", "item": fields}


def typed(text, role="user"):
    """What somebody has typed."""
    kind = "input_text" if role == "user" else "output_text"
    return item(type="message", role=role, content=[{"type": kind, "text": text}])


def said(conversation):
    """What the assistant has said, in audio or in text."""
    names = {"response.output_audio_transcript.done": "transcript", "response.output_text.done": "text"}
    return [fields[names[fields["type"]]] for _, fields in conversation.of(*names)]


@pytest.mark.parametrize(("modality", "kind"), [("audio", "audio"), ("text", "text")])
def test_a_part_is_called_by_what_it_is(begin, modality, kind):
    """In the events of a response; within its item it is an output, as the clients that check what they get expect."""
    conversation = begin()
    send(conversation, 10, type="session.update", session={"type": "realtime", "output_modalities": [modality]})
    send(conversation, 20, **typed("Hello."))
    send(conversation, 30, type="response.create")
    conversation.run_to(10_000)
    parts = [fields["part"]["type"] for _, fields in conversation.of("response.content_part.added", "response.content_part.done")]
    assert parts == [kind, kind]
    ((_, done),) = conversation.of("response.done")
    assert [part["type"] for one in done["response"]["output"] for part in one["content"]] == [f"output_{kind}"]


def test_a_session_says_whose_it_is(begin):
    """In its id, in the note at the opening, and by the model that was asked for; nothing else comes unasked."""
    conversation = begin()
    conversation.run_to(10_000)
    assert types(conversation) == ["session.created"]
    ((_, created),) = conversation.messages
    assert created["session"]["id"].startswith("sess_simulator")
    assert created["session"]["model"] == "m"
    assert [data["partner"] for data in conversation.remarks("simulator")] == ["parrot"]


def test_a_spoken_turn_comes_in_the_services_order(begin):
    """Times count what was written, with the padding before and the silence behind; the answer is faster than it plays."""
    conversation = begin()
    speak(conversation, 100, 0, 400, 1000, 700)
    conversation.run_to(9_000)
    assert types(conversation) == ["session.created", *TURN]
    ((_, started),) = conversation.of("input_audio_buffer.speech_started")
    ((stopped_ms, stopped),) = conversation.of("input_audio_buffer.speech_stopped")
    assert (started["audio_start_ms"], stopped["audio_end_ms"]) == (100, 400 + 1000 + 500)
    assert started["item_id"] == stopped["item_id"]
    assert stopped_ms == 100 + 1_900 - 20
    audio = [(at_ms, len(base64.b64decode(fields["delta"])) / 48) for at_ms, fields in conversation.of("response.output_audio.delta")]
    assert sum(length_ms for _, length_ms in audio) == 1_400
    assert audio[-1][0] - audio[0][0] < sum(length_ms for _, length_ms in audio[:-1])
    (turn,) = DIALECT.turns(session_of(conversation).events)
    assert (turn.speech.begin_ns, turn.reply_text) == (100 * MS, said(conversation)[0])


def listening(**detection):
    """A message that sets how turns are detected."""
    return {"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "server_vad", **detection}}}}}


def test_a_user_who_says_nothing_for_too_long_is_a_turn(begin):
    """So long after the reply was played, not after it came; the time is the session's, and what was written since is committed."""
    conversation = begin(parse({"turn": [{"say": "Hello there, how are you?"}, {"say": "Are you still there?"}]}).partner())
    send(conversation, 50, **listening(idle_timeout_ms=2_000))
    begin_ms = speak(conversation, 100, 600)
    for at_ms in range(begin_ms, 7_500, 20):
        send(conversation, at_ms, type="input_audio_buffer.append", audio=base64.b64encode(bytes(RATE // 25)).decode())
    ((timeout_ms, timeout),) = conversation.of("input_audio_buffer.timeout_triggered")
    deltas = [(at, len(base64.b64decode(fields["delta"])) / 48) for at, fields in conversation.of("response.output_audio.delta")]
    first = [one for one in deltas if one[0] < timeout_ms]
    assert timeout_ms == pytest.approx(first[0][0] + sum(length_ms for _, length_ms in first) + 2_000, abs=1)
    assert timeout["audio_end_ms"] - timeout["audio_start_ms"] == 2_000
    assert timeout["audio_end_ms"] == pytest.approx(timeout_ms - 100, abs=20)
    committed = [fields["item_id"] for at, fields in conversation.of("input_audio_buffer.committed") if at >= timeout_ms]
    assert committed == [timeout["item_id"]]
    assert said(conversation) == ["Hello there, how are you?", "Are you still there?"]
    causes = DIALECT.causes(session_of(conversation).events)
    assert len(causes) == len(conversation.messages)


@pytest.mark.parametrize(
    ("detection", "n"),
    [({"idle_timeout_ms": 2_000}, 1), ({"idle_timeout_ms": None}, 0), ({"idle_timeout_ms": "x"}, 0), ({"idle_timeout_ms": 0}, 0)],
)
def test_only_what_the_session_says_is_too_long(begin, detection, n):
    """A number of milliseconds; a user who speaks in time is not asked, nor one who has said nothing yet."""
    conversation = begin(parse({"turn": [{"say": "Hello."}]}).partner())
    send(conversation, 50, **listening(**detection))
    conversation.run_to(10_000)
    assert conversation.of("input_audio_buffer.timeout_triggered") == []
    at_ms = speak(conversation, 10_000, 600, 1_600)
    speak(conversation, at_ms, 600, 700)
    assert conversation.of("input_audio_buffer.timeout_triggered") == []
    conversation = begin(parse({"turn": [{"say": "Hello."}]}).partner())
    send(conversation, 50, **listening(**detection))
    speak(conversation, 100, 600, 700)
    conversation.run_to(60_000)
    assert len(conversation.of("input_audio_buffer.timeout_triggered")) == n


BETA = ("OpenAI-Beta", "realtime=v1")
OFFER = ("Sec-WebSocket-Protocol", "realtime, openai-beta.realtime-v1")
FLAT = {
    "modalities": ["audio"],
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_ulaw",
    "voice": "v",
    "turn_detection": None,
}


@pytest.mark.parametrize("header", [BETA, OFFER, ("openai-beta", "Realtime=v1")])
def test_an_app_of_the_beta_gets_the_betas_names(begin, header):
    """Of its events, its items' parts and the fields of its session, which is flat; audio is in the format that it sets."""
    conversation = begin(parse('[[turn]]\nsay = "Hello."').partner(), headers=(header,))
    send(conversation, 50, type="session.update", session=FLAT)
    at_ms = speak(conversation, 100, 600, pcm=Pcm(8_000, 1, MU_LAW))
    send(conversation, at_ms, **COMMIT)
    send(conversation, at_ms, **CREATE)
    conversation.run_to(9_000)
    expected = [
        *("session.created", "conversation.created", "session.updated", "input_audio_buffer.committed", "conversation.item.created"),
        *("response.created", "response.output_item.added", "conversation.item.created", "response.content_part.added"),
        *("response.audio_transcript.delta", "response.audio.delta", "response.audio.done", "response.audio_transcript.done"),
        *("response.content_part.done", "response.output_item.done", "response.done", "rate_limits.updated"),
    ]
    assert types(conversation) == expected
    ((_, updated),) = conversation.of("session.updated")
    assert {name: updated["session"][name] for name in FLAT} == FLAT
    assert not {"audio", "type", "output_modalities"} & set(updated["session"])
    ((_, done),) = conversation.of("response.done")
    (message,) = done["response"]["output"]
    assert (done["response"]["modalities"], message["content"]) == (["audio"], [{"type": "audio", "transcript": "Hello."}])
    (turn,) = DIALECT.turns(session_of(conversation).events)
    assert turn.reply_text == "Hello."
    n_bytes = sum(len(base64.b64decode(fields["delta"])) for _, fields in conversation.of("response.audio.delta"))
    assert n_bytes % 8 == 0
    null = replay_session(session_of(conversation), handler="recorded")
    assert null.passed, "\n".join(null.lines())


def test_an_app_of_the_beta_asks_for_text(begin):
    """In its session, or with the response, by the beta's word for it; whoever does not ask for the beta gets today's names."""
    for session, response in (({"modalities": ["text"]}, {}), ({}, {"modalities": ["text"]})):
        conversation = begin(parse('[[turn]]\nsay = "Hello."').partner(), headers=(BETA,))
        send(conversation, 50, type="session.update", session=session)
        send(conversation, 60, **typed("Hi"))
        send(conversation, 70, **CREATE, response=response)
        conversation.run_to(9_000)
        assert [fields["text"] for _, fields in conversation.of("response.text.done")] == ["Hello."]
        ((_, part),) = conversation.of("response.content_part.done")
        assert part["part"] == {"type": "text", "text": "Hello."}
    assert not {"response.text.delta", "conversation.item.created"} & set(types(begin(headers=(("OpenAI-Beta", "other=v1"),))))


@pytest.mark.parametrize("sets_transcription", [True, False])
def test_what_was_said_is_transcribed_if_it_is_asked_for(begin, sets_transcription):
    """On its own clock; the session says whether."""
    conversation = begin(parse('[[turn]]\nsaid = "Good morning"\nsay = "Hello."').partner())
    if sets_transcription:
        send(conversation, 50, type="session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "w"}}}})
    speak(conversation, 100, 600, 700)
    conversation.run_to(9_000)
    found = [fields["transcript"] for _, fields in conversation.of("conversation.item.input_audio_transcription.completed")]
    assert found == (["Good morning"] if sets_transcription else [])
    (turn,) = DIALECT.turns(session_of(conversation).events)
    assert (turn.user_text, turn.reply_text) == (found[0] if found else "", "Hello.")


@pytest.mark.parametrize(
    ("detection", "end_ms"),
    [
        ({"silence_duration_ms": 200}, 800),
        ({"silence_duration_ms": 900.0}, 1500),
        ({"silence_duration_ms": -1}, 1100),
        ({"threshold": "x"}, 1100),
    ],
)
def test_the_app_says_how_turns_end(begin, detection, end_ms):
    """What it sets counts; what is no such value does not. The rest of the configuration stays."""
    conversation = begin()
    send(conversation, 50, type="session.update", session={"audio": {"input": {"turn_detection": {"type": "server_vad", **detection}}}})
    speak(conversation, 100, 600, 1000)
    conversation.run_to(3_000)
    ((_, stopped),) = conversation.of("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == end_ms
    ((_, updated),) = conversation.of("session.updated")
    assert updated["session"]["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": RATE}
    assert updated["session"]["audio"]["input"]["turn_detection"]["prefix_padding_ms"] == 300


def test_push_to_talk(begin):
    """The app commits and asks; nothing is detected. A commit of nothing is an error, and a clear makes nothing of something."""
    conversation = begin()
    send(conversation, 50, type="session.update", session={"audio": {"input": {"turn_detection": None}}})
    at_ms = speak(conversation, 100, 600, 1000)
    send(conversation, at_ms, **COMMIT)
    send(conversation, at_ms, **COMMIT, event_id="again")
    send(conversation, at_ms, **CREATE)
    conversation.run_to(9_000)
    assert types(conversation)[1:] == ["session.updated", "input_audio_buffer.committed", *TURN[3:5], "error", *TURN[5:]]
    assert errors(conversation) == [("input_audio_buffer_commit_empty", "again")]
    at_ms = speak(conversation, 9_000, 600)
    send(conversation, at_ms, type="input_audio_buffer.clear")
    send(conversation, at_ms + 10, **COMMIT)
    assert types(conversation)[-2:] == ["input_audio_buffer.cleared", "error"]
    rejected = DIALECT.rejected(session_of(conversation).events)
    assert len(rejected) == 2


def long_reply(**more):
    """A partner whose answer takes a while to come."""
    return parse({"turn": [{"say": "A very long answer, which goes on and on.", "chunk_delay_ms": 400, **more}]}).partner()


def test_speech_interrupts_a_response(begin):
    """It is cancelled, with what it said so far; nothing more of it comes."""
    conversation = begin(long_reply())
    at_ms = speak(conversation, 100, 600, 1500, 400)
    n_deltas = len(conversation.of("response.output_audio.delta"))
    conversation.run_to(at_ms + 200)
    assert n_deltas == len(conversation.of("response.output_audio.delta")) > 0
    assert dones(conversation) == [("cancelled", "turn_detected", ["message"])]
    ((done_ms, done),) = conversation.of("response.done")
    assert done["response"]["output"][0]["status"] == "incomplete"
    assert done_ms == conversation.of("input_audio_buffer.speech_started")[1][0]


@pytest.mark.parametrize(("script", "session"), [({"interruptible": False}, None), ({}, {"interrupt_response": False})])
def test_a_response_that_is_not_interrupted_comes_to_its_end(begin, script, session):
    """The script's wish, or the app's; what was said meanwhile is answered behind it."""
    conversation = begin(long_reply(**script))
    if session is not None:
        send(conversation, 50, type="session.update", session={"audio": {"input": {"turn_detection": {"type": "server_vad", **session}}}})
    speak(conversation, 100, 600, 1500, 400, 600)
    conversation.run_to(20_000)
    assert dones(conversation) == [("completed", None, ["message"]), ("completed", None, [])]


def test_there_is_one_response_at_a_time(begin):
    """Another is refused, with the event that asked for it; none can be cancelled where there is none."""
    conversation = begin(long_reply())
    send(conversation, 100, **typed("Hello"))
    send(conversation, 100, **CREATE)
    send(conversation, 100, **CREATE, event_id="two")
    send(conversation, 1_000, **CANCEL)
    send(conversation, 1_010, **CANCEL, event_id="three")
    conversation.run_to(5_000)
    assert errors(conversation) == [("conversation_already_has_active_response", "two"), ("response_cancel_not_active", "three")]
    assert dones(conversation) == [("cancelled", "client_cancelled", ["message"])]
    assert [fields["type"] for _, fields in conversation.messages].count("response.created") == 1


@pytest.mark.parametrize(("end_ms", "is_taken"), [(0, True), (400, True), (401, False), (10_000_000, False), ("x", False)])
def test_an_item_is_truncated_within_what_came_of_it(begin, end_ms, is_taken):
    """An offset beyond is an error, as for the dialect."""
    conversation = begin(long_reply())
    send(conversation, 100, **typed("Hello"))
    send(conversation, 100, **CREATE)
    conversation.run_to(700)
    ((_, delta),) = conversation.of("response.output_audio.delta")
    truncate = {"type": "conversation.item.truncate", "item_id": delta["item_id"], "content_index": 0, "audio_end_ms": end_ms}
    send(conversation, 700, **truncate)
    send(conversation, 700, **{**truncate, "item_id": "another"})
    assert [fields["audio_end_ms"] for _, fields in conversation.of("conversation.item.truncated")] == ([end_ms] if is_taken else [])
    codes = [code for code, _ in errors(conversation)]
    assert codes == [*([] if is_taken else ["invalid_value"]), "item_truncate_invalid_item_id"]
    if isinstance(end_ms, int):
        assert len(DIALECT.rejected(session_of(conversation).events)) == (not is_taken)


def test_a_tool_is_called_and_its_output_is_answered_when_that_is_asked_for(begin):
    """Not before; an output of a call that does not wait is noted."""
    conversation = begin(parse(WEATHER).partner())
    send(conversation, 100, **typed("How is Bath?"))
    send(conversation, 100, **CREATE)
    conversation.run_to(5_000)
    ((_, call),) = conversation.of("response.function_call_arguments.done")
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"place": "Bath"})
    assert dones(conversation) == [("completed", None, ["message", "function_call"])]
    send(conversation, 5_000, **item(type="function_call_output", call_id="another", output="snow"))
    send(conversation, 5_000, **item(type="function_call_output", call_id=call["call_id"], output="rainy"))
    conversation.run_to(8_000)
    assert len(dones(conversation)) == 1
    send(conversation, 8_000, **CREATE)
    conversation.run_to(12_000)
    assert said(conversation) == ["Let me see.", "It is rainy."]
    assert [data["tool_call_id"] for data in conversation.remarks("tool_answer_ignored")] == ["another"]
    (turn,) = DIALECT.turns(session_of(conversation).events)
    assert len(turn.tool_calls) == 1


def test_text_alone(begin):
    """Where the session asks for it, or a response does; there is no audio."""
    conversation = begin()
    send(conversation, 100, **typed("Hello"))
    send(conversation, 100, **CREATE, response={"output_modalities": ["text"]})
    conversation.run_to(2_000)
    assert said(conversation) == ["Parrot: Hello"]
    assert not [one for one in types(conversation) if "audio" in one]


def test_a_history_is_not_answered(begin):
    """What was typed before the assistant's words was answered then; the rest is one turn."""
    conversation = begin()
    for row in (typed("Old"), typed("Answered", "assistant"), typed("New"), typed("and newer")):
        send(conversation, 100, **row)
    send(conversation, 100, **CREATE)
    conversation.run_to(3_000)
    assert said(conversation) == ["Parrot: New and newer"]


def test_the_first_response_greets(begin):
    """If the script has a greeting, and nobody has said anything; a response to nothing has nothing in it."""
    conversation = begin(parse('[greeting]\nsay = "Welcome."').partner())
    send(conversation, 100, **CREATE)
    conversation.run_to(3_000)
    send(conversation, 3_000, **CREATE)
    conversation.run_to(6_000)
    assert said(conversation) == ["Welcome."]
    assert dones(conversation) == [("completed", None, ["message"]), ("completed", None, [])]


@pytest.mark.parametrize(
    ("given", "pcm"),
    [
        ({"type": "audio/pcmu"}, Pcm(8_000, 1, 1, MU_LAW)),
        ({"type": "audio/pcma"}, Pcm(8_000, 1, 1, A_LAW)),
        ({"type": "audio/pcm", "rate": 16_000}, Pcm(16_000, 1)),
    ],
)
def test_both_sides_speak_in_the_sessions_formats(begin, given, pcm):
    """G.711 as well; what comes is as long as what is said."""
    conversation = begin(parse('[[turn]]\nsay = "Hello."').partner())
    send(conversation, 50, type="session.update", session={"audio": {"input": {"format": given}, "output": {"format": given}}})
    if pcm.encoding == A_LAW:
        # Which has no silence.
        send(conversation, 100, **typed("Hello"))
        send(conversation, 100, **CREATE)
    else:
        speak(conversation, 100, 600, 700, pcm=pcm)
    conversation.run_to(9_000)
    samples = b"".join(base64.b64decode(fields["delta"]) for _, fields in conversation.of("response.output_audio.delta"))
    assert pcm.length_ns(len(samples)) == 360 * MS
    assert any(linear_samples(samples, pcm)[0])
    (turn,) = DIALECT.turns(session_of(conversation).events)
    assert (turn.speech is None) == (pcm.encoding == A_LAW)


def test_a_voice_is_not_changed_once_it_was_heard(begin):
    """Before that it is; what is refused changes nothing."""
    conversation = begin()
    for at_ms, voice in ((50, "alloy"), (3_000, "marin"), (3_010, "alloy")):
        if at_ms == 3_000:
            send(conversation, 100, **typed("Hello"))
            send(conversation, 100, **CREATE)
        send(conversation, at_ms, type="session.update", session={"audio": {"output": {"voice": voice}}})
    conversation.run_to(4_000)
    assert [fields["session"]["audio"]["output"]["voice"] for _, fields in conversation.of("session.updated")] == ["alloy", "alloy"]
    assert [code for code, _ in errors(conversation)] == ["cannot_update_voice"]


def test_a_session_expires(begin):
    """With the error, then the close that looks like an end as agreed."""
    conversation = begin(options=replace(REALTIME_OPTIONS, limits=Limits(max_duration_s=90)))
    conversation.run_to(100_000)
    assert errors(conversation) == [("session_expired", None)]
    assert conversation.ended == [(90_000, 1001)]
    (close,) = [action for _, action in conversation.actions if isinstance(action, Close)]
    assert close.reason == conversation.of("error")[0][1]["error"]["message"]
    assert DIALECT.ended_by(DIALECT.read("received", Frame(TEXT, json.dumps(conversation.of("error")[0][1]).encode()))) == "session_expired"


def test_a_script_may_hang_up(begin):
    """Behind its last response."""
    conversation = begin(parse('at_end = "close"\n[[turn]]\nsay = "Bye."').partner())
    send(conversation, 100, **typed("Bye"))
    send(conversation, 100, **CREATE)
    conversation.run_to(9_000)
    assert said(conversation) == ["Bye."]
    assert [code for _, code in conversation.ended] == [1000]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("no json", "invalid_value"),
        ("[]", "invalid_value"),
        ({"type": "nonsense"}, "invalid_value"),
        ({"type": "output_audio_buffer.clear"}, "invalid_value"),
        ({"type": "input_audio_buffer.append"}, "invalid_value"),
        ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value"),
        ({"type": "response.create", "response": {"conversation": "none"}}, "invalid_value"),
        (item(type="picture"), "invalid_value"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id"),
        ({"type": "conversation.item.retrieve"}, "item_retrieve_invalid_item_id"),
    ],
)
def test_what_is_not_taken_is_answered_by_an_error(begin, sent, code):
    """And the session goes on."""
    conversation = begin()
    conversation.send(100, sent)
    send(conversation, 200, **item(id="mine", type="message", role="user", content=[]))
    send(conversation, 200, **item(id="mine", type="message", role="user", content=[]))
    send(conversation, 200, type="conversation.item.retrieve", item_id="mine")
    send(conversation, 200, type="conversation.item.delete", item_id="mine")
    assert [one for one, _ in errors(conversation)] == [code, "item_create_duplicate_item_id"]
    assert types(conversation)[-2:] == ["conversation.item.retrieved", "conversation.item.deleted"]


ATOMS = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
FIELDS = ("session", "item", "response", "audio", "item_id", "audio_end_ms", "content_index", "event_id")
NAMES = st.sampled_from(["type", "audio", "input", "turn_detection", "format", "content", "id", "role", "output"])
INNER = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=3), max_size=4)
TYPES = st.fixed_dictionaries({"type": st.sampled_from([*sorted(CLIENT), "x"])}, optional=dict.fromkeys(FIELDS, VALUES | INNER))


@given(st.lists(TYPES, max_size=8))
def test_nothing_that_an_app_sends_breaks_it(talk, messages):
    """Whatever the fields hold: it answers with messages that the dialect knows."""
    conversation = talk(Parrot(), REALTIME_OPTIONS, kind=RealtimeSimulator)
    for number, message in enumerate(messages):
        conversation.send(100 + number, message)
    conversation.run_to(5_000)
    for _, fields in conversation.messages:
        assert DIALECT.is_known(DIALECT.read("received", Frame(TEXT, json.dumps(fields).encode())))


def test_a_conversation_with_it_replays(begin):
    """Turns, an interruption, a tool: the same app gets the same again, and the dialect finds the causes."""
    script = parse(WEATHER + '\n[[turn]]\nsay = "One thing after another, for a long time."\nchunk_delay_ms = 400\n[[turn]]\nsay = "Bye."')
    conversation = begin(script.partner(), replace(REALTIME_OPTIONS, latency=Latency(response=Delay(300))))
    send(conversation, 50, type="session.update", session={"type": "realtime", "audio": {"input": {"transcription": {"model": "w"}}}})
    at_ms = speak(conversation, 100, 600, 3_000)
    ((_, call),) = conversation.of("response.function_call_arguments.done")
    send(conversation, at_ms, **item(type="function_call_output", call_id=call["call_id"], output="rainy"))
    send(conversation, at_ms, **CREATE)
    at_ms = speak(conversation, at_ms, 0, 2_000, 600, 1_800, 600, 3_000)
    conversation.run_to(at_ms + 2_000)
    session = session_of(conversation)
    assert DIALECT.turns(session.events)[0].reply_text.endswith("It is rainy.")
    assert [status for status, _, _ in dones(conversation)] == ["completed", "completed", "cancelled", "completed"]
    assert DIALECT.rejected(session.events) == {}
    result = replay_session(session, handler="recorded")
    assert result.passed, result.lines()
