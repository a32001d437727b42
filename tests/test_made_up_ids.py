"""Apps that make up new ids in each run and wait for them, replayed: on the openai SDK, and as commands; good ones and broken copies."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple
from uuid import uuid4

import pytest

from evi_harness.acts.commanding import app_command
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.acts.sessions import check_session
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.session.events import Sent
from evi_harness.session.session import Session
from evi_harness.storage.writer import write_session

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
SETTINGS = {"type": "realtime", "output_modalities": ["text"]}
HISTORY, QUESTION = "My name is Ada.", "What is my name?"
REFUSED = {"type": "invalid_request_error", "code": "response_cancel_not_active", "message": "Nothing to cancel after item_r1."}


def said(text: str, identity: Optional[str] = None) -> Dict[str, Any]:
    """An item of the user's."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    return item if identity is None else {"id": identity, **item}


def rows() -> List[Tuple[int, bool, Dict[str, Any]]]:
    """What crossed when the app was recorded: the ids that end in a digit are the app's, those in a letter the service's."""
    first, second = said(HISTORY, "item_r1"), said(QUESTION, "item_r2")
    attached = {"client_event_id": "app_3", "topic": "names"}
    reply = {"id": "item_a", "type": "message", "role": "assistant", "content": []}
    return [
        (10, False, {"type": "session.created", "event_id": "event_a", "session": {"id": "sess_a", "object": "realtime.session"}}),
        (20, True, {"type": "session.update", "event_id": "app_1", "session": SETTINGS}),
        (40, False, {"type": "session.updated", "event_id": "event_b", "session": {"id": "sess_a", **SETTINGS}}),
        (50, True, {"type": "conversation.item.create", "item": first}),
        (60, False, {"type": "conversation.item.added", "event_id": "event_c", "item": first, "previous_item_id": None}),
        (61, False, {"type": "conversation.item.done", "event_id": "event_d", "item": first, "previous_item_id": None}),
        (70, True, {"type": "conversation.item.create", "item": second, "previous_item_id": "item_r1"}),
        (80, False, {"type": "conversation.item.added", "event_id": "event_e", "item": second, "previous_item_id": "item_r1"}),
        (81, False, {"type": "conversation.item.done", "event_id": "event_f", "item": second, "previous_item_id": "item_r1"}),
        (90, True, {"type": "response.cancel", "event_id": "app_2"}),
        (100, False, {"type": "error", "event_id": "event_g", "error": {**REFUSED, "event_id": "app_2"}}),
        (110, True, {"type": "response.create", "event_id": "app_3", "response": {"metadata": attached}}),
        (120, False, {"type": "response.created", "event_id": "event_h", "response": {"id": "resp_a", "metadata": attached}}),
        (130, False, {"type": "conversation.item.added", "event_id": "event_i", "item": reply, "previous_item_id": "item_r2"}),
        (
            140,
            False,
            {
                "type": "response.output_text.done",
                "event_id": "event_j",
                "response_id": "resp_a",
                "item_id": "item_a",
                "output_index": 0,
                "content_index": 0,
                "text": "Ada, as you said in item_r1.",
            },
        ),
        (150, False, {"type": "response.done", "event_id": "event_k", "response": {"id": "resp_a", "status": "completed", "output": []}}),
        (160, True, {"type": "conversation.item.delete", "item_id": "item_r2"}),
        (170, False, {"type": "conversation.item.deleted", "event_id": "event_l", "item_id": "item_r2"}),
        (180, True, {"type": "conversation.item.delete", "item_id": "item_a"}),
        (190, False, {"type": "conversation.item.deleted", "event_id": "event_m", "item_id": "item_a"}),
    ]


