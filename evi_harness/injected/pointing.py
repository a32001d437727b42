"""What is in an app's own process while a command is recorded: the service's host leads to the proxy, and a file may be the microphone.

Rules of living here: real time, real sockets, and the app's own code; what is changed is where a name leads, and that no TLS is spoken
there. Every other host is what it was.
"""

from __future__ import annotations

import functools
import socket
from contextlib import ExitStack
from typing import Any, Callable, Optional, Tuple

from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import PcmSource
from evi_harness.dialects import adapter_for
from evi_harness.injected.tls_left_out import leave_tls_out
from evi_harness.runs.app_channel import PointedPlan
from evi_harness.runs.app_command import is_among

__all__ = ["point"]

# The address that stands for the proxy: of this machine, and nobody's else.
STANDING = "127.72.85.77"
# What is put in place stays there for as long as the process lives.
_STANDING = ExitStack()


def point(plan: PointedPlan) -> None:
    """Have the service be found at the proxy, from now on.

    Args:
        plan: Where it is looked for, where the proxy is, and what the microphone plays.
    """

    def serves(host: str, port: Optional[int]) -> bool:
        return is_among(plan.hosts, host, port)

    _lead(plan)
    leave_tls_out(serves)
    if plan.pcm is not None:
        microphone = SoftwareMicrophone(PcmSource(plan.samples, plan.pcm))
        stand_in = software_sounddevice(microphone, SoftwareSpeaker())
        _STANDING.enter_context(adapter_for(plan.dialect).sound(stand_in))


def _lead(plan: PointedPlan) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, family: Any = 0, type: Any = 0, proto: Any = 0, flags: Any = 0) -> Any:  # noqa: A002 - socket's
        """Resolve host and port into list of address info entries."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
        if is_among(plan.hosts, name, port if isinstance(port, int) else None):
            return real(STANDING, port, socket.AF_INET, type, proto)
        return real(host, port, family, type, proto, flags)

    socket.getaddrinfo = getaddrinfo
    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, _leading(getattr(socket.socket, name), plan.proxy))


def _leading(real: Callable[..., Any], proxy: Tuple[str, int]) -> Callable[..., Any]:
    @functools.wraps(real)
    def connect(sock: socket.socket, address: Any) -> Any:
        # Some keep the port that they asked for, so that the name alone cannot lead there.
        is_standing = isinstance(address, tuple) and address[0] == STANDING
        return real(sock, proxy if is_standing else address)

    return connect
