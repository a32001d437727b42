"""Tests of ``record`` without a block, in an app that ends: fixtures/apps/ending.py, in a process of its own, with a disk that is slow.

Each way of ending is tried once; with ``EVI_HARNESS_HYPOTHESIS=long`` all of them often, 500 recordings.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from evi_harness.acts.serve.serving import served
from evi_harness.acts.sessions import check_session
from evi_harness.verdicts.loading import load_session

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "fixtures" / "apps" / "ending.py"
CHAT = {"type": "chat_metadata", "chat_id": "chat-1", "chat_group_id": "group-1", "request_id": "request-1"}

_SPEC = importlib.util.spec_from_file_location("ending", APP)
ending = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(ending)

N_ROUNDS = 500 if os.environ.get("EVI_HARNESS_HYPOTHESIS") == "long" else len(ending.WAYS)


def round_of(seed):
    """The way in which a round ends, and what the app connects with: every way with every client in turn."""
    ways = list(ending.WAYS)
    way = ways[seed % len(ways)]
    clients = ending.SYNC_CLIENTS if way in ending.SYNC_WAYS else ending.ASYNC_CLIENTS
    return way, clients[(seed + seed // len(ways)) % len(clients)]


def needs(client):
    """Skip where the installed libraries have no such client."""
    n_websockets = int(version("websockets").split(".")[0])
    if client == "asyncio" and n_websockets < 13:
        pytest.skip("websockets has no such client before 13")
    if client == "sdk sync" and version("hume") < "0.13":
        pytest.skip("the installed SDK has no synchronous client")
    if client == "sdk sync" and n_websockets < 14:
        pytest.skip("with websockets before 14 the SDK's synchronous client sends User-Agent twice, which the test's server refuses")


@pytest.fixture(scope="module")
def url(session_of):
    """A service that greets, and closes where it hears "bye"."""
    rows = [("received", 5, CHAT), ("sent", 10, {"type": "user_input", "text": "bye"}), ("closed", 20, ("service", 1000, ""))]
    with served(session_of(rows)) as server:
        yield server.url


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(N_ROUNDS), ids=lambda seed: f"{seed}-{round_of(seed)[0]}")
def test_however_the_app_ends_the_recording_is_complete(url, tmp_path, seed):
    """One folder, sound and complete, with what the service said; and the program ends as it would without a recording."""
    way, client = round_of(seed)
    needs(client)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("HUME_API_KEY", "HUME_SECRET_KEY", "HUME_BASE_URL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, str(APP), url, str(tmp_path / "out"), way, client, str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == ending.WAYS[way], done.stderr
    assert "session" not in done.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert check_session(folder) == [], done.stderr
    session = load_session(folder)
    assert session.header.complete
    assert [json.loads(event.frame.payload) for event in session.received] == [CHAT]