@pytest.fixture(scope="module")
def session() -> Session:
    """The conversation, in memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FIXTURES))
        made: Any = importlib.import_module("make_interrupted")
        found: Session = made.of_rows(rows(), "00000000-0000-4000-8000-00000000eeee", "made_up")
        return found


class App:
    """The app, on the openai SDK. A broken one is one with another method."""

    def __init__(self) -> None:
        self.ids: List[str] = []

    def new_id(self) -> str:
        """A new id in each run."""
        self.ids.append(f"item_{uuid4().hex}")
        return self.ids[-1]

    async def main(self, connection: Any) -> None:
        """One conversation; each step waits for what the service says of the one before it, by its id."""
        self.connection, events = connection, connection.__aiter__()

        async def until(is_it: Callable[[Any], bool]) -> Any:
            while True:
                event = await events.__anext__()
                if is_it(event):
                    return event

        await until(lambda event: event.type == "session.created")
        await connection.session.update(session=SETTINGS, event_id=self.new_id())
        await until(lambda event: event.type == "session.updated")
        first, second, canceling, asking = (self.new_id() for _ in range(4))
        await connection.conversation.item.create(item=said(HISTORY, first))
        await until(lambda event: event.type == "conversation.item.done" and event.item.id == first)
        await self.ask(first, second)
        done = await until(lambda event: event.type == "conversation.item.done" and event.item.id == second)
        assert done.previous_item_id == first
        await connection.response.cancel(event_id=canceling)
        await until(lambda event: event.type == "error" and event.error.event_id == canceling)
        await self.ask_for_a_reply(asking, canceling)
        await until(lambda event: event.type == "response.created" and event.response.metadata["client_event_id"] == asking)
        text = await until(lambda event: event.type == "response.output_text.done")
        await until(lambda event: event.type == "response.done")
        await self.forget(first, second)
        await until(lambda event: event.type == "conversation.item.deleted")
        await connection.conversation.item.delete(item_id=text.item_id)
        await until(lambda event: event.type == "conversation.item.deleted")

    async def ask(self, first: str, second: str) -> None:
        """Put the question behind what was said before."""
        await self.connection.conversation.item.create(item=said(QUESTION, second), previous_item_id=first)

    async def ask_for_a_reply(self, asking: str, canceling: str) -> None:
        """Attach the id of the event to the response, to know it again."""
        attached = {"client_event_id": asking, "topic": "names"}
        await self.connection.response.create(event_id=asking, response={"metadata": attached})

    async def forget(self, first: str, second: str) -> None:
        """Delete the question."""
        await self.connection.conversation.item.delete(item_id=second)


class DeletesAnother(App):
    """Deletes what it should keep."""

    async def forget(self, first: str, second: str) -> None:
        """By the other id that it made up."""
        await self.connection.conversation.item.delete(item_id=first)


class RemembersAnother(App):
    """Uses the id of another run, that of the recording, as an app that has kept it."""

    async def forget(self, first: str, second: str) -> None:
        """By an id that is nobody's in this run."""
        await self.connection.conversation.item.delete(item_id="item_r2")


class InventsOne(App):
    """Refers to an item that there never was."""

    async def forget(self, first: str, second: str) -> None:
        """By an id that it made up for nothing."""
        await self.connection.conversation.item.delete(item_id=self.new_id())


class PutsElsewhere(App):
    """Puts the question behind an item that there is not."""

    async def ask(self, first: str, second: str) -> None:
        """Its own id in the place of that of the item before."""
        await self.connection.conversation.item.create(item=said(QUESTION, second), previous_item_id=second)


class AttachesAnother(App):
    """Attaches the id of another event."""

    async def ask_for_a_reply(self, asking: str, canceling: str) -> None:
        """That by which it cancelled."""
        attached = {"client_event_id": canceling, "topic": "names"}
        await self.connection.response.create(event_id=asking, response={"metadata": attached})


class AsksAnother(App):
    """Asks something else: the id is its own, and may be."""

    async def ask(self, first: str, second: str) -> None:
        """Another question."""
        await self.connection.conversation.item.create(item=said("Who am I?", second), previous_item_id=first)


def replayed(session: Any, *apps: App, **options: Any) -> ReplayResult:
    """A replay of the session to one app after another, each in a run."""
    pytest.importorskip("openai", reason="the extra openai is not installed")
    runs = iter(apps)

    async def main(connection: Any) -> None:
        held: Awaitable[None] = next(runs).main(connection)
        await held

    return replay_session(session, handler=main, write=lambda _: None, **options)


