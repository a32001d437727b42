"""Tests of docs/reference/session-format.md: the page says all that the records hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evi_harness.audio.sounding_sides import MAX_RATE, SILENT_RATE
from evi_harness.redacting.redaction import MIN_VALUE_LENGTH
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION
from evi_harness.storage import header_file, layout
from evi_harness.storage.header_file import HeaderFields
from evi_harness.storage.lines import KINDS, Cut, Form, HandshakeFields, Slice, known_fields

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "session-format.md").read_text()
# What stands in backquotes in the first or second cell of a table's row.
NAMED = {name for row in re.findall(r"^\|(.*)\|$", PAGE, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}

FIELDS = sorted(
    {field for kind in KINDS.values() for field in known_fields(kind)} - {"handshake"}
    | {f"audio.{field}" for field in known_fields(Cut)}
    | {f"audio.form.{field}" for field in known_fields(Form)} - {"audio.form"}
    | {f"payload.{field}" for field in known_fields(Slice)}
    | {f"handshake.{field}" for field in known_fields(HandshakeFields)}
    | set(HeaderFields.__struct_fields__) - {"recorded"}
    | {f"recorded.{field}" for field in header_file.RecordedFields.__struct_fields__}
    | set(header_file.AnchorFields.__struct_fields__)
    | set(header_file.TrackFields.__struct_fields__)
)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_on_the_page(field):
    """Each field of each record stands in a table."""
    assert field in NAMED


@pytest.mark.parametrize(
    "file",
    [
        layout.HEADER_FILE,
        layout.EVENTS_FILE,
        layout.HEARD_FILE,
        f"{layout.PAYLOADS}/",
        layout.track_name("user", 1),
        layout.track_name("user", 2),
    ],
)
def test_every_file_is_on_the_page(file):
    """Each file of a folder stands in the first table."""
    assert file in NAMED


def test_bounds_and_versions_are_those_of_the_code():
    """The figures in the prose are the constants' own, and the history ends with the present version."""
    assert f"at most {layout.MAX_LINE_BYTES >> 20} MiB" in PAGE
    assert f"nested at most {layout.MAX_NESTING} deep" in PAGE
    assert f"more than {layout.MAX_INLINE_BYTES >> 20} MiB" in PAGE
    assert f"fewer than {MIN_VALUE_LENGTH} characters" in PAGE
    assert f"never above {MAX_RATE:,} Hz" in PAGE
    assert f"and {SILENT_RATE} Hz where" in PAGE
    assert (
        f"larger than {round(layout.MAX_TRACK_BYTES / (1 << 30))} GiB ({layout.MAX_TRACK_BYTES / 4 / 48_000 / 3600:.1f} hours at 48 kHz)"
        in PAGE
    )
    assert re.findall(r"^\| (\d+\.\d+) \|", PAGE, re.MULTILINE)[-1] == f"{FORMAT_VERSION}.{FORMAT_MINOR}"
