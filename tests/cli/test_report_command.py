"""Tests of ``evi-harness report``, and of the pages of other commands."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from evi_harness.cli.main import main
from evi_harness.cli.options import page_options
from evi_harness.cli.printing import Advance

ROOT = Path(__file__).resolve().parents[2]
RAISES = f"{ROOT / 'fixtures' / 'handlers' / 'raises.py'}:App"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command line beside two sessions; gives the code, the last line, and what went to standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    (tmp_path / "app.py").write_text("print('mine')\n", encoding="utf-8")
    for name in ("typed", "weather"):
        shutil.copytree(ROOT / "sessions" / name, tmp_path / "sessions" / name)

    def run_(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, (out.splitlines() or [""])[-1], err

    return run_


def test_a_report_that_a_replay_wrote_becomes_a_page(run, tmp_path):
    """The report names the page that the replay wrote, too."""
    words = ("replay", "sessions/typed", "--handler", RAISES, "--out", "out", "--json", "report.json", "--html", "page.html")
    assert run(*words) == (1, "verdict    failed: 1 deviation", "")
    assert json.loads((tmp_path / "report.json").read_text())["page"] == "page.html"
    code, line, err = run("report", "report.json", "-o", "again.html", "--audio-format", "flac")
    assert (code, line.split(":")[0], err) == (0, "again.html", "")
    assert "data:audio/flac;base64," in (tmp_path / "again.html").read_text(encoding="utf-8")


def test_many_replays_are_a_folder_with_an_index(run, tmp_path):
    """What failed names its page; each report names it too."""
    code, line, _ = run("replay", "sessions", "--handler", RAISES, "-j", "1", "--no-child", "--html", "pages", "--json", "report.json")
    assert (code, line.split(maxsplit=1)) == (1, ["verdict", "failed: 2 of 2 sessions"])
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["index.html", "typed.html", "weather.html"]
    told = json.loads((tmp_path / "report.json").read_text())
    assert [one["report"]["page"] for one in told["sessions"]] == ["pages/typed.html", "pages/weather.html"]
    assert told["page"] == "pages/index.html"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("report", "sessions/typed"), 2, "--out is missing"),
        (("report", "gone", "-o", "x.html"), 2, "does not exist"),
        (("report", "sessions/typed/events.jsonl", "-o", "gone/x.html"), 2, "'gone' "),
        (("report", "sessions", "-o", "taken"), 2, "is a file"),
        (("replay", "sessions/typed", "--html", "sessions"), 2, "is a folder, "),
        (("replay", "sessions", "--html", "taken"), 2, "is a file, "),
        (("replay", "sessions/typed", "--html", "gone/x.html"), 2, "--html: 'gone' "),
        (("record", "--html", "gone/x.html"), 2, "--html: 'gone' "),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(run, words, code, told):
    """In a sentence."""
    found, _, err = run(*words)
    assert (found, told in " ".join(err.split())) == (code, True), err


def shown(file):
    """The verdict on a page, and the kinds of its problems."""
    text = file.read_text(encoding="utf-8")
    begin = '<script type="application/json" id="evi-data">'
    data = json.loads(text[text.index(begin) + len(begin) :].split("</script>", 1)[0])
    return data["verdict"], [(one["what"], one["kind"]) for one in data["problems"]]


# No handler of these sessions takes a second.
_GATE = ("--handler", "builtin", "--gate", "handle: max>1000")


@pytest.mark.parametrize("more", [(), ("--repeat", "2")])
def test_a_gate_that_does_not_hold_is_on_the_page(run, tmp_path, more):
    """Of the replay, and of its report."""
    words = ("replay", "sessions/typed", "--no-child", *_GATE, *more, "--html", "page.html", "--json", "report.json")
    code, line = run(*words)[:2]
    assert (code, line.startswith("verdict    failed: 1 threshold ")) == (1, True)
    assert run("report", "report.json", "-o", "again.html")[0] == 0
    for name in ("page.html", "again.html"):
        assert shown(tmp_path / name) == ({"state": "failed", "text": line[len("verdict    ") :]}, [("gate", "failed")])


def test_a_gate_on_many_sessions_is_in_the_index(run, tmp_path):
    """It is about all of them together, so each page has its own verdict."""
    words = ("replay", "sessions", "-j", "1", "--no-child", *_GATE, "--html", "pages", "--json", "report.json")
    assert run(*words)[0] == 1
    assert run("report", "report.json", "-o", "again")[0] == 0
    for name in ("pages", "again"):
        text = (tmp_path / name / "index.html").read_text(encoding="utf-8")
        assert re.search('<p class="failed">gate: failed: 1 threshold .*</p>', text)
        assert "<p>2 pages</p>" in text


_INSIDE = "session folder sessions/typed"
_NO_PAGE = "error: app.py "


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("report", "sessions/weather", "-o", "sessions/typed/session.json"), _INSIDE),
        (("report", "sessions/weather", "-o", "sessions/typed"), _INSIDE),
        (("report", "sessions", "-o", "sessions/typed/pages"), _INSIDE),
        (("report", "sessions/weather", "-o", "app.py"), _NO_PAGE),
        (("replay", "sessions/weather", "--html", "sessions/typed/new.html"), _INSIDE),
        (("replay", "sessions/weather", "--html", "app.py"), _NO_PAGE),
        (("replay", "sessions", "--html", "sessions/typed"), _INSIDE),
        (("record", "--html", "sessions/typed/events.jsonl"), _INSIDE),
        (("record", "--html", "app.py"), _NO_PAGE),
        (("compare", "sessions/typed", "sessions/weather", "--html", "sessions/typed/page.html"), _INSIDE),
        (("compare", "sessions/typed", "sessions/weather", "--html", "app.py"), _NO_PAGE),
    ],
)
def test_a_page_replaces_nothing_but_a_page_and_is_in_no_session(run, tmp_path, words, told):
    """Refused before anything is done, and everything is as it was."""

    def all_files():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = all_files()
    code, _, err = run(*words)
    assert (code, told in " ".join(err.split())) == (2, True), err
    assert all_files() == before


def test_a_page_of_many_replays_replaces_nothing_but_a_page(run, tmp_path):
    """Neither under a session's name nor under the index's, and nothing is replayed before that is said."""
    for name in ("index.html", "weather.html"):
        pages = tmp_path / f"for-{name}"
        pages.mkdir()
        (pages / name).write_text("<!doctype html><title>mine</title>", encoding="utf-8")
        code, line, err = run("replay", "sessions", "-j", "1", "--no-child", "--html", str(pages))
        assert (code, line, f"{name} already exists" in " ".join(err.split())) == (2, "", True), err
        assert [path.name for path in pages.iterdir()] == [name]


def test_a_page_of_many_that_cannot_be_written_takes_no_verdict_away(run, tmp_path, monkeypatch):
    """Each session's verdict stands; the index shows which has no page, and the command could not do all that was asked."""
    from evi_harness.acts.paging import page_folder
    from evi_harness.errors import EviHarnessError

    written = page_folder.write_page

    def refuses(subject, file, **asked):
        if file.name == "typed.html":
            raise EviHarnessError("the page cannot be written: No space left on device")
        return written(subject, file, **asked)

    monkeypatch.setattr(page_folder, "write_page", refuses)
    words = ("replay", "sessions", "--handler", RAISES, "-j", "1", "--no-child", "--html", "pages", "--json", "report.json")
    code, line, err = run(*words)
    assert (code, line.split(maxsplit=1), "1 page " in err) == (3, ["verdict", "failed: 2 of 2 sessions"], True)
    told = json.loads((tmp_path / "report.json").read_text())
    assert [(one["exit_code"], one["report"].get("page")) for one in told["sessions"]] == [(1, None), (1, "pages/weather.html")]
    index = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert ('href="typed.html"' in index, 'href="weather.html"' in index) == (False, True)


