"""Tests of evi_harness.storage.magic."""

from __future__ import annotations

import pytest

from evi_harness.storage.magic import container


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (b"RIFFxxxx", "wav"),
        (b"\x1aE\xdf\xa3x", "webm"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
        (b"ID3\x04", "mp3"),
        (b"\0\0\0\x18ftypM4A ", "m4a"),
        (b"FORM", "aiff"),
        (b".snd", "au"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf1", "aac"),
    ],
)
def test_containers_are_known_by_their_first_bytes(data, extension):
    """Each signature gives its extension."""
    found = container(data, may_be_samples=False)
    assert found is not None
    assert found.extension == extension


@pytest.mark.parametrize("data", [b"", b"RIF", b"\0" * 20, b"xRIFF"])
def test_other_bytes_begin_nothing(data):
    """What begins no container is None."""
    assert container(data, may_be_samples=False) is None


@pytest.mark.parametrize("data", [b"\xff\xfb\x90", b"\xff\xf1"])
def test_two_bytes_decide_nothing_where_samples_are_expected(data):
    """Samples begin with these bytes often enough."""
    assert container(data, may_be_samples=True) is None
