"""Many sessions: find them, replay each one somewhere, keep the outcomes.

Rules of living here: a session is replayed whole by one worker; what crosses between processes is plain data; the number of sessions in
flight is bounded, and of a session that passed nothing is kept but a line and what a program asked for. What one session does to its
worker is that session's fault and no other's.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Deque, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union

from evi_harness.acts.commanding import check_command
from evi_harness.acts.executors import default_jobs, lent_executor, local_processes
from evi_harness.acts.measured_runs import runs_of_result
from evi_harness.acts.paging.page_folder import PageFolder, PagePlace
from evi_harness.acts.repeating import RepeatedReplay, check_runs, replay_repeatedly
from evi_harness.acts.replay import ReplayResult
from evi_harness.bounds import Bounds, require_number
from evi_harness.errors import EviHarnessError, IncompleteRecording, Parameter, UsageError, Words
from evi_harness.measure.baseline import merged
from evi_harness.report.corpus_report import NORMAL, QUIET, VERBOSE, CorpusReport, Outcome
from evi_harness.report.replay_report import INCOMPLETE
from evi_harness.runs.app_command import AppCommand
from evi_harness.runs.replay_options import AS_ASKED, ReplayOptions
from evi_harness.runs.revision import revision_here
from evi_harness.settings.sink import redacted, streams_kept_discreet
from evi_harness.verdicts.expected import accept
from evi_harness.verdicts.invoking import Command

__all__ = ["NORMAL", "QUIET", "VERBOSE", "Task", "accept_all", "replay_corpus", "replay_one"]

# Of what a handler prints in a session, so many lines are kept, the last ones.
_KEPT_LINES = 40
# In flight for each worker: one that runs and one that waits, so that no worker stands idle.
_AHEAD = 2
# An error of ours, and not of the session's or the handler's.
_BROKE = 3

# A process replays one session at a time: a run stands in for the sound system and the clock of its whole process.
_ONE_AT_A_TIME = threading.Lock()


def replay_corpus(
    folders: Sequence[Union[str, Path]],
    asked: ReplayOptions = AS_ASKED,
    *,
    n_runs: int = 1,
    n_jobs: Optional[int] = None,
    executor: Union[str, Executor, None] = None,
    on_done: Callable[[Outcome], object] = id,
    keep_json: bool = False,
    keep_run: bool = False,
    stop_at_first: bool = False,
    told: int = NORMAL,
    pages: Optional[PageFolder] = None,
    command: Optional[Command] = None,
) -> CorpusReport:
    """Replay many sessions, each as a whole, and sum up.

    Args:
        folders: Session folders, as ``find_sessions`` finds them.
        asked: The options of each, all of them plain data: a handler is given as a SPEC, or as the command of an app, which is started
            once for each. With ``child``, one at a time is replayed in another process than this, too.
        n_runs: How many times each is replayed, see ``replay_repeatedly``.
        n_jobs: How many at a time, on processes of this machine; None for as many as there are processors, 1 for this process.
        executor: Who does the work instead: any ``concurrent.futures.Executor``, or the address of one, see ``lent_executor``.
        on_done: Called with each outcome as it comes in, in no certain order.
        keep_json: Keep each session's report for programs, for ``CorpusReport.json``.
        keep_run: Keep what was measured in each, for a gate.
        stop_at_first: Replay no more once one did not pass; those that are being replayed then are ended.
        told: How much the report tells people, see ``CorpusReport``.
        pages: Where a page of each replay is written, and by ``pages_told`` an index of them; None for no pages.
        command: What asked for the replays; None for this call.

    Returns:
        The report, with the outcomes in the order of ``folders``.

    Raises:
        UsageError: A handler is given as an object; ``n_runs`` or ``n_jobs`` is out of its bounds.
        EviHarnessError: The executor cannot be had, or does not run the revision that this process is to run.
    """
    if not isinstance(asked.handler, (str, type(None), AppCommand)):
        raise UsageError(
            "with several sessions, the handler must be given by name, not as an object", hint="Give FILE.py:NAME or PACKAGE.MODULE:NAME."
        )
    check_command(asked, len(folders))
    if executor is not None and isinstance(asked.handler, AppCommand):
        hint = Words("Leave out ", Parameter("executor"), ", or name a handler.")
        raise UsageError("a command needs this folder and environment, which workers on other machines do not have", hint=hint)
    if executor is not None and revision_here() is not None:
        hint = Words("Leave out ", Parameter("executor"), " in what ab runs in a revision, or give ab two commands.")
        raise EviHarnessError("workers of an executor do not run the revision that is checked out here", hint=hint)
    if isinstance(asked.handler, AppCommand) and asked.handler.together and not asked.handler.sessions:
        asked = replace(asked, handler=replace(asked.handler, sessions=tuple(map(str, folders))))
    check_runs(n_runs, asked)
    if n_jobs is not None:
        require_number("n_jobs", n_jobs, Bounds(least=1))
    began_s = time.perf_counter()
    task = Task("", replace(asked, child=False), n_runs, command, keep_json, keep_run)
    tasks = [replace(task, folder=str(folder), page=None if pages is None else pages.of(folder)) for folder in folders]
    outcomes: Dict[str, Outcome] = {}
    with ExitStack() as stack:
        if isinstance(executor, str):
            executor = stack.enter_context(lent_executor(executor))
        wanted = min(n_jobs or default_jobs(), len(tasks)) if executor is None else _workers_of(executor)
        done = _here(tasks) if executor is None and wanted <= 1 and not asked.child else _elsewhere(tasks, executor, wanted)
        for outcome in done:
            outcomes[outcome.folder] = outcome
            on_done(outcome)
            if stop_at_first and outcome.exit_code:
                done.close()
                break
    in_order = tuple(outcomes[task.folder] for task in tasks if task.folder in outcomes)
    n_left = len(tasks) - len(in_order)
    return CorpusReport(in_order, n_workers=wanted, real_s=time.perf_counter() - began_s, n_left=n_left, told=told)


@dataclass(frozen=True)
class Task:
    """One session to be replayed: plain data, for another process.

    Attributes:
        folder: The session folder.
        asked: The options.
        n_runs: How many times.
        command: What asked for it, None for a call in the process that replays it.
        keep_json: Keep its report for programs.
        keep_run: Keep what was measured, for a gate.
        page: Where its page is written, None for nowhere.
    """

    folder: str
    asked: ReplayOptions
    n_runs: int = 1
    command: Optional[Command] = None
    keep_json: bool = False
    keep_run: bool = False
    page: Optional[PagePlace] = None


def replay_one(task: Task) -> Outcome:
    """Replay one session as a worker does: whatever happens becomes its outcome.

    Args:
        task: The session, and how it is replayed.
    """
    # A worker of a cluster writes to a log of its own; and what is redacted here need not cross the network.
    with _ONE_AT_A_TIME, streams_kept_discreet():
        return _replayed(task)


def _replayed(task: Task) -> Outcome:
    began_s, folder = time.perf_counter(), task.folder
    printed = _LastLines(_KEPT_LINES)
    with redirect_stdout(printed):
        try:
            result = replay_repeatedly(folder, task.n_runs, task.asked, write=_nowhere, command=task.command)
        except EviHarnessError as error:
            told = INCOMPLETE if isinstance(error, IncompleteRecording) else _redacted("could not run: ", error.what)
            return Outcome(folder, error.exit_code, told, _lines_of(error))
        except Exception as error:  # noqa: BLE001 - one session's error must not end the others
            told = f"could not run: {type(error).__name__}"
            return Outcome(folder, _BROKE, told, tuple(redacted(traceback.format_exc()).splitlines()))
    page, why = _page(task, result)
    outcome = _outcome(task, result, printed, time.perf_counter() - began_s, page, why)
    if not isinstance(result, ReplayResult) or result.proposal is None:
        return outcome
    accepted = _outcome(task, result.as_accepted(), printed, outcome.real_s, page, why)
    return replace(outcome, proposal=result.proposal, accepted=accepted)


def _page(task: Task, result: Union[ReplayResult, RepeatedReplay]) -> Tuple[Optional[str], str]:
    """Write the page of a replay, where one is asked for: the page, and why there is none. The verdict on the replay stands either way."""
    if task.page is None:
        return None, ""
    try:
        return task.page.write(result), ""
    except EviHarnessError as error:
        return None, redacted(": ".join(filter(None, (error.where, error.what))))
    except Exception as error:  # noqa: BLE001 - one session's page must not end the others
        return None, redacted(f"the page cannot be created: {type(error).__name__}: {error}")


def _outcome(
    task: Task, result: Union[ReplayResult, RepeatedReplay], printed: _LastLines, real_s: float, page: Optional[str], no_page: str
) -> Outcome:
    return Outcome(
        task.folder,
        result.exit_code,
        result.verdict_text,
        () if result.passed else tuple(result.lines()),
        () if result.passed else printed.lines(),
        real_s=real_s,
        recorded_ns=result.report.recorded.duration_ns,
        json={**result.json(), **({} if page is None else {"page": page})} if task.keep_json else None,
        # What is missing in a recording is missing in what was measured.
        run=merged(runs_of_result(result)) if task.keep_run and not result.report.is_incomplete else None,
        first_line=result.report.first_line,
        # Several runs update nothing.
        changes=tuple(result.changes()) if isinstance(result, ReplayResult) else (),
        cause=result.report.cause,
        page=page,
        no_page=no_page,
        missing="".join(map(redacted, result.report.incomplete[:1])),
        is_built_in=result.report.is_built_in,
        names_no_handler=result.report.names_no_handler,
    )


def accept_all(report: CorpusReport) -> CorpusReport:
    """Have each session expect what was sent, as an update proposes it.

    Args:
        report: Of replays with ``update`` and ``defer``.

    Returns:
        The report by what is expected then. A session whose folder cannot be written could not run; the others are still written.
    """
    return replace(report, outcomes=tuple(map(_accepted, report.outcomes)))


def _accepted(outcome: Outcome) -> Outcome:
    if outcome.proposal is None or outcome.accepted is None:
        return outcome
    try:
        accept(outcome.proposal)
    except EviHarnessError as error:
        return Outcome(outcome.folder, error.exit_code, _redacted("could not run: ", error.what), _lines_of(error))
    return outcome.accepted


def _lines_of(error: EviHarnessError) -> Tuple[str, ...]:
    """An error's lines, in which parameters can still be called by their flags."""
    lines: List[List[Union[str, Parameter]]] = [[]]
    for part in error.words().parts:
        first, *others = redacted(part).split("\n") if isinstance(part, str) else [part]
        lines[-1].append(first)
        lines += [[one] for one in others]
    return tuple(Words(*line) for line in lines)


