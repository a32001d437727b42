"""Who may open a chat: the credentials that a request gives, and a check of them.

EVI takes an API key in the query under either spelling or in a header, and an access token in the query or as a bearer; an empty one counts
as missing. A token is requested with the API key and the secret key, by basic authentication. The status with which EVI refuses is not
documented: 401 is the usual one, and the only one that the SDK describes. The bodies are ours and say so.

Rules of living here: time comes in with each question. A credential is compared and never quoted.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hmac import compare_digest
from typing import Dict, Iterator, Optional, Tuple, Union

from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Refuse

__all__ = ["Credentials", "KeyCheck", "credentials"]

# SDKs up to 0.12.1 and the old JavaScript core write them without an underscore; the header is that of the SDKs from 0.13 on.
_KEYS = frozenset({"api_key", "apikey"})
_TOKENS = frozenset({"access_token", "accesstoken"})
_KEY_HEADER = "x-hume-api-key"
_UNAUTHORIZED = 401

_NOTHING = "no API key: give api_key or access_token in the query, or the header X-Hume-Api-Key"
_WRONG_KEY = "the API key is not the one that is accepted here"
_WRONG_TOKEN = "the access token was not issued here, or has expired"  # noqa: S105 - a sentence
_NO_PAIR = "no API key and secret key: give both by basic authentication, as API_KEY:SECRET_KEY"
_WRONG_PAIR = "the API key and the secret key are not the pair that is accepted here"


@dataclass(frozen=True)
class Credentials:
    """What a handshake gives, query first; empty ones are left out.

    Attributes:
        api_keys: The API keys.
        tokens: The access tokens.
    """

    api_keys: Tuple[str, ...] = ()
    tokens: Tuple[str, ...] = ()

    def __repr__(self) -> str:
        # They would stand in the dataclass's own.
        return f"Credentials({len(self.api_keys)} API keys, {len(self.tokens)} tokens)"


def credentials(handshake: Handshake) -> Credentials:
    """The API keys and access tokens that a handshake gives."""
    queried = [(name.lower(), value) for name, value in handshake.query]
    headed = [(name.lower(), value.strip()) for name, value in handshake.headers]
    keys = [value for name, value in queried if name in _KEYS] + [value for name, value in headed if name == _KEY_HEADER]
    tokens = [value for name, value in queried if name in _TOKENS] + list(_authorization(handshake, "bearer"))
    return Credentials(tuple(filter(None, keys)), tuple(filter(None, tokens)))


class KeyCheck:
    """Lets in who gives what is right; an ``AccessCheck`` of ``ChatServer``.

    A chat needs an API key or a token; where both are given the token decides, as it is what such a chat is opened with. A token needs an
    API key and a secret key. A token is right for a while after it was given, by this check and no other; a chat that is open stays so.

    Args:
        api_key: The API key that is right, None where any will do.
        secret_key: The secret key that is right, None where any will do.
        token_seconds: How long a token is right, its last instant not included.
        token_name: What the tokens begin with; a number follows.
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        secret_key: Optional[str] = None,
        *,
        token_seconds: int,
        token_name: str = "token",  # noqa: S107 - it is no secret
    ) -> None:
        self._api_key = api_key
        self._secret_key = secret_key
        self._token_ns = token_seconds * 1_000_000_000
        self._token_name = token_name
        self._n_given = 0
        # Each token that is good still → when it was given.
        self._given_ns: Dict[str, int] = {}

    def token(self, request: Handshake, at_ns: int, body: bytes = b"") -> Union[str, Refuse]:  # noqa: ARG002 - the signature is Check's
        """A new token for who asks with the right pair of keys, else a refusal.

        Args:
            request: Path, query and headers of the request.
            at_ns: When it came.
            body: Of the request; it says nothing of keys.
        """
        given = _pair(request)
        if given is None:
            return _refusal(_NO_PAIR)
        if not (_is_right(given[0], self._api_key) and _is_right(given[1], self._secret_key)):
            return _refusal(_WRONG_PAIR)
        self._forget(at_ns)
        self._n_given += 1
        token = f"{self._token_name}-{self._n_given}"
        self._given_ns[token] = at_ns
        return token

    def chat(self, handshake: Handshake, at_ns: int) -> Optional[Refuse]:
        """The refusal of a handshake, None where it is let in.

        Args:
            handshake: The handshake.
            at_ns: When it came, on the clock of ``token``.
        """
        given = credentials(handshake)
        if given.tokens:
            self._forget(at_ns)
            return None if any(one in self._given_ns for one in given.tokens) else _refusal(_WRONG_TOKEN)
        if not given.api_keys:
            return _refusal(_NOTHING)
        return None if any(_is_right(one, self._api_key) for one in given.api_keys) else _refusal(_WRONG_KEY)

    def _forget(self, at_ns: int) -> None:
        """Leave out the tokens that are too old."""
        self._given_ns = {token: given_ns for token, given_ns in self._given_ns.items() if at_ns - given_ns < self._token_ns}


def _pair(request: Handshake) -> Optional[Tuple[str, str]]:
    """API key and secret key of a request for a token; None where it does not give both."""
    for encoded in _authorization(request, "basic"):
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            continue
        api_key, _, secret_key = decoded.partition(":")
        if api_key and secret_key:
            return api_key, secret_key
    return None


def _authorization(request: Handshake, wanted: str) -> Iterator[str]:
    """What stands behind a scheme in the header Authorization."""
    for name, value in request.headers:
        scheme, _, rest = value.strip().partition(" ")
        if name.lower() == "authorization" and scheme.lower() == wanted:
            yield rest.strip()


def _is_right(given: str, right: Optional[str]) -> bool:
    # Bytes that are no text come in as lone surrogates.
    return right is None or compare_digest(given.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def _refusal(why: str) -> Refuse:
    return Refuse(_UNAUTHORIZED, f"evi-harness: {why}\n")
