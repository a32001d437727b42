"""Names whose values are secret in EVI's handshakes and messages.

Rules of living here: all names are lower case; a name counts everywhere: in a query, in a header, in a JSON object at any depth.
"""

from __future__ import annotations

from typing import FrozenSet

__all__ = ["FIELDS", "FOLDED", "HEADERS", "NAMES", "PARAMETERS", "is_secret"]

# Both spellings: the SDK up to 0.12.1 and the old JavaScript core send the camelCase ones, and the service takes them.
PARAMETERS: FrozenSet[str] = frozenset(
    {"api_key", "apikey", "access_token", "accesstoken", "session_settings[language_model_api_key]", "language_model_api_key"}
)

HEADERS: FrozenSet[str] = frozenset({"x-hume-api-key", "authorization", "proxy-authorization", "cookie", "set-cookie"})

FIELDS: FrozenSet[str] = frozenset(
    {"language_model_api_key", "api_key", "apikey", "access_token", "accesstoken", "secret_key", "secretkey", "client_secret"}
)

NAMES: FrozenSet[str] = PARAMETERS | HEADERS | FIELDS

# 0.13.0 and 0.13.1 put the whole object into one parameter as the repr of a model, with the key in the middle of it.
FOLDED: FrozenSet[str] = frozenset({"session_settings"})


def is_secret(name: str) -> bool:
    """Whether the value of this name is secret, in whatever case the name is."""
    return name.lower() in NAMES
