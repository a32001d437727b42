"""Exports of a session as text: captions, labels, tables, traces.

Rules of living here: what may be written where is said in ``whole_file``; secrets are taken out before anything is made of a text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Tuple, Union

from evi_harness.acts.exporting import speed_of_session
from evi_harness.acts.exports.whole_file import place_of_file, write_pieces
from evi_harness.acts.latency import measure_sessions
from evi_harness.audio.cadence import AT_ITS_RATE
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError
from evi_harness.formats.captions import labels_text, vtt_text
from evi_harness.formats.event_table import event_table
from evi_harness.formats.said_spans import Said, said_in
from evi_harness.formats.trace_events import TraceInstant, TraceSpan, trace_pieces
from evi_harness.measure.session_times import Reading
from evi_harness.pages.handler_lane import handled, handler_lane
from evi_harness.redacting.redaction import Redactor
from evi_harness.report.exports.exported_file import ExportedFile
from evi_harness.report.plain import printable
from evi_harness.session.events import Received, Sent
from evi_harness.session.header import MEASURED
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import Discreet, discreet_session, redactor_for
from evi_harness.version import __version__

__all__ = ["export_csv", "export_labels", "export_metrics", "export_trace", "export_vtt"]

Place = Union[str, Path]
_LANES = ("turns", "user", "assistant", "tools", "handler", "blocked", "waiting", "sent", "received")


class _Shown(NamedTuple):
    """A session that is written down: without secrets, and what was asked of it.

    Attributes:
        path: The file.
        session: The session, whose header and notes hold no secrets.
        dialect: What its messages are in; describes them without secrets.
        redactor: Knows the secrets.
        reading: What is in the session.
    """

    path: Path
    session: Session
    dialect: Dialect
    redactor: Redactor
    reading: Reading

    def line(self, text: str) -> str:
        """A text of the session's in one line, without secrets."""
        return printable(self.redactor.string(" ".join(text.split())))

    def said(self) -> Said:
        """What was said in it."""
        return said_in(self.reading, self.redactor.string)

    def written(self, what: str, pieces: Iterable[str], remarks: Iterable[str] = ()) -> ExportedFile:
        """Write the file, and say of it what is to be said of every one."""
        write_pieces(self.path, pieces)
        times = self.session.header.recorded.times
        told = [*remarks, *([f"{times} times"] if times != MEASURED else []), *(f"missing: {one}" for one in self.session.missing)]
        return ExportedFile(self.path, what, tuple(printable(self.redactor.string(one)) for one in told))


def _shown(session: Union[Place, Session], file: Place, overwrite: bool) -> _Shown:
    path = place_of_file(file, session, overwrite=overwrite)
    loaded = session if isinstance(session, Session) else load_session(session)
    redactor = redactor_for(loaded)
    shown, dialect = discreet_session(loaded, redactor), Discreet(dialect_of(loaded), redactor)
    return _Shown(path, shown, dialect, redactor, Reading(shown, dialect))


def export_vtt(session: Union[Place, Session], file: Place, *, overwrite: bool = False) -> ExportedFile:
    """Write what was said as WebVTT captions, with a voice for each side.

    Args:
        session: A session, or its folder.
        file: The file; its folder must be there. Only its owner may read it.
        overwrite: Replace the file if it is there.

    Returns:
        What was written.

    Raises:
        UsageError: The file is there already, or is in a session folder; its folder is not there.
        SessionUnreadable: The session cannot be read.
        AudioMissing: Audio that its times need is not in its folder.
        EviHarnessError: Nothing was said in it; or the file cannot be written.
    """
    shown = _shown(session, file, overwrite)
    said = shown.said()
    if not said.spans:
        raise EviHarnessError("nothing was said in this session", where=shown.session.name or None, hint=_NOTHING)
    comment = " ".join([f"exported by evi-harness {__version__}.", *(f"{one}." for one in _assumed(shown, said))])
    return shown.written(_counted(len(said.spans), "cue"), [vtt_text(said, comment)], _assumed(shown, said))


def export_labels(session: Union[Place, Session], file: Place, *, overwrite: bool = False) -> ExportedFile:
    """Write what was said and what happened as a label track of Audacity's, for the audio of ``export_wav``.

    As for ``export_vtt``, but that a session in which nothing happened is an error.
    """
    shown = _shown(session, file, overwrite)
    said, reading = shown.said(), shown.reading
    labels: List[Tuple[int, int, str]] = [(one.begin_ns, one.end_ns, f"{one.who}: {one.text}") for one in said.spans]
    labels += [(span.begin_ns, span.end_ns, f"tool: {span.name}") for span in _tools(shown)]
    interruptions = [reading.at_ns[turn.interrupted_by] for turn in reading.turns if turn.interrupted_by is not None]
    labels += [(at_ns, at_ns, "interruption") for at_ns in interruptions]
    if not labels:
        raise EviHarnessError("nothing happened in this session", where=shown.session.name or None, hint=_NOTHING)
    return shown.written(_counted(len(labels), "label"), [labels_text(labels)], _assumed(shown, said))


