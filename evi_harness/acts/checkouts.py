"""Check out revisions as temporary git worktrees, and start processes that end with this one.

Checkouts are removed at the end, on Ctrl+C, and on SIGTERM and SIGHUP. The next run in the same repository removes what a ``kill -9`` left
behind.

Rules of living here: only what was made here is touched; its name shows that. Nothing is touched while its maker still runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Iterator, List, Optional, Sequence, Tuple

from evi_harness.errors import EviHarnessError, Parameter, Words
from evi_harness.guard.program_end import at_program_end

__all__ = ["checkouts", "git", "passing_folder", "run_here", "worktrees"]

_PREFIX = "evi-harness-ab-"
_LOCK = "lock"
# Where git keeps what it knows of worktrees, below its own folder: gitrepository-layout(5).
_WORKTREES = "worktrees"
_GITDIR = "gitdir"


@contextmanager
def checkouts(ids: Sequence[str]) -> Iterator[List[Path]]:
    """Check out commits of this repository, each in a folder of its own, for as long as the block runs.

    Args:
        ids: The commits.

    Raises:
        EviHarnessError: This is not a repository, or a commit cannot be checked out.
    """
    worktrees = Path(git("rev-parse", "--git-common-dir")).resolve() / _WORKTREES
    _take_away_what_is_left(worktrees)
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX))
    no_longer = at_program_end(lambda: _end(scratch, worktrees))
    try:
        with _held(scratch):
            # Git calls a worktree by the last part of its path: so what it keeps of it bears our name from the first moment on.
            places = [scratch / f"{scratch.name}-{number}" for number in range(len(ids))]
            for place, id_ in zip(places, ids):
                git("worktree", "add", "--detach", "--force", str(place), id_)
            yield places
    finally:
        with _undisturbed():
            _take_away(scratch, worktrees)
            no_longer()


def worktrees() -> Tuple[Path, ...]:
    """The folders in which this repository is checked out, links in their paths resolved.

    Raises:
        EviHarnessError: This is not a repository.
    """
    listed = git("worktree", "list", "--porcelain").splitlines()
    return tuple(Path(line.partition(" ")[2]).resolve() for line in listed if line.startswith("worktree "))


@contextmanager
def passing_folder(prefix: str) -> Iterator[Path]:
    """A folder for what is temporary, for as long as the block runs; it is gone also where a signal ends the program."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    no_longer = at_program_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        yield folder
    finally:
        with _undisturbed():
            shutil.rmtree(folder, ignore_errors=True)
            no_longer()


def git(*words: str) -> str:
    """Run git in the current folder.

    Returns:
        What it printed, without the white space around it.

    Raises:
        EviHarnessError: There is no git, or it failed.
    """
    try:
        done = run_here(["git", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        missing = Words("Install git, or give ", Parameter("a"), " and ", Parameter("b"), " commands.")
        raise EviHarnessError(f"git cannot be run: {error.strerror or error}", hint=missing) from None
    if done.returncode:
        hint = "Name two revisions that `git rev-parse` knows, in a repository."
        raise EviHarnessError(f"git {words[0]} failed: {done.stderr.strip()}", hint=hint)
    return str(done.stdout).strip()


# The processes that run now, and whether the program is ending: then they end, and no other begins.
_RUNNING: List[subprocess.Popen[Any]] = []
_ENDING = threading.Event()


def run_here(words: Sequence[str], *, timeout: Optional[float] = None, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Run a process to its end, as ``subprocess.run`` does; where a signal ends this program, it ends with it.

    Args:
        words: The command; no shell is run.
        timeout: After so many seconds it is ended.
        options: As ``subprocess.Popen`` has them.

    Raises:
        OSError: It cannot be run.
        subprocess.TimeoutExpired: It took too long.
    """
    no_longer = at_program_end(lambda: _end_processes())
    try:
        # A group of its own, so that what it has started ends with it and writes nothing into what is taken away.
        with subprocess.Popen(words, start_new_session=True, **options) as process:  # noqa: S603 - no shell; running it is what was asked for
            _RUNNING.append(process)
            try:
                if _ENDING.is_set():
                    _kill(process)
                printed, complained = process.communicate(timeout=timeout)
            except BaseException:
                _kill(process)
                raise
            finally:
                _RUNNING.remove(process)
    finally:
        no_longer()
    if _ENDING.is_set():
        # The program is about to end by the signal. Whatever became of the process, it is not to be told.
        threading.Event().wait()
    return subprocess.CompletedProcess(words, process.returncode, printed, complained)


def _end_processes() -> None:
    _ENDING.set()
    for process in tuple(_RUNNING):
        _kill(process)


def _kill(process: subprocess.Popen[Any]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(scratch: Path, worktrees: Path) -> None:
    """At the program's end: end what runs, and take away what it ran in."""
    _end_processes()
    _take_away(scratch, worktrees)


def _take_away(scratch: Path, worktrees: Path) -> None:
    """Take away a folder of checkouts, and what git keeps of them: git itself would refuse what it had only begun to make."""
    shutil.rmtree(scratch, ignore_errors=True)
    for kept in worktrees.glob(f"{scratch.name}-*"):
        shutil.rmtree(kept, ignore_errors=True)
    with suppress(OSError):
        # As git does behind the last one; it stays where there are others.
        worktrees.rmdir()


def _take_away_what_is_left(worktrees: Path) -> None:
    """Take away the checkouts of those that were ended with no chance to do so themselves."""
    for kept in sorted(worktrees.glob(f"{_PREFIX}*")):
        scratch = _scratch_of(kept)
        if scratch.name.startswith(_PREFIX) and not _is_held(scratch):
            _take_away(scratch, worktrees)


def _scratch_of(kept: Path) -> Path:
    """The folder that a worktree is in, by what git keeps of it; that may be no more than its name."""
    try:
        # The path of the worktree's own .git.
        return Path((kept / _GITDIR).read_text(encoding="utf-8").strip()).parent.parent
    except OSError:
        return Path(tempfile.gettempdir()) / kept.name.rpartition("-")[0]


@contextmanager
def _held(scratch: Path) -> Iterator[None]:
    """Show, for as long as the block runs, that a folder is in use: the system takes the lock away however the process ends."""
    with (scratch / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_held(scratch: Path) -> bool:
    try:
        with (scratch / _LOCK).open() as file:
            return not _locked(file)
    except OSError:
        return False


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Have nobody press Ctrl+C once more while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
