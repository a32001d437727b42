"""The environment variables of Hume's own guide."""

from __future__ import annotations

__all__ = ["API_KEY", "BASE_URL", "CONFIG_ID", "KEY_VARIABLES", "SECRET_KEY"]

API_KEY = "HUME_API_KEY"
SECRET_KEY = "HUME_SECRET_KEY"  # noqa: S105 - the variable's name
CONFIG_ID = "HUME_CONFIG_ID"
BASE_URL = "HUME_BASE_URL"
KEY_VARIABLES = (API_KEY, SECRET_KEY)
