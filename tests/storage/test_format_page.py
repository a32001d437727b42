"""Tests of docs/reference/session-format.md: the page says all that the records hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from evi_harness.audio.sounding_sides import MAX_RATE, SILENT_RATE
from evi_harness.evi.dialect import EVI
from evi_harness.redacting.redaction import MIN_VALUE_LENGTH
from evi_harness.session.events import Received
from evi_harness.session.header import FORMAT_MINOR, FORMAT_VERSION
from evi_harness.storage import header_file, layout
from evi_harness.storage.header_file import HeaderFields
from evi_harness.storage.lines import KINDS, Cut, Form, HandshakeFields, Slice, known_fields
from evi_harness.storage.reader import read_session
from evi_harness.storage.writer import write_session

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "session-format.md").read_text()
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


# The shell lines of the page, each with the lines that go on from it, without the comment behind it.
SHELL = [
    re.sub(r" {2,}# .*", "", line).replace("\n> ", "\n")
    for block in re.findall(r"^```\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for line in re.findall(r"^\$ (.*(?:\n> .*)*)", block, re.MULTILINE)
]
PROGRAMS = ("ls", "cut", "grep", "jq", "sed", "tr", "sha256sum")


def printed(line, folder):
    """What a shell line of the page prints beside a session folder; skips where a program of it is not installed."""
    for program in PROGRAMS:
        if re.search(rf"(?:^|[|(\n]) *{program} ", line) and shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, ""), line
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def beside_session(tmp_path_factory):
    """A folder with the page's session in it, one that has an expectation as well."""
    folder = tmp_path_factory.mktemp("page")
    # Written anew, since recordings of before version 1.3 have no digests in their lines.
    write_session(folder / "session", read_session(ROOT / "sessions" / "weather"), EVI)
    (folder / "session" / "expected.jsonl").write_text("{}\n")
    return folder


def shell(part):
    """The one shell line of the page that has this part."""
    (line,) = [line for line in SHELL if part in line]
    return line


@pytest.mark.parametrize("line", SHELL, ids=range(len(SHELL)))
def test_shell_lines_of_the_page_run(line, beside_session):
    """Each as the page has it, without an error."""
    printed(line, beside_session)


def test_shell_lines_of_the_page_find_what_they_promise(beside_session):
    """Messages are counted and listed as the reader has them."""
    session = read_session(beside_session / "session")
    received = [event for event in session.events if isinstance(event, Received)]
    assert printed(shell("grep -c"), beside_session) == [str(len(received))]
    assert len(printed(shell("@tsv"), beside_session)) == len(received)
    messages = [json.loads(event.frame.payload) for event in received]
    spoken = [message["message"]["content"] for message in messages if message["type"] == "user_message"]
    assert spoken != []
    assert printed(shell("user_message"), beside_session) == spoken


@pytest.mark.parametrize(("stored", "computed"), [("jq -r .header_digest", "sed -E 's/(\"header"), ("grep -o '\"digest", "sed -n 1p")])
def test_shell_lines_of_the_page_compute_the_digests(stored, computed, beside_session):
    """The digest that is stored is the one that the shell makes."""
    ((there,), (anew,)) = (printed(shell(part), beside_session) for part in (stored, computed))
    assert re.findall(r"[0-9a-f]{16,}", there) == re.findall(r"[0-9a-f]{16,}", anew) != []
