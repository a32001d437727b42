"""Tests of evi_harness.measure.measuring: sessions of which every delay is known come back with exactly those.

The sessions are acted out on a clock of their own: a microphone that sends all the time, a user who speaks when the plan says so, a
service that takes as long as the plan says. What should be measured is the plan itself.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.measure import reasons
from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.measuring import measure
from evi_harness.measure.metrics import CLIENT, CONVERSATION, EXACT, METRICS, SAMPLED
from evi_harness.measure.speech_marks import HeardSpeech
from evi_harness.session import wav
from evi_harness.session.events import BINARY, TEXT, Closed, Frame, Handshake, Note, Opened, Received, Sent, order
from evi_harness.session.header import Header, Recorded
from evi_harness.session.session import Session
from evi_harness.session.turn import Speech
from evi_harness.session.wav import Pcm
from evi_harness.strategies import sessions

US = 1_000
MS = 1_000_000
PCM = Pcm(1000, 1)
FLOOR_MS = 800
DETECTOR = HeardSpeech((), "made", "1", 0.5)

# Of EVI's own: (from, to) of its delays, in microseconds.
delays_us = st.integers(0, 3_000_000)


@dataclass(frozen=True)
class Tool:
    """A call before the first audio: how long the app takes, and the service behind it."""

    app_us: int
    service_us: int


@dataclass(frozen=True)
class Interruption:
    """The user begins to speak in the middle of the first chunk; how much longer than the floor the service takes to notice."""

    above_us: int


@dataclass(frozen=True)
class Turn:
    """One turn: how long each stage takes."""

    pause_us: int
    speech_ms: int
    transcription_us: int
    response_us: int
    audio_us: int
    # Each chunk: how long the speaker is dry before it, or how much too early it comes.
    chunks: Tuple[Tuple[int, int], ...] = ((0, 400),)
    tool: Optional[Tool] = None
    interruption: Optional[Interruption] = None
    is_typed: bool = False


turns = st.builds(
    Turn,
    pause_us=st.integers(200_000, 3_000_000),
    speech_ms=st.integers(200, 3000),
    transcription_us=delays_us,
    response_us=delays_us,
    audio_us=delays_us,
    chunks=st.lists(st.tuples(st.integers(-300_000, 2_900_000), st.integers(1, 50).map(lambda n: 40 * n)), min_size=1, max_size=4).map(
        tuple
    ),
    tool=st.none() | st.builds(Tool, delays_us, delays_us),
    interruption=st.none() | st.builds(Interruption, delays_us),
)


@dataclass
class Stage:
    """Acts a plan out, and writes down what should be measured."""

    connect_us: int = 40_000
    block_ms: int = 100
    jitter_us: Tuple[int, ...] = (0,)
    events: List[Any] = field(default_factory=list)
    speech: List[Tuple[int, int]] = field(default_factory=list)
    expected: Dict[Tuple[str, Optional[int]], float] = field(default_factory=dict)
    now: int = 0

    def receive(self, **message: Any) -> int:
        self.events.append(("received", self.now, Frame(TEXT, json.dumps(message).encode())))
        return self.now

    def send(self, **message: Any) -> int:
        self.events.append(("sent", self.now, Frame(TEXT, json.dumps(message).encode())))
        return self.now

    def expect(self, metric: str, turn: Optional[int], ns: float) -> None:
        self.expected[metric, turn] = ns / MS

    def play(self, plan: Tuple[Turn, ...]) -> None:
        self.now = 5 * MS
        self.receive(type="chat_metadata", chat_id="c", chat_group_id="g", request_id="r")
        self.expect("connect.open", None, self.connect_us * US)
        self.expect("connect.first", None, 5 * MS)
        self.now = 7 * MS
        self.send(type="session_settings", audio={"encoding": "linear16", "sample_rate": PCM.rate, "channels": 1})
        self.microphone_ns = self.now
        is_speaking = False
        for number, turn in enumerate(plan, 1):
            is_speaking = self.turn(number, turn, is_speaking)
        self.now += 4000 * MS

    def turn(self, number: int, turn: Turn, is_speaking: bool) -> bool:
        stop = self.user(turn, is_speaking)
        user = self.answered(number, turn, stop)
        first = self.reply(number, turn, stop, user)
        return self.audio(number, turn, stop, first)

    def user(self, turn: Turn, is_speaking: bool) -> int:
        if turn.is_typed:
            self.now += turn.pause_us * US
            return self.send(type="user_input", text="hello")
        if is_speaking:
            begin, _ = self.speech[-1]
            self.speech[-1] = (begin, self.now + turn.speech_ms * MS)
        else:
            self.now += turn.pause_us * US
            self.speech.append((self.now, self.now + turn.speech_ms * MS))
        self.now += turn.speech_ms * MS
        return self.now

    def answered(self, number: int, turn: Turn, stop: int) -> int:
        floor = 0 if turn.is_typed else FLOOR_MS * MS
        self.now += floor + turn.transcription_us * US
        begin_ms, end_ms = ((ns - self.microphone_ns) // MS for ns in (self.speech[-1] if not turn.is_typed else (stop, stop)))
        said = {"role": "user", "content": "hello"}
        times = {"begin": begin_ms, "end": end_ms}
        return self.receive(type="user_message", message=said, models={}, time=times, from_text=turn.is_typed, interim=False)

    def reply(self, number: int, turn: Turn, stop: int, user: int) -> int:
        self.now += turn.response_us * US
        app = 0
        if turn.tool is not None:
            app = turn.tool.app_us * US
            call = f"call-{number}"
            begun = self.receive(
                type="tool_call", name="f", parameters="{}", response_required=True, tool_call_id=call, tool_type="function"
            )
            self.now += app
            self.send(type="tool_response", tool_call_id=call, content="yes")
            self.now += turn.tool.service_us * US
            self.expect("tool.app", number, app)
            self.expect("tool.service", number, turn.tool.service_us * US)
        self.receive(type="assistant_message", id=f"s-{number}", message={"role": "assistant", "content": "hi"}, models={}, from_text=False)
        begun = begun if turn.tool is not None else self.now
        self.now += turn.audio_us * US
        first = self.now
        self.expect("response", number, first - user)
        self.expect("missed", number, 0)
        if not turn.is_typed:
            for metric, ns in (
                ("turn_gap", first - stop),
                ("turn_gap.silence", FLOOR_MS * MS),
                ("turn_gap.transcription", turn.transcription_us * US),
                ("turn_gap.response", turn.response_us * US),
                ("turn_gap.audio", first - begun - app),
                ("turn_gap.above_floor", first - stop - FLOOR_MS * MS),
                ("turn_gap.told", first - stop),
            ):
                self.expect(metric, number, ns)
            if turn.tool is not None:
                self.expect("turn_gap.app", number, app)
        dead = first - stop
        self.expect("dead_air", number, dead if dead > 3000 * MS else 0)
        return first

    def audio(self, number: int, turn: Turn, stop: int, first: int) -> bool:
        if turn.interruption is not None:
            return self.interrupted(number, turn.interruption)
        sounds_until, dry = first, 0
        for index, (late_us, length_ms) in enumerate(turn.chunks):
            if index:
                # Never before the chunk before it.
                self.now = max(self.now, sounds_until + late_us * US)
                dry += max(0, self.now - sounds_until)
            self.chunk(number, index, length_ms)
            sounds_until = max(sounds_until, self.now) + length_ms * MS
        self.receive(type="assistant_end")
        self.now = sounds_until
        self.expect("underrun", number, dry)
        self.expect("talk_over", number, 0)
        self.expect("unprompted", number, 0)
        return False

    def interrupted(self, number: int, interruption: Interruption) -> bool:
        self.chunk(number, 0, 8000)
        onset = self.now + 1500 * MS
        self.now = onset + FLOOR_MS * MS + interruption.above_us * US
        self.speech.append((onset, self.now))
        self.receive(type="user_interruption", time=self.now // MS)
        self.receive(type="assistant_end")
        self.expect("interruption", number, self.now - onset)
        self.expect("interruption.floor", number, FLOOR_MS * MS)
        self.expect("interruption.above_floor", number, interruption.above_us * US)
        self.expect("talk_over", number, self.now - onset)
        self.expect("underrun", number, 0)
        self.expect("unprompted", number, 0)
        return True

    def chunk(self, number: int, index: int, length_ms: int) -> None:
        self.receive(type="audio_output", id=f"s-{number}", index=index, data=_wav(length_ms))

    def session(self) -> Session:
        made: List[Any] = []
        for kind, at_ns, frame in [*self.events, *self.frames()]:
            event = Received if kind == "received" else Sent
            made.append(event(seq=len(made) + 1, at_ns=at_ns, frame=frame))
        ordered = sorted(made, key=order)
        opened = Opened(seq=0, at_ns=0, handshake=Handshake("/v0/evi/chat"))
        closed = Closed(seq=len(made) + 1, at_ns=self.now, by="app", code=1000)
        connected = Note(len(made) + 2, 0, "connected", data={"took_ns": self.connect_us * US})
        header = Header(id="0", made_by="record", created="", dialect="evi", complete=True, service="hume")
        return Session(header, (opened, connected, *ordered, closed), name="made")

    def frames(self):
        """The microphone: a frame when its last sample was heard, and a little later."""
        length_ns = self.block_ms * MS
        for index in range((self.now - self.microphone_ns) // length_ns):
            late_us = self.jitter_us[index % len(self.jitter_us)] if index else 0
            at_ns = self.microphone_ns + (index + 1) * length_ns + late_us * US
            yield "sent", at_ns, Frame(BINARY, bytes(2 * self.block_ms))

    def heard(self) -> HeardSpeech:
        spans = [Speech(begin - self.microphone_ns, end - self.microphone_ns) for begin, end in self.speech]
        return replace(DETECTOR, speech=tuple(spans))


@cache
def _wav(length_ms: int) -> str:
    samples = bytes(2 * length_ms)
    return base64.b64encode(wav.header(PCM, len(samples)) + samples).decode()


def acted(*plan: Turn, **stage: Any) -> Stage:
    """The stage after a plan was acted out on it."""
    one = Stage(**stage)
    one.play(plan)
    return one


def allowed(samples) -> None:
    """Every reason is one that the table names for its metric; every value is one that can be."""
    for sample in samples:
        row = METRICS[sample.metric]
        assert sample.value is None or sample.value >= 0
        assert sample.value is not None or sample.why.split(": ")[0] in {why.split(": ")[0] for why in row.unavailable}, sample
        assert (sample.value is None) == bool(sample.why)


@settings(max_examples=300)
@given(
    plan=st.lists(turns, min_size=1, max_size=4).map(tuple),
    connect_us=delays_us,
    block_ms=st.sampled_from((20, 60, 100)),
    jitter_us=st.lists(st.integers(0, 900), min_size=1, max_size=5).map(tuple),
)
def test_known_delays_come_back(plan, connect_us, block_ms, jitter_us):
    """Stages of 0 to 3 s each, with tools and interruptions: every metric of every turn is the plan's, within 1 ms."""
    plan = tuple(replace(turn, interruption=None) if turn is plan[-1] else turn for turn in plan)
    stage = acted(*plan, connect_us=connect_us, block_ms=block_ms, jitter_us=jitter_us)
    measured = measure(stage.session(), EVI, stage.heard())
    found = {(one.metric, one.turn): one.value for one in measured.samples if one.value is not None}
    wrong = {place: (ms, found.get(place)) for place, ms in stage.expected.items() if abs(found.get(place, -9e9) - ms) > 1}
    assert wrong == {}
    assert set(found) == set(stage.expected)
    allowed(measured.samples)


