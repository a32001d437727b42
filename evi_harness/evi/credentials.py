"""Who may open a chat: the credentials that a handshake gives, and a service for those that give none or a wrong one.

The service takes a key in the query under either spelling or in a header, an access token in the query or as a bearer, and what is
empty as not given. All that the SDKs do with a refusal hangs on the status.

Rules of living here: a credential is compared and never quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from typing import Callable, FrozenSet, List, Optional, Sequence, Tuple

from evi_harness.session.events import Event, Handshake
from evi_harness.session.protocols import Action, Refuse, Service

__all__ = ["KeyRequired", "credentials"]

# SDKs up to 0.12.1 and the old JavaScript core write them without an underscore; the header is that of the SDKs from 0.13 on.
_PARAMETERS = frozenset({"api_key", "apikey", "access_token", "accesstoken"})
_HEADER = "x-hume-api-key"
_UNAUTHORIZED = 401

OpenService = Callable[[Handshake], Service]


def credentials(handshake: Handshake) -> Tuple[str, ...]:
    """The keys and access tokens that a handshake gives, query first; empty ones are none."""
    found: List[str] = [value for name, value in handshake.query if name.lower() in _PARAMETERS]
    for name, value in handshake.headers:
        if name.lower() == _HEADER:
            found.append(value)
        elif name.lower() == "authorization":
            scheme, _, token = value.strip().partition(" ")
            found.append(token.strip() if scheme.lower() == "bearer" else "")
    return tuple(value for value in found if value)


@dataclass(frozen=True)
class KeyRequired:
    """Makes the service for a connection that gives a credential, and one that refuses with 401 for any other.

    Attributes:
        open_service: Makes the service for those that are let in.
        accepted: The keys and tokens that are right; empty where any will do.
    """

    open_service: OpenService
    accepted: FrozenSet[str] = frozenset()

    def __call__(self, handshake: Handshake) -> Service:
        """Make the service for one connection."""
        given = credentials(handshake)
        if not given:
            return _Refusing("no API key: give api_key or access_token in the query, or the header X-Hume-Api-Key\n")
        if self.accepted and not any(self._is_right(one) for one in given):
            return _Refusing("the API key or access token is not one that is accepted here\n")
        return self.open_service(handshake)

    def _is_right(self, given: str) -> bool:
        return any(compare_digest(given.encode(), right.encode()) for right in self.accepted)

    def __repr__(self) -> str:
        # The keys would stand in the dataclass's own.
        return f"KeyRequired({self.open_service!r}, {len(self.accepted)} accepted)"


class _Refusing:
    """A service that lets nobody in."""

    def __init__(self, body: str) -> None:
        self._body = body

    def take(self, event: Event, at_ns: int) -> None:
        """Take no notice."""

    def due(self, at_ns: int) -> Sequence[Action]:  # noqa: ARG002 - the signature is Service's
        """Refuse."""
        return [Refuse(_UNAUTHORIZED, self._body)]

    def next_at_ns(self) -> Optional[int]:
        """Nothing is due."""
        return None
