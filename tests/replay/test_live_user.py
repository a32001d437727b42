"""Tests of evi_harness.replay.cues and evi_harness.replay.live_user: the recorded user before the simulator, in time that jumps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evi_harness.acts.serve.simulating import simulation
from evi_harness.audio.detectors import make_detector
from evi_harness.audio.ear import Ear
from evi_harness.audio.resampling import convert
from evi_harness.evi.dialect import EVI
from evi_harness.replay.cues import AT_OPEN, CALLED, CLOCK, PREVIOUS, REPLY_BEGAN, REPLY_ENDED, TURN, Cues, Utterance, heard_replies
from evi_harness.replay.judging.drift import drift_of
from evi_harness.replay.live_user import LiveUser
from evi_harness.session.protocols import NO_STATUS, Close, Send
from evi_harness.session.turn import Speech
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.simulator import Simulator
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
SECOND = 1000 * MS


@pytest.fixture(scope="module")
def demo():
    """The recording of the demo: three turns, a tool call, an interruption."""
    return load_session(ROOT / "sessions" / "demo")


@pytest.fixture(scope="module")
def simulator():
    """Makes the simulator of the demo, its reply so many milliseconds later."""
    script = simulation(ROOT / "evi_harness" / "assets" / "demo" / "conversation.toml").script

    def make(later_ms=0):
        slower = replace(script.options.latency, extra_ms=later_ms)
        return Simulator(Ear(make_detector()), script.partner(), replace(script.options, latency=slower), convert)

    return make


def live(converse, recorded, service, **changes):
    """The session of a recorded user before a service, and the user."""
    user = LiveUser(recorded, EVI, Cues.of(recorded, EVI), **changes)
    return converse(service, user, recorded).session, user


def response_ns(session):
    """Of each turn, from the user's final message to the first audio."""
    at_ns = {event.seq: event.at_ns for event in session.events}
    return [at_ns[turn.first_audio] - at_ns[turn.user] for turn in EVI.turns(session.events)]


def test_every_cue_follows_what_it_followed_then(demo):
    """The first words follow the opening, the next the reply before them, an interruption the reply it interrupted, an answer its call."""
    cues = Cues.of(demo, EVI)
    assert [(cue.follows, isinstance(cue.what, Utterance)) for cue in cues.spoken] == [
        (AT_OPEN, False),
        (AT_OPEN, True),
        (REPLY_ENDED, True),
        (REPLY_BEGAN, True),
        (REPLY_ENDED, False),
    ]
    assert [cue.follows for cue in cues.answers] == [CALLED]


def test_all_audio_is_in_one_utterance_in_order(demo):
    """Cutting the microphone's frames loses none."""
    utterances = [cue.what for cue in Cues.of(demo, EVI).spoken if isinstance(cue.what, Utterance)]
    assert [event for one in utterances for event in one.frames] == [event for event in demo.sent if not event.frame.is_text]
    for one in utterances:
        assert one.frames[0].at_ns < one.speech_ends_ns <= one.frames[-1].at_ns


def test_by_the_clock_all_audio_is_one_utterance(demo):
    """Nothing of the audio then waits for the service."""
    cues = Cues.of(demo, EVI, CLOCK)
    assert [cue.follows for cue in cues.spoken if isinstance(cue.what, Utterance)] == [AT_OPEN]


def test_by_the_clock_all_is_said_before_the_close(demo, simulator, converse):
    """Each frame goes out at its recorded time, however slow the service; the app closes behind as many replies as there were."""
    cues = Cues.of(demo, EVI, CLOCK)
    session = converse(simulator(), LiveUser(demo, EVI, cues), demo).session
    then, now = ([(event.at_ns, event.frame.payload) for event in one.sent if not event.frame.is_text] for one in (demo, session))
    assert now[: len(then)] == then
    assert len(EVI.turns(session.events)) == 3
    assert session.closed.by == "app"
    assert session.duration_ns >= demo.duration_ns - 100 * MS


def test_speech_can_be_given_where_the_service_says_nothing_of_it(demo):
    """A detector's marks stand for the service's."""
    cues = Cues.of(demo, EVI, speech=[Speech(0, SECOND), Speech(12 * SECOND, 13 * SECOND)])
    assert sum(isinstance(cue.what, Utterance) for cue in cues.spoken) == 2