@settings(max_examples=50)
@given(plan=st.lists(turns, min_size=1, max_size=3).map(tuple))
def test_the_parts_of_a_turn_gap_add_up_to_it(plan):
    """Silence, transcription, response, the app's part and first audio leave nothing over."""
    stage = acted(*plan)
    found = measure(stage.session(), EVI, stage.heard()).samples
    for gap in (one for one in found if one.metric == "turn_gap"):
        parts = ("silence", "transcription", "response", "app", "audio")
        values = [one.value for one in found if one.turn == gap.turn and one.metric in {f"turn_gap.{part}" for part in parts}]
        assert sum(values) == pytest.approx(gap.value)


PLAIN = Turn(500_000, 1000, 100_000, 200_000, 300_000, chunks=((0, 400), (100_000, 400)))
FULL = replace(PLAIN, tool=Tool(150_000, 250_000))
INTERRUPTED = replace(PLAIN, interruption=Interruption(50_000))


def without(stage: Stage, *types: str, **fields: Any) -> Session:
    """The stage's session without messages of some types."""
    session = stage.session()
    return replace(session, events=tuple(event for event in session.events if type_of(event) not in types))


def type_of(event: Any) -> Optional[str]:
    """The type of a message, ``audio`` for a frame of the microphone's, None for all else."""
    return EVI.read(event.kind, event.frame).type if isinstance(event, (Sent, Received)) else None