def test_an_app_that_waits_for_its_own_ids_passes_and_is_the_same_twice(session: Session) -> None:
    """Though each run has other ids."""
    apps = App(), App()
    result = replayed(session, *apps, twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()
    assert [len(app.ids) for app in apps] == [5, 5]
    assert not {*apps[0].ids} & {*apps[1].ids}
    assert [one.kind for one in result.report.unseen if one.kind == "other_message"] == []


def test_only_the_ids_are_another_in_what_is_served(session: Session) -> None:
    """At their places, byte for byte; what is said of them in a text stays, and so do the service's."""
    app = App()
    result = replayed(session, app)
    ids = dict(zip(("item_r1", "item_r2", "app_2", "app_3"), app.ids[1:]))
    expected = []
    for event in session.received:
        text = event.frame.payload.decode()
        for then, now in ids.items():
            text = text.replace(f'"{then}"', f'"{now}"')
        expected.append(text)
    assert [event.frame.payload.decode() for event in result.session.received] == expected
    assert sum(text != event.frame.payload.decode() for text, event in zip(expected, session.received)) == 8
    assert [message["item_id"] for message in sent(result.session) if "item_id" in message] == [app.ids[2], "item_a"]


def sent(session: Session) -> List[Dict[str, Any]]:
    """What was sent in a session."""
    return [json.loads(event.frame.payload) for event in session.events if isinstance(event, Sent)]


@pytest.mark.parametrize(
    ("broken", "path"),
    [
        (DeletesAnother, "$.item_id"),
        (RemembersAnother, "$.item_id"),
        (InventsOne, "$.item_id"),
        (PutsElsewhere, "$.previous_item_id"),
        (AttachesAnother, "$.response.metadata.client_event_id"),
        (AsksAnother, "$.item.content[0].text"),
    ],
)
def test_a_wrong_id_is_one_deviation(session: Session, broken: Callable[[], App], path: str) -> None:
    """It names the field, with the id of this run that was expected there."""
    app = broken()
    result = replayed(session, app)
    (only,) = result.deviations
    (difference,) = only.differences
    assert (only.kind, difference.path) == ("different", path)
    expected = {"$.item_id": app.ids[2], "$.previous_item_id": app.ids[1], "$.response.metadata.client_event_id": app.ids[4]}
    assert difference.recorded == expected.get(path, QUESTION)


def test_where_ids_must_be_equal_none_is_put_in_the_place_of_another(session: Session) -> None:
    """So the app waits in vain for its own."""
    result = replayed(session, App(), strict=True)
    assert not result.passed
    assert [event.frame for event in result.session.received] == [event.frame for event in session.received][: len(result.session.received)]
    assert "$.event_id" in [difference.path for one in result.deviations for difference in one.differences]


def test_what_is_accepted_goes_on_being_named_by_the_recording(session: Session, tmp_path: Path) -> None:
    """An accepted question has the id that the recorded answers name, so later runs with other ids pass."""
    write_session(tmp_path / "made_up", session, OPENAI_REALTIME)
    folder = tmp_path / "made_up"
    assert check_session(folder) == []
    first = replayed(folder, AsksAnother(), update=True)
    assert first.passed, "\n".join(first.lines())
    expected = (folder / "expected.jsonl").read_text(encoding="utf-8")
    assert "Who am I?" in expected
    assert "item_r2" in expected
    again = replayed(folder, AsksAnother(), AsksAnother(), twice=True)
    assert again.passed, "\n".join(again.lines())
    assert again.report.twice == ()
    assert [one.kind for one in replayed(folder, App()).deviations] == ["different"]


COMMAND = f"""
import asyncio
import json
import uuid

import websockets

SETTINGS, HISTORY, QUESTION = {SETTINGS!r}, {HISTORY!r}, {QUESTION!r}

async def main():
    async with websockets.connect("wss://api.openai.com/v1/realtime?model=gpt-realtime") as connection:

        async def send(type, **event):
            await connection.send(json.dumps({{"type": type, **event}}))

        async def until(is_it):
            while not is_it(event := json.loads(await connection.recv())):
                pass
            return event

        def said(text, identity):
            content = [{{"type": "input_text", "text": text}}]
            return {{"id": identity, "type": "message", "role": "user", "content": content}}

        first, second, canceling, asking = (uuid.uuid4().hex for _ in range(4))
        await until(lambda event: event["type"] == "session.created")
        await send("session.update", session=SETTINGS, event_id=uuid.uuid4().hex)
        await until(lambda event: event["type"] == "session.updated")
        await send("conversation.item.create", item=said(HISTORY, first))
        await until(lambda event: event["type"] == "conversation.item.done" and event["item"]["id"] == first)
        await send("conversation.item.create", item=said(QUESTION, second), previous_item_id=first)
        await until(lambda event: event["type"] == "conversation.item.done" and event["item"]["id"] == second)
        await send("response.cancel", event_id=canceling)
        await until(lambda event: event["type"] == "error" and event["error"]["event_id"] == canceling)
        await send("response.create", event_id=asking, response={{"metadata": {{"client_event_id": asking, "topic": "names"}}}})
        await until(lambda event: event["type"] == "response.created" and event["response"]["metadata"]["client_event_id"] == asking)
        text = await until(lambda event: event["type"] == "response.output_text.done")
        await until(lambda event: event["type"] == "response.done")
        await send("conversation.item.delete", item_id=second)
        await until(lambda event: event["type"] == "conversation.item.deleted")
        await send("conversation.item.delete", item_id=text["item_id"])
        await until(lambda event: event["type"] == "conversation.item.deleted")

asyncio.run(main())
"""


def test_a_command_that_waits_for_its_own_ids_passes_and_is_the_same_twice(session: Session, tmp_path: Path) -> None:
    """An unmodified app, in virtual time."""
    app = tmp_path / "app.py"
    app.write_text(COMMAND, encoding="utf-8")
    result = replay_session(session, handler=app_command([sys.executable, str(app)]), twice=True)
    assert result.passed, "\n".join(result.lines())
    assert result.report.twice == ()


def test_a_command_that_uses_a_wrong_id_has_one_deviation(session: Session, tmp_path: Path) -> None:
    """As a handler has."""
    app = tmp_path / "app.py"
    app.write_text(COMMAND.replace("item_id=second", "item_id=first"), encoding="utf-8")
    (only,) = replay_session(session, handler=app_command([sys.executable, str(app)])).deviations
    assert (only.kind, [one.path for one in only.differences]) == ("different", ["$.item_id"])
