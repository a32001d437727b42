"""What servers answer to a request for an access token, and on which paths; what they do where no dialect says."""

from __future__ import annotations

from typing import Callable, Mapping, Optional, Sequence, Tuple

from evi_harness.session.events import Handshake
from evi_harness.session.json_value import Json

__all__ = ["MADE_UP", "TOKEN_SECONDS", "TokenAnswer", "no_subprotocol", "plain_token_answer", "prefixes", "token_paths"]

# As ``Dialect.token_answer``.
TokenAnswer = Callable[[str, bytes, int, int], Mapping[str, Json]]

# EVI's tokens last half an hour, and so do these.
TOKEN_SECONDS = 1800
# Always the same, or two virtual runs would differ in it.
MADE_UP = "evi-harness-access-token"


def plain_token_answer(token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Json]:  # noqa: ARG001 - a TokenAnswer
    """An answer as RFC 6749, 5.1 has it."""
    return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in_s}


def no_subprotocol(handshake: Handshake) -> Optional[str]:  # noqa: ARG001 - as Dialect.subprotocol
    """None of those that a handshake offers."""
    return None


def token_paths(token_path: Optional[str], chat_paths: Sequence[str]) -> Tuple[str, ...]:
    """The paths of the token endpoint: the path, and that behind what stands before one of the chat paths in another.

    Args:
        token_path: The path, None for no such endpoint.
        chat_paths: Paths on which a client opens the socket: behind a gateway's own path there is a token endpoint too.
    """
    return () if token_path is None else tuple(f"{prefix}{token_path}" for prefix in prefixes(chat_paths))


def prefixes(paths: Sequence[str]) -> Sequence[str]:
    """What stands before one path in another; nothing at all, first."""
    ends = [path.rstrip("/") for path in paths]
    return sorted({path[: -len(end)] for path in ends for end in ends if end and path.endswith(end)})
