"""Why an endpoint cannot be reached, or what it refused, as one of our errors.

Rules of living here: nothing of the exception is quoted but what is known to hold no key. The SDK's ApiError shows the headers of the
request, and a URI that the websockets library complains of has the key in its query; so they are described by their status and their type.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from evi_harness.errors import EviHarnessError, Parameter, Words
from evi_harness.evi.failures import SUNSET, explain
from evi_harness.sdk.connect_reasons import reason_told, shown, status_of

__all__ = ["is_hume", "refusal", "unreachable", "way_on"]

_SIMULATOR = "The simulator: evi-harness serve --simulate"
_CREDENTIALS = "Check HUME_API_KEY and HUME_SECRET_KEY, in the environment or in .env."


def is_hume(base_url: str) -> bool:
    """Whether a URL is one of Hume's own."""
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    return host == "hume.ai" or host.endswith(".hume.ai")


def way_on(base_url: str) -> str:
    """What to do when an endpoint does not answer, or not as EVI does."""
    if is_hume(base_url):
        return Words(SUNSET, " ", _SIMULATOR)
    return Words("Is it running, and is ", Parameter("base_url"), f" (HUME_BASE_URL) right? {_SIMULATOR}")


def refusal(base_url: str, status: int, *, what: str = "the connection") -> EviHarnessError:
    """The error for an endpoint that answered, and refused.

    Args:
        base_url: The endpoint.
        status: The HTTP status.
        what: What was refused.
    """
    hint = _CREDENTIALS if status in (401, 403) else "Wait a little, then try again." if status == 429 else ""
    if not hint:
        hint = way_on(base_url)
    elif is_hume(base_url):
        hint = Words(hint, " ", way_on(base_url))
    return EviHarnessError(f"{shown(base_url)} refused {what} with status {status}: {explain(status)}", hint=hint)


def unreachable(base_url: str, error: BaseException, *, what: str = "the connection") -> EviHarnessError:
    """The error for whatever went wrong while connecting.

    Args:
        base_url: The endpoint.
        error: What was raised.
        what: What was refused, if it was.

    Returns:
        One of ours, with no secret in it; ``error`` itself where it is one already.
    """
    if isinstance(error, EviHarnessError):
        return error
    status = status_of(error)
    if status is not None:
        return refusal(base_url, status, what=what)
    return EviHarnessError(f"{shown(base_url)} cannot be reached: {reason_told(error)}", hint=way_on(base_url))
