"""One run of a handler through the unmodified SDK: connect, hand on messages, keep what was observed.

Rules of living here: callbacks are called as the SDK's own ``connect_with_callbacks`` called them up to 0.12.1: on_open before
set_socket, an exception of on_message goes to on_error and the next message follows, on_close at the end. A message that the SDK
cannot parse ends the reading, as it does in an app. Observations are notes in the journal; nothing is judged here.
"""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass, field
from typing import Any, Callable, List, Mapping, Optional

from evi_harness.errors import StuckError
from evi_harness.live.client import ClientPump, send_frame
from evi_harness.live.clock import Clock
from evi_harness.live.journal import Journal
from evi_harness.live.tap_connection import is_closed
from evi_harness.sdk.connection import open_chat, websocket_of
from evi_harness.sdk.handlers import Callbacks, call
from evi_harness.sdk.parsing import problems
from evi_harness.sdk.playing_on import PlayingOn
from evi_harness.sdk.version import installed_version
from evi_harness.session.events import Closed, Event, Received
from evi_harness.session.protocols import Service

__all__ = ["App", "run_app", "told"]

# How long a handler may go on after the connection has closed, in seconds of the loop's time.
AFTERMATH_S = 30.0


@dataclass
class App:
    """What one run needs.

    Attributes:
        base_url: Where the service is.
        callbacks: The handler.
        user: What speaks for the user on the client's side.
        journal: Where events stand and notes go.
        clock: What the journal is stamped by.
        options: What the connection is opened with.
        redact: Takes secrets out of what a note quotes.
        opened: Called with the connection of the websockets library once it is open, before anything else: for a journal that the
            service's side does not write.
        pump: Acts out ``user``; there once the connection is open.
        handling: The seq of the event that the handler is busy with, None while it is not.
    """

    base_url: str
    callbacks: Callbacks
    user: Service
    journal: Journal
    clock: Clock
    options: Mapping[str, Any] = field(default_factory=dict)
    redact: Callable[[str], str] = str
    opened: Callable[[Any], object] = id
    pump: Optional[ClientPump] = None
    handling: Optional[int] = None


async def run_app(app: App) -> None:
    """Run a handler from open to close.

    Raises:
        Exception: What the SDK raises when it cannot connect. What the handler raises is noted.
    """
    async with open_chat(app.base_url, api_key="replay", options=app.options) as socket:
        websocket = websocket_of(socket)
        app.opened(websocket)
        run = _Run(app, websocket)
        await run.observed(None, app.callbacks.on_open)
        await run.observed(None, app.callbacks.set_socket, socket)
        app.pump = ClientPump(app.user, app.journal, app.clock, lambda frame: send_frame(websocket, frame), websocket.close)
        reading = _Reading(run.read(socket), loop=asyncio.get_running_loop())
        speaking = asyncio.ensure_future(_until_closed(app.pump))
        await _finish(app, reading, speaking, asyncio.ensure_future(websocket.wait_closed()))
    await run.observed(None, app.callbacks.on_close)


