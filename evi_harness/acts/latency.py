"""Latency as an act: load sessions, have a detector listen to the user, measure, report."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Sequence, Union

from evi_harness.bounds import TIME, require_number, require_word
from evi_harness.dialects import dialect_of
from evi_harness.errors import UsageError
from evi_harness.measure.assumed import DEFAULT, Assumed
from evi_harness.measure.conversation_family import untimed
from evi_harness.measure.measuring import Measured, measure
from evi_harness.measure.speech_marks import UNHEARD_SPEECH
from evi_harness.report.latency_report import LatencyReport
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import redactor_for
from evi_harness.verdicts.speech import AUTO, DETECTORS, hear
from evi_harness.verdicts.wholeness import require_whole

__all__ = ["measure_session", "measure_sessions"]


def measure_sessions(
    sessions: Sequence[Union[str, Path, Session]],
    *,
    end_of_turn_ms: float = DEFAULT.end_of_turn_ns / 1e6,
    min_interruption_ms: float = DEFAULT.min_interruption_ns / 1e6,
    detector: str = AUTO,
    allow_incomplete: bool = False,
    on_part: Callable[[float], object] = id,
) -> LatencyReport:
    """Measure sessions and pool what was measured.

    Args:
        sessions: Sessions, or their folders; at least one.
        end_of_turn_ms: After how much silence the service was configured to take a turn as over, in milliseconds; used for sessions that
            do not state it.
        min_interruption_ms: After how much speech over the assistant it was configured to take that as an interruption; likewise.
        detector: Which speech detector listens to the user: see ``verdicts.speech.DETECTORS``.
        allow_incomplete: Measure incomplete or damaged recordings as they are.
        on_part: Called now and then with how much is measured, 0 to 1.

    Returns:
        The report. A session that has the name of one before it gets a number behind it.

    Raises:
        UsageError: No session is given; there is no such detector; a time below 0 or without end.
        SessionUnreadable: A session cannot be read.
        IncompleteRecording: Sessions are incomplete or damaged, and that is not allowed.
        AudioMissing: The assistant's audio is not in the folder.
        EviHarnessError: The detector that is asked for cannot be used.
    """
    if not sessions:
        raise UsageError("no session is given, so there is nothing to measure")
    require_word("detector", detector, DETECTORS)
    require_number("end_of_turn_ms", end_of_turn_ms, TIME)
    require_number("min_interruption_ms", min_interruption_ms, TIME)
    assumed = Assumed(_nanoseconds(end_of_turn_ms), _nanoseconds(min_interruption_ms))
    loaded = [one if isinstance(one, Session) else load_session(one, verify=True) for one in sessions]
    require_whole(*loaded, allow_incomplete=allow_incomplete)
    measured: List[Measured] = []
    for session in loaded:
        name = _new_name(session.name or session.header.id, [one.name for one in measured])
        n_done = len(measured)
        told = lambda share, n_done=n_done: on_part((n_done + share) / len(loaded))  # noqa: E731 - it is handed on
        measured.append(measure_session(session, assumed=assumed, detector=detector, name=name, on_part=told))
    redactor = redactor_for(*loaded)
    return LatencyReport(tuple(measured), assumed, redactor.string)


def measure_session(
    session: Session, *, assumed: Assumed = DEFAULT, detector: str = AUTO, name: str = "", on_part: Callable[[float], object] = id
) -> Measured:
    """Measure one session; see ``measure_sessions``.

    Args:
        session: The session.
        assumed: What the service was configured to wait for.
        detector: Which speech detector listens to the user.
        name: What its samples call it; empty for its own name.
        on_part: Called now and then with how much has been listened to, 0 to 1.
    """
    dialect = dialect_of(session)
    assumed = assumed.unless_told(session.audio(dialect).told)
    # Who is not measured need not be listened to.
    heard = UNHEARD_SPEECH if untimed(session) is not None else hear(session, detector, assumed.end_of_turn_ns, on_part)
    return measure(session, dialect, heard, assumed, name or session.name)


def _nanoseconds(ms: float) -> int:
    return round(ms * 1e6)


def _new_name(name: str, taken: Sequence[str]) -> str:
    number, new = 1, name
    while new in taken:
        number += 1
        new = f"{name} ({number})"
    return new
