"""What docs/how-to/serve.md shows is run as it stands: the same app in TypeScript, with Hume's SDK for it, in a browser, and curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest
from other_languages import HANGS_S, NODE_MODULES, browsing, end_of, node

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
TYPED = str(ROOT / "sessions" / "typed")


def snippet(language: str, name: str) -> str:
    """A code block of the page, known by what it calls itself."""
    (found,) = [one for one in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if name in one]
    return found


@contextmanager
def serving(*words: str) -> Iterator[Tuple[str, subprocess.Popen[str]]]:
    """The server as a shell starts it, with its URL; it does not outlive the block."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "evi_harness", "serve", TYPED, *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield server.stdout.readline().split()[-1], server
        finally:
            if server.poll() is None:
                server.kill()


def verdict_on(app: List[str], folder: Path) -> Tuple[int, str, subprocess.CompletedProcess[str]]:
    """The server's exit code and last line, and what the app did that was started with the server's URL behind its words."""
    with serving("--once") as (url, server):
        done = subprocess.run([*app, url], cwd=folder, capture_output=True, text=True, timeout=HANGS_S)
        if done.returncode:
            pytest.fail(f"{app} ended with {done.returncode}: {done.stderr}")
        code, last = end_of(server)
    return code, last, done


def test_the_app_in_typescript(tmp_path: Path) -> None:
    """It passes: neither its query nor that it has no configuration counts. Node that takes no TypeScript is given it as JavaScript."""
    command, version = node()
    name = "chat.ts" if version >= (23, 6) else "chat.mjs"
    (tmp_path / name).write_text(snippet("ts", "chat.ts"), encoding="utf-8")
    code, last, done = verdict_on([*command, name], tmp_path)
    assert (code, last.rpartition("; ")[2]) == (0, "1 of 1 passed")
    assert done.stdout == "Take an umbrella.\n"


def test_another_answer_of_the_app_fails(tmp_path: Path) -> None:
    """So what passes above is judged."""
    command, _ = node()
    (tmp_path / "chat.mjs").write_text(snippet("ts", "chat.ts").replace('"rain"', '"snow"'), encoding="utf-8")
    code, last, _ = verdict_on([*command, "chat.mjs"], tmp_path)
    assert (code, last.rpartition("; ")[2]) == (1, "0 of 1 passed")


def test_the_app_with_humes_sdk_for_typescript(tmp_path: Path) -> None:
    """It says of itself which SDK it is, and passes all the same."""
    command, _ = node()
    modules = Path(os.environ.get(NODE_MODULES, ""))
    if not (modules / "hume" / "package.json").is_file():
        pytest.skip(f"{NODE_MODULES} names no folder node_modules with the package hume in it")
    (tmp_path / "node_modules").symlink_to(modules.resolve())
    (tmp_path / "sdk.mjs").write_text(snippet("ts", "sdk.mts"), encoding="utf-8")
    code, last, _ = verdict_on([*command, "sdk.mjs"], tmp_path)
    assert (code, last.rpartition("; ")[2]) == (0, "1 of 1 passed")


def test_the_app_in_a_browser(tmp_path: Path) -> None:
    """The page as it stands; the server's end is the page's. A browser that lacks a library here is no app that fails."""
    page = tmp_path / "chat.html"
    page.write_text(snippet("html", "chat.html"), encoding="utf-8")
    with serving("--once", "--allow-origin", "null") as (url, server), browsing(f"{page.as_uri()}?{url}", tmp_path) as browser:
        threading.Thread(target=lambda: (browser.wait(), server.kill()), daemon=True).start()
        code, last = end_of(server)
        if code == -signal.SIGKILL:
            pytest.skip(f"the browser does not start here: it ended with {browser.returncode}")
    assert (code, last.rpartition("; ")[2]) == (0, "1 of 1 passed")


def test_curl(tmp_path: Path) -> None:
    """A token, and a handshake whose first message is there to be read."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    token, handshake = re.split(r"\n(?=curl)", snippet("sh", "curl --silent"))
    with serving() as (url, _):
        run = {"env": {**os.environ, "NO_PROXY": "*", "URL": url}, "cwd": tmp_path, "capture_output": True, "timeout": HANGS_S}
        given = json.loads(subprocess.run(["sh", "-c", token], **run).stdout)
        said = subprocess.run(["sh", "-c", handshake], **run).stdout
    assert given["access_token"]
    assert said.startswith(b"HTTP/1.1 101 ")
    assert b'"type":"chat_metadata"' in said
