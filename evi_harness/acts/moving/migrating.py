"""Get ready to hold a recorded conversation again with a service of another dialect, and say how it came over.

Rules of living here: every mistake that can be found beforehand is reported before anything is connected.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence, Set, Tuple, Union

from evi_harness.audio.resampling import Resampler
from evi_harness.audio.sources import samples_of
from evi_harness.dialects import user_acts_of
from evi_harness.errors import HandlerError, UsageError
from evi_harness.input_file import read_file
from evi_harness.measure.assumed import DEFAULT
from evi_harness.replay.carried_over import Carried, CarriedOver, MannerlyUser, carried
from evi_harness.replay.judging.moved_turns import MovedSide, moved_turns
from evi_harness.replay.live_user import LiveUser
from evi_harness.report.migration_lines import Migration
from evi_harness.runs.spec import load
from evi_harness.session.events import Frame, Received, Sent
from evi_harness.session.foreign_text import strict_json_value
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import RECEIVED, ClientSide, Dialect, Message
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm

__all__ = ["Answering", "Move", "ToolHandler", "chat_path_of", "move_of", "setup_of", "tool_handler"]

_FORM = "It holds a JSON object with the fields of the service's session; see docs/how-to/migrating.md."
# What answers a call: a tool's name and its arguments, to its answer.
ToolHandler = Callable[[str, Json], object]


def setup_of(file: Optional[Path]) -> Mapping[str, Json]:
    """What a setup file says; empty where there is none.

    Raises:
        UsageError: It cannot be read, or is not a JSON object.
    """
    if file is None:
        return {}
    try:
        found = strict_json_value(read_file(file, "setup", UsageError, hint=_FORM).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the setup file cannot be read: {error.strerror or error}", where=str(file)) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the setup file is not JSON: {error}", where=str(file), hint=_FORM) from None
    if not isinstance(found, dict):
        raise UsageError("the setup file is not a JSON object", where=str(file), hint=_FORM)
    return found


def tool_handler(handler: Union[str, ToolHandler, None]) -> Optional[ToolHandler]:
    """What answers calls of tools: a function of a name and arguments, given or named.

    Raises:
        SpecError: A name is no SPEC.
        HandlerError: It cannot be loaded, or is no such function.
    """
    found = load(handler) if isinstance(handler, str) else handler
    if found is None:
        return None
    name = handler if isinstance(handler, str) else getattr(found, "__name__", "the handler")
    hint = "It answers tools: def answer(name, arguments), which returns the answer as text, or as what JSON can hold."
    if not callable(found):
        raise HandlerError(f"{name} is not a function", hint=hint)
    # One that is written in C may say nothing of its parameters.
    with suppress(ValueError):
        try:
            inspect.signature(found).bind("", {})
        except TypeError as error:
            raise HandlerError(f"{name} cannot be called with a tool's name and arguments: {error}", hint=hint) from None
    answering: ToolHandler = found
    return answering


def chat_path_of(base_url: Optional[str], dialect: Dialect) -> str:
    """The path on which a service is asked for: the one that its URL ends with, or all of one but its end; else the usual one."""
    path = f"/{(base_url or '').partition('://')[2].partition('/')[2].strip('/')}"
    ends = [each for each in dialect.chat_paths if path.endswith(each) or (each.count("/") > 1 and path.endswith(each.rpartition("/")[0]))]
    return max(ends, key=len, default=dialect.chat_paths[0])


@dataclass(frozen=True)
class Move:
    """A conversation that is to be held in another dialect.

    Attributes:
        session: The recording.
        recorded: What it is in.
        live: What the new session is to be in.
        what: What of it is carried over.
        client: What the new session is said by.
    """

    session: Session
    recorded: Dialect
    live: Dialect
    what: Carried
    client: ClientSide

    def user(self, make: Callable[[CarriedOver], LiveUser]) -> Tuple[LiveUser, MannerlyUser]:
        """The recorded user in the new dialect, alone and as it is to be put before the service.

        Args:
            make: Makes the user of the wording that it is given.
        """
        user = make(CarriedOver(self.what, self.client, _samples(self.session, self.recorded), Resampler))
        return user, MannerlyUser(user, self.client, self.live)

    def migration(self, now: Session, redact: Callable[[str], str]) -> Migration:
        """How it came over.

        Args:
            now: The new session.
            redact: Takes secrets out of a text.
        """
        sides = MovedSide(self.session, self.recorded, user_acts_of(self.recorded)), MovedSide(now, self.live, user_acts_of(self.live))
        floors = [DEFAULT.unless_told(side.session.audio(side.dialect).told) for side in sides]
        turns = moved_turns(sides[0], sides[1], redact)
        return Migration((self.recorded.name, self.live.name), turns, (floors[0], floors[1]), tuple(map(redact, self.what.lost)))


def move_of(session: Session, recorded: Dialect, live: Dialect, given: Mapping[str, Json]) -> Move:
    """Read off a recording how it is held in another dialect.

    Args:
        session: The recording.
        recorded: What it is in.
        live: The other one.
        given: What the new session is set up by, before what the recorded one was; see ``setup_of``.

    Raises:
        UsageError: It cannot be carried over, or what is given sets up no session of the new dialect.
    """
    what = carried(session, recorded, user_acts_of(recorded), is_audible=lambda event: _audible(session, recorded, event) is not None)
    samples = _samples(session, recorded)
    said = next((samples(event)[1] for event in session.audio(recorded).said), None)
    client = user_acts_of(live).client(what.setup, given, said, greets=what.greets)
    return Move(session, recorded, live, what, client)


def _samples(session: Session, dialect: Dialect) -> Callable[[Sent], Tuple[bytes, Pcm]]:
    def samples(event: Sent) -> Tuple[bytes, Pcm]:
        found = _audible(session, dialect, event)
        assert found is not None
        return found

    return samples


def _audible(session: Session, dialect: Dialect, event: Sent) -> Optional[Tuple[bytes, Pcm]]:
    try:
        return samples_of(event.frame, session.audio(dialect).frames[event.seq])
    except ValueError:
        return None


class Answering:
    """Answers live calls with the developer's function, each as soon as it returns.

    Args:
        handler: The function; what it returns is the answer: a text, or what becomes JSON. A coroutine is awaited.
        client: Says the answers.
        answered: Called with a call and the frames that answer it.

    Attributes:
        faults: What it raised, a sentence each.
    """

    def __init__(self, handler: ToolHandler, client: ClientSide, answered: Callable[[Message, Sequence[Frame]], object]) -> None:
        self._handler = handler
        self._client = client
        self._answered = answered
        self._tasks: Set[asyncio.Task[None]] = set()
        self.faults: List[str] = []

    def take(self, event: Received, dialect: Dialect) -> None:
        """Answer a received message, if it is a call."""
        message = dialect.read(RECEIVED, event.frame)
        if dialect.is_call(message):
            task = asyncio.ensure_future(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End those that are under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, call: Message) -> None:
        use = self._client.call_of(call)
        try:
            arguments = json.loads(use.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = use.arguments
        is_error = False
        try:
            found = self._handler(use.name, arguments)
            found = await found if inspect.isawaitable(found) else found
            text = found if isinstance(found, str) else json.dumps(found)
        except Exception as error:  # noqa: BLE001 - it is the developer's code: whatever it raises is told, and is the tool's answer
            text, is_error = f"{type(error).__name__}: {error}", True
            self.faults.append(f"the handler raised {text} for {use.name or 'a tool'} {use.arguments}")
        self._answered(call, self._client.answers(call, text, is_error=is_error))
