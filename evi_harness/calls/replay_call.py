"""``replay_sessions`` and ``replay_live``: with ``replay_session``, the calls for ``evi-harness replay``."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from pathlib import Path
from typing import Callable, Iterable, Mapping, Optional, Sequence, Union

from typing_extensions import TypedDict, Unpack

from evi_harness.acts import replay_live as live
from evi_harness.acts.corpus import replay_corpus
from evi_harness.acts.paging.page_folder import PageFolder, pages_told
from evi_harness.audio.page_tracks import FORMATS, OGG
from evi_harness.bounds import require_word
from evi_harness.calls.given_sessions import paths_of
from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.replay.cues import TURN
from evi_harness.replay.live_user import PATIENCE_NS
from evi_harness.report.corpus_report import CorpusReport
from evi_harness.report.drift_report import LiveReport
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.json_value import Json
from evi_harness.session.session import Session
from evi_harness.settings.any_path import AnyPath
from evi_harness.settings.new_folder import DEFAULT_OUT
from evi_harness.verdicts.loading import find_sessions

__all__ = ["ReplayArguments", "replay_live", "replay_sessions"]


class ReplayArguments(TypedDict, total=False):
    """The arguments of ``replay_session`` that ``replay_sessions`` also accepts; all are optional."""

    handler: Union[str, AppCommand, None]
    arguments: Optional[Mapping[str, object]]
    clock: str
    upgrade: bool
    twice: bool
    ignore: Iterable[str]
    strict: bool
    max_late_ms: Optional[float]
    update: bool
    dry_run: bool
    out: Optional[AnyPath]
    timeout_s: float
    max_run_s: Optional[float]
    thread_wait_s: float
    allow_hosts: Sequence[str]
    wall_clock: str
    seed: Optional[int]
    severities: Mapping[str, str]
    blocked_ms: Optional[float]
    speed: Union[str, float, None]
    max_gap: Union[str, float, None]
    first: Union[str, float, None]
    last: Union[str, float, None]
    microphone: str
    child: bool
    allow_incomplete: bool


def replay_sessions(
    sessions: Union[AnyPath, Iterable[AnyPath]],
    *,
    n_runs: int = 1,
    n_jobs: Optional[int] = None,
    executor: Union[str, Executor, None] = None,
    stop_at_first: bool = False,
    html: Optional[AnyPath] = None,
    audio_format: str = OGG,
    **options: Unpack[ReplayArguments],
) -> CorpusReport:
    """Replay many sessions, or each of them several times.

    A problem with one session becomes its outcome and does not stop the others.

    Args:
        sessions: Session folders, or folders of them.
        n_runs: How often each session is replayed.
        n_jobs: How many sessions to replay at a time, each in its own process on this machine; None for one per processor, 1 for this
            process.
        executor: Runs the replays instead: a ``concurrent.futures.Executor``, or ``dask://HOST:PORT`` or ``tls://HOST:PORT``.
        stop_at_first: Stop at the first session that does not pass.
        html: A folder for the page of each replay and an index.html; None for no pages.
        audio_format: How the pages' sound is compressed: ``ogg`` or ``flac``.
        **options: Any other argument of ``replay_session`` except ``defer`` and ``write``. The handler must be None, a name
            (``FILE.py:NAME``) or an ``app_command``, because other processes load it.

    Returns:
        The report, with an outcome for each session in the order of ``sessions``.

    Raises:
        UsageError: An argument is invalid, or the handler is none of these, or a command with an executor.
        EviHarnessError: The executor is not available, or a page cannot be written.

    Example:
        >>> report = evi_harness.replay_sessions("sessions", handler="recorded", n_jobs=1)
        >>> [(outcome.folder, outcome.verdict) for outcome in report.outcomes]
        [('sessions/typed', 'passed'), ('sessions/weather', 'passed')]
    """
    require_word("audio_format", audio_format, FORMATS)
    place = None if html is None else Path(html)
    if place is not None and place.exists() and not place.is_dir():
        raise UsageError(Words(Parameter("html"), f" is {str(place)!r}, a file, and the pages of several sessions need a folder"))
    unknown = sorted(set(options) - set(ReplayArguments.__annotations__))
    if unknown:
        raise TypeError(f"replay_sessions() got an unexpected keyword argument {unknown[0]!r}")
    out, ignore, allow_hosts = options.get("out"), tuple(options.get("ignore", ())), tuple(options.get("allow_hosts", ()))
    plain = {**options, "out": None if out is None else os.fspath(out), "ignore": ignore, "allow_hosts": allow_hosts}
    asked = ReplayOptions(**plain)  # type: ignore[arg-type]
    asked.check()
    report = replay_corpus(
        find_sessions(paths_of(sessions), damaged=True),
        asked,
        n_runs=n_runs,
        n_jobs=n_jobs,
        executor=executor,
        keep_json=True,
        keep_run=True,
        stop_at_first=stop_at_first,
        pages=None if place is None else PageFolder(place, audio_format),
    )
    if place is not None:
        pages_told(report, place, audio_format=audio_format)
    return report


def replay_live(
    session: Union[AnyPath, Session],
    *,
    base_url: Optional[str] = None,
    config_id: Optional[str] = None,
    cadence: str = TURN,
    out: AnyPath = DEFAULT_OUT,
    max_duration_s: Optional[float] = None,
    patience_s: float = PATIENCE_NS / 1e9,
    ca: Optional[AnyPath] = None,
    allow_incomplete: bool = False,
    yes: bool = False,
    dialect: Optional[str] = None,
    setup: Optional[AnyPath] = None,
    handler: Union[str, Callable[[str, Json], object], None] = None,
) -> LiveReport:
    """Hold a recorded conversation again with a live service, record it and compare the two.

    No handler runs, unless the service is of another dialect and one answers its calls of tools.

    Args:
        session: A session, or its folder.
        base_url: The endpoint; None for HUME_BASE_URL (OPENAI_BASE_URL), else the service's own.
        config_id: EVI's configuration; None for HUME_CONFIG_ID, else the recorded one.
        cadence: ``turn``: keep the recorded delay after the preceding reply; ``clock``: keep the recorded times.
        out: The folder for new sessions.
        max_duration_s: End the conversation after this many seconds; None for twice the recording and 60 s.
        patience_s: Wait this many seconds for a reply that is late.
        ca: A PEM file of certificate authorities to trust for the service; None for the system's.
        allow_incomplete: Accept an incomplete or damaged recording as it is.
        yes: Agree that audio is sent to another machine, which may cost money. A service on this machine needs no agreement.
        dialect: The name of what the service speaks, ``evi`` or ``openai-realtime``; None for the recording's. In another dialect the
            conversation is carried over, and ``report.migration`` compares it turn by turn.
        setup: With another dialect, a JSON file with the configuration of the new session; None for what the recording sets up.
        handler: With another dialect, what answers its calls of tools, a function of a tool's name and arguments or its name
            (``FILE.py:NAME``); None for the recorded answers.

    Returns:
        The report: ``folder`` holds the new session.

    Raises:
        UsageError: An argument is invalid; the recording lacks the app's messages, or cannot be carried over; ``yes`` is required but
            missing.
        SessionUnreadable: The session cannot be read.
        IncompleteRecording: It is incomplete or damaged, and that is not allowed.
        EviHarnessError: No key, no connection, or ``out`` cannot be written.
        KeyboardInterrupt: A signal ended the conversation; the recording up to that point is in ``out``.

    Example:
        >>> with evi_harness.serve("sessions/typed") as server:
        ...     report = evi_harness.replay_live("sessions/typed", base_url=server.url)
        >>> report.exit_code
        0
    """
    options = live.LiveReplayOptions(
        base_url=base_url,
        config_id=config_id,
        cadence=cadence,
        out=Path(out),
        max_duration_s=max_duration_s,
        patience_s=patience_s,
        ca=None if ca is None else Path(ca),
        allow_incomplete=allow_incomplete,
        dialect=dialect,
        setup=None if setup is None else Path(setup),
        handler=handler,
    )
    what = session if isinstance(session, Session) else Path(session)
    return live.replay_live(what, options, agree=lambda _: yes, write=lambda _: None)
