"""Whether an app could keep up in real time: the processor time of its callbacks, simulated as a queue.

Virtual time charges nothing for what the app computes, and on a fast machine real time hides it. So the messages are queued again, each
when it came, and each taking the processor time that its callback took. Where one of them would wait for a second, or takes longer to
handle than its audio takes to play, the app could not keep up. Processor time is a sample: it differs from run to run, and from machine to
machine.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from evi_harness.replay.judging.findings import WARNING, Finding, recorded_seqs
from evi_harness.session.notes import BLOCKED, HANDLER_CPU
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["NOTED_NS", "THRESHOLD_NS", "KeepingUp", "keeping_up"]

# A reply that is a second late is noticed by everybody.
THRESHOLD_NS = 1_000_000_000
# Less is not worth a note: what callbacks cost anyway.
NOTED_NS = 50_000_000
_SHORTEST_NS = 5_000_000


class KeepingUp(NamedTuple):
    """What the processor time of the callbacks adds up to.

    Attributes:
        findings: At most one, a warning.
        remark: Worth a note, but not a fault; empty for nothing.
    """

    findings: Tuple[Finding, ...] = ()
    remark: str = ""


class _Message(NamedTuple):
    """A message that a callback had.

    Attributes:
        seq: The message.
        at_ns: When it came, at the pace at which it was recorded.
        cpu_ns: What its callback computed.
        sound_ns: How long its audio plays, None for one without, and where the callback was quicker than any audio.
    """

    seq: int
    at_ns: int
    cpu_ns: int
    sound_ns: Optional[int]


def keeping_up(live: Session, dialect: Dialect, speed: Optional[Fraction]) -> KeepingUp:
    """Queue the messages of a replay again, with the processor time that each took.

    Args:
        live: The session that the replay yielded, with ``handler_cpu`` notes.
        dialect: What its messages are in.
        speed: How many times as fast as recorded it was replayed; None for as fast as it goes, where nobody knows when messages would come.
    """
    if speed is None:
        return KeepingUp()
    messages = list(_messages(live, dialect, speed))
    if not messages:
        return KeepingUp()
    longest, waiting = _longest_wait(messages)
    outlasted = max(
        (one for one in messages if one.sound_ns is not None and one.cpu_ns > one.sound_ns), key=lambda one: one.cpu_ns, default=None
    )
    if outlasted is None and longest < NOTED_NS:
        return KeepingUp()
    repeats = recorded_seqs(live)
    figures = _figures(messages, longest, repeats)
    if outlasted is None and longest < THRESHOLD_NS:
        return KeepingUp(remark=f"in real time, messages would wait for the processor, for {figures}")
    about = waiting if longest >= THRESHOLD_NS or outlasted is None else outlasted
    what = f"in real time, the app could not keep up: messages would wait for {figures}"
    detail = []
    if outlasted is not None and outlasted.sound_ns is not None:
        took, sound = outlasted.cpu_ns / 1e6, outlasted.sound_ns / 1e6
        detail.append(f"{_named(outlasted, repeats)} took {took:.0f} ms of processor time and has {sound:.0f} ms of audio")
    at_ns = next(event.at_ns for event in live.events if event.seq == about.seq)
    found = Finding("too_slow", what, at_ns, about.seq, repeats.get(about.seq), detail=tuple(detail), severity=WARNING)
    return KeepingUp((found,))


def _messages(live: Session, dialect: Dialect, speed: Fraction) -> Iterator[_Message]:
    """The messages in the order of their coming, without those of which it is told elsewhere that they blocked the loop."""
    # In virtual time one has ``cpu_ns`` where it computed, and in real time every one is a sample; what only slept costs no processor time.
    told = {note.of for note, facts in live.noted(BLOCKED) if facts.cpu_ns is not None or facts.sample}
    cpu_ns: Dict[int, int] = {}
    for note, facts in live.noted(HANDLER_CPU):
        if note.of is not None and note.of not in told:
            cpu_ns[note.of] = cpu_ns.get(note.of, 0) + facts.cpu_ns
    audio = live.audio(dialect)
    for event in live.received:
        if event.seq in cpu_ns:
            # Decoding all audio to learn its length would cost more than all else here; nobody sends less than this at a time.
            length_ns = audio.length_ns(event.seq) if cpu_ns[event.seq] >= _SHORTEST_NS else None
            yield _Message(event.seq, int(event.at_ns * speed), cpu_ns[event.seq], length_ns)


def _longest_wait(messages: List[_Message]) -> Tuple[int, _Message]:
    """How long the message would wait that waits longest, and which it is."""
    free_ns = 0
    longest = (0, messages[0])
    for one in messages:
        begins_ns = max(one.at_ns, free_ns)
        if begins_ns - one.at_ns > longest[0]:
            longest = (begins_ns - one.at_ns, one)
        free_ns = begins_ns + one.cpu_ns
    return longest


def _figures(messages: List[_Message], longest_ns: int, repeats: Mapping[int, int]) -> str:
    most = max(messages, key=lambda one: one.cpu_ns)
    total_ns = sum(one.cpu_ns for one in messages)
    most_ms, total_ms = most.cpu_ns / 1e6, total_ns / 1e6
    computes = f"callbacks that compute for up to {most_ms:.0f} ms ({_named(most, repeats)}) and {total_ms:.0f} ms in all"
    return f"at most {longest_ns / 1e6:.0f} ms, with {computes} (varies per run)"


def _named(one: _Message, repeats: Mapping[int, int]) -> str:
    return f"recorded #{repeats[one.seq]}" if one.seq in repeats else f"#{one.seq}"
