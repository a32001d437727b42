"""Two handshakes' queries as fields that compare."""

from __future__ import annotations

import pytest

from evi_harness.evi.messages import ALWAYS_VOLATILE
from evi_harness.evi.queries import audio_settings, comparable


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
    then, now = comparable(recorded, live, ALWAYS_VOLATILE)
    assert then == now


@pytest.mark.parametrize(
    ("recorded", "live", "then", "now"),
    [
        ([("voice_id", "a")], [("voice_id", "b")], {"voice_id": "a"}, {"voice_id": "b"}),
        ([("voice_id", "a")], [], {"voice_id": "a"}, {}),
        (
            [("session_settings[variables][config_id]", "a")],
            [("session_settings[variables][config_id]", "b")],
            {"session_settings": {"variables": {"config_id": "a"}}},
            {"session_settings": {"variables": {"config_id": "b"}}},
        ),
        ([("configuration", "a")], [("user", "b")], {"configuration": "a"}, {"user": "b"}),
        ([], [("v", "")], {}, {"v": ""}),
        ([("v", "1"), ("v", "2")], [("v", "2"), ("v", "1")], {"v": ["1", "2"]}, {"v": ["2", "1"]}),
        ([("v", "007")], [("v", "7")], {"v": "007"}, {"v": "7"}),
        ([("v", "1e5")], [("v", "100000")], {"v": "1e5"}, {"v": "100000"}),
        (
            [("session_settings[variables]", '{"a": 1}')],
            [("session_settings[variables][a]", "2.0")],
            {"session_settings": {"variables": {"a": "1"}}},
            {"session_settings": {"variables": {"a": "2"}}},
        ),
        ([("a", "1"), ("a[b]", "2")], [("a[b]", "2")], {"a": "1", "a[b]": "2"}, {"a": {"b": "2"}}),
        ([("a[b]", "1"), ("a[b][c]", "2")], [], {"a": {"b": "1", "b[c]": "2"}}, {}),
    ],
)
def test_different(recorded, live, then, now):
    """Each name is a field, and what stands in brackets is one within."""
    assert comparable(recorded, live) == (then, now)


@pytest.mark.parametrize(
    "name",
    [
        "fernSdkLanguage",
        "fernSdkVersion",
        "fernsdkversion",
        "X-Fern-SDK-Name",
        "X-Fern-Language",
        "user_agent",
        "User-Agent",
        "sdkVersion",
        "config_id",
        "configId",
        "config_version",
    ],
)
def test_which_sdk_asks_and_for_which_configuration_is_never_compared(name):
    """Not even where nothing is left out: what the app does is judged."""
    for live in ([(name, "b")], [(name, "a"), (name, "b")], []):
        assert comparable([(name, "a"), ("v", "1")], [*live, ("v", "1")]) == ({"v": "1"}, {"v": "1"})


def test_what_a_run_is_given_anew_can_be_compared():
    """Where nothing is left out."""
    then, now = comparable([("custom_session_id", "a")], [("session_settings[custom_session_id]", "b")])
    assert (then, now) == ({"custom_session_id": "a"}, {"session_settings": {"custom_session_id": "b"}})


def test_no_secret_is_told():
    """The values of secrets stay out of what is compared."""
    secret = "hk-123456"
    recorded = [("api_key", secret), ("session_settings", f"key={secret}"), ("voice_id", "a")]
    live = [("session_settings[language_model_api_key]", secret), ("session_settings", f'{{"language_model_api_key": "{secret}"}}')]
    for one, other in ((recorded, live), (live, recorded), (live, [])):
        assert secret not in repr(comparable(one, other))


AUDIO = {"encoding": "linear16", "sample_rate": "16000", "channels": "1"}
IN_BRACKETS = [(f"session_settings[audio][{name}]", value) for name, value in AUDIO.items()]


@pytest.mark.parametrize(
    ("query", "audio"),
    [
        ([], {}),
        ([("config_id", "c"), ("session_settings[voice_id]", "v")], {}),
        (IN_BRACKETS, AUDIO),
        ([("session_settings[audio][sample_rate]", "16000.0")], {"sample_rate": "16000"}),
        ([("session_settings[audio]", '{"encoding": "linear16", "sample_rate": 16000, "channels": 1}')], AUDIO),
        ([("session_settings", '{"audio": {"encoding": "linear16", "sample_rate": 16000, "channels": 1}}')], AUDIO),
        ([("session_settings", "audio=Audio(channels=1)")], {}),
        ([("session_settings", "audio=Audio(channels=1)"), *IN_BRACKETS], AUDIO),
        ([("session_settings[audio]", "linear16")], {}),
        ([("session_settings", '{"audio": null, "language_model_api_key": "one"}')], {}),
        ([("audio[encoding]", "linear16")], {}),
        ([*IN_BRACKETS, ("session_settings[audio][channels]", "2")], {**AUDIO, "channels": ["1", "2"]}),
    ],
)
def test_the_format_of_the_users_audio(query, audio):
    """In brackets or as JSON, of the audio alone or of all settings; what is in no known form gives none."""
    assert audio_settings(query) == audio
