"""Where processes listen for callers, and the address by which a driver on this machine reaches them.

Rules of living here: the system is asked what it knows of these processes; nobody connects to find out, since an app would take that for a
caller.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Dict, Iterable, List, Set, Tuple

__all__ = ["APP_PLACE", "APP_VARIABLE", "address_of_app", "listening_places"]

# What stands for the app's address, HOST:PORT, in a word of a driver, and the variable that has it.
APP_PLACE, APP_VARIABLE = "{app}", "EVI_HARNESS_APP"

# Where Linux tells of processes.
_PROCESSES = Path("/proc")
_LISTENS = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def address_of_app(host: str, port: int) -> str:
    """The address of what listens, for who calls from this machine: ``HOST:PORT``.

    Args:
        host: The address that it listens on.
        port: The port.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def listening_places(processes: Iterable[int]) -> List[Tuple[str, int]]:
    """The addresses and ports on which processes listen, on Linux; elsewhere none, since the system does not say.

    Args:
        processes: Their process ids.
    """
    inodes: Set[str] = set()
    for process in processes:
        # It may have ended by now, or any of what it has open be closed.
        with suppress(OSError):
            for path in (_PROCESSES / str(process) / "fd").iterdir():
                with suppress(OSError):
                    inodes.update(_SOCKET.findall(str(path.readlink())))
    return [place for inode, place in _listening().items() if inode in inodes]


def _listening() -> Dict[str, Tuple[str, int]]:
    """What listens on this machine, by the inode of its socket."""
    found: Dict[str, Tuple[str, int]] = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROCESSES / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = fields = line.split()
            if state == _LISTENS:
                host, _, port = local.partition(":")
                found[fields[9]] = _address(host), int(port, 16)
    return found


def _address(figures: str) -> str:
    """An address as the kernel writes it: words of 32 bits, each in the machine's order."""
    packed = b"".join(struct.pack("=I", int(figures[at : at + 8], 16)) for at in range(0, len(figures), 8))
    return str(ipaddress.ip_address(packed))
