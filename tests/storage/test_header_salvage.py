"""Tests of evi_harness.storage.header_salvage: what a damaged session.json still says is found, and nothing else."""

from __future__ import annotations

import json
import random

import pytest

from evi_harness.session.header import Anchor, Header, TrackFile
from evi_harness.storage import header_file, header_salvage
from evi_harness.storage.header_salvage import is_newer, salvaged_header, was_changed

HEADER = Header(
    id="6f1f8b7e",
    made_by="record",
    created="2026-11-22T12:00:00Z",
    dialect="evi",
    endpoint="wss://x",
    complete=True,
    start=Anchor(0, "2026-11-22T12:00:00.000000Z"),
    tracks=(TrackFile("user", "user.wav", 640, 16_000, 1, 2),),
    counts={"opened": 1},
    source={"a": {"b": [1, 2]}},
    software={"hume": "0.14.1"},
)
TEXT = header_file.encode(HEADER)


def test_a_header_that_is_whole_is_found_whole():
    """But for being complete: who needs this module has a damaged folder."""
    found, lost = salvaged_header(TEXT, "evi")
    assert lost == ()
    assert {name: getattr(found, name) for name in ("id", "made_by", "created", "start", "tracks", "counts", "source", "software")} == {
        name: getattr(HEADER, name) for name in ("id", "made_by", "created", "start", "tracks", "counts", "source", "software")
    }
    assert not found.complete


def test_of_nothing_nothing_is_known():
    """An id is new, as no two sessions have one; all else is unknown, and named."""
    found, lost = salvaged_header(b"", "evi")
    other, _ = salvaged_header(b"", "evi")
    assert set(lost) == {"id", "made_by", "created", "dialect", "recorded", "complete"}
    assert (found.made_by, found.created, found.dialect) == ("unknown", "unknown", "evi")
    assert found.id != other.id


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (b'"created": "2026', b'"created": 2026', "created"),
        (b'"at_ns": 0', b'"at_ns": -1', "start"),
        (b'"rate": 16000', b'"rate": "x"', "tracks"),
        (b'"b": [', b'"b": ]', "source"),
        (b'"id"', b'"ie"', "id"),
        (b'"made_by": "record"', b'"made_by": record', "made_by"),
        (b'"dialect": "evi"', b'"dialect": "evh"', "dialect"),
    ],
)
def test_one_damaged_member_is_lost_alone(old, new, name):
    """The others are found, whether it is still JSON or not."""
    assert TEXT.count(old) == 1
    found, lost = salvaged_header(TEXT.replace(old, new), "evi")
    assert name in lost
    assert set(lost) <= {name, "ids"}
    assert found.software == HEADER.software


@pytest.mark.parametrize(
    ("n_software", "n_source", "lost"),
    [(10, 200, "source"), (200, 10, "software"), (50, 50, "source")],
    ids=["one", "another", "two together"],
)
def test_what_is_beyond_the_values_that_a_header_may_have_is_lost(monkeypatch, n_software, n_source, lost):
    """It is never read, and what is found makes a header that can be read."""
    for module in (header_file, header_salvage):
        monkeypatch.setattr(module, "MAX_VALUES", 100)
    more = {"software": {f"p{n}": "1" for n in range(n_software)}, "source": {"lists": [[] for _ in range(n_source)]}}
    found, told = salvaged_header(json.dumps({**json.loads(TEXT), **more}, indent=2).encode(), "evi")
    assert (found.id, found.tracks, told) == (HEADER.id, HEADER.tracks, (lost,))


def test_an_end_that_cannot_be_is_lost_with_the_beginning():
    """Each can be read, and together they cannot."""
    text = TEXT.replace(b'"end": null', b'"end": {"at_ns": 9223372036854775807, "wall": "2026-11-22T12:00:00.000000Z"}')
    assert text != TEXT
    found, lost = salvaged_header(text, "evi")
    assert (found.id, found.tracks, lost) == (HEADER.id, HEADER.tracks, ("start", "end"))


def test_no_bytes_are_raised_on():
    """Cut anywhere, flipped anywhere, or garbage; and at most a few members go with one bit."""
    chance = random.Random(13)
    for _ in range(500):
        at = chance.randrange(len(TEXT))
        flipped = TEXT[:at] + bytes([TEXT[at] ^ 1 << chance.randrange(8)]) + TEXT[at + 1 :]
        _, lost = salvaged_header(flipped, "evi")
        assert len(lost) <= 3, at
        for text in (TEXT[:at], bytes(chance.randrange(256) for _ in range(at)), b"[" * at, b'{"id": ' * at):
            salvaged_header(text, "evi")


def test_only_our_own_names_are_told():
    """What somebody wrote in place of a name is quoted nowhere."""
    text = TEXT.replace(b'"ids": {}', b'"this_is_nobodys_name": {').replace(b'"made_by": "record"', b'"made_by": 7')
    assert b"this_is_nobodys_name" in text
    assert salvaged_header(text, "evi")[1] == ("made_by",)


def test_a_newer_version_is_not_damage():
    """It says so, in its own digest as well."""
    members = json.loads(TEXT)
    assert is_newer(json.dumps({**members, "version": 99}).encode())
    assert not is_newer(TEXT)
    assert not is_newer(b"{")
    assert not was_changed(TEXT)
    assert was_changed(TEXT.replace(b'"evi"', b'"evh"'))
    assert was_changed(b"{")