def changed(session: Session, name: str, change) -> Session:
    """A session whose messages of a type are changed."""

    def one(event: Any) -> Any:
        if type_of(event) != name:
            return event
        return replace(event, frame=Frame(TEXT, json.dumps(change(json.loads(event.frame.payload))).encode()))

    return replace(session, events=tuple(map(one, session.events)))


def said_to_be(session: Session, **header: Any) -> Session:
    """A session with another header."""
    return replace(session, header=replace(session.header, **header))


def why(session: Session, heard: HeardSpeech, *metrics: str, assumed: Assumed = DEFAULT) -> Dict[str, str]:
    """The reasons for which metrics have no value; a metric that has one is wrong here."""
    samples = measure(session, EVI, heard, assumed).samples
    allowed(samples)
    mine = [one for one in samples if one.metric in metrics]
    assert {one.metric for one in mine} == set(metrics)
    assert all(one.value is None for one in mine), mine
    return {one.metric: one.why for one in mine}


GAPS = ("turn_gap", "turn_gap.silence", "turn_gap.transcription", "turn_gap.response", "turn_gap.audio", "turn_gap.above_floor")


def every(metrics, reason: str) -> Dict[str, str]:
    """One reason for all."""
    return dict.fromkeys(metrics, reason)


def test_a_reply_without_audio_has_no_gap():
    """No audio: neither gap nor response, and the message is missed."""
    stage = acted(PLAIN)
    metrics = (*GAPS, "turn_gap.told", "response")
    assert why(without(stage, "audio_output"), stage.heard(), *metrics) == every(metrics, reasons.NO_AUDIO)
    nothing = without(stage, "audio_output", "assistant_message", "assistant_end")
    assert why(nothing, stage.heard(), *metrics) == every(metrics, reasons.NO_REPLY)
    assert [one.value for one in measure(nothing, EVI, stage.heard()).samples if one.metric == "missed"] == [1.0]


