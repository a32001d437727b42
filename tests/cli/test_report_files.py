from __future__ import annotations

import json
import re

import click
import pytest
from click.testing import CliRunner

from evi_harness.cli.report_files import json_option, write_json
from evi_harness.errors import EviHarnessError


@click.command()
@json_option("all of it", "some.schema.json")
def command(json_file):
    """Write a little."""
    write_json(json_file, lambda: {"n": 1})


def test_it_is_written_where_it_is_asked_for(tmp_path, monkeypatch):
    """To a file, to standard output, or not at all."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(command, ["--json", "a.json"]).output == ""
    assert json.loads((tmp_path / "a.json").read_text()) == {"n": 1}
    assert json.loads(CliRunner().invoke(command, ["--json", "-"]).output) == {"n": 1}
    assert CliRunner().invoke(command, []).output == ""
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_help_says_what_and_names_the_schema():
    """In the words of the command."""
    told = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert re.search(r"--json FILE .*\bJSON\b.*\bsome\.schema\.json\b", told)


@pytest.mark.parametrize(("name", "says"), [("gone/a.json", "'gone' "), (".", "is a directory")])
def test_what_cannot_be_written_is_refused_before(tmp_path, monkeypatch, name, says):
    """As a mistake on the command line."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["--json", name])
    assert done.exit_code == 2
    assert says in done.output


def test_a_disk_that_refuses_is_told():
    """With the file's name."""
    with pytest.raises(EviHarnessError, match=r"^/dev/full: .*: No space left\b"):
        write_json("/dev/full", lambda: {"n": 1})