def _redacted(*parts: str) -> Words:
    """A sentence without secrets, in which parameters can still be called by their flags."""
    return Words(*(redacted(part) if isinstance(part, str) else part for part in Words(*parts).parts))


def _nowhere(line: str) -> None:
    """Take a line of the built-in handler's transcript: of many sessions nobody reads it."""


def _here(tasks: Sequence[Task]) -> Generator[Outcome, None, None]:
    for task in tasks:
        yield replay_one(task)


def _elsewhere(tasks: Sequence[Task], executor: Optional[Executor], n_workers: int) -> Generator[Outcome, None, None]:
    waiting = deque(tasks)
    lost: List[_Lost] = []
    if executor is not None:
        yield from _handed_out(waiting, executor, n_workers, lost)
        lost += [_Lost(task, BrokenExecutor("the executor failed before this session's turn")) for task in waiting]
        yield from (_unanswered(one) for one in lost)
        return
    while waiting:
        with _closed_at_once(local_processes(n_workers)) as processes:
            yield from _handed_out(waiting, processes, n_workers, lost)
        # A handler may end its process. Whose it was shows when each that was in flight has one for itself.
        while lost:
            with _closed_at_once(local_processes(1)) as process:
                yield _alone(lost.pop(0).task, process)


def _handed_out(waiting: Deque[Task], executor: Executor, n_workers: int, lost: List[_Lost]) -> Iterator[Outcome]:
    """Work off what waits; what did not come back is put to ``lost``, and where the executor broke the rest is left waiting."""
    flying: Dict[Future[Outcome], Task] = {}
    is_broken = False
    while flying or (waiting and not is_broken):
        while waiting and not is_broken and len(flying) < _AHEAD * n_workers:
            task = waiting.popleft()
            try:
                flying[_submitted(executor, task)] = task
            except BrokenExecutor:
                waiting.appendleft(task)
                is_broken = True
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            task, error = flying.pop(future), future.exception()
            if error is None:
                yield future.result()
            else:
                is_broken = is_broken or isinstance(error, BrokenExecutor)
                lost.append(_Lost(task, error))


