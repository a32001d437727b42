"""How the certificate of a live service is verified."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Optional

from evi_harness.errors import Parameter, UsageError, Words
from evi_harness.input_file import read_file

__all__ = ["tls_for"]


def tls_for(base_url: str, ca: Optional[Path] = None) -> Optional[ssl.SSLContext]:
    """What a certificate is judged by: the system's authorities, or those of a file.

    Args:
        base_url: The endpoint; http needs none.
        ca: A PEM file with certificates of authorities, None for the system's.

    Raises:
        UsageError: The file holds no certificates, or the endpoint has no TLS to judge.
    """
    if not base_url.startswith("https:"):
        if ca is not None:
            raise UsageError(
                Words(Parameter("ca", str(ca)), f" is given, and {base_url} is not reached over TLS"),
                hint=Words("Give an https or wss URL, or no ", Parameter("ca"), "."),
            )
        return None
    try:
        return ssl.create_default_context(cadata=None if ca is None else _authorities(ca))
    except (OSError, ValueError) as error:
        # An SSLError is an OSError, and what it calls the reason is for those who know OpenSSL.
        told = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
        reason = told or "it holds no certificates in PEM"
        what = Words(Parameter("ca", str(ca)), f" cannot be used: {reason}")
        raise UsageError(what, hint="Give a PEM file with the certificate of the authority.") from None


def _authorities(ca: Path) -> str:
    """The text of a file of certificates, without what stands beside them in other letters. OpenSSL itself would read a device forever."""
    return read_file(ca, "authorities", UsageError, hint="Give a PEM file with the certificate of the authority.").decode("ascii", "ignore")
