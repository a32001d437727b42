from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from evi_harness.dialects import dialect_named
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.settings.endpoint import endpoint_of
from evi_harness.settings.environment import Settings, api_key_for, endpoint_for, faults, load_environment

KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"
NAMES = ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder, and an environment with none of the variables, which is put back."""
    kept = dict(os.environ)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in NAMES:
        os.environ.pop(name, None)
        if name in kept:
            os.environ[name] = kept[name]


def dotenv(folder, **values):
    """Write a .env."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def test_dotenv_is_read_into_the_environment(here):
    """As the guide's load_dotenv does, so that a handler finds there what it looks for."""
    dotenv(here, HUME_API_KEY=KEY, HUME_SECRET_KEY=f'"{SECRET}"', HUME_CONFIG_ID="c-1", HUME_BASE_URL="ws://localhost:8000")
    settings = load_environment()
    assert settings == Settings(KEY, SECRET, "c-1", "ws://localhost:8000", here / ".env")
    assert os.environ["HUME_API_KEY"] == KEY


def test_a_variable_that_is_set_counts_before_dotenv(here, monkeypatch):
    """Nothing that is set is overridden, not even by an empty value's opposite."""
    dotenv(here, HUME_API_KEY="of-the-file", HUME_CONFIG_ID="of-the-file")
    monkeypatch.setenv("HUME_API_KEY", KEY)
    monkeypatch.setenv("HUME_CONFIG_ID", "")
    assert load_environment() == Settings(KEY, None, None, None, here / ".env")


def test_dotenv_is_found_from_the_current_folder_upwards(here, monkeypatch):
    """The nearest one counts."""
    dotenv(here, HUME_API_KEY=KEY)
    below = here / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert load_environment().dotenv == here / ".env"


def test_without_a_dotenv_the_variables_count(here, monkeypatch):
    """And without those there is nothing."""
    # A .env above the place of temporary files is not ours to find.
    monkeypatch.setattr("dotenv.find_dotenv", lambda **_: "")
    assert load_environment() == Settings()
    monkeypatch.setenv("HUME_API_KEY", KEY)
    assert load_environment() == Settings(api_key=KEY)


@pytest.mark.parametrize("content", [b"HUME_API_KEY=\xff\xfe\n", b"\x00\xff"], ids=["not UTF-8", "binary"])
def test_a_dotenv_that_cannot_be_read_is_told(here, content):
    """With its place and none of its content."""
    (here / ".env").write_bytes(content + SECRET.encode())
    with pytest.raises(EviHarnessError, match=r"\.env\b") as raised:
        load_environment()
    assert str(here / ".env") in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_repr_shows_no_key():
    """Neither of a Settings nor of what holds one."""
    shown = repr([Settings(KEY, SECRET, "c-1")])
    assert KEY not in shown
    assert SECRET not in shown
    assert "c-1" in shown


def test_the_command_line_counts_before_the_environment():
    """And Hume's own service is what is left."""
    settings = Settings(base_url="ws://localhost:8000")
    assert endpoint_for(settings, "wss://evi.example.com").base_url == "https://evi.example.com"
    assert endpoint_for(settings).base_url == "http://localhost:8000"
    assert endpoint_for(Settings()).base_url == "https://api.hume.ai"


def test_a_bad_url_is_told_by_where_it_stands():
    """The variable's name for the variable's, the option's for the option's."""
    with pytest.raises(UsageError, match=r"HUME_BASE_URL 'ftp://x'"):
        endpoint_for(Settings(base_url="ftp://x"))
    with pytest.raises(UsageError, match=r"base_url ''"):
        endpoint_for(Settings(base_url="ftp://x"), "")


def test_a_missing_key_is_told_with_where_it_was_looked_for():
    """The variable, the .env, and the simulator that needs none."""
    with pytest.raises(EviHarnessError, match=r"HUME_API_KEY.*\.env\b") as raised:
        api_key_for(Settings(), endpoint_of(None))
    assert "serve --simulate" in str(raised.value)
    assert raised.value.exit_code == 3
    with pytest.raises(EviHarnessError, match=r"HUME_API_KEY.*\ba[/\\]\.env\b"):
        api_key_for(Settings(dotenv=Path("a/.env")), endpoint_of(None))


def test_a_missing_key_is_told_with_the_simulator_of_the_same_service():
    """The one that would take the app's messages; none for a dialect that a package brings, since it may have none."""
    realtime = Settings(dialect=dialect_named("openai-realtime"))
    with pytest.raises(EviHarnessError, match=r"OPENAI_API_KEY") as raised:
        api_key_for(realtime, endpoint_of("wss://api.openai.com"))
    assert raised.value.hint.endswith("serve --simulate --dialect openai-realtime.")
    brought = SimpleNamespace(name="brought", variables=realtime.spoken.variables)
    with pytest.raises(EviHarnessError, match=r"OPENAI_API_KEY") as raised:
        api_key_for(Settings(dialect=brought), endpoint_of(None))
    assert "--simulate" not in raised.value.hint


@pytest.mark.parametrize("url", ["localhost:8000", "http://127.0.0.1", "ws://[::1]:8"])
def test_an_endpoint_on_this_machine_takes_any_key(url):
    """A made-up one is presented where none is set, and the real one where it is."""
    assert api_key_for(Settings(), endpoint_of(url))
    assert api_key_for(Settings(api_key=KEY), endpoint_of(url)) == KEY


@pytest.mark.parametrize("spoilt", [f"{KEY} ", f" {KEY}", f"{KEY}\n", f"{KEY}\r", f"{KEY}é", "<your api key>", f"{KEY}\u200b"])
def test_a_key_that_was_copied_badly_is_told_and_not_shown(spoilt):
    """By its variable: the SDK's own error would show the key."""
    assert [name for name, _ in faults(Settings(spoilt, spoilt))] == ["HUME_API_KEY", "HUME_SECRET_KEY"]
    with pytest.raises(EviHarnessError, match="HUME_API_KEY: it contains") as raised:
        api_key_for(Settings(api_key=spoilt), endpoint_of("localhost"))
    assert KEY not in str(raised.value)
    assert faults(Settings(KEY, SECRET)) == []