@dataclass(frozen=True)
class _Lost:
    """A session that was handed out and did not come back."""

    task: Task
    error: BaseException


def _alone(task: Task, process: Executor) -> Outcome:
    try:
        # In a child of that process, which is left to say what the session did to it.
        return _submitted(process, replace(task, asked=replace(task.asked, child=True))).result()
    except BrokenExecutor:
        what, hint = "the process that replayed it ended", "Does the handler call os._exit, or crash in a library?"
        return Outcome(task.folder, _BROKE, f"could not run: {what}", (what, hint))


def _unanswered(lost: _Lost) -> Outcome:
    """What an executor of somebody else's says of a session that did not come back."""
    told = f"{type(lost.error).__name__}: {lost.error}".rstrip(": ")
    return Outcome(lost.task.folder, _BROKE, "could not run: the worker sent no result", (redacted(told),))


def _submitted(executor: Executor, task: Task) -> Future[Outcome]:
    return executor.submit(replay_one, task)


def _workers_of(executor: Executor) -> int:
    """How many workers an executor has, as far as it says."""
    client = getattr(executor, "_client", None)
    if client is not None:
        # One at a time in each process of a cluster, however many threads it has.
        return max(1, len(client.scheduler_info()["workers"]))
    return getattr(executor, "_max_workers", None) or default_jobs()


@contextmanager
def _closed_at_once(processes: ProcessPoolExecutor) -> Iterator[ProcessPoolExecutor]:
    """End the processes with the block; where it ends by an exception, such as Ctrl+C, they are not waited for."""
    try:
        yield processes
    except BaseException:
        workers = list((getattr(processes, "_processes", None) or {}).values())
        processes.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.terminate()
        raise
    processes.shutdown(wait=True)


class _LastLines:
    """A text stream that keeps the last lines."""

    def __init__(self, n_lines: int) -> None:
        self._lines: Deque[str] = deque(maxlen=n_lines)
        self._open = ""

    def write(self, text: str) -> int:
        *whole, self._open = (self._open + text).split("\n")
        self._lines.extend(whole)
        return len(text)

    def flush(self) -> None:
        """Nothing waits to be written."""

    def isatty(self) -> bool:
        return False

    def lines(self) -> Tuple[str, ...]:
        """The last lines, without secrets: by now all are known, also those of the session."""
        return tuple(map(redacted, (*self._lines, self._open) if self._open else self._lines))
