"""The commands with which docs/how-to/simulator.md begins are run as they stand: a script, its server, a recording, its replay."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import List

import pytest
import soundfile
from other_languages import browsing, end_of

import evi_harness
from evi_harness.acts.sessions import check_session
from evi_harness.cli.main import main
from evi_harness.pytesting.testing import Replayer
from evi_harness.runs.replay_options import ReplayOptions
from evi_harness.session.events import Received
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "simulator.md").read_text(encoding="utf-8")
START = PAGE[PAGE.index("## From a script to a test") : PAGE.index("## From a browser\n")]


def commands() -> List[List[str]]:
    """The words of each command, behind the program's name, with what a shell makes of a pattern."""
    lines = re.findall(r"^```sh\nevi-harness (.*)\n```", START, re.MULTILINE)
    return [shlex.split(line) for line in lines]


@pytest.mark.slow
def test_from_a_script_to_a_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The server is that of the call, which is ready when it is entered, on a port that is free."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "fixtures" / "handlers", tmp_path / "fixtures" / "handlers")
    shutil.copytree(ROOT / "fixtures" / "speech", tmp_path / "fixtures" / "speech")
    (script,) = re.findall(r"^```toml\n(.*?)^```", START, re.DOTALL | re.MULTILINE)
    Path("bath.toml").write_text(script, encoding="utf-8")
    serve, record, replay = commands()
    assert serve[:4] == ["serve", "--simulate", "--script", "bath.toml"]
    with evi_harness.serve(simulate=True, script="bath.toml") as server:
        record[record.index("--base-url") + 1] = server.url
        assert main(record) == 0, capsys.readouterr()
    (folder,) = map(str, Path("sessions").glob("*-bath"))
    assert "sessions/*-bath" in replay
    words = [folder if word == "sessions/*-bath" else word for word in replay]
    assert main(words) == 0, capsys.readouterr()
    (handler,) = re.findall(r'evi_replay\("(.*?)"\)', START)
    Replayer(Path(folder), ReplayOptions(), lambda _: None)(handler).assert_passed()


@pytest.mark.slow
def test_a_page_that_records_with_media_recorder(tmp_path: Path) -> None:
    """The page as it stands, with a microphone that a file plays again and again: it is heard, answered and recorded."""
    (page,) = re.findall(r"^```html\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (tmp_path / "talk.html").write_text(page, encoding="utf-8")
    samples, rate = soundfile.read(str(ROOT / "fixtures" / "speech" / "user-1.flac"), dtype="int16")
    with soundfile.SoundFile(str(tmp_path / "voice.wav"), "w", rate, 1, "PCM_16") as file:
        file.write(samples)
        file.write(samples[:1].repeat(rate * 3) * 0)
    (command,) = re.findall(r"^evi-harness (serve --simulate .*--allow-origin null.*)$", PAGE, re.MULTILINE)
    words = [sys.executable, "-m", "evi_harness", *command.replace("--port 8000 ", "").split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    fakes = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path}/voice.wav",
    )
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            with browsing(f"{(tmp_path / 'talk.html').as_uri()}?{url}", tmp_path, *fakes) as browser:
                threading.Thread(target=lambda: (browser.wait(), server.kill()), daemon=True).start()
                code, _ = end_of(server)
                if code == -signal.SIGKILL:
                    pytest.skip(f"the browser does not start here: it ended with {browser.returncode}")
        finally:
            if server.poll() is None:
                server.kill()
    assert code == 0
    (folder,) = (tmp_path / "sessions").iterdir()
    assert check_session(folder) == []
    session = load_session(folder)
    said = [json.loads(event.frame.payload)["type"] for event in session.events if isinstance(event, Received)]
    assert said[:2] == ["chat_metadata", "user_message"]
    assert [path.suffix for path in (folder / "payloads").iterdir()] == [".webm"]
