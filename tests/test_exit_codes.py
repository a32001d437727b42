"""The same mistake has the same exit code in every command, as docs/reference/exit-codes.md says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from evi_harness.cli.main import main

pytestmark = pytest.mark.usefixtures("no_environment")

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
CODES = {mistake: int(code) for mistake, code in re.findall(r"^\| (.*?) \| (\d+) \|$", PAGE.partition("## Mistakes")[2], re.MULTILINE)}

# Every command that reads something, where {} is what it reads.
OF_SESSIONS = (
    "replay {} --handler recorded --no-child",
    "latency {} --detector none",
    "show {}",
    "play {}",
    "report {} -o page.html",
    "compare {} typed",
    "compare typed {}",
    "export {} --wav out.wav",
    "repair {} -o repaired",
    "serve {} --once",
    "replay {} --live --base-url http://127.0.0.1:1 --yes",
)
OF_FILES = (
    "explain {}",
    "import har {}",
    "import capture {}",
    "import chat-history {}",
    "serve --simulate --script {}",
    "record --simulate --script {} -- true",
    "replay typed --handler builtin --no-child --baseline {}",
    "latency typed --detector none --baseline {}",
)
# One after the other, in one process.
SEVERAL = "typed weather -j 1"
REPLAY = "replay typed --handler recorded --no-child"

MISTAKES = {
    "an unknown command or option, or a missing argument": (
        "nope",
        *(f"{one.format('typed')} --no-such" for one in OF_SESSIONS),
        *("check", "replay", "latency", "show", "play", "report", "compare typed", "export", "repair", "explain", "import har"),
    ),
    "an invalid value, such as a threshold that cannot be parsed": (
        *(
            f"{REPLAY} {one}"
            for one in ("--gate x", "--gate handle:max<x", "--speed x", "--from zz", "--seed x", "--ignore [", "--repeat 0")
        ),
        *(f"{REPLAY} {one}" for one in ("--severity x=y", "--allow-host :", "--least-effect x", "--false-alarm 2", "--max-run-time x")),
        *("show typed --grep [", "show typed --from zz", "serve typed --port 99999", "check typed --min-sessions x"),
        *("latency typed --detector x", "latency typed --gate x", "ab --a x --b y --metric x", "ab --a x --b y --runs 0"),
        *("record --mic typed/session.json --base-url http://127.0.0.1:1",),
    ),
    "options that cannot be combined, or that need another one": (
        *(
            f"{REPLAY} {one}"
            for one in ("--dry-run", "--yes", "--base-url http://127.0.0.1:1", "-x", "--last-failed", "--executor dask://x:1")
        ),
        *("replay typed weather --live", "replay typed --handler x.py:y -- true", "ab --a x", "latency typed --json - --csv -"),
    ),
    "a file or folder that does not exist": tuple(one.format("gone") for one in ("check {}", *OF_SESSIONS, *OF_FILES)),
    "an output file that is a folder, or whose folder does not exist": (
        *(f"{REPLAY} {flag} gone/x.html" for flag in ("--json", "--junit", "--summary", "--html", "--save-baseline")),
        *(f"{REPLAY} {flag} empty" for flag in ("--json", "--junit", "--summary")),
        *(f"{one} --json gone/x" for one in ("check typed", "show typed", "latency typed", "compare typed typed")),
        *(
            "latency typed --csv gone/x",
            "report typed -o gone/x.html",
            "export typed --wav gone/x.wav",
            "compare typed typed --html gone/x.html",
        ),
        *("check typed --junit gone/x", "check typed --summary empty", "ab --a x --b y --junit gone/x"),
    ),
    "`--handler` has the wrong form, or names something that is not a handler": tuple(
        f"replay {what} --no-child --handler {spec}"
        for what, spec in (*(("typed", one) for one in ("app", "app.py", "app.py:NUMBER")), (SEVERAL, "app.py:NUMBER"))
    ),
    "a gate without a handler": tuple(
        f"replay {what} --no-child {gate}"
        for what in ("typed", "typed weather")
        for gate in ("--gate handle:max<9", "--save-baseline b.json")
    ),
    "a file or folder that is not a session": tuple(
        one.format(what) for one in OF_SESSIONS for what in ("empty", "app.py") if "report" not in one
    ),
    "a file that is not what it should be: a report, a capture, a script, a baseline": tuple(
        one.format(what) for one in OF_FILES for what in ("broken.json", "empty")
    ),
    "a session that cannot be read": tuple(one.format("damaged") for one in OF_SESSIONS),
    "the handler's file does not exist, cannot be imported, or does not define the name": tuple(
        f"replay {what} --no-child --handler {spec}"
        for what, spec in (
            *(("typed", one) for one in ("gone.py:App", "raises.py:App", "app.py:Gone", "no_such_package.app:App")),
            (SEVERAL, "gone.py:App"),
        )
    ),
    "fewer sessions than `--min-sessions`": tuple(
        f"{one} --min-sessions 2" for one in ("check typed", REPLAY, "latency typed --detector none")
    ),
    "a file that cannot be written": (
        *(f"{REPLAY} {flag} link.txt" for flag in ("--json", "--junit", "--summary")),
        *(f"{one} --json link.txt" for one in ("check typed", "show typed", "latency typed --detector none", "compare typed typed")),
        *("latency typed --detector none --csv link.txt", "check typed --junit link.txt"),
    ),
    "a program that does not start": (
        "replay typed -- no-such-program",
        "record -- no-such-program",
        "ab --a no-such --b no-such --runs 1",
    ),
}
LINES = [(mistake, line) for mistake, lines in MISTAKES.items() for line in lines]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with sessions, what is none, a handler and what is none, and no CI server."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pyproject.toml").touch()
    for name in ("typed", "damaged"):
        shutil.copytree(ROOT / "sessions" / "typed", name)
    shutil.copytree(ROOT / "sessions" / "typed", "weather")
    Path("damaged/events.jsonl").write_bytes(b"x\n")
    Path("empty").mkdir()
    Path("broken.json").write_text("{", encoding="utf-8")
    Path("app.py").write_text("NUMBER = 3\n", encoding="utf-8")
    Path("raises.py").write_text("raise RuntimeError('no')\n", encoding="utf-8")
    # A link into a folder that is not there: whoever runs the tests, it cannot be written.
    Path("link.txt").symlink_to(tmp_path / "gone" / "link.txt")
    return tmp_path


def test_every_mistake_of_the_page_is_tried() -> None:
    """And none that it does not have."""
    assert set(MISTAKES) == set(CODES)


@pytest.mark.parametrize(("mistake", "line"), LINES, ids=[line for _, line in LINES])
def test_a_mistake_has_one_code(here, capsys, mistake, line) -> None:
    """In a sentence, never a traceback."""
    assert main(line.split()) == CODES[mistake]
    told = "".join(capsys.readouterr())
    assert "error: " in told or "verdict " in told
    assert "internal error" not in told
    assert "Traceback" not in told
