"""On which paths a session is served: the dialect's own, and the one that was asked for when it was recorded."""

from __future__ import annotations

from typing import Optional, Tuple

from evi_harness.evi.dialect import EVI
from evi_harness.session.session import Session

__all__ = ["chat_paths_of"]


def chat_paths_of(session: Optional[Session]) -> Tuple[str, ...]:
    """The paths on which a client may open the socket.

    Args:
        session: The session that is served, which may have been recorded through a gateway with a path of its own; None for none.
    """
    handshake = None if session is None else session.handshake
    return EVI.chat_paths if handshake is None else tuple(dict.fromkeys((*EVI.chat_paths, handshake.path)))
