"""Tests of evi_harness.acts.paging.page_reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from evi_harness.acts.paging.page_reports import named_subjects, write_named_pages
from evi_harness.acts.replay import replay_session
from evi_harness.errors import EviHarnessError, ReportError, SessionError, SessionUnreadable, UsageError

ROOT = Path(__file__).resolve().parents[3]
RAISES = f"{ROOT / 'fixtures' / 'handlers' / 'raises.py'}:App"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of a replay that failed, beside copies of its recording and its own session."""
    folder = tmp_path_factory.mktemp("report")
    shutil.copytree(ROOT / "sessions" / "typed", folder / "typed")
    result = replay_session(folder / "typed", handler=RAISES, out=folder / "out", write=lambda line: None)
    return folder, result.json()


def subject_of(folder, told):
    """The one subject of a report."""
    (folder / "report.json").write_text(json.dumps(told), encoding="utf-8")
    (found,) = named_subjects([folder / "report.json"])
    return found.subject


def test_a_report_brings_its_recording_and_its_replay(report):
    """With what is wrong, and the verdict of the report."""
    folder, told = report
    subject = subject_of(folder, told)
    assert [(one.id, one.session.header.made_by) for one in subject.shown] == [("recorded", "script"), ("replayed", "replay")]
    assert (subject.verdict, subject.remarks) == (told["verdict"], ())


def test_what_is_not_there_any_more_is_said(report, tmp_path):
    """One side is enough; without any there is nothing to show."""
    folder, told = report
    unkept = subject_of(folder, {**told, "folder": None})
    assert ([one.id for one in unkept.shown], len(unkept.remarks)) == (["recorded"], 1)
    gone = {**told, "recording": {"path": str(tmp_path / "gone"), "sha256": None}}
    alone = subject_of(folder, gone)
    assert ([one.id for one in alone.shown], len(alone.remarks)) == (["replayed"], 1)
    with pytest.raises(SessionUnreadable, match=r"neither .*recording"):
        subject_of(folder, {**gone, "folder": None})


def test_a_recording_that_changed_is_said_to_have(report):
    """By its digest; and where another session stands in its place, that is not shown as if it were it."""
    folder, told = report
    changed = subject_of(folder, {**told, "recording": {**told["recording"], "sha256": "0" * 64}})
    assert "digest differs" in changed.remarks[0]
    other = subject_of(folder, {**told, "session_id": "another"})
    assert ([one.id for one in other.shown], "another session" in other.remarks[0]) == (["replayed"], True)


def test_reports_of_several_runs_and_of_many_sessions(report):
    """Of several runs the first that failed; of many sessions each that was replayed."""
    folder, told = report
    passed = {**told, "passed": True}
    runs = {"passed": False, "n_failed": 1, "runs": [{"seed": None, "report": passed}, {"seed": None, "report": told}]}
    assert "this is run 2" in subject_of(folder, runs).remarks[0]
    many = {"passed": False, "exit_code": 3, "sessions": [{"report": told}, {"report": None}, {"report": runs}]}
    (folder / "many.json").write_text(json.dumps(many), encoding="utf-8")
    assert len(list(named_subjects([folder / "many.json"]))) == 2


def test_a_replay_on_another_axis_is_beside_its_recording_on_that(report, tmp_path):
    """Both begin and end together, though the recording is longer."""
    folder, _ = report
    result = replay_session(folder / "typed", handler="recorded", speed="2", out=tmp_path / "out", write=lambda line: None)
    recorded, live = subject_of(folder, result.json()).shown
    assert recorded.session.duration_ns == pytest.approx(live.session.duration_ns, abs=5_000_000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "no json",
        '{"schema": 1}',
        '{"schema": 99, "findings": [], "deviations": []}',
        '{"runs": [3]}',
        "[" * 100_000,
        '{"schema": 1, "findings": [], "deviations": [], "recording": 3, "command": [], "folder": 7}',
    ],
)
def test_what_is_no_report_is_an_error(text, tmp_path):
    """That says which file, and never a traceback."""
    file = tmp_path / "report.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ReportError, SessionUnreadable), match=r"report\.json"):
        list(named_subjects([file]))


def test_one_page_is_a_file_and_several_are_a_folder(report, tmp_path):
    """Each has a name of its own, and there is an index; several do not go into a file, and none is not enough."""
    folder, _ = report
    one = write_named_pages([folder / "typed"], tmp_path / "one.html")
    assert (one.first, one.index) == (tmp_path / "one.html", None)
    many = write_named_pages([folder / "typed", folder / "typed"], tmp_path / "many")
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == ["index.html", "typed-2.html", "typed.html"]
    assert many.first == tmp_path / "many" / "index.html"
    with pytest.raises(UsageError, match="is a file"):
        write_named_pages([folder / "typed", folder / "typed"], tmp_path / "one.html")
    (folder / "none.json").write_text('{"exit_code": 3, "sessions": []}', encoding="utf-8")
    with pytest.raises(ReportError, match="nothing to show"):
        write_named_pages([folder / "none.json"], tmp_path / "none.html")
    with pytest.raises(EviHarnessError, match="cannot be created"):
        write_named_pages([folder / "typed", folder / "typed"], tmp_path / "gone" / "many")


def test_a_session_whose_audio_cannot_be_read_takes_no_page_from_the_others(tmp_path):
    """It loads, and its audio is missed when its page is made: a row in the index, a sentence, and no half page. Alone it is an error."""
    for name in "abc":
        shutil.copytree(ROOT / "sessions" / "weather", tmp_path / "s" / name)
    (tmp_path / "s" / "b" / "assistant.wav").write_bytes(b"xx")
    written = write_named_pages([tmp_path / "s"], tmp_path / "pages")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["a.html", "c.html", "index.html"]
    assert [page.file.name for page in written.pages] == ["a.html", "c.html"]
    (told,) = written.refused
    assert "assistant.wav" in told
    assert "\\n" not in told
    with pytest.raises(SessionError, match=r"assistant\.wav"):
        write_named_pages([tmp_path / "s" / "b"], tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


def test_a_session_that_a_report_of_many_names_and_is_gone(report, tmp_path):
    """The others have their pages."""
    told = report[1]
    gone = {**told, "session": "gone", "recording": {**told["recording"], "path": "gone"}, "folder": None}
    many = {"exit_code": 1, "sessions": [{"report": gone}, {"report": told}]}
    (tmp_path / "many.json").write_text(json.dumps(many), encoding="utf-8")
    written = write_named_pages([tmp_path / "many.json"], tmp_path / "pages")
    assert len(written.pages) == 1
    assert written.refused[0].startswith("gone: no page: ")
