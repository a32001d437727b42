"""The handlers in fixtures/realtime/handlers, on the real openai SDK in virtual time: each is what fixtures/README.md says of it."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest

from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.replay.judging.deviations import DEVIATIONS
from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.session.events import Sent
from evi_harness.storage.check import check_folder
from evi_harness.storage.writer import write_session

pytest.importorskip("openai", reason="the extra openai is not installed")

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
HANDLERS = FIXTURES / "realtime" / "handlers"
ROW = re.compile(r"^\| `handlers/(?P<file>\w+)\.py:main` \| `(?P<session>\w+)` \| .* \| (?P<verdict>.*) \| (?P<code>\d) \|$", re.MULTILINE)
# By the handler: the session, its one deviation or finding, and the exit code.
Rows = Dict[str, Tuple[str, List[str], int]]


def rows(page: str) -> Rows:
    """The table of a page."""
    return {row["file"]: (row["session"], re.findall(r"`(\w+)`", row["verdict"]), int(row["code"])) for row in ROW.finditer(page)}


ROWS = rows((FIXTURES / "README.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Path]]:
    """The folders of the sessions, by name."""
    place = tmp_path_factory.mktemp("realtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FIXTURES))
        made: Any = importlib.import_module("make_realtime_weather")
        found = {name: write_session(place / name, make(), OPENAI_REALTIME) for name, make in made.SESSIONS.items()}
        yield {name: place / name for name in found}


@pytest.fixture(autouse=True)
def handlers_import_afresh() -> Iterator[None]:
    """Forget the handlers' modules behind each test."""
    yield
    for file in HANDLERS.glob("*.py"):
        sys.modules.pop(file.stem, None)


def replayed(handler: str, session: Path, **options: Any) -> ReplayResult:
    """A replay of a session to one of the handlers."""
    return replay_session(session, handler=f"{HANDLERS / handler}.py:main", write=lambda _: None, **options)


def test_every_handler_has_a_row() -> None:
    """None is untested, and each says in its first line whether it is broken."""
    assert {path.stem for path in HANDLERS.glob("*.py")} == set(ROWS)
    broken = {path.stem for path in HANDLERS.glob("*.py") if path.read_text(encoding="utf-8").startswith('"""Broken: ')}
    assert broken == set(ROWS) - {"talk"} == {name for name, (_, kinds, _) in ROWS.items() if kinds}


@pytest.mark.parametrize("handler", sorted(ROWS))
def test_a_mistake_is_one_deviation_or_finding(handler: str, sessions: Mapping[str, Path]) -> None:
    """And nothing besides, in two runs that are the same; a good handler has none."""
    session, kinds, exit_code = ROWS[handler]
    result = replayed(handler, sessions[session], twice=True)
    found = [one.kind for one in (*result.deviations, *result.findings)]
    assert found == kinds, "\n".join(result.lines())
    assert set(kinds) <= {*DEVIATIONS, *FINDINGS}
    assert len(kinds) == (handler != "talk")
    assert result.exit_code == exit_code
    assert result.report.twice == ()


@pytest.mark.parametrize("name", ["interrupted", "cut_off", "heard_out"])
def test_the_sessions_are_sound_and_pass(name: str, sessions: Mapping[str, Path]) -> None:
    """Nothing is wrong with them, and the good handler and the null test pass with each."""
    assert [str(problem) for problem in check_folder(sessions[name], OPENAI_REALTIME)] == []
    assert replayed("talk", sessions[name]).passed
    null = replay_session(sessions[name], handler="recorded", write=lambda _: None)
    assert null.passed, "\n".join(null.lines())


@pytest.mark.slow
def test_what_was_not_sent_about_a_reply_that_never_came_is_a_consequence(sessions: Mapping[str, Path]) -> None:
    """The truncation is listed with the response that was not asked for, and is not counted."""
    (missing,) = replayed("forgets_response", sessions["interrupted"]).deviations
    recorded = replayed("talk", sessions["interrupted"]).report.recorded
    sent = {event.seq: OPENAI_REALTIME.read("sent", event.frame).type for event in recorded.events if isinstance(event, Sent)}
    assert sent[missing.recorded_seq or 0] == "response.create"
    assert [sent[seq] for seq in missing.consequences if seq in sent] == ["conversation.item.truncate"]


@pytest.mark.slow
def test_ten_minutes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes of conversation pass through the unmodified SDK, and a second run is the same to the byte."""
    monkeypatch.syspath_prepend(str(FIXTURES))
    made: Any = importlib.import_module("ten_minutes_realtime")
    session = made.ten_minutes_realtime()
    assert session.duration_ns > 600_000_000_000
    apps = []

    async def main(connection: Any) -> None:
        apps.append(made.App())
        await apps[-1].converse(connection)

    result = replay_session(session, handler=main, twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    assert [app.n_events for app in apps] == [len(session.received)] * 2