def test_without_a_user_message_nothing_is_answered():
    """The reply is the assistant's own then, and nothing that begins with the user is measured."""
    stage = acted(PLAIN)
    samples = measure(without(stage, "user_message"), EVI, stage.heard()).samples
    assert not [one for one in samples if one.metric in (*GAPS, "turn_gap.told", "response", "missed", "dead_air")]


@pytest.mark.parametrize(
    ("heard", "reason"),
    [
        (HeardSpeech(why="nobody listened"), f"{reasons.UNHEARD}: nobody listened"),
        (DETECTOR, reasons.NO_SPEECH),
    ],
)
def test_without_marks_no_end_of_speech(heard, reason):
    """Nobody listened, or there was nothing to hear: what begins with the end of the speech is unavailable, and the rest is there."""
    stage = acted(PLAIN)
    metrics = (*GAPS, "dead_air")
    assert why(stage.session(), heard, *metrics) == every(metrics, reason)
    found = {one.metric for one in measure(stage.session(), EVI, heard).samples if one.value is not None}
    assert {"response", "turn_gap.told", "underrun"} <= found


def test_without_the_users_audio_marks_have_no_time():
    """Marks are on the axis of what was sent; without it nobody knows when they were."""
    stage = acted(PLAIN)
    assert why(without(stage, "audio"), stage.heard(), "turn_gap", "turn_gap.told") == {
        "turn_gap": reasons.NO_SPEECH,
        "turn_gap.told": reasons.NO_TIME_TOLD,
    }
    unrecorded = said_to_be(stage.session(), recorded=Recorded(sent=False))
    metrics = (*GAPS, "turn_gap.told", "dead_air", "talk_over")
    assert why(unrecorded, stage.heard(), *metrics) == every(metrics, reasons.SENT_UNKNOWN)


