"""The environment variables in which apps of the Realtime services have their keys."""

from __future__ import annotations

__all__ = ["API_KEY", "BASE_URL", "KEY_VARIABLES", "OTHER_KEYS"]

API_KEY = "OPENAI_API_KEY"
BASE_URL = "OPENAI_BASE_URL"
# Of services that speak the same.
OTHER_KEYS = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "AZURE_VOICELIVE_API_KEY", "XAI_API_KEY")
KEY_VARIABLES = (API_KEY, *OTHER_KEYS)
