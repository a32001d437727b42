"""Keys and ids from environment variables and .env, under the names that a service's own guide gives them.

Rules of living here: a variable that is set counts before .env; a key is never shown, nor is it in a repr. What .env holds becomes part of
the environment, as the guide's own ``load_dotenv()`` does it: the developer's handler reads it there, and so does what looks for secrets.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Tuple

from evi_harness.dialects import DEFAULT, default_dialect, is_built_in
from evi_harness.errors import EviHarnessError
from evi_harness.input_file import read_file
from evi_harness.session.protocols import Dialect
from evi_harness.settings.endpoint import Endpoint, endpoint_of

__all__ = ["Settings", "api_key_for", "endpoint_for", "faults", "load_environment"]

# What an endpoint on this machine is given where no key is set. It takes any.
ANY_KEY = "no-key-is-needed-here"


@dataclass(frozen=True)
class Settings:
    """What a conversation is opened with. None where a variable is not set or empty, or a service has none of that kind.

    Attributes:
        api_key: The API key.
        secret_key: The secret key.
        config_id: The id of a configuration.
        base_url: The URL of an endpoint, as it stands there.
        dotenv: The .env file that was read, None where there is none.
        other_variable: The variable that the API key is from, where that is not the dialect's usual one.
        dialect: Whose variables they are, None for the default one's.
    """

    api_key: Optional[str] = field(default=None, repr=False)
    secret_key: Optional[str] = field(default=None, repr=False)
    config_id: Optional[str] = None
    base_url: Optional[str] = None
    dotenv: Optional[Path] = None
    other_variable: Optional[str] = None
    dialect: Optional[Dialect] = None

    @property
    def key_variable(self) -> str:
        """The variable that the API key is from, or would be."""
        return self.other_variable or self.spoken.variables.api_key

    @property
    def spoken(self) -> Dialect:
        """The dialect whose variables they are."""
        return default_dialect() if self.dialect is None else self.dialect


def load_environment(dialect: Optional[Dialect] = None) -> Settings:
    """Read .env, found from the current folder upwards, into the environment, and what the environment then says.

    Args:
        dialect: Whose variables are read, None for the default one. Of the variables of its keys the first that is set counts.

    Raises:
        EviHarnessError: .env cannot be read.
    """
    dotenv = _load_dotenv()
    names = (default_dialect() if dialect is None else dialect).variables
    other = None if _value_of(names.api_key) else next(filter(_value_of, names.other_keys), None)
    api_key, secret_key, config_id, base_url = map(_value_of, (other or names.api_key, names.secret_key, names.config_id, names.base_url))
    return Settings(api_key, secret_key, config_id, base_url, dotenv, other, dialect)


def _value_of(name: Optional[str]) -> Optional[str]:
    return None if name is None else os.environ.get(name) or None


def endpoint_for(settings: Settings, base_url: Optional[str] = None) -> Endpoint:
    """Where to connect: what the command line says, else what the environment says, else the service's own address.

    Args:
        settings: The environment.
        base_url: The value of ``--base-url``, None where it is not given.

    Raises:
        UsageError: It is not a URL of an endpoint.
    """
    dialect = settings.spoken
    if base_url is None:
        return endpoint_of(settings.base_url, source=dialect.variables.base_url, dialect=dialect)
    return endpoint_of(base_url, dialect=dialect)


def api_key_for(settings: Settings, endpoint: Endpoint) -> str:
    """The key to present; a made-up one for an endpoint on this machine where none is set.

    Raises:
        EviHarnessError: It is missing, or holds what no key has.
    """
    wrong = faults(settings)
    if wrong:
        raise EviHarnessError(
            wrong[0][1], where=wrong[0][0], hint="Copy it again from the page where you created it, into the environment or .env."
        )
    if settings.api_key is not None:
        return settings.api_key
    if endpoint.is_loopback:
        return ANY_KEY
    name, spoken = settings.key_variable, settings.spoken.name
    simulator = "evi-harness serve --simulate" if spoken == DEFAULT else f"evi-harness serve --simulate --dialect {spoken}"
    looked = f"{settings.dotenv} does not have it either" if settings.dotenv else "no .env was found in this folder or above it"
    raise EviHarnessError(
        f"no API key: {name} is not set, and {looked}",
        hint=f"Write {name}=… into .env, or set the variable.{f' The simulator needs none: {simulator}.' if is_built_in(spoken) else ''}",
    )


def faults(settings: Settings) -> List[Tuple[str, str]]:
    """What is wrong with keys that are set: variable and sentence, never the value.

    A space, a line break or a letter beyond ASCII comes in with copying, and would come out in an error of the SDK's with the key in it.
    """
    names = settings.spoken.variables
    keys = ((settings.key_variable, settings.api_key), (names.secret_key or "", settings.secret_key))
    what = "it contains a space, a line break or a character that does not occur in keys"
    return [(name, what) for name, key in keys if key is not None and not (key.isascii() and key.isprintable() and " " not in key)]


def _load_dotenv() -> Optional[Path]:
    from dotenv import find_dotenv, load_dotenv

    found = ""
    try:
        found = find_dotenv(usecwd=True)
        if found:
            load_dotenv(stream=io.StringIO(read_file(found, "dotenv").decode("utf-8")), override=False)
    except EviHarnessError as error:
        raise EviHarnessError(f".env cannot be read: {error.what}", where=found, hint=error.hint) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
        raise EviHarnessError(f".env cannot be read: {reason}", where=found or None, hint="Fix or remove it.") from None
    return Path(found) if found else None
