"""Tests of evi_harness.replay.judging.keeping_up."""

from __future__ import annotations

import base64
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evi_harness.evi.dialect import EVI
from evi_harness.replay.judging.findings import WARNING
from evi_harness.replay.judging.keeping_up import NOTED_NS, THRESHOLD_NS, KeepingUp, keeping_up
from evi_harness.session import wav
from evi_harness.session.events import TEXT, Frame, Handshake, Note, Opened, Received, order
from evi_harness.session.header import Header
from evi_harness.session.session import Session

HEADER = Header("live", "replay", "now", "evi")
MS = 1_000_000
RATE = 8000
NOTHING = KeepingUp()


def audio(ms):
    """A message with so much audio."""
    samples = bytes(2 * RATE * ms // 1000)
    data = base64.b64encode(wav.header(wav.Pcm(RATE, 1), len(samples)) + samples).decode()
    return {"type": "audio_output", "id": "s", "index": 0, "data": data}


OTHER = {"type": "assistant_end"}


def computed(*rows, blocked=(), spread=1):
    """A session in which messages came, each with when, its content, and how long its callbacks computed.

    ``spread`` is into how many notes the processor time of each is divided; ``blocked`` are the data of notes, by message.
    """
    events = [Opened(0, 0, handshake=Handshake("/v0/evi/chat"))]
    for seq, (at_ms, message, cpu_ms) in enumerate(rows, 1):
        events.append(Received(seq, at_ms * MS, frame=Frame(TEXT, json.dumps(message).encode())))
        events.append(Note(500 + seq, at_ms * MS, name="due", of=seq, data={"due_ns": 0, "recorded_seq": 40 + seq}))
        parts = [] if cpu_ms is None else [{"cpu_ns": cpu_ms * MS // spread}] * spread
        events += [Note(1000 + 10 * seq + at, 10**12, name="handler_cpu", of=seq, data=data) for at, data in enumerate(parts)]
    for number, (of, data) in enumerate(blocked):
        events.append(Note(5000 + number, 10**12, name="blocked", of=of, data={"what": "blocked", **data}))
    return Session(HEADER, tuple(sorted(events, key=order)))


def chunks(n, apart_ms, cpu_ms, sound_ms=400):
    """Rows of so many chunks."""
    return [(at * apart_ms, audio(sound_ms), cpu_ms) for at in range(n)]


def judged(rows, speed=1, **more):
    """What they add up to."""
    return keeping_up(computed(*rows, **more), EVI, None if speed is None else Fraction(speed))


def found(kept):
    """What a finding is about, and when that came in milliseconds; nothing but warnings are looked for."""
    assert all((one.kind, one.severity) == ("too_slow", WARNING) for one in kept.findings)
    assert len(kept.findings) <= 1
    return [(one.live_seq, one.recorded_seq, one.at_ns // MS) for one in kept.findings]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(0, OTHER, None)],
        chunks(10, 40, 1),
        chunks(10, 40, 40),
        chunks(100, 400, 399),
        [(0, OTHER, 5000)],
        chunks(1, 0, 400),
        chunks(10, 0, 5),
    ],
    ids=[
        "no messages",
        "no figures",
        "cheap",
        "as long as they are apart",
        "just in time",
        "one without audio",
        "one as long as its sound",
        "at once",
    ],
)
def test_an_app_that_keeps_up_is_told_nothing(rows):
    """Whatever it computes: as long as nothing waits, and nothing takes longer than it plays."""
    assert judged(rows) == NOTHING


def test_computing_for_longer_than_chunks_are_apart_is_a_note_with_figures():
    """0.13 s a chunk, 40 ms apart, 400 ms of sound each: the last of 10 would wait for 9 times 90 ms."""
    kept = judged(chunks(10, 40, 130))
    assert kept.findings == ()
    assert all(figure in kept.remark for figure in ("810 ms", "130 ms", "1300 ms", "#41"))


def test_ten_times_the_work_is_a_warning():
    """About the message that waits longest, with the same figures, and with what one message takes beside what it plays."""
    kept = judged(chunks(10, 40, 1300))
    assert found(kept) == [(10, 50, 360)]
    (finding,) = kept.findings
    assert kept.remark == ""
    assert all(figure in finding.what for figure in ("11340 ms", "1300 ms", "13000 ms"))
    assert all(figure in " ".join(finding.detail) for figure in ("1300 ms", "400 ms"))


@pytest.mark.parametrize(
    ("wait_ms", "expected"), [(999, ("remark", [])), (1000, ("finding", [(2, 42, 0)])), (50, ("remark", [])), (49, ("nothing", []))]
)
def test_how_long_a_message_may_wait(wait_ms, expected):
    """A second is too much, and 50 ms are worth a note."""
    assert (THRESHOLD_NS, NOTED_NS) == (1000 * MS, 50 * MS)
    kept = judged([(0, OTHER, wait_ms), (0, OTHER, 1)])
    assert ("finding" if kept.findings else "remark" if kept.remark else "nothing", found(kept)) == expected


@pytest.mark.parametrize(("cpu_ms", "expected"), [(400, []), (401, [(2, 42, 5000)])])
def test_a_message_that_takes_longer_than_it_plays(cpu_ms, expected):
    """Though none waits for it: in a longer reply one would."""
    kept = judged([(0, audio(400), 1), (5000, audio(400), cpu_ms), (9000, OTHER, 1)])
    assert found(kept) == expected
    assert all(finding.detail for finding in kept.findings)


def test_of_those_that_outlast_their_sound_the_longest_is_told():
    """As the only one."""
    assert found(judged([(0, audio(100), 300), (5000, audio(100), 700), (9000, audio(100), 500)])) == [(2, 42, 5000)]


def test_who_waits_longest_is_told_rather_than_who_outlasts_its_sound():
    """That is what people would notice; the other is a detail."""
    kept = judged([(0, audio(400), 1500), (100, OTHER, 1)])
    assert found(kept) == [(2, 42, 100)]
    assert "400 ms" in " ".join(kept.findings[0].detail)


def test_audio_of_no_known_length_is_never_outlasted():
    """It waits like any other."""
    unknown = {**audio(400), "data": "no base64"}
    assert judged([(0, unknown, 900)]) == NOTHING
    assert judged([(0, unknown, 900), (0, unknown, 1)]).remark


def test_all_callbacks_of_a_message_count_together():
    """Each of four took a quarter."""
    assert judged(chunks(10, 40, 1300), spread=4) == judged(chunks(10, 40, 1300))


@pytest.mark.parametrize(
    ("data", "is_counted"),
    [({"cpu_ns": 1300 * MS, "sample": True}, False), ({"sample": True, "blocked_ns": 1300 * MS}, False), ({"blocked_ns": 200 * MS}, True)],
    ids=["it computed", "in real time", "it slept"],
)
def test_what_blocked_the_loop_is_told_once(data, is_counted):
    """Of a step that computed there is a finding already; one that slept has computed besides."""
    rows = [(0, audio(400), 1300), (0, OTHER, 1)]
    assert bool(judged(rows, blocked=[(1, data)]).findings) is is_counted
    assert judged(rows, blocked=[(None, data)]).findings


def test_messages_that_blocked_nothing_are_counted_beside_those_that_did():
    """The queue is that of the others."""
    rows = [(0, audio(400), 1300), *chunks(10, 40, 130)]
    kept = judged(rows, blocked=[(1, {"cpu_ns": 1})])
    assert kept.findings == ()
    assert "810 ms" in kept.remark


@pytest.mark.parametrize(
    ("speed", "apart_ms", "waits_ms"), [("2", 20, 810), ("0.5", 80, 810), ("1", 20, 990), ("4", 10, 810)], ids=["2", "0.5", "1", "4"]
)
def test_a_replay_at_another_speed_is_judged_at_the_recorded_one(speed, apart_ms, waits_ms):
    """Messages that came 20 ms apart at twice the speed come 40 ms apart in real life."""
    kept = judged(chunks(10, apart_ms, 130), speed)
    assert f"{waits_ms} ms" in kept.remark


def test_at_the_greatest_speed_nobody_knows_when_messages_would_come():
    """So nothing is said."""
    assert judged(chunks(10, 0, 1300), None) == NOTHING


def test_a_message_that_repeats_none_is_named_by_itself():
    """As in a run without a recording."""
    session = computed(*chunks(10, 40, 1300))
    events = tuple(event for event in session.events if not (isinstance(event, Note) and event.name == "due"))
    (finding,) = keeping_up(Session(HEADER, events), EVI, Fraction(1)).findings
    assert (finding.live_seq, finding.recorded_seq) == (10, None)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=8))
def test_a_queue_is_replayed(rows):
    """The longest wait agrees with a loop that hands a processor on, millisecond by millisecond."""
    rows = sorted(rows, key=lambda row: row[0])
    waits, free = [0], 0
    for at_ms, cpu_ms in rows:
        begins = max(at_ms, free)
        waits.append(begins - at_ms)
        free = begins + cpu_ms
    kept = judged([(at_ms, OTHER, cpu_ms) for at_ms, cpu_ms in rows])
    assert bool(kept.findings) == (max(waits) >= 1000)
    assert bool(kept.remark) == (50 <= max(waits) < 1000)
    told = kept.remark or "".join(finding.what for finding in kept.findings)
    assert not told or f" {max(waits)} ms" in told
