"""Load a session's expectation, compare with it, and accept the messages of today.

Rules of living here: events.jsonl is never touched; accepted messages are read back from the disk before a report says that a replay passes
with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional, Tuple, Union

from evi_harness.dialects import dialect_of
from evi_harness.errors import SessionUnreadable, UsageError
from evi_harness.redacting.redaction import Redactor
from evi_harness.replay.judging.deviations import Deviation, compare_sent, handshake_deviation
from evi_harness.replay.judging.expectations import expectation_of, expecting, misplaced, obstacle
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.report.expected_changes import COMPARED, PROPOSED, REFUSED, REMOVED, UNCHANGED, WRITTEN, ExpectationReport, Proposal
from evi_harness.session.expectation import Expectation
from evi_harness.session.plausible_times import expected_problem
from evi_harness.session.session import Session
from evi_harness.storage.expected_file import (
    expectation_in,
    expectation_text,
    put_expectation,
    read_expectation,
    remove_expectation,
)
from evi_harness.storage.layout import EXPECTED_FILE
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import Discreet, discreet_deviation, known_secrets
from evi_harness.verdicts.wholeness import require_whole

__all__ = ["Expected", "Update", "accept", "accepted", "expected_of", "load_expected", "load_recorded", "require_folder"]


@dataclass(frozen=True)
class Expected:
    """A session and what is expected in its replays.

    Attributes:
        recorded: The session as it was recorded.
        folder: Its folder, None where it is in memory alone.
        expectation: What is expected in place of what was recorded, None where that is expected.
        played: The session with the expected messages: what is played, compared with and reported.
    """

    recorded: Session
    folder: Optional[Path]
    expectation: Optional[Expectation]
    played: Session

    def report(self) -> Optional[ExpectationReport]:
        """What to tell of it where nothing is updated."""
        if self.expectation is None:
            return None
        return ExpectationReport(EXPECTED_FILE, COMPARED, len(self.expectation.sent), self.played, self.played)


def load_expected(session: Union[str, Path, Session], *, allow_incomplete: bool = False) -> Expected:
    """Load a session that is whole, with what is expected of its replays.

    Args:
        session: A session, or its folder, or a file in it.
        allow_incomplete: Take one that is incomplete or damaged as it is.

    Raises:
        IncompleteRecording: It is, and that is not allowed.
        SessionUnreadable: It cannot be read, or its expectation is damaged or another session's.
    """
    recorded = load_recorded(session)
    require_whole(recorded, allow_incomplete=allow_incomplete)
    return expected_of(session, recorded)


def load_recorded(session: Union[str, Path, Session]) -> Session:
    """Load a session with all that keeps it from being whole in its ``missing``.

    Args:
        session: A session, or its folder, or a file in it.

    Raises:
        SessionUnreadable: It cannot be read.
    """
    return session if isinstance(session, Session) else load_session(session, verify=True)


def expected_of(session: Union[str, Path, Session], recorded: Session) -> Expected:
    """A session with what is expected of its replays.

    Args:
        session: As it was given: a session, or its folder, or a file in it.
        recorded: As it was loaded.

    Raises:
        SessionUnreadable: Its expectation is damaged or another session's.
    """
    if isinstance(session, Session):
        return Expected(session, None, None, session)
    folder = Path(session).parent if Path(session).is_file() else Path(session)
    return _expected(recorded, folder)


def _expected(recorded: Session, folder: Path) -> Expected:
    expectation = read_expectation(folder)
    if expectation is not None:
        wrong = _not_of(expectation, recorded)
        if wrong is not None:
            hint = f"Delete {EXPECTED_FILE} to compare replays with the recording."
            raise SessionUnreadable(wrong, where=str(folder / EXPECTED_FILE), hint=hint)
    return Expected(recorded, folder, expectation, expecting(recorded, expectation, dialect_of(recorded)))


def _not_of(expectation: Expectation, recorded: Session) -> Optional[str]:
    """Why an expectation is not this session's, None where it is."""
    if expectation.session != recorded.header.id:
        return f"it is for session {expectation.session}, and this is {recorded.header.id}"
    seqs = misplaced(recorded, expectation, dialect_of(recorded))
    if seqs:
        return f"#{seqs[0]} is another event of the session"
    late = (expected_problem(event.at_ns, recorded.duration_ns) for event in expectation.sent)
    return next(filter(None, late), None)


def require_folder(expected: Expected) -> None:
    """Refuse, before anything runs, an update that has no place to go.

    Raises:
        UsageError: The session is in memory alone.
    """
    if expected.folder is None:
        raise UsageError(
            "a session in memory has no folder for expected.jsonl", hint="Give the session's folder to update what it expects."
        )


