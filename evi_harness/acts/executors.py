"""Executors for many replays: processes on this machine, or a cluster's workers.

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

from evi_harness.errors import EviHarnessError, UsageError, value_of
from evi_harness.guard.held_interrupts import ignore_interrupts, interrupts_held_back
from evi_harness.guard.program_end import do_duties, really_exit
from evi_harness.settings.sink import keep_streams_discreet

__all__ = ["default_jobs", "lent_executor", "local_processes"]

_DASK_WAIT_S = 5
_FORMS = "Give dask://HOST:PORT, the address of a Dask scheduler, or tls://HOST:PORT if it uses TLS."
# What Dask's configuration has for a client: the field of ``Security``, and the end of the variable that people set.
_TLS_FILES: Mapping[str, str] = {"tls_ca_file": "CA_FILE", "tls_client_cert": "CLIENT__CERT", "tls_client_key": "CLIENT__KEY"}
_TLS_VARIABLE = "DASK_DISTRIBUTED__COMM__TLS__"
_TLS_WAY = (
    f"Set {_TLS_VARIABLE}CA_FILE, …CLIENT__CERT and …CLIENT__KEY, or distributed.comm.tls in a file of ~/.config/dask: PEM files "
    "with the certificate authority, and with the certificate and the key of this machine that it has signed."
)


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
        address: ``dask://HOST:PORT`` of a Dask scheduler, whose workers have evi-harness, the handler and the sessions at the same paths;
            ``tls://HOST:PORT`` of one behind TLS, for which Dask's own configuration names the certificates.

    Raises:
        UsageError: It is not an address of a kind that is known.
        EviHarnessError: The package for it is not installed, nobody answers there, or there are no certificates that can be used.
    """
    scheme = urlsplit(address).scheme
    with value_of("executor"):
        if scheme not in _LENDERS or not urlsplit(address).netloc:
            raise UsageError(f"{address!r} is not an executor", hint=_FORMS)
    with _LENDERS[scheme](address) as executor:
        yield executor


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError:
        raise EviHarnessError("Dask is not installed", hint="pip install distributed") from None
    is_tls = urlsplit(address).scheme == "tls"
    security = _dask_security(address) if is_tls else None
    try:
        client = Client(
            f"{'tls' if is_tls else 'tcp'}://{urlsplit(address).netloc}", timeout=_DASK_WAIT_S, set_as_default=False, security=security
        )
    except (OSError, ValueError) as error:
        hint = "Do both sides have certificates from the same authority?" if is_tls else "One that is reached over TLS is tls://HOST:PORT."
        raise EviHarnessError(f"no Dask scheduler answers at {address}: {error}", hint=f"Start one with: dask scheduler. {hint}") from None
    with client:
        # A result is a fact about one run and never taken from an earlier one.
        yield client.get_executor(pure=False, retries=0)


def _dask_security(address: str) -> Any:
    """What Dask's own configuration says of TLS, for a client.

    Raises:
        EviHarnessError: Something is missing there, or cannot be used.
    """
    from distributed import Security

    try:
        security = Security(require_encryption=True)
    except (ImportError, TypeError, ValueError) as error:
        raise EviHarnessError(f"Dask's configuration of TLS cannot be used: {error}", hint=_TLS_WAY) from None
    # A file may hold the key with the certificate.
    missing = [named for field, named in _TLS_FILES.items() if not getattr(security, field) and field != "tls_client_key"]
    if missing:
        told = " and ".join(f"{_TLS_VARIABLE}{named}" for named in missing)
        raise EviHarnessError(f"{address} is reached over TLS, and Dask's configuration has no {told}", hint=_TLS_WAY)
    for field, named in _TLS_FILES.items():
        _require_readable(getattr(security, field), f"{_TLS_VARIABLE}{named}")
    try:
        security.get_connection_args("client")
    except OSError as error:
        # An ssl.SSLError is one, and has no file's name.
        reason = getattr(error, "reason", None) or error.strerror or "it is not PEM"
        raise EviHarnessError(f"the certificates for {address} cannot be used: {reason}", hint=_TLS_WAY) from None
    return security


def _require_readable(value: Any, named: str) -> None:
    # Dask takes the PEM itself, too.
    if not value or "\n" in value:
        return
    try:
        with open(value, "rb") as file:  # noqa: PTH123 - as Dask opens it
            file.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EviHarnessError(f"{named} cannot be read: {reason}", where=str(value), hint=_TLS_WAY) from None


_LENDERS: Mapping[str, Callable[[str], Any]] = {"dask": _dask, "tls": _dask}


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
