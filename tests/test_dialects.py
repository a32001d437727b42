"""Tests of evi_harness.dialects: the dialects that there are, and those that other packages bring."""

from __future__ import annotations

import errno
import sys
from dataclasses import replace
from pathlib import Path
from typing import Iterator

import pytest

from evi_harness import dialects
from evi_harness.errors import EviHarnessError, SessionUnreadable, UsageError
from evi_harness.evi.dialect import EVI
from evi_harness.session.session import Session
from evi_harness.storage.writer import write_session
from evi_harness.verdicts.loading import load_session

# A package as pip leaves it: its code, and what it brings.
CODE = """
class Brought:
    name = "brought"

BROUGHT = Brought()
"""
ENTRIES = """[evi_harness.dialects]
brought = bringing:BROUGHT
broken = bringing.nothing:THERE
misnamed = bringing:BROUGHT
evi = bringing:BROUGHT
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that brings dialects, for as long as the test runs."""
    (tmp_path / "bringing.py").write_text(CODE, encoding="utf-8")
    facts = tmp_path / "bringing-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: bringing\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(ENTRIES, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    dialects.forget()
    yield
    dialects.forget()
    sys.modules.pop("bringing", None)


def test_evi_is_what_is_spoken_where_nobody_says(weather: Session) -> None:
    """And what the sessions so far speak."""
    assert dialects.dialect_named() is dialects.default_dialect() is dialects.dialect_of(weather) is EVI


def test_an_unknown_name_lists_the_known_ones() -> None:
    """So that a typing error is seen."""
    with pytest.raises(UsageError, match="no dialect 'eiv'") as caught:
        dialects.dialect_named("eiv")
    assert caught.value.hint.endswith(f": {', '.join(dialects.known_dialects())}.")
    assert "evi" in dialects.known_dialects()


@pytest.mark.usefixtures("installed")
def test_an_installed_package_brings_one(weather: Session) -> None:
    """By its entry point; it is the same object each time."""
    brought = dialects.dialect_named("brought")
    assert type(brought).__module__ == "bringing"
    assert dialects.dialect_of(replace(weather, header=replace(weather.header, dialect="brought"))) is brought
    assert {"brought", "evi"} <= set(dialects.known_dialects())


@pytest.mark.usefixtures("installed")
def test_what_is_built_in_cannot_be_replaced() -> None:
    """A package that calls its own evi is not asked."""
    assert dialects.dialect_named("evi") is EVI


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "words"), [("broken", "ModuleNotFoundError"), ("misnamed", "'brought'")])
def test_what_a_package_brings_may_be_broken(name: str, words: str) -> None:
    """Then the entry point is told, and it is no usage error."""
    with pytest.raises(EviHarnessError, match=words) as caught:
        dialects.dialect_named(name)
    assert "bringing" in caught.value.what
    assert not isinstance(caught.value, UsageError)


def test_the_dialects_of_sessions_are_each_there_once(weather: Session) -> None:
    """With the default one, whose secrets are looked for in any case."""
    assert dialects.dialects_of(()) == dialects.dialects_of((weather, weather)) == (EVI,)


def test_a_session_of_a_dialect_that_nobody_brings_is_not_loaded(tmp_path: Path, weather: Session) -> None:
    """The name stands in the error, and so do the known ones."""
    other = replace(weather, header=replace(weather.header, dialect="klingon"))
    write_session(tmp_path / "other", other, EVI)
    with pytest.raises(SessionUnreadable, match=r"dialect, is 'klingon', .* 'evi'"):
        load_session(tmp_path / "other")


def test_a_disk_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed is then not known, and a package that cannot be read is not one that is absent."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("importlib.metadata.entry_points", fails)
    with pytest.raises(EviHarnessError, match="Input/output error") as raised:
        dialects.known_dialects()
    assert raised.value.hint
