"""What docs/how-to/proxy.md shows is run as it stands: the same app in Python, TypeScript and a browser, and by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List, Tuple

import pytest
from other_languages import HANGS_S, NODE_MODULES, browsing, end_of, node
from thread_server import serving_in_thread

from evi_harness.acts.serve.serving import play
from evi_harness.acts.sessions import check_session
from evi_harness.session.events import Closed
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "proxy.md").read_text(encoding="utf-8")
TYPED = ROOT / "sessions" / "typed"
ASK = {"type": "user_input", "text": "What's the weather in Bath?"}


def snippet(language: str, name: str) -> str:
    """A code block of the page, known by what it calls itself."""
    (found,) = [one for one in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if name in one]
    return found


@contextmanager
def proxy(folder: Path, *words: str) -> Iterator[Tuple[str, subprocess.Popen[str]]]:
    """The proxy as a shell starts it, before a server of the session that the apps of the page expect; with its URL."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with serving_in_thread(play(TYPED)) as url:
        command = [sys.executable, "-m", "evi_harness", "proxy", "--upstream", url, "--once", *words]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process.stdout.readline().split()[-1], process
            finally:
                if process.poll() is None:
                    process.kill()


def is_recorded(folder: Path) -> None:
    """The conversation of the page stands in the one session that was written."""
    (session_folder,) = (folder / "sessions").iterdir()
    assert check_session(session_folder) == []
    session = load_session(session_folder)
    asked, answered = (json.loads(event.frame.payload) for event in session.sent)
    assert {name: asked[name] for name in ASK} == ASK
    assert (answered["type"], answered["tool_call_id"]) == ("tool_response", "call_made_by_a_script")
    (closed,) = [event for event in session.events if isinstance(event, Closed)]
    assert closed.by == "app"


def _python(folder: Path) -> List[str]:
    (folder / "chat.py").write_text(snippet("python", "chat.py"), encoding="utf-8")
    return [sys.executable, "chat.py"]


def _typescript(folder: Path) -> List[str]:
    command, _ = node()
    modules = Path(os.environ.get(NODE_MODULES, ""))
    if not (modules / "hume" / "package.json").is_file():
        pytest.skip(f"{NODE_MODULES} names no folder node_modules with the package hume in it")
    (folder / "node_modules").symlink_to(modules.resolve())
    (folder / "sdk.mjs").write_text(snippet("ts", "sdk.mts"), encoding="utf-8")
    return [*command, "sdk.mjs"]


@pytest.mark.parametrize("app", [_python, _typescript], ids=["python", "typescript"])
def test_an_app_with_humes_sdk(app: Callable[[Path], List[str]], tmp_path: Path) -> None:
    """It notices nothing, and its conversation is recorded."""
    command = app(tmp_path)
    with proxy(tmp_path) as (url, process):
        done = subprocess.run([*command, url], cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S)
        assert done.returncode == 0, done.stderr
        assert end_of(process) == (0, "recorded 1 session")
    is_recorded(tmp_path)


@pytest.mark.slow
def test_an_app_that_record_runs(tmp_path: Path) -> None:
    """The line as it stands, with the app of the page."""
    _python(tmp_path)
    words = snippet("sh", "record --simulate").split()
    assert words[:2] == ["evi-harness", "record"]
    place = words.index("python")
    command = [sys.executable, "-m", "evi_harness", *words[1:place], sys.executable, *words[place + 1 :]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=HANGS_S)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []
    header = load_session(folder).header
    assert (header.service, header.app["exit_code"]) == ("simulator", 0)


def test_a_web_page(tmp_path: Path) -> None:
    """As it stands; a browser that lacks a library here is no page that fails."""
    page = tmp_path / "chat.html"
    page.write_text(snippet("html", "chat.html"), encoding="utf-8")
    with proxy(tmp_path, "--allow-origin", "null") as (url, process), browsing(f"{page.as_uri()}?{url}", tmp_path) as browser:
        while process.poll() is None:
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                if browser.poll() is not None:
                    pytest.skip(f"the browser does not start here: it ended with {browser.returncode}")
        assert end_of(process) == (0, "recorded 1 session")
    is_recorded(tmp_path)


def test_by_hand(tmp_path: Path) -> None:
    """wscat, where it is installed: what is typed is sent."""
    path = shutil.which("wscat") or shutil.which("wscat", path=str(Path(os.environ.get(NODE_MODULES, "nowhere")) / ".bin"))
    if path is None:
        pytest.skip("there is no wscat here")
    with proxy(tmp_path) as (url, process):
        line = snippet("sh", "wscat").replace("ws://127.0.0.1:8000", url.replace("http", "ws")).replace("wscat", path, 1).strip()
        with subprocess.Popen(["sh", "-c", f"exec {line}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as typing:
            assert typing.stdin is not None
            assert typing.stdout is not None
            # As somebody does who types when there is something to answer: what comes before the connection is open is lost.
            assert any("chat_metadata" in said for said in typing.stdout)
            typing.stdin.write(json.dumps(ASK) + "\n")
            typing.stdin.flush()
            assert any("user_message" in said for said in typing.stdout)
            typing.stdin.close()
            code, last = end_of(process)
    assert (code, last) == (0, "recorded 1 session")
