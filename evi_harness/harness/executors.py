"""Who does the work when many sessions are replayed: processes of this machine, or a cluster's workers.

Everything is handed out through ``concurrent.futures.Executor``, so that whatever has that interface can do it.

Rules of living here: an executor is lent, used and closed; what runs on it is a function of a module, with plain data. Nothing of a
cluster is imported before one is asked for.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.harness.sink import keep_streams_discreet
from evi_harness.live.held_interrupts import ignore_interrupts, interrupts_held_back
from evi_harness.live.program_end import do_duties, really_exit

__all__ = ["default_jobs", "lent_executor", "local_processes"]

_DASK_WAIT_S = 5


def default_jobs() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def local_processes(n_jobs: int) -> ProcessPoolExecutor:
    """So many processes of this machine; each starts from nothing, so that no lock or thread of this one is copied.

    Args:
        n_jobs: How many.
    """
    return _LocalProcesses(n_jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_depend_on_the_parent)


class _LocalProcesses(ProcessPoolExecutor):
    """Processes that Ctrl+C does not reach."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Hand out some work; a process may be started for it."""
        with interrupts_held_back():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def lent_executor(address: str) -> Iterator[Executor]:
    """The executor of a cluster.

    Args:
        address: ``dask://HOST:PORT`` of a Dask scheduler, whose workers have evi-harness, the handler and the sessions at the same paths.

    Raises:
        UsageError: It is no address of a kind that is known.
        EviHarnessError: The package for it is not installed, or nobody answers there.
    """
    scheme = urlsplit(address).scheme
    if scheme not in _LENDERS or not urlsplit(address).netloc:
        raise UsageError(f"{address!r} is no executor", hint="Give dask://HOST:PORT, the address of a Dask scheduler.")
    with _LENDERS[scheme](address) as executor:
        yield executor


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise EviHarnessError("Dask is not installed", hint="pip install distributed") from None
    try:
        client = Client(f"tcp://{urlsplit(address).netloc}", timeout=_DASK_WAIT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise EviHarnessError(f"no Dask scheduler answers at {address}: {error}", hint="Start one with: dask scheduler") from None
    with client:
        # A result is a fact about one run and never taken from an earlier one.
        yield client.get_executor(pure=False, retries=0)


_LENDERS: Mapping[str, Callable[[str], Any]] = {"dask": _dask}


def _depend_on_the_parent() -> None:
    """Leave Ctrl+C, which a terminal sends to every process, to the one that gave out the work; and end when that one does, however."""
    ignore_interrupts()
    keep_streams_discreet()
    threading.Thread(target=_end_with_the_parent, name="evi-harness parent", daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        try:
            # What it has half made, nobody will finish.
            do_duties()
        finally:
            really_exit(1)