@dataclass(frozen=True)
class Update:
    """Proposes to accept what was sent in one replay.

    Attributes:
        expected: The session, and what was expected of it.
        redactor: Knows the secrets.
        dialect: How messages are compared.
        handshake_by_app: Whether the app itself opened the connection.
        differs: Whether two runs of the replay differed.
        is_incomplete: Whether the recording is incomplete or damaged, and fails the replay.
    """

    expected: Expected
    redactor: Redactor = field(repr=False)
    dialect: Discreet
    handshake_by_app: bool = False
    differs: bool = False
    is_incomplete: bool = False

    def propose(self, live: Session, verdict: Verdict) -> ExpectationReport:
        """Say what is to be expected from now on, and write nothing.

        There is nothing to propose where all was sent that is expected, and where what was sent is not all that the app would send. Where
        it is what was recorded, the expectation is to be taken away.

        Args:
            live: The session that the replay yielded.
            verdict: The verdict on it.

        Returns:
            What would become of it; ``after`` is the session as it would be expected, as it would be read from the disk.

        Raises:
            SessionUnwritable: What was sent is more than an expectation may hold.
        """
        folder, expected = self.expected.folder, self.expected
        assert folder is not None
        why = self._obstacle() or obstacle(verdict, live)
        if why is not None:
            again = f"; remove {EXPECTED_FILE} and update again" if expected.expectation is not None else ""
            return self._told(REFUSED, expected.played, why=f"{why}{again}")
        if not self._is_news(live):
            return self._told(UNCHANGED, expected.played)
        found = expectation_of(expected.recorded, live, self.dialect, handshake_by_app=self.handshake_by_app)
        if found is None:
            return self._told(PROPOSED, expected.recorded, proposal=Proposal(str(folder), None))
        spoken = dialect_of(expected.recorded)
        text = expectation_text(folder, found, spoken, secrets=known_secrets(expected.recorded, live))
        after = expecting(expected.recorded, expectation_in(text, folder), spoken)
        return self._told(PROPOSED, after, proposal=Proposal(str(folder), text))

    def _obstacle(self) -> Optional[str]:
        if self.is_incomplete:
            return "the recording is incomplete or damaged, so the app does not get every message that it would answer"
        return "two runs differ, so what the next one sends is not known" if self.differs else None

    def _is_news(self, live: Session) -> bool:
        """Whether anything was sent that is not expected, or the other way round."""
        played = self.expected.played
        if not played.header.recorded.sent:
            return True
        asks_otherwise = self.handshake_by_app and handshake_deviation(played, live, self.dialect) is not None
        return asks_otherwise or bool(compare_sent(played, live, self.dialect).deviations)

    def _told(self, outcome: str, after: Session, *, why: Optional[str] = None, proposal: Optional[Proposal] = None) -> ExpectationReport:
        before = self.expected.played
        handshake = handshake_deviation(before, after, self.dialect)
        changes = [*([] if handshake is None else [handshake]), *compare_sent(before, after, self.dialect).deviations]
        n_messages = len(compare_sent(after, after, self.dialect).meetings)
        # A message of both sides stands where it stands now.
        at_ns = {event.seq: event.at_ns for session in (before, after) for event in session.events}

        def place(change: Deviation) -> Tuple[int, int]:
            seq = change.recorded_seq if change.live_seq is None else change.live_seq
            return (-1, -1) if seq is None else (at_ns[seq], seq)

        return ExpectationReport(
            file=EXPECTED_FILE,
            outcome=outcome,
            n_messages=n_messages,
            before=before,
            after=after,
            changes=tuple(discreet_deviation(change, self.redactor) for change in sorted(changes, key=place)),
            why=why,
            had_one=self.expected.expectation is not None,
            proposal=proposal,
        )


def accept(proposal: Proposal) -> None:
    """Have a session expect what is proposed: written, and read back.

    Raises:
        SessionUnwritable: The folder cannot be written.
        SessionUnreadable: What is there now is not what was written.
    """
    folder = Path(proposal.folder)
    if proposal.text is None:
        remove_expectation(folder)
        return
    put_expectation(folder, proposal.text)
    if read_expectation(folder) != expectation_in(proposal.text, folder):
        what, hint = "its content is not what was just written", "Does another program write it, too?"
        raise SessionUnreadable(what, where=str(folder / EXPECTED_FILE), hint=hint)


def accepted(told: ExpectationReport) -> ExpectationReport:
    """What there is to tell of an update once its proposal is accepted."""
    assert told.proposal is not None
    return replace(told, outcome=REMOVED if told.proposal.text is None else WRITTEN, proposal=None)
