from __future__ import annotations

import os

import pytest

from evi_harness.settings import keys_here
from evi_harness.settings.keys_here import environment_secrets

KEY = "Kq7ApiKeyOfThisRun0123456789"


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """An environment with nothing in it, in a folder of its own."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["HUME_API_KEY", "HUME_SECRET_KEY", "OPENAI_API_KEY", "GITHUB_TOKEN", "MY_SECRET", "DB_PASSWORD", "X-Api-Key", "app_credential"]
)
def test_what_a_name_says_to_be_secret_is(monkeypatch, name):
    """In the environment."""
    monkeypatch.setenv(name, KEY)
    assert environment_secrets() == [KEY]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_URL", "https1auth0example"),
        ("TOKEN", "https://auth0.example/token1"),
        ("CREDENTIALS", "/run/credentials/number1"),
        ("API_KEY_FILE", "Kq7ApiKeyOfThisRun0123456789"),
        ("SECRET_NAME", "production1"),
        ("MY_SECRET", "production"),
        ("MY_SECRET", "1234567890"),
        ("MY_SECRET", "short1"),
        ("API_KEY", "two words with 1 number"),
        ("TOKENIZERS_PARALLELISM", "Kq7ApiKeyOfThisRun0123456789"),
        ("HOME", "Kq7ApiKeyOfThisRun0123456789"),
    ],
)
def test_what_is_like_no_key_is_none(monkeypatch, name, value):
    """An address, a path, a word: taken out, they would be missed in every line."""
    monkeypatch.setenv(name, value)
    assert environment_secrets() == []


@pytest.mark.parametrize("value", ["plainword", "1234567890"])
def test_humes_own_are_taken_as_they_are(monkeypatch, value):
    """Whatever is in them is secret."""
    monkeypatch.setenv("HUME_API_KEY", value)
    assert environment_secrets() == [value]


@pytest.mark.parametrize(
    "line",
    [
        f"HUME_API_KEY={KEY}",
        f"export HUME_API_KEY = {KEY}",
        f"HUME_API_KEY='{KEY}'",
        f'HUME_API_KEY="{KEY}"  # mine',
        f"# the key\n\nA=b\nHUME_API_KEY={KEY} # mine\nC=d",
        f"'HUME_API_KEY'={KEY}\r\n",
    ],
)
def test_a_dotenv_is_looked_at_and_not_loaded(bare, monkeypatch, line):
    """As python-dotenv would find it, from a folder below; nothing of it comes into the environment."""
    (bare / ".env").write_text(line, encoding="utf-8")
    (bare / "below").mkdir()
    monkeypatch.chdir(bare / "below")
    assert environment_secrets() == [KEY]
    assert "HUME_API_KEY" not in os.environ


def test_a_dotenv_that_changes_is_looked_at_again(bare):
    """By when it was written."""
    (bare / ".env").write_text("HUME_API_KEY=first-of-both", encoding="utf-8")
    assert environment_secrets() == ["first-of-both"]
    (bare / ".env").write_text("HUME_API_KEY=second-of-both", encoding="utf-8")
    os.utime(bare / ".env", ns=(1, 1))
    assert environment_secrets() == ["second-of-both"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"=\n=x\nHUME_API_KEY\nHUME_API_KEY=\n"])
def test_one_that_says_nothing_is_no_error(bare, content):
    """Whoever needs it complains."""
    (bare / ".env").write_bytes(content)
    assert environment_secrets() == []


class Leaving:
    """What was looked through before, nothing like what is there now; a variable is taken away while the two are compared."""

    def __eq__(self, other):
        os.environ._data.pop(os.fsencode("MY_SECRET"), None)
        return False

    __hash__ = None


def test_what_is_remembered_of_an_environment_is_what_was_found_in_it(monkeypatch):
    """A key that was away for a moment is known where it is there again: what is found belongs to what is compared."""
    monkeypatch.setattr(keys_here, "_LATEST", [(Leaving(), [])])
    monkeypatch.setenv("MY_SECRET", KEY)
    environment_secrets()
    assert "MY_SECRET" not in os.environ
    monkeypatch.setenv("MY_SECRET", KEY)
    assert KEY in environment_secrets()
