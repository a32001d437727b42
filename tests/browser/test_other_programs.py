"""What is exchanged with other programs, by these: Playwright writes a HAR file, speedscope opens a trace."""

from __future__ import annotations

import base64
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from evi_harness.acts.exports.export_texts import export_trace
from evi_harness.acts.imports.import_har import import_har
from evi_harness.session.events import Received, Sent
from evi_harness.verdicts.loading import load_session

pytestmark = pytest.mark.slow

SESSIONS = Path(__file__).resolve().parents[2] / "sessions"
CHAT = '{"type":"chat_metadata","chat_id":"c-1","chat_group_id":"g-1","request_id":"r"}'
NODE_MODULES = "EVI_HARNESS_NODE_MODULES"


@contextmanager
def served():
    """A WebSocket server that answers each text with a message of EVI's."""
    from websockets.sync.server import serve

    def talk(socket):
        for got in socket:
            socket.send(CHAT if isinstance(got, str) else '{"type":"assistant_end"}')

    with serve(talk, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


TALK = """async (port) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v0/evi/chat?access_token=Qk7InTheQueryOfAUrl123456`);
  await new Promise((resolve) => { socket.onopen = resolve; });
  const answered = () => new Promise((resolve) => { socket.onmessage = resolve; });
  let next = answered(); socket.send('{"type":"user_input","text":"\\u00e9 \\u2028"}'); await next;
  next = answered(); socket.send(new Uint8Array([0, 255, 10])); await next;
  const closed = new Promise((resolve) => { socket.onclose = resolve; }); socket.close(); await closed;
}"""


def test_what_playwright_writes_is_read(tmp_path, browser):
    """A page in Chromium talks, Playwright records it, and the session has what crossed the socket, without the key."""
    with served() as port:
        context = browser.new_context(record_har_path=str(tmp_path / "x.har"))
        context.new_page().evaluate(TALK, port)
        context.close()
    if "_webSocketMessages" not in (tmp_path / "x.har").read_text(encoding="utf-8"):
        pytest.skip("this Playwright leaves WebSockets out of its HAR files")
    (folder,) = import_har(tmp_path / "x.har", out=tmp_path / "out").folders
    session = load_session(folder)
    assert [(one.kind, one.frame.payload) for one in session.events if isinstance(one, (Sent, Received))] == [
        ("sent", '{"type":"user_input","text":"é \u2028"}'.encode()),
        ("received", CHAT.encode()),
        ("sent", b"\0\xff\n"),
        ("received", b'{"type":"assistant_end"}'),
    ]
    assert [one.frame.is_text for one in session.sent] == [True, False]
    assert dict(session.handshake.query) == {"access_token": "[redacted]"}


@pytest.mark.parametrize("name", ["demo", "weather"])
def test_speedscope_opens_a_trace(tmp_path, browser, name):
    """Without an error, and names the first lane."""
    page_file = Path(os.environ.get(NODE_MODULES, "")) / "speedscope" / "dist" / "release" / "index.html"
    if not page_file.is_file():
        pytest.skip(f"{NODE_MODULES} names no folder node_modules with the package speedscope in it")
    data = export_trace(SESSIONS / name, tmp_path / "x.json").file.read_bytes()
    loads = tmp_path / "x.js"
    loads.write_text(f'speedscope.loadFileFromBase64("x.json", "{base64.b64encode(data).decode()}")', encoding="ascii")
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{page_file.resolve().as_uri()}#localProfilePath={loads}")
    page.get_by_text("turns (tid 1)").first.wait_for()
    # Of the browser's, not ours: no machine has to draw.
    told = [one for one in errors if "WebGL" not in one]
    page.close()
    assert told == []
