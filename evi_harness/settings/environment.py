"""Keys and ids from environment variables and .env, under the names of Hume's guide.

Rules of living here: a variable that is set counts before .env; a key is never shown, nor is it in a repr. What .env holds becomes part of
the environment, as the guide's own ``load_dotenv()`` does it: the developer's handler reads it there, and so does what looks for secrets.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional, Tuple

from evi_harness.errors import EviHarnessError
from evi_harness.input_file import read_file
from evi_harness.settings.endpoint import Endpoint, endpoint_of

__all__ = ["Settings", "api_key_for", "endpoint_for", "faults", "load_environment"]

API_KEY = "HUME_API_KEY"
SECRET_KEY = "HUME_SECRET_KEY"  # noqa: S105 - the variable's name
CONFIG_ID = "HUME_CONFIG_ID"
BASE_URL = "HUME_BASE_URL"

# What an endpoint on this machine is given where no key is set. It takes any.
ANY_KEY = "no-key-is-needed-here"


@dataclass(frozen=True)
class Settings:
    """What a conversation with EVI is opened with. None where a variable is not set or empty.

    Attributes:
        api_key: HUME_API_KEY.
        secret_key: HUME_SECRET_KEY.
        config_id: HUME_CONFIG_ID.
        base_url: HUME_BASE_URL, as it stands there.
        dotenv: The .env file that was read, None where there is none.
    """

    api_key: Optional[str] = field(default=None, repr=False)
    secret_key: Optional[str] = field(default=None, repr=False)
    config_id: Optional[str] = None
    base_url: Optional[str] = None
    dotenv: Optional[Path] = None


def load_environment() -> Settings:
    """Read .env, found from the current folder upwards, into the environment, and what the environment then says.

    Raises:
        EviHarnessError: .env cannot be read.
    """
    dotenv = _load_dotenv()
    api_key, secret_key, config_id, base_url = (os.environ.get(name) or None for name in (API_KEY, SECRET_KEY, CONFIG_ID, BASE_URL))
    return Settings(api_key, secret_key, config_id, base_url, dotenv)


def endpoint_for(settings: Settings, base_url: Optional[str] = None) -> Endpoint:
    """Where to connect: what the command line says, else HUME_BASE_URL, else Hume's own service.

    Args:
        settings: The environment.
        base_url: The value of ``--base-url``, None where it is not given.

    Raises:
        UsageError: It is no URL of an endpoint.
    """
    return endpoint_of(settings.base_url, source=BASE_URL) if base_url is None else endpoint_of(base_url)


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
    looked = f"{settings.dotenv} does not have it either" if settings.dotenv else "no .env was found in this folder or above it"
    raise EviHarnessError(
        f"no API key: {API_KEY} is not set, and {looked}",
        hint=f"Write {API_KEY}=… into .env, or set the variable. The simulator needs none: evi-harness serve --simulate.",
    )


def faults(settings: Settings) -> List[Tuple[str, str]]:
    """What is wrong with keys that are set: variable and sentence, never the value.

    A space, a line break or a letter beyond ASCII comes in with copying, and would come out in an error of the SDK's with the key in it.
    """
    keys = ((API_KEY, settings.api_key), (SECRET_KEY, settings.secret_key))
    what = "it holds a space, a line break or a character that no key has"
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
