"""What differs between two handshakes' queries."""

from __future__ import annotations

import pytest

from evi_harness.evi.queries import differences


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        ([], []),
        ([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")]),
        ([("verbose_transcription", "True")], [("verbose_transcription", "true")]),
        ([("v", "1")], [("v", "1.0")]),
        ([("v", "-0")], [("v", "0.0")]),
        ([("v", "10.50")], [("v", "10.5")]),
        ([("apiKey", "one")], [("api_key", "two")]),
        ([("access_token", "one")], []),
        ([("session_settings[language_model_api_key]", "one")], [("session_settings[language_model_api_key]", "two")]),
        ([("session_settings[custom_session_id]", "one")], []),
        (
            [("session_settings[variables]", '{"a": 1, "b": true}')],
            [("session_settings[variables][b]", "true"), ("session_settings[variables][a]", "1.0")],
        ),
        ([("session_settings", "audio=Audio(channels=1)")], [("session_settings[audio][channels]", "1")]),
        ([("session_settings", "REDACTED")], [("session_settings", "audio=Audio(language_model_api_key='x')")]),
        ([("session_settings", '{"language_model_api_key": "one", "voice_id": "v"}')], [("session_settings[voice_id]", "v")]),
    ],
)
def test_the_same(recorded, live):
    """Order of names, form of a value, secrets and ids of a run make no difference."""
    assert differences(recorded, live) == differences(live, recorded) == []


@pytest.mark.parametrize(
    ("recorded", "live", "told"),
    [
        ([("config_id", "a")], [("config_id", "b")], ["query config_id: recorded 'a', live 'b'"]),
        ([("config_id", "a")], [], ["query config_id: recorded 'a', live absent"]),
        ([], [("v", "")], ["query v: recorded absent, live ''"]),
        ([("v", "1"), ("v", "2")], [("v", "2"), ("v", "1")], ["query v: recorded '1', '2', live '2', '1'"]),
        ([("b", "1"), ("a", "1")], [], ["query a: recorded '1', live absent", "query b: recorded '1', live absent"]),
        ([("v", "007")], [("v", "7")], ["query v: recorded '007', live '7'"]),
        ([("v", "1e5")], [("v", "100000")], ["query v: recorded '1e5', live '100000'"]),
        (
            [("session_settings[variables]", '{"a": 1}')],
            [("session_settings[variables][a]", "2.0")],
            ["query session_settings[variables][a]: recorded '1', live '2'"],
        ),
    ],
)
def test_different(recorded, live, told):
    """Each name that differs is one sentence, in order of the names."""
    assert differences(recorded, live) == told


def test_no_secret_is_told():
    """Where something differs, the values of secrets stay out of what is told."""
    secret = "hk-123456"
    recorded = [("api_key", secret), ("session_settings", f"key={secret}"), ("config_id", "a")]
    live = [("session_settings[language_model_api_key]", secret), ("session_settings", f'{{"language_model_api_key": "{secret}"}}')]
    assert secret not in "".join(differences(recorded, live) + differences(live, recorded) + differences(live, []))