async def _finish(app: App, reading: asyncio.Future[None], speaking: asyncio.Future[None], closed: asyncio.Future[None]) -> None:
    await asyncio.wait({reading, closed}, return_when=asyncio.FIRST_COMPLETED)
    # The handler may be behind: what had arrived before the close is still its to take.
    await asyncio.wait({reading}, timeout=AFTERMATH_S)
    if not reading.done():
        what = f"the handler had not returned {AFTERMATH_S:.0f} s after the connection was closed"
        app.journal.note("stuck", of=app.handling, what=what, detail=_waits_at(reading))
    for task in (reading, speaking, closed):
        task.cancel()
    for result in await asyncio.gather(reading, speaking, closed, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _until_closed(pump: ClientPump) -> None:
    try:
        await pump.run()
    except Exception as error:
        if not _is_closed(error):
            raise


class _Reading(asyncio.Task[None]):
    """The task that reads; it knows whether somebody cancelled it."""

    was_told = False

    def cancel(self, *args: Any, **kwargs: Any) -> bool:
        self.was_told = True
        return super().cancel(*args, **kwargs)


class _Run:
    """The reading side: which message is which event, and what the handler does with it."""

    def __init__(self, app: App, websocket: Any) -> None:
        self._app = app
        self._websocket = websocket
        self._looked_at = 0
        self._playing_on = PlayingOn(app.callbacks.on_message, app.journal)

    async def read(self, socket: Any) -> None:
        messages = socket.__aiter__()
        while True:
            try:
                message = await messages.__anext__()
            except StopAsyncIteration:
                return
            except (StuckError, asyncio.CancelledError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever the SDK's parser raises ends the reading
                if not _is_closed(error):
                    await self._unparseable(error)
                return
            event = self._next_received()
            if self._app.pump is not None:
                self._app.pump.take(event)
            self._playing_on.before(message)
            await self.observed(event, self._app.callbacks.on_message, message)
            self._playing_on.after(event, message)

    async def observed(self, event: Optional[Event], callback: Any, *args: Any) -> None:
        """Call a callback of the handler's and note when it ran and what it raised."""
        if callback is None:
            return
        journal, of = self._app.journal, None if event is None else event.seq
        name = getattr(callback, "__name__", "on_message")
        journal.note("handler_entered", of=of, callback=name)
        self._app.handling = of
        try:
            await call(callback, *args)
        except StuckError:
            raise
        except asyncio.CancelledError as error:
            if getattr(asyncio.current_task(), "was_told", True):
                raise
            # The handler awaited something that was cancelled: in an app, too, the reading ends with it, and without a word.
            journal.note("raised", of=of, ended=True, **told(error, name, self._app.redact))
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the handler raises is a finding
            # Who sends when the connection is closed already is told so; that is how a session ends.
            if not (_is_closed(error) and self._is_over()):
                journal.note("raised", of=of, **told(error, name, self._app.redact))
            await self._on_error(error, name)
        finally:
            self._app.handling = None
            journal.note("handler_returned", of=of, callback=name)

    async def _on_error(self, error: BaseException, name: str) -> None:
        on_error = self._app.callbacks.on_error
        if name != "on_error" and on_error is not None:
            await self.observed(None, on_error, error)

    async def _unparseable(self, error: Exception) -> None:
        event = self._next_received()
        found = problems(event.frame.payload)
        version = installed_version()
        fields = "; ".join(str(problem) for problem in found) or f"{type(error).__name__}"
        self._app.journal.note(
            "unparseable",
            of=event.seq,
            what=self._app.redact(f"hume {version} cannot parse this message: {fields}"),
            fields=[problem.field for problem in found],
            sdk=version,
            ended=True,
        )
        await self._on_error(error, "the SDK")

    def _is_over(self) -> bool:
        return is_closed(self._websocket) or any(isinstance(one, Closed) for one in self._app.journal.events)

    def _next_received(self) -> Received:
        """The event of the message that the app takes now: they come in the order in which they were sent."""
        events = self._app.journal.events
        while True:
            event = events[self._looked_at]
            self._looked_at += 1
            if isinstance(event, Received):
                return event


def _is_closed(error: BaseException) -> bool:
    # Every version of websockets has these; a close while sending or reading is how a session ends.
    from websockets.exceptions import ConnectionClosed

    return isinstance(error, ConnectionClosed)


def told(error: BaseException, who: str, redact: Callable[[str], str]) -> Mapping[str, Any]:
    """What a note says of an exception, and where in the developer's code it was raised. No source line: it may hold a key.

    Args:
        error: The exception.
        who: What raised it.
        redact: Takes secrets out of its text.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_PACKAGE)]
    text = redact(_text(error))
    what = f"{who} raised {type(error).__name__}{': ' + text if text else ''}"
    return {"what": what, "detail": [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames)]}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the developer's own exceptions may not even be able to speak
        return ""


def _waits_at(task: asyncio.Future[None]) -> List[str]:
    """Where a task waits, the innermost place first: what its coroutine awaits, and so on. A task's own stack ends at the outermost."""
    places = []
    waiting = task.get_coro() if isinstance(task, asyncio.Task) else None
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE):
            places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}")
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None) or getattr(waiting, "gi_yieldfrom", None)
    return places[::-1]


_PACKAGE = __file__.rsplit("sdk", 1)[0]
