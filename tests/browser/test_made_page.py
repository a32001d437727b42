"""A page as the harness makes it of a replay, in a real browser: what other tests show by documents made by hand holds for it too."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Callable, Tuple

import pytest

from evi_harness.acts.paging.page_making import page_of_replay, write_page
from evi_harness.acts.replay import replay_session
from evi_harness.evi.dialect import EVI
from evi_harness.session.notes import HEARD

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MS = 1_000_000
Made = Tuple[Any, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A replay with an app that loses audio, and its page. It is made before the browser starts: no loop runs beside playwright's."""
    if "EVI_HARNESS_PLAYWRIGHT" not in os.environ and importlib.util.find_spec("playwright") is None:
        pytest.skip("there is no playwright here")
    handler = f"{ROOT / 'fixtures' / 'handlers' / 'skips_audio.py'}:App"
    result = replay_session(ROOT / "sessions" / "demo", handler=handler, write=lambda line: None)
    page = write_page(page_of_replay(result), tmp_path_factory.mktemp("page") / "page.html")
    return result, page.file.read_text(encoding="utf-8")


def test_the_transcript_follows_what_is_heard(made: Made, show: Callable[..., Any]) -> None:
    """A reply is marked from when its sound is heard, and not from when its text came."""
    result, text = made
    opened = show(text)
    live = result.report.live
    heard_ns = {note.of: heard.at_ns for note, heard in live.noted(HEARD)}
    messages = {event.seq: (event, EVI.read(event.kind, event.frame)) for event in live.received}
    chunks = {seq: EVI.chunk(message) for seq, (_, message) in messages.items()}
    sayings = [(event, EVI.saying(event.kind, message)) for event, message in messages.values()]
    second = [(event, one) for event, one in sayings if one and one.who == "assistant" and one.text][1]
    event, saying = second
    begins_ns = min(heard_ns[seq] for seq, chunk in chunks.items() if chunk and chunk[0] == saying.about and seq in heard_ns)
    assert begins_ns - event.at_ns > 100 * MS

    def marked(at_ns: float) -> Any:
        opened.page.evaluate(f"page.seek({at_ns / MS})")
        return opened.page.locator("#transcript-lines [aria-current] p").inner_text()

    assert marked(event.at_ns + 10 * MS) != saying.text
    assert marked(begins_ns - 10 * MS) != saying.text
    assert marked(begins_ns + 10 * MS) == saying.text
    assert opened.said == []
