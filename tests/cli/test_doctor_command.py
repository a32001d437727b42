from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
KEY = "Kq7ApiKeyOfThisRun0123456789"
SECRET = "Zw3SecretKeyOfThisRun987654"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a .env that holds keys, an environment with none; sound is missing."""
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_CONFIG_ID", "HUME_BASE_URL"):
        # Set and taken away again, so that what .env puts there is put back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"HUME_API_KEY={KEY}\nHUME_SECRET_KEY={SECRET}\nHUME_BASE_URL=ws://127.0.0.1:1\n")


def test_each_check_is_a_line_and_no_key_is_printed(capsys):
    """Whatever is a problem makes it 1."""
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "ok       HUME_API_KEY     set" in out
    assert re.search(r"problem  .*http://127\.0\.0\.1:1 .*\breached: nothing listens", out)
    assert "problem  PortAudio" in out
    assert KEY not in out + err
    assert SECRET not in out + err


@pytest.mark.parametrize(("act", "code"), [("replay", 0), ("serve", 0), ("record", 1)])
def test_what_is_asked_for(act, code, capsys):
    """Sound is missing and the endpoint is not there: that is a problem of who wants to record."""
    assert main(["doctor", "--for", act]) == code
    out, _ = capsys.readouterr()
    assert ("PortAudio" in out) is bool(code)
    assert out.splitlines()[-1].startswith(f"No problem: {act} works." if not code else "2 problems for record.")


def test_json_is_for_programs(capsys):
    """All of it on standard output; with no key in it."""
    assert main(["doctor", "--json", "--offline"]) == 1
    out, err = capsys.readouterr()
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert found["HUME_SECRET_KEY"]["what"] == "set"
    assert found["endpoint"]["what"] == "http://127.0.0.1:1 (not tried: offline)"
    assert err == ""
    assert KEY not in out


def test_a_bad_url_is_a_usage_error(capsys):
    """It is 2, with what would be right."""
    assert main(["doctor", "--base-url", f"https://{KEY}@h"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: --base-url ")
    assert KEY not in out + err


@pytest.mark.parametrize("command", ["devices", "doctor"])
def test_help_loads_nothing_heavy(command):
    """In a process of its own; no SDK, no sound."""
    heavy = ("hume", "aiohttp", "sounddevice", "httpx", "dotenv", "asyncio")
    program = (
        "import sys\nfrom evi_harness.cli.main import main\n"
        f"main([{command!r}, '--help'])\nprint('loaded', [name for name in {heavy!r} if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines()[-1] == "loaded []"