def test_a_service_that_tells_no_time_is_not_believed_one():
    """Only the gap by the service's own time goes."""
    stage = acted(PLAIN)
    silent = changed(stage.session(), "user_message", lambda message: {**message, "time": None})
    assert why(silent, stage.heard(), "turn_gap.told") == {"turn_gap.told": reasons.NO_TIME_TOLD}


def test_who_types_does_not_speak():
    """A typed turn has a response and no gap; a reply is owed from when the message was sent."""
    stage = acted(replace(PLAIN, is_typed=True, response_us=2_900_000))
    metrics = (*GAPS, "turn_gap.told")
    assert why(stage.session(), DETECTOR, *metrics) == every(metrics, reasons.TYPED)
    values = {one.metric: one.value for one in measure(stage.session(), EVI, DETECTOR).samples if one.value is not None}
    assert values["response"] == 3200
    assert values["dead_air"] == 3300


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"recorded": Recorded(times="synthesised")}, reasons.SYNTHESISED),
        ({"recorded": Recorded(times="taken")}, reasons.TAKEN),
        ({"service": "player"}, reasons.PLAYED),
    ],
)
def test_times_that_nobody_measured_measure_nothing(header, reason):
    """Every metric of the conversation says so, once."""
    stage = acted(FULL)
    session = said_to_be(stage.session(), **header)
    metrics = [row.id for row in METRICS.values() if row.family == CONVERSATION]
    assert why(session, stage.heard(), *metrics) == every(metrics, reason)
    measured = measure(session, EVI, stage.heard())
    assert measured.untimed == reason
    calls = [one.value for one in measured.samples if one.metric == "tool.app"]
    assert calls == ([None] if "recorded" in header else [150.0])


def test_a_call_that_is_not_answered():
    """No answer, no time for either half; no message behind it, none for the service."""
    stage = acted(FULL)
    assert why(without(stage, "tool_response"), stage.heard(), "tool.app", "tool.service") == every(
        ("tool.app", "tool.service"), reasons.NEVER_ANSWERED
    )
    alone = without(stage, "assistant_message", "audio_output", "assistant_end")
    assert why(alone, stage.heard(), "tool.service") == {"tool.service": reasons.NO_ANSWER_HEARD}


def test_audio_of_unknown_length_sounds_for_nobody_knows_how_long():
    """What needs to know when the assistant is heard is unavailable."""
    stage = acted(INTERRUPTED)
    raw = changed(stage.session(), "audio_output", lambda message: {**message, "data": "AAAA"})
    metrics = ("underrun", "talk_over", "dead_air", "interruption", "interruption.floor", "interruption.above_floor")
    assert why(raw, stage.heard(), *metrics) == every(metrics, reasons.LENGTH_UNKNOWN)