def export_csv(session: Union[Place, Session], file: Place, *, overwrite: bool = False) -> ExportedFile:
    """Write every event of a session as a line of a table; as for ``export_vtt``, but that any session has events."""
    shown = _shown(session, file, overwrite)
    table = (shown.redactor.string(piece) for piece in event_table(shown.reading, shown.dialect))
    return shown.written(_counted(len(shown.session.events), "event"), table)


def export_metrics(session: Union[Place, Session], file: Place, *, overwrite: bool = False) -> ExportedFile:
    """Write what ``latency`` measures of a session as a line for each sample; as for ``export_vtt``, but that any session has lines."""
    path = place_of_file(file, session, overwrite=overwrite)
    loaded = session if isinstance(session, Session) else load_session(session)
    report = measure_sessions([loaded], allow_incomplete=True)
    write_pieces(path, [report.csv()])
    n_known = sum(sample.value is not None for one in report.measured for sample in one.samples)
    n_all = sum(len(one.samples) for one in report.measured)
    return ExportedFile(path, f"{_counted(n_all, 'sample')}, {n_known} of them with a value")


def export_trace(session: Union[Place, Session], file: Place, *, overwrite: bool = False) -> ExportedFile:
    """Write a session as Chrome trace events, for Perfetto and speedscope; as for ``export_vtt``, but that any session has a line."""
    shown = _shown(session, file, overwrite)
    said = shown.said()
    spans = [*_turns(shown), *_tools(shown), *_handler(shown)]
    spans += [TraceSpan(one.who, one.text, one.begin_ns, one.end_ns, {"seq": one.seq, "turn": one.turn}) for one in said.spans]
    # A session in which nothing lasts has a line all the same.
    spans += [] if spans else [TraceSpan("turns", "session", 0, shown.session.duration_ns, {})]
    about = {"exported_by": f"evi-harness {__version__}", "session": shown.session.header.id, "times": shown.session.header.recorded.times}
    name = shown.line(shown.session.name or shown.session.header.id)
    pieces = trace_pieces(name, _LANES, spans, _messages(shown), about)
    return shown.written(_counted(len(spans), "span"), pieces, _assumed(shown, said))


_NOTHING = "evi-harness show prints what is in it."


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _assumed(shown: _Shown, said: Said) -> List[str]:
    """What is not known of when something was said."""
    n_assumed = sum(one.is_assumed for one in said.spans)
    came = "it came" if n_assumed == 1 else "they came"
    told = [f"{_counted(n_assumed, 'text')} without audio: shown when {came}, for as long as reading takes"] if n_assumed else []
    if said.n_unheard:
        told.append(f"left out: {_counted(said.n_unheard, 'sentence')} that was never heard")
    if speed_of_session(shown.session) != AT_ITS_RATE:
        told.append("this session did not run at normal speed; speech lasts as long as at normal speed")
    return told


def _turns(shown: _Shown) -> Iterator[TraceSpan]:
    for turn in shown.reading.turns:
        at_ns = [shown.reading.at_ns[seq] for seq in (turn.user, *turn.reply, turn.interrupted_by, turn.end) if seq is not None]
        sounds = [end_ns for _, end_ns in shown.reading.sounding(turn) or ()]
        yield TraceSpan("turns", f"turn {turn.number}", min(at_ns), max([*at_ns, *sounds]), {"said": shown.line(turn.user_text)})


def _tools(shown: _Shown) -> Iterator[TraceSpan]:
    messages = {event.seq: shown.reading.dialect.read(event.kind, event.frame) for event in shown.session.received}
    for call in shown.reading.calls:
        name = shown.line(shown.dialect.call_text(messages[call.seq])).split(" ", 1)[0] or "tool"
        end_ns = shown.session.duration_ns if call.answer is None else shown.reading.at_ns[call.answer]
        answered = "was not answered" if call.answer is None else "answered"
        begin_ns = shown.reading.at_ns[call.seq]
        yield TraceSpan("tools", name, begin_ns, max(begin_ns, end_ns), {"seq": call.seq, "turn": call.turn, "call": answered})


def _handler(shown: _Shown) -> Iterator[TraceSpan]:
    """The handler at work, as the notes of a replay have it."""
    lanes = {"handling": "handler", "blocked": "blocked", "waiting": "waiting"}
    for span in handler_lane(shown.session, shown.reading.types, handled(shown.session))["spans"]:
        if span["end_ms"] is not None:
            begin_ns, end_ns = (round(span[name] * 1e6) for name in ("begin_ms", "end_ms"))
            yield TraceSpan(lanes[span["kind"]], shown.line(span["what"] or "?"), begin_ns, max(begin_ns, end_ns), {"seq": span["seq"]})


def _messages(shown: _Shown) -> Iterator[TraceInstant]:
    """The messages; frames of the user's audio are too many, and when the user spoke has a lane of its own."""
    audio = shown.session.audio(shown.dialect)
    for event in shown.session.events:
        if isinstance(event, (Sent, Received)) and not (isinstance(event, Sent) and event in audio):
            message = shown.dialect.read(event.kind, event.frame)
            facts = {"seq": event.seq, "what": shown.line(shown.dialect.describe(event.kind, message))}
            yield TraceInstant(event.kind, shown.line(message.type or event.frame.opcode), event.at_ns, facts)