def test_several_messages_after_one_reply_follow_one_another(session_of):
    """Only the first of them waits for the reply."""
    said = {"type": "user_message", "message": {"role": "user", "content": "a"}, "from_text": True}
    session = session_of(
        [
            ("sent", 10, {"type": "user_input", "text": "a"}),
            ("received", 20, said),
            ("received", 40, {"type": "assistant_message", "message": {"role": "assistant", "content": "b"}}),
            ("received", 50, {"type": "assistant_end"}),
            ("sent", 90, {"type": "user_input", "text": "c"}),
            ("sent", 97, {"type": "user_input", "text": "d"}),
            ("closed", 120, ("app", 1000, "")),
        ]
    )
    told = [(cue.follows, cue.gap_ns // MS) for cue in Cues.of(session, EVI).spoken]
    assert told == [(AT_OPEN, 10), (REPLY_ENDED, 40), (PREVIOUS, 7), (PREVIOUS, 23)]


def test_before_the_service_that_was_recorded_the_conversation_is_the_same(demo, simulator, converse):
    """The same turns with the same words; nothing was waited for in vain."""
    session, user = live(converse, demo, simulator())
    assert user.lapses == []
    assert user.has_done_all(session.duration_ns)
    drift = drift_of(demo, session, EVI)
    assert drift.n_turns == (3, 3)
    assert [one for one in drift.texts if one.what != "assistant"] == []
    assert session.closed.by == "app"


def test_what_the_user_says_keeps_its_distance_to_the_reply_before_it(demo, simulator, converse):
    """Before a service that is two seconds slower, each utterance still begins as long after the reply as it did then."""
    recorded_gaps = [cue.gap_ns for cue in Cues.of(demo, EVI).spoken]
    session, _ = live(converse, demo, simulator(2000))
    live_gaps = [cue.gap_ns for cue in Cues.of(session, EVI).spoken]
    # Silence was sent while waiting; speech is found where the service heard it, in steps of its detector.
    assert len(live_gaps) == len(recorded_gaps)
    for then, now in zip(recorded_gaps, live_gaps):
        assert abs(then - now) < 100 * MS
    # The first turn calls a tool, and answers twice.
    assert [now - then for then, now in zip(response_ns(demo), response_ns(session))] == pytest.approx(
        [4000 * MS, 2000 * MS, 2000 * MS], abs=20 * MS
    )


def test_how_far_the_recording_was_stands_still_while_something_is_waited_for(demo):
    """Before the first reply it is not beyond what follows it, however long that takes."""
    cues = Cues.of(demo, EVI)
    user = LiveUser(demo, EVI, cues)
    first_ns = cues.spoken[0].recorded_ns
    assert [user.recorded_at_ns(at_ns) for at_ns in (0, first_ns // 2, first_ns, 3600 * SECOND)] == [0, first_ns // 2, first_ns, first_ns]
    user.due(first_ns)
    assert first_ns < user.recorded_at_ns(3600 * SECOND) == cues.spoken[1].recorded_ns


def test_the_microphone_goes_on_with_silence(demo, simulator, converse):
    """While a slow reply is waited for, frames of silence go out at the recorded pace; no frame is sent twice."""
    session, _ = live(converse, demo, simulator(4000))
    recorded = {id(event.frame) for event in demo.sent}
    made = [event for event in session.sent if id(event.frame) not in recorded and not event.frame.is_text]
    assert len(made) > 100
    assert all(not any(event.frame.payload) for event in made)
    times = [event.at_ns for event in session.sent if not event.frame.is_text]
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 100 * MS


SAID = bytes([7, 1]) * 160
WIDE, NARROW = Pcm(16_000, 1), Pcm(8_000, 1, 1)


@pytest.mark.parametrize(
    ("sent", "silence", "length_ms"),
    [
        ([SAID, SAID], bytes(320), 10),
        ([header(WIDE, 320) + SAID] * 2, header(WIDE, 320) + bytes(320), 10),
        ([header(WIDE, 0xFFFFFFFF) + SAID, SAID], bytes(320), 10),
        ([header(WIDE, 0xFFFFFFFF) + SAID], bytes(320), 10),
        ([header(NARROW, 80) + SAID[:80]] * 2, header(NARROW, 80) + b"\x80" * 80, 10),
        ([header(NARROW, 0) + SAID, SAID[:80]], b"\x80" * 80, 10),
        ([SAID, b"OggS" + SAID], None, None),
    ],
    ids=["samples", "a file each", "a stream", "a frame of a stream", "files of 8 bits", "a stream of 8 bits", "a container"],
)
def test_silence_has_the_form_of_what_was_said(session_of, converse, sent, silence, length_ms):
    """Plain samples or a file each, as long as the last frame and in its format; none where nobody can make any."""
    told = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16_000, "channels": 1}}
    rows = [("sent", 0, told), *[("sent", 20 + 10 * number, one) for number, one in enumerate(sent)]]
    recorded = session_of([*rows, ("closed", 200, ("app", 1000, ""))])
    session, _ = live(converse, recorded, Silent())
    audio = [(event.at_ns, event.frame.payload) for event in session.sent if not event.frame.is_text]
    assert [payload for _, payload in audio[: len(sent)]] == sent
    made = audio[len(sent) :]
    assert {payload for _, payload in made} == ({silence} if silence else set())
    last_ns = (20 + 10 * (len(sent) - 1)) * MS
    assert [at_ns for at_ns, _ in made] == [last_ns + length_ms * MS * number for number in range(1, len(made) + 1)]
    assert len(made) > 10 or not silence


def test_an_answer_goes_to_the_live_call(demo, simulator, converse):
    """It bears the id of the call that was made now, and comes as long after it as it did then."""
    session, _ = live(converse, demo, simulator())
    messages = [
        (event.at_ns, json.loads(event.frame.payload)) for event in session.events if hasattr(event, "frame") and event.frame.is_text
    ]
    call_at_ns, call = next((at_ns, one) for at_ns, one in messages if one["type"] == "tool_call")
    answer_at_ns, answer = next((at_ns, one) for at_ns, one in messages if one["type"] == "tool_response")
    assert answer["tool_call_id"] == call["tool_call_id"]
    assert answer_at_ns - call_at_ns == Cues.of(demo, EVI).answers[0].gap_ns


@pytest.mark.parametrize(("code", "told_code"), [(1000, 1000), (4000, 4000), (None, NO_STATUS)])
def test_the_user_closes_as_the_app_did(demo, converse, code, told_code):
    """With its code and reason, without a code where there was none."""
    recorded = replace(demo, events=tuple(replace(event, code=code) if event.kind == "closed" else event for event in demo.events))
    session, _ = live(converse, recorded, Silent(), patience_ns=SECOND)
    assert (session.closed.by, session.closed.code) == ("app", told_code)


class Silent:
    """A service that never says anything."""

    def take(self, event, at_ns): ...

    def due(self, at_ns):
        return []

    def next_at_ns(self):
        return None


def test_a_service_that_never_replies_is_not_waited_for_for_ever(demo, converse):
    """Each reply is waited for as long as it should be; the user goes on to the end and says so."""
    session, user = live(converse, demo, Silent(), patience_ns=2 * SECOND)
    assert [lapse.name for lapse in user.lapses] == ["no_reply", "no_reply", "no_reply", "not_called"]
    assert session.closed.by == "app"
    utterances = [cue for cue in Cues.of(demo, EVI).spoken if isinstance(cue.what, Utterance)]
    assert session.duration_ns <= demo.duration_ns + (len(utterances) + 1) * 2 * SECOND


def test_a_call_without_a_recorded_answer_is_told(demo, converse, clockwork):
    """The service calls a tool twice, and the recording has one answer."""
    call = next(event.frame for event in demo.received if b'"tool_call"' in event.frame.payload)
    service = clockwork([(SECOND, Send(call, due_ns=SECOND)), (2 * SECOND, Send(call, due_ns=2 * SECOND))])
    _, user = live(converse, demo, service, patience_ns=0)
    assert "no_answer" in [lapse.name for lapse in user.lapses]


def test_a_reply_is_heard_to_its_end(demo):
    """Its audio outlasts its last message, and an interruption silences it."""
    replies = heard_replies(demo.events, EVI)
    at_ns = {event.seq: event.at_ns for event in demo.events}
    first, second, _ = replies
    assert first.ended_ns > at_ns[first.turn.end] + SECOND
    assert second.ended_ns == max(at_ns[second.turn.end], at_ns[second.turn.interrupted_by])


HEARD = {"type": "user_message", "message": {"role": "user", "content": "a"}, "from_text": True}
SAYS = {"type": "assistant_message", "id": "s-1", "message": {"role": "assistant", "content": "b"}}
CALL = {"type": "tool_call", "name": "f", "parameters": "{}", "response_required": True, "tool_call_id": "c-1"}
ANSWER = {"type": "tool_response", "tool_call_id": "c-1", "content": "x"}
TYPED = ("sent", 100, {"type": "user_input", "text": "a"})
REPLY = [("received", 200, HEARD), ("received", 300, SAYS), ("received", 400, {"type": "assistant_end"})]
CLOSED = ("closed", 2000, ("service", 1000, ""))


@pytest.mark.parametrize(
    ("rows", "came", "closed_ms", "is_done", "lapses"),
    [
        ([TYPED, *REPLY], REPLY, 2000, True, []),
        # Whenever the service chooses: a limit of its own may have been changed.
        ([TYPED, *REPLY], REPLY, 500, True, []),
        ([TYPED, *REPLY], REPLY, 6000, True, []),
        # Before the reply that the recording has, or before the user had said something.
        ([TYPED, *REPLY], REPLY[:1], 500, False, []),
        ([TYPED, *REPLY], [], 50, False, []),
        ([TYPED, *REPLY, ("sent", 900, {"type": "user_input", "text": "c"})], REPLY, 700, False, []),
        ([TYPED, *REPLY, ("sent", 900, {"type": "user_input", "text": "c"})], REPLY, 950, True, []),
        # The recorded one too had no reply.
        ([TYPED], [], 500, True, []),
        # A tool that is not called any more is missed, and an answer that is owed is something yet to be done.
        ([TYPED, ("received", 200, CALL), ("sent", 300, ANSWER), *REPLY[1:]], REPLY[1:], 1000, True, ["not_called"]),
        ([TYPED, ("received", 200, CALL), ("sent", 900, ANSWER)], [("received", 200, CALL)], 500, False, []),
        ([TYPED, ("received", 200, CALL), ("sent", 900, ANSWER)], [("received", 200, CALL)], 950, True, []),
    ],
)
def test_a_service_that_ends_the_conversation_does_so_when_all_is_done_or_before(
    session_of, converse, clockwork, rows, came, closed_ms, is_done, lapses
):
    """Of a recording that the service ended: whether the user had done all by then, and what it had waited for in vain."""
    recorded = session_of([*rows, CLOSED])
    frames = [(at_ms * MS, event.frame) for (_, at_ms, _), event in zip(came, session_of(came).received)]
    service = clockwork([*((at_ns, Send(frame, due_ns=at_ns)) for at_ns, frame in frames), (closed_ms * MS, Close(1000))])
    session, user = live(converse, recorded, service)
    assert session.closed.by == "service"
    assert user.has_done_all(session.duration_ns) is is_done
    if is_done:
        user.end()
    assert [lapse.name for lapse in user.lapses] == lapses


@pytest.mark.parametrize("cadence", [TURN, CLOCK])
@pytest.mark.parametrize(("ended_ms", "closed_ms", "is_done"), [(9000, 8990, True), (9000, 3500, False), (30000, 8500, False)])
def test_what_the_recorded_end_may_have_cut_off_is_not_missed(session_of, converse, clockwork, cadence, ended_ms, closed_ms, is_done):
    """Two clocks never agree to the millisecond: of speech up to the recorded end, the live end may cut off as much as its grace."""
    told = {"type": "session_settings", "audio": {"encoding": "linear16", "sample_rate": 16_000, "channels": 1}}
    audio = [("sent", at_ms, SAID) for at_ms in range(10, 9000, 10)]
    recorded = session_of([("sent", 0, told), *audio, ("closed", ended_ms, ("service", 1000, ""))])
    user = LiveUser(recorded, EVI, Cues.of(recorded, EVI, cadence, [Speech(0, 9 * SECOND)]))
    session = converse(clockwork([(closed_ms * MS, Close(1000))]), user, recorded).session
    assert user.has_done_all(session.duration_ns) is is_done