def test_an_interruption_needs_somebody_who_began_to_speak():
    """A speech that began before the assistant's, or none, is no beginning of an interruption."""
    stage = acted(INTERRUPTED)
    metrics = ("interruption", "interruption.floor", "interruption.above_floor")
    heard = stage.heard()
    assert why(stage.session(), replace(heard, speech=heard.speech[:1]), *metrics) == every(metrics, reasons.BEGAN_BEFORE)


@pytest.mark.parametrize(("pause_ms", "ends_it"), [(200, False), (799, False), (800, True)])
def test_who_pauses_for_breath_goes_on_interrupting(pause_ms, ends_it):
    """However short a silence ends a turn: the interruption began where the user did, not where he went on."""
    stage = acted(replace(PLAIN, interruption=Interruption(950_000)))
    heard = stage.heard()
    last = heard.speech[-1]
    first = replace(last, end_ns=last.begin_ns + 300 * MS)
    rest = replace(last, begin_ns=first.end_ns + pause_ms * MS)
    cut = replace(heard, speech=(*heard.speech[:-1], first, rest))
    found = [one.value for one in measure(stage.session(), EVI, cut).samples if one.metric == "interruption"]
    whole_ms = FLOOR_MS + 950
    assert found == [pytest.approx(whole_ms - (300 + pause_ms if ends_it else 0))]


def test_what_the_user_said_before_the_reply_is_no_interruption_of_it():
    """He goes on within a breath, over a reply that came at once: the interruption begins there."""
    stage = acted(replace(PLAIN, interruption=Interruption(0)))
    heard = stage.heard()
    last = heard.speech[-1]
    # Up to just before; where it begins nobody hears the assistant yet.
    before = replace(heard.speech[0], end_ns=last.begin_ns - 100 * MS)
    found = [
        one.value for one in measure(stage.session(), EVI, replace(heard, speech=(before, last))).samples if one.metric == "interruption"
    ]
    assert found == [pytest.approx(FLOOR_MS)]


def test_what_contradicts_an_assumption_is_not_negative():
    """Where EVI did not wait for as long as is assumed, what is above the floor is not known."""
    stage = acted(INTERRUPTED)
    assumed = Assumed(end_of_turn_ns=901 * MS, min_interruption_ns=851 * MS)
    gaps = ("turn_gap.silence", "turn_gap.transcription", "turn_gap.above_floor")
    assert why(stage.session(), stage.heard(), *gaps, assumed=assumed) == every(gaps, reasons.UNDER_FLOOR)
    floors = ("interruption.floor", "interruption.above_floor")
    assert why(stage.session(), stage.heard(), *floors, assumed=assumed) == every(floors, reasons.UNDER_INTERRUPTION_FLOOR)
    exactly = Assumed(end_of_turn_ns=900 * MS, min_interruption_ns=850 * MS)
    values = {one.metric: one.value for one in measure(stage.session(), EVI, stage.heard(), exactly).samples}
    assert (values["turn_gap.transcription"], values["interruption.above_floor"]) == (0, 0)


def test_nothing_was_received():
    """No first message, no time to it."""
    stage = Stage()
    stage.play(())
    assert why(without(stage, "chat_metadata"), DETECTOR, "connect.first") == {"connect.first": reasons.NOTHING_RECEIVED}


def test_nobody_said_when_connect_was_called():
    """A proxy or a tap in an app cannot know it by itself."""
    session = acted(PLAIN).session()
    unsaid = replace(session, events=tuple(event for event in session.events if not isinstance(event, Note)))
    assert why(unsaid, DETECTOR, "connect.open") == {"connect.open": reasons.NOT_NOTED_CONNECT}


def test_a_session_that_ends_with_the_question_misses_no_answer():
    """Within 3 s of the message nobody can say that the reply is missing."""
    stage = acted(PLAIN)
    session = without(stage, "audio_output", "assistant_message", "assistant_end")
    asked_ns = next(event.at_ns for event in session.events if type_of(event) == "user_message")
    for after_ms, missed in ((2999, None), (3000, 1.0)):
        until_ns = asked_ns + after_ms * MS
        cut = replace(session, events=tuple(replace(one, at_ns=min(one.at_ns, until_ns)) for one in session.events))
        [found] = [one for one in measure(cut, EVI, stage.heard()).samples if one.metric == "missed"]
        assert found.value == missed
        assert found.why == ("" if missed else reasons.CUT_SHORT)


