"""Tests that reach this machine and nothing else.

Rules of living here: a guard is entered around each test, on the test's thread; what other threads of the test runner do is not judged.
"""

from __future__ import annotations

from typing import Callable, Iterable, NoReturn, Optional

from evi_harness.guard.allowed import LOOPBACK_NAME, Allowed
from evi_harness.guard.network import NetworkGuard

__all__ = ["Offline"]


class Offline(NetworkGuard):
    """Refuses what leaves this machine, for as long as the block runs. May be entered again when it has been left.

    Args:
        allow_hosts: What may be reached besides, as ``HOST`` or ``HOST:PORT``.
        tell: Called with a sentence for the first refusal at each place.

    Raises:
        UsageError: A host is invalid.
    """

    def __init__(self, allow_hosts: Iterable[str], tell: Callable[[str], object]) -> None:
        allowed = [Allowed(LOOPBACK_NAME), *map(Allowed.parse, allow_hosts)]
        super().__init__(allowed, lambda refusal: tell("\n  ".join([refusal.what, *refusal.places])))

    def refuse(self, call: str, host: str, port: Optional[int], hint: Optional[str] = None) -> NoReturn:
        """Refuse a call; the way out is an option of the test run's.

        Raises:
            NetworkRefused: Always.
        """
        __tracebackhide__ = True
        way_out = f"Give the app a mocked transport, such as httpx.MockTransport, or run with --evi-allow-host {host}."
        super().refuse(call, host, port, hint or way_out)