def test_an_index_that_cannot_be_written_takes_no_verdict_away(run, tmp_path, monkeypatch):
    """Likewise: the report is printed and written."""

    def refuses(*args):
        from evi_harness.errors import EviHarnessError

        raise EviHarnessError("the page cannot be written: No space left on device")

    monkeypatch.setattr("evi_harness.acts.paging.page_folder.write_index", refuses)
    code, line, err = run("replay", "sessions", "-j", "1", "--no-child", "--html", "pages", "--json", "report.json")
    assert (code, line.startswith("verdict    passed, "), "No space left" in err) == (3, True, True)
    assert "page" not in json.loads((tmp_path / "report.json").read_text())


def test_a_session_that_cannot_be_read_takes_no_page_of_another_away(run, tmp_path):
    """It has a row in the index, and the code says that not all was read."""
    (tmp_path / "sessions" / "typed" / "session.json").write_text("{", encoding="utf-8")
    code, line, err = run("report", "sessions", "-o", "pages")
    assert (code, line, "sessions/typed: no page: " in err) == (3, "pages/index.html", True)
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["index.html", "weather.html"]
    assert "sessions/typed" in (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    assert run("report", "sessions/typed", "-o", "page.html")[0] == 3


def test_a_session_of_no_length_has_a_page(run, tmp_path):
    """With audio in it, whose first block is more than all of the session."""
    folder = tmp_path / "sessions" / "weather"
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    (folder / "events.jsonl").write_text(
        "".join(json.dumps({**one, "at_ns": 0, **({"taken_ns": 0} if "taken_ns" in one else {})}) + "\n" for one in lines), encoding="utf-8"
    )
    header = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    (folder / "session.json").write_text(json.dumps({**header, "end": header["start"]}), encoding="utf-8")
    code, _, err = run("report", "sessions/weather", "-o", "page.html")
    assert (code, (tmp_path / "page.html").is_file()) == (0, True), err


def test_a_page_that_cannot_be_written_takes_no_report_away(run, tmp_path, monkeypatch):
    """The report is printed and written, and then the error is told."""

    def refuses(*args, **kwargs):
        from evi_harness.errors import EviHarnessError

        raise EviHarnessError("the page cannot be written: No space left on device")

    (tmp_path / "page.html").touch()  # as one of an earlier run is
    monkeypatch.setattr("evi_harness.acts.paging.page_folder.write_page", refuses)
    code, line, err = run("replay", "sessions/typed", "--handler", RAISES, "--json", "report.json", "--html", "page.html")
    assert (code, line, "No space left" in err) == (3, "verdict    failed: 1 deviation", True)
    assert "page" not in json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("code", [0, 1])
def test_a_page_is_opened_where_there_is_a_browser(run, monkeypatch, tmp_path, code):
    """Else that is said, and the page is there all the same."""
    opened = []
    monkeypatch.setattr(click, "launch", lambda url: opened.append(url) or code)
    found, _, err = run("report", "sessions/typed", "-o", "page.html", "--open")
    assert (found, opened) == (0, [(tmp_path / "page.html").as_uri()])
    assert ("no browser" in err) is bool(code)


def test_how_far_a_page_is_reaches_what_draws_it(run, monkeypatch):
    """By its sound: from nothing to all of it, and never back."""
    told = []

    @contextmanager
    def shown(label, n_all):
        advance = Advance(None)
        advance.part = lambda share: told.append((label, n_all, share))
        yield advance

    monkeypatch.setattr(page_options, "progress", shown)
    assert run("report", "sessions/weather", "-o", "page.html")[0] == 0
    assert {one[:2] for one in told} == {("making the page", 1)}
    shares = [share for _, _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