def test_a_user_who_is_answered_only_the_second_time(session_of, weather_rows):
    """The first message is missed, the second is not."""
    silent = [row for row in weather_rows if not (1200 < row[1] < 2400 and row[0] == "received")]
    session = said_to_be(session_of(silent), service="hume")
    found = [(one.turn, one.value) for one in measure(session, EVI).samples if one.metric == "missed"]
    assert found == [(1, 1.0), (2, 0.0)]


def test_a_greeting_is_prompted_and_a_second_one_is_not(session_of, weather_rows):
    """The opening causes the first reply; nothing causes one after that, but for what the app says."""
    audio = next(what for kind, _, what in weather_rows if kind == "received" and what["type"] == "audio_output")
    spoken = {**next(what for kind, _, what in weather_rows if kind == "received" and what["type"] == "assistant_message")}
    end = {"type": "assistant_end"}

    def reply(at_ms: int):
        return [("received", at_ms + at, what) for at, what in enumerate((spoken, audio, end))]

    say = ("sent", 900, {"type": "assistant_input", "text": "Anything else?"})
    session = session_of([*reply(100), *reply(500), say, *reply(1000), ("closed", 2000, ("app", 1000, ""))])
    found = [(one.turn, one.value) for one in measure(session, EVI).samples if one.metric == "unprompted"]
    assert found == [(1, 0.0), (2, 1.0), (3, 0.0)]


def test_silence_while_a_reply_is_owed():
    """More than 3 s in one piece counts, whole; less does not, however often."""
    slow = replace(PLAIN, audio_us=1_600_001, chunks=((0, 400), (2_999_000, 400), (2_999_000, 400)))
    stage = acted(slow)
    [found] = [one for one in measure(stage.session(), EVI, stage.heard()).samples if one.metric == "dead_air"]
    assert found.value == 0
    stage = acted(replace(slow, audio_us=2_000_001))
    [found] = [one for one in measure(stage.session(), EVI, stage.heard()).samples if one.metric == "dead_air"]
    assert found.value == pytest.approx(3100.001)


def test_a_recording_has_no_client_side():
    """What needs the notes of a replay says so; a call crosses the wire, so the app's part of it is there."""
    stage = acted(FULL)
    metrics = [row.id for row in METRICS.values() if row.family == CLIENT and row.id != "tool.app"]
    assert why(stage.session(), stage.heard(), *metrics) == every(metrics, reasons.NO_REPLAY)


def test_a_sessions_name_is_its_own_or_the_one_that_is_given():
    """Samples are told apart by it."""
    session = acted(PLAIN).session()
    assert {one.session for one in measure(session, EVI).samples} == {"made"}
    assert {one.session for one in measure(session, EVI, name="other").samples} == {"other"}


def test_only_a_deterministic_replay_is_exact():
    """A recording's figures are samples, and so are those of real time and of jobs that the clock did not wait for."""
    session = acted(FULL).session()
    assert measure(session, EVI).certainty("tool.app") == SAMPLED
    for source, certainty in (
        ({"clock": "virtual", "handler": "h", "deterministic": True}, EXACT),
        ({"clock": "virtual", "handler": "h", "deterministic": False}, SAMPLED),
        ({"clock": "real", "handler": "h", "deterministic": False}, SAMPLED),
    ):
        replayed = measure(said_to_be(session, made_by="replay", source=source, service="player"), EVI)
        assert replayed.certainty("tool.app") == certainty
        assert replayed.certainty("cpu") == SAMPLED


@settings(max_examples=100)
@given(session=sessions())
def test_every_session_is_measured(session):
    """Whatever happens in it: no value is negative, and no value is without a reason that the table names."""
    allowed(measure(session, EVI).samples)
