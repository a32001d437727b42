"""Getting an access token for an API key and a secret key.

SDKs up to 0.12.1 do it themselves where they are given a ``secret_key``; later ones take only the token, so it is got here.

Rules of living here: neither key, token nor an answer's body stands in an error. The keys go to the origin that was named and to no other,
wherever its answer leads.
"""

from __future__ import annotations

import ssl
from typing import Any, Optional

from evi_harness.errors import EviHarnessError, RedirectRefused
from evi_harness.evi.dialect import EVI
from evi_harness.sdk.connect_reasons import shown
from evi_harness.sdk.hume.connect_errors import refusal, unreachable, way_on
from evi_harness.sdk.redirects import same_origin_hooks

__all__ = ["access_token"]

_WHAT = "an access token"


async def access_token(
    base_url: str, *, api_key: str, secret_key: str, timeout_s: float = 10.0, tls: Optional[ssl.SSLContext] = None
) -> str:
    """Get an access token, which EVI takes for half an hour.

    Args:
        base_url: http or https URL of the endpoint; the token's path is added.
        api_key: The API key.
        secret_key: The secret key that belongs to it.
        timeout_s: Seconds to wait for each step of connecting and answering.
        tls: What the endpoint's certificate is judged by, None for what httpx judges it by.

    Raises:
        RedirectRefused: The endpoint leads to another origin.
        EviHarnessError: The endpoint cannot be reached, refuses, or answers with no token.
    """
    import httpx

    url = base_url.rstrip("/") + EVI.token_path
    failure: Exception
    try:
        # A proxy that the environment names would be asked for loopback addresses too.
        async with httpx.AsyncClient(
            timeout=timeout_s,
            trust_env=not _is_local(url),
            verify=True if tls is None else tls,
            follow_redirects=True,
            event_hooks=same_origin_hooks(_WHAT),
        ) as client:
            answer = await client.post(url, auth=httpx.BasicAuth(api_key, secret_key), data={"grant_type": "client_credentials"})
    except RedirectRefused as error:
        failure = error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        failure = unreachable(base_url, error, what=_WHAT)
    else:
        if answer.status_code == 200:
            return _token(base_url, answer)
        failure = refusal(base_url, answer.status_code, what=_WHAT)
    # Outside of the except block, so that no exception with the request in it hangs on ours.
    raise failure


def _is_local(url: str) -> bool:
    import ipaddress
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(base_url: str, answer: Any) -> str:
    try:
        fields = answer.json()
    except (ValueError, RecursionError):
        fields = None
    token = fields.get("access_token") if isinstance(fields, dict) else None
    if isinstance(token, str) and token:
        return token
    what = "with no JSON" if fields is None else "with no access_token"
    raise EviHarnessError(f"{shown(base_url)}{EVI.token_path} answered {what}", hint=way_on(base_url)) from None
