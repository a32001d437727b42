"""Names of secrets."""

from __future__ import annotations

import pytest

from evi_harness.evi.secrets import FOLDED, NAMES, is_secret


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "access_token",
        "accessToken",
        "session_settings[language_model_api_key]",
        "X-Hume-Api-Key",
        "Authorization",
        "language_model_api_key",
    ],
)
def test_names_of_the_protocol_are_secret(name):
    """Every name that carries a key or a token is secret, in any case of its letters."""
    assert is_secret(name)
    assert is_secret(name.upper())


@pytest.mark.parametrize("name", ["config_id", "type", "session_settings[system_prompt]", "X-Fern-SDK-Version", ""])
def test_other_names_are_not(name):
    """What a replay compares is no secret."""
    assert not is_secret(name)


def test_names_are_lower_case():
    """The tables can be asked with a lowered name."""
    assert all(name == name.lower() for name in NAMES | FOLDED)
