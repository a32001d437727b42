"""The demo as an act: a bundled conversation is spoken to a simulator, recorded, and replayed to the same app.

It works like a developer's own conversation: the SDK, a microphone and a speaker, a real socket, ``record``, ``replay``. Only the person,
the sound card and the service are missing.

Rules of living here: nothing leaves the machine, and no key is used; typing the equivalent commands gives the same result.
"""

from __future__ import annotations

import io
import os
import shlex
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Union

from evi_harness.acts.demos.evi_demo import HANDLER, record_evi
from evi_harness.acts.demos.realtime_demo import BROKEN, REALTIME_HANDLER, record_realtime
from evi_harness.acts.paging.page_making import page_of_replay, write_page
from evi_harness.acts.record_live import LiveResult
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.dialects import DEFAULT, dialect_of
from evi_harness.errors import UsageError
from evi_harness.report.timeline import as_lines
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, near
from evi_harness.settings.program import program
from evi_harness.verdicts.loading import load_session

__all__ = ["DemoResult", "demo"]


@dataclass(frozen=True)
class DemoResult:
    """What the demo did.

    Attributes:
        recorded: The conversation that was recorded.
        replayed: Its replay.
        page: The page of the replay.
        broken: Its replay to the same app with a mistake, None where the demo shows none.
    """

    recorded: LiveResult
    replayed: ReplayResult
    page: Path
    broken: Optional[ReplayResult] = None

    @property
    def exit_code(self) -> int:
        """0 if the replay passed, else 1."""
        return self.replayed.exit_code


@dataclass(frozen=True)
class _Demo:
    """The demo of one dialect.

    Attributes:
        opening: What it is, in a sentence.
        record: Records the conversation.
        handler: The app, by its SPEC.
        broken: The app with a mistake, likewise; None for none.
        mistake: Which one, in words.
        next_step: How somebody records a conversation of their own: the end of a command, and what it does.
    """

    opening: str
    record: Callable[[Path, Callable[[str], object]], LiveResult]
    handler: str
    next_step: str
    broken: Optional[str] = None
    mistake: str = ""


_DEMOS: Mapping[str, _Demo] = {
    DEFAULT: _Demo(
        "A spoken conversation with a simulated EVI, recorded and replayed: no key, no sound card, nothing leaves this machine.",
        record_evi,
        HANDLER,
        "record",
    ),
    "openai-realtime": _Demo(
        "A spoken conversation with a simulated Realtime service, recorded and replayed: no key, no sound card, nothing leaves here.",
        record_realtime,
        REALTIME_HANDLER,
        "record --dialect openai-realtime -- python app.py",
        BROKEN,
        "it says that all was heard which it had received",
    ),
}


def demo(out: Union[str, Path] = DEFAULT_OUT, tell: Callable[[str], object] = print, *, dialect: str = DEFAULT) -> DemoResult:
    """Record the bundled conversation and replay it; takes as long as the conversation, and a few seconds.

    Args:
        out: The folder of sessions that the new one is written to.
        tell: Takes lines for people.
        dialect: The name of what is spoken.

    Returns:
        The recording and its replay.

    Raises:
        UsageError: There is no demo of this dialect.
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The conversation could not be held or recorded: the SDK or a speech detector is not there.
        KeyboardInterrupt: Ctrl+C. What was recorded until then is kept.
    """
    shown = _DEMOS.get(dialect)
    if shown is None:
        raise UsageError(f"there is no demo of the dialect {dialect!r}", hint=f"There are demos of: {', '.join(_DEMOS)}.")
    tell(shown.opening)
    recorded = shown.record(Path(out), tell)
    tell("\nEverything that crossed the socket, except the audio:\n")
    for line in _timeline(load_session(recorded.folder)):
        tell(line)
    tell("\nThe same app again, from the recording and in virtual time:\n")
    replayed = _replayed(recorded.folder, shown.handler)
    _tell_all(replayed.lines(), tell)
    broken = None
    if shown.broken is not None:
        tell(f"\nThe same app with a mistake ({shown.mistake}):\n")
        broken = _replayed(recorded.folder, shown.broken)
        _tell_all(broken.lines(), tell)
    if replayed.passed:
        _tell_all(["", *_next_steps(recorded.folder, shown)], tell)
    page = write_page(page_of_replay(replayed), recorded.folder.with_suffix(".html"))
    tell("\nIts page, to look at and listen to:")
    tell(f"  {near(page.file)}")
    return DemoResult(recorded, replayed, page.file, broken)


def _replayed(folder: Path, handler: str) -> ReplayResult:
    # The app prints the transcript again.
    with redirect_stdout(io.StringIO()):
        return replay_session(folder, handler=handler)


def _tell_all(lines: List[str], tell: Callable[[str], object]) -> None:
    for line in lines:
        tell(line)


def _timeline(session: Session) -> List[str]:
    """The session's timeline without the frames of audio, which are most of it."""
    dialect = dialect_of(session)
    audio = session.audio(dialect)
    events = tuple(event for event in session.events if event not in audio)
    lines = as_lines(replace(session, events=events), dialect)
    return lines[lines.index("") + 1 :]


def _next_steps(folder: Path, shown: _Demo) -> List[str]:
    relative = os.path.relpath(folder)
    place = shlex.quote(str(folder) if relative.startswith(os.pardir) else relative)
    start = program()
    mistaken = [] if shown.broken is None else [(f"{start} replay {place} --handler {shown.broken}", "the one with the mistake")]
    steps = (
        (f"{start} show {place}", "the whole timeline, audio and all"),
        (f"{start} check {place}", "whether anything is wrong with the folder"),
        (f"{start} replay {place} --handler {shown.handler}", "the replay above"),
        *mistaken,
        (f"{start} replay {place} --handler FILE.py:NAME", "to your own handler: does it answer the tool call?"),
        (f"{start} {shown.next_step}", "your own conversation; --help says what it needs"),
    )
    return ["What to type next:", *(line for command, what in steps for line in (f"  {command}", f"      {what}"))]
