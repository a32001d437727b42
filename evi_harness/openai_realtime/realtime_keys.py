"""Who may open a session: the keys and client secrets that a request gives, a check of them, and what gives out client secrets.

A key comes as a bearer, in a header of its own (``api-key`` at Azure), in the query, or, as browsers can send no headers, in a WebSocket
subprotocol beside ``realtime``. A client secret comes where a key does, and begins with ``ek_``. It is got with a key; it opens sessions
until it expires, and a session that is open goes on.

Sources: OpenAI's reference of client secrets, whose lifetime is 10 to 7200 seconds and 600 by default; the openai package 3.57; Microsoft's
pages on Azure. With which status and body a service refuses is not the same everywhere: 401 is the usual one, and the bodies are ours.

Rules of living here: time comes in with each question. A key is compared and never quoted.
"""

from __future__ import annotations

import json
from hmac import compare_digest
from typing import Any, Dict, FrozenSet, Iterator, Mapping, Optional, Tuple, Union

from evi_harness.json_dialects.json_messages import member
from evi_harness.session.events import Handshake
from evi_harness.session.foreign_text import json_value
from evi_harness.session.protocols import Refuse

__all__ = ["RealtimeKeyCheck", "keys_in", "subprotocol", "token_answer"]

DEFAULT_SECONDS, MIN_SECONDS, MAX_SECONDS = 600, 10, 7200
_SECRET = "ek_"  # noqa: S105 - what a client secret begins with
_UNAUTHORIZED, _BAD_REQUEST = 401, 400
_HEADERS: FrozenSet[str] = frozenset({"api-key", "x-api-key"})
_PARAMETERS: FrozenSet[str] = frozenset({"api-key", "api_key", "apikey", "access_token", "key"})
_OFFER = "sec-websocket-protocol"
_KEY_OFFER = "openai-insecure-api-key."
# The beta's name for itself, and an account's, are offered beside what is spoken.
_BESIDE = (_KEY_OFFER, "openai-beta.", "openai-organization.", "openai-project.")


def keys_in(handshake: Handshake) -> Tuple[str, ...]:
    """The keys and client secrets that a handshake gives, each once."""
    return tuple(dict.fromkeys(filter(None, _keys_in(handshake))))


def _keys_in(handshake: Handshake) -> Iterator[str]:
    for name, value in handshake.query:
        if name.lower() in _PARAMETERS:
            yield value
    for name, value in handshake.headers:
        scheme, _, rest = value.strip().partition(" ")
        if name.lower() == "authorization" and scheme.lower() == "bearer":
            yield rest.strip()
        elif name.lower() in _HEADERS:
            yield value.strip()
    for offer in _offers(handshake):
        if offer.startswith(_KEY_OFFER):
            yield offer[len(_KEY_OFFER) :]


def _offers(handshake: Handshake) -> Iterator[str]:
    """The subprotocols that a handshake offers, in its order."""
    for name, value in handshake.headers:
        if name.lower() == _OFFER:
            yield from filter(None, (one.strip() for one in value.split(",")))


def subprotocol(handshake: Handshake) -> Optional[str]:
    """The first of the subprotocols offered that is one: a browser drops a connection that takes none of its offers."""
    return next((offer for offer in _offers(handshake) if not offer.startswith(_BESIDE)), None)


def token_answer(token: str, body: bytes, issued_s: int, expires_in_s: int) -> Mapping[str, Any]:  # noqa: ARG001 - the dialect's
    """The answer to a request for a client secret: its value, when it expires, and the session that was asked for."""
    asked = _asked(body)
    seconds = _seconds(asked)
    session = {"type": "realtime", "object": "realtime.session", **member(asked, "session")}
    expires_at = issued_s + (seconds if isinstance(seconds, int) else DEFAULT_SECONDS)
    return {"value": token if token.startswith(_SECRET) else f"{_SECRET}{token}", "expires_at": expires_at, "session": session}


def _asked(body: bytes) -> Mapping[str, Any]:
    try:
        found = json_value(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(asked: Mapping[str, Any]) -> Union[int, Refuse]:
    """For how long a client secret is asked for, or why nobody gets one for so long."""
    given = member(asked, "expires_after").get("seconds", DEFAULT_SECONDS)
    if isinstance(given, int) and not isinstance(given, bool) and MIN_SECONDS <= given <= MAX_SECONDS:
        return given
    why = f"expires_after.seconds is a number from {MIN_SECONDS} to {MAX_SECONDS}"
    return _refusal(_BAD_REQUEST, why, "invalid_value")


class RealtimeKeyCheck:
    """Lets in who gives what is right; an ``AccessCheck``.

    Args:
        api_key: The key that is right, None where any will do.
        token_name: What the client secrets hold behind ``ek_``; a number follows.
    """

    def __init__(self, api_key: Optional[str] = None, *, token_name: str = "token") -> None:  # noqa: S107 - it is no secret
        self._api_key = api_key
        self._token_name = token_name
        self._n_given = 0
        # Each client secret that is good still → when it expires.
        self._expires_ns: Dict[str, int] = {}

    def token(self, request: Handshake, at_ns: int, body: bytes = b"") -> Union[str, Refuse]:
        """A new client secret for who asks with a right key, else a refusal.

        Args:
            request: Path, query and headers of the request.
            at_ns: When it came.
            body: Of the request: for how long.
        """
        if not any(self._is_key(key) for key in keys_in(request)):
            return _refusal(_UNAUTHORIZED, "a client secret is got with an API key, and this request has no right one", "invalid_api_key")
        seconds = _seconds(_asked(body))
        if isinstance(seconds, Refuse):
            return seconds
        self._n_given += 1
        secret = f"{_SECRET}{self._token_name}-{self._n_given}"
        self._forget(at_ns)
        self._expires_ns[secret] = at_ns + seconds * 1_000_000_000
        return secret

    def chat(self, handshake: Handshake, at_ns: int) -> Optional[Refuse]:
        """The refusal of a handshake, None where it is let in.

        Args:
            handshake: The handshake.
            at_ns: When it came, on the clock of ``token``.
        """
        self._forget(at_ns)
        given = keys_in(handshake)
        if any(key in self._expires_ns or self._is_key(key) for key in given):
            return None
        why = "the API key or client secret is not one that is accepted here" if given else "no API key: give it as a bearer"
        return _refusal(_UNAUTHORIZED, why, "invalid_api_key")

    def _is_key(self, given: str) -> bool:
        if given.startswith(_SECRET):
            return False
        # Bytes that are no text come in as lone surrogates.
        right = self._api_key
        return right is None or compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))

    def _forget(self, at_ns: int) -> None:
        """Leave out what has expired."""
        self._expires_ns = {secret: expires_ns for secret, expires_ns in self._expires_ns.items() if at_ns < expires_ns}


def _refusal(status: int, why: str, code: str) -> Refuse:
    error = {"message": f"evi-harness: {why}", "type": "invalid_request_error", "param": None, "code": code}
    return Refuse(status, json.dumps({"error": error}) + "\n")
