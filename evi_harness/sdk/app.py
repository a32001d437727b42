"""One run of a handler through the unmodified SDK: connect, deliver messages, keep the observations.

Rules of living here: callbacks are called as the SDK's own ``connect_with_callbacks`` called them up to 0.12.1: on_open before
set_socket, an exception of on_message goes to on_error and the next message follows, on_close at the end. A message that the SDK
cannot parse ends the reading, as it does in an app. Observations are notes in the journal; nothing is judged here.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set

from evi_harness.carriers.acted_client import ClientPump, send_close, send_frame
from evi_harness.carriers.arrivals import Arrivals
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.app_loop import HostTask
from evi_harness.clocks.clock import Clock
from evi_harness.clocks.steps import own_work
from evi_harness.errors import NotAHandler, StuckError
from evi_harness.guard.callers import callers_now
from evi_harness.guard.ending import Ending, ends_app
from evi_harness.guard.network import was_refused
from evi_harness.guard.on_behalf_of import on_behalf, on_behalf_from_now_on
from evi_harness.guard.place_lookup import Stack, defined_at, raised_stack, told, told_functions, told_places, waiting_stack, waits_at
from evi_harness.sdk.adapter import Adapter, Callbacks, ConnectionWatch, HandingWatch, Misread, call
from evi_harness.sdk.handler_reads import Taking, leaves
from evi_harness.sdk.user_voice import HANDLERS_TURN_NS, Microphone
from evi_harness.session.events import Event, Handshake, Received
from evi_harness.session.notes import CLOSED_FROM, CUT_OFF, HANDLER_ENTERED, HANDLER_RETURNED, MISREAD, NEVER_RETURNS, RAISED, UNPARSEABLE
from evi_harness.session.places import DEFINED, RAN
from evi_harness.session.protocols import Service
from evi_harness.tap.connection_facts import is_closed
from evi_harness.watch.cpu_time import CpuTime
from evi_harness.watch.functions_ran import FunctionsRan
from evi_harness.watch.handed import HandedOn
from evi_harness.watch.handler_waits import HandlerWaits

__all__ = ["App", "run_app"]

# How long a handler may go on after the connection has closed, in seconds of the loop's time.
AFTERMATH_S = 30.0


@dataclass
class App:
    """What one run needs.

    Attributes:
        base_url: The endpoint of the service.
        adapter: The SDK that the app uses.
        callbacks: The handler.
        user: What speaks for the user on the client's side.
        journal: Where notes go.
        clock: What the journal is stamped by.
        arrivals: Which message it is that the handler takes.
        handshake: What the recorded app asked for, None where that is not known.
        redact: Takes secrets out of what a note quotes.
        opened: Called with the connection of the websockets library once it is open, before anything else: for a journal that the
            service's side does not write.
        microphone: What this side opens for a handler that does not open it itself, None where there is nothing to open.
        own_audio: Looks whether the handler sends audio of its own, None where nothing hangs on it.
        heard_ns: How much audio the speaker has played so far, None where no speaker is there to be asked.
        may_be_answered: Whether the app may have to answer a received event: what runs for it is looked at.
        ending: Whether the app has ended the run itself; from then on nothing of it is called.
        pump: Acts out ``user``; there once the connection is open.
        handling: The seq of the event that the handler is busy with, None while it is not.
        reading: The task that hands messages on to the handler; there once the connection is open.
        handed: What the handler handed on to be played; there once the run is over.
    """

    base_url: str
    adapter: Adapter
    callbacks: Callbacks
    user: Service
    journal: Journal
    clock: Clock
    arrivals: Arrivals
    handshake: Optional[Handshake] = None
    redact: Callable[[str], str] = str
    opened: Callable[[Any], object] = id
    microphone: Optional[Microphone] = None
    own_audio: Optional[ConnectionWatch] = None
    heard_ns: Optional[Callable[[], int]] = None
    may_be_answered: Callable[[Received], bool] = lambda _: True
    ending: Ending = field(default_factory=Ending)
    pump: Optional[ClientPump] = None
    handling: Optional[int] = None
    reading: Optional[HostTask] = None
    handed: Optional[HandedOn] = None


async def run_app(app: App) -> None:
    """Run a handler from open to close.

    Raises:
        NotAHandler: The handler turns out to be none when it is given a message.
        Exception: What the SDK raises when it cannot connect. What the handler raises is noted.
    """
    app.ending.follow(asyncio.get_running_loop(), app.journal, lambda: app.handling)
    handing_on = app.adapter.handing_watch(lambda: app.callbacks.byte_strs, app.journal, app.heard_ns, callers_now)
    run: Optional[_Run] = None
    try:
        async with app.adapter.open(app.base_url, app.handshake) as socket:
            websocket = app.adapter.websocket_of(socket)
            app.opened(websocket)
            if app.own_audio is not None:
                app.own_audio.watch(websocket)
            handing_on.begin()
            run = _Run(app, websocket, handing_on)
            await _converse(app, run, socket, websocket)
            if app.ending.has_ended:
                # The cancellation that ends the app arrives here, and not while the connection is being closed.
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
        app.ending.is_over = True
        await run.observed(None, app.callbacks.on_close)
    finally:
        app.handed = handing_on.finish()
        if app.own_audio is not None:
            app.own_audio.restore()
        if run is not None:
            run.waits.finish()
            run.functions.finish()
            run.cpu.finish()


async def _converse(app: App, run: _Run, socket: Any, websocket: Any) -> None:
    await run.observed(None, app.callbacks.on_open)
    await run.observed(None, app.callbacks.set_socket, socket)
    if app.ending.has_ended:
        return
    app.pump = ClientPump(app.user, app.journal, app.clock, partial(send_frame, websocket), partial(send_close, websocket))
    work = run.read(socket) if app.callbacks.main is None else run.converse(socket)
    reading = app.reading = HostTask(work, loop=asyncio.get_running_loop())
    speaking = asyncio.ensure_future(_until_closed(app.pump))
    listening = asyncio.ensure_future(run.listen(socket))
    await _finish(app, reading, asyncio.ensure_future(websocket.wait_closed()), (speaking, listening))
    if reading.cancelled() and reading.cancelled_at is not None:
        app.ending.cancels(reading.cancelled_at, ended=True)


async def _finish(app: App, reading: HostTask, closed: asyncio.Future[None], beside: Sequence[asyncio.Future[None]]) -> None:
    tasks = (reading, closed, *beside)
    try:
        if await _until_over(reading, closed, beside):
            # The handler may be behind: what had arrived before the close is still its to take.
            await asyncio.wait({reading}, timeout=AFTERMATH_S)
            if not reading.done():
                what = f"the handler had not returned {AFTERMATH_S:.0f} s after the connection was closed"
                places = told_places(waiting_stack(reading), app.redact, or_library=False)
                # What waits in a library's code alone was called by a callback.
                places = places or told_functions(defined_at(app.callbacks.main or app.callbacks.on_message), app.redact)
                app.journal.note(NEVER_RETURNS, of=app.handling, what=what, detail=waits_at(reading), places=places)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and ends_app(result):
            app.ending.take(result)
        elif isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _until_over(reading: asyncio.Future[None], closed: asyncio.Future[None], beside: Sequence[asyncio.Future[None]]) -> bool:
    """Wait for the end of the reading or of the connection; False where something beside them failed, so that nothing is worth waiting."""
    waiting = {reading, closed, *beside}
    while not (reading.done() or closed.done()):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if any(task in done and not task.cancelled() and task.exception() is not None for task in beside):
            return False
    return True


async def _until_closed(pump: ClientPump) -> None:
    try:
        await pump.run()
    except Exception as error:
        if not _is_closed(error):
            raise


def _once_at(app: App, at_ns: int) -> asyncio.Future[None]:
    """A future that is done when a session time has come, and never before the loop has done what is to be done now."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    app.clock.call_at_ns((app.journal.opened_at_ns or 0) + at_ns, lambda: None if over.done() else over.set_result(None))
    return over


class _Run:
    """The reading side: which message is which event, and what the handler does with it."""

    def __init__(self, app: App, websocket: Any, handing_on: HandingWatch) -> None:
        self._app = app
        self._websocket = websocket
        self.cpu = CpuTime(app.journal)
        self.waits = HandlerWaits(app.journal, app.redact)
        self.functions = FunctionsRan(app.journal, app.callbacks.owner, app.redact)
        # Where callbacks are defined, as their further notes say it: their source stands in the first.
        self._defined: Dict[Stack, List[Dict[str, Any]]] = {}
        self._look: Optional[asyncio.TimerHandle] = None
        self._handing_on = handing_on
        self._counted: Callable[[], object] = int
        self._misread: Set[str] = set()

    async def read(self, socket: Any) -> None:
        messages = socket.__aiter__()
        while not self._app.ending.has_ended:
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
            event = self._app.arrivals.next()
            with own_work():
                if self._app.pump is not None:
                    self._app.pump.take(event)
                self._handing_on.before()
            callback = self._app.callbacks.for_message(message)
            hidden = None if callback is None else self._app.adapter.hidden(message)
            if hidden is not None:
                self._note_misread(event, hidden, callback)
            await self.observed(event, callback, message)
            if self._app.adapter.is_interruption(event, message):
                self._handing_on.interrupted(event)

    async def converse(self, socket: Any) -> None:
        """Run a handler that takes the connection and reads it itself; what it takes of it is noted."""
        app, main = self._app, self._app.callbacks.main
        name = getattr(main, "__name__", app.callbacks.name)
        taking = Taking(
            socket,
            self._websocket,
            lambda: self._taken(name, main),
            lambda event, failure: self._let_go(event, failure, name, main),
            app.adapter.watch_parsing,
            lambda error: self._raised(app.adapter.cut_off(error), main),
            app.adapter.is_iterated,
        )
        try:
            with on_behalf(name):
                await call(main, socket)
            error: Optional[BaseException] = None
        except (StuckError, NotAHandler):
            raise
        except asyncio.CancelledError as cancelled:
            if getattr(asyncio.current_task(), "was_told", True):
                raise
            error = cancelled
        except (Exception, SystemExit, KeyboardInterrupt) as raised:  # noqa: BLE001 - whatever the handler raises is a finding
            error = raised
        finally:
            taking.stop()
            self._look_away()
        self._conversed(taking, error, name, main)

    def _conversed(self, taking: Taking, error: Optional[BaseException], name: str, main: Any) -> None:
        """Note what ended the handler, if that was not the end of the connection."""
        event, failure = taking.event, taking.failure
        if event is not None and isinstance(failure, Misread):
            self._note_misread(event, failure, main)
            failure = None
        of = None if event is None else event.seq
        if event is not None and failure is not None and (error is None or failure in leaves(error)):
            self._note_unparseable(event, failure, main, ended=True)
        elif isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._app.ending.is_over = event is None and self._is_over()
            self._app.ending.take(error, name, of)
        elif error is not None and not (self._is_over() and all(map(_is_closed, leaves(error)))) and not was_refused(error):
            self._app.journal.note(RAISED, of=of, ended=True, **self._told(error, name, main))
        elif error is None and not self._is_over():
            # As in an app whose main ends, the connection is closed then.
            self._app.journal.note(CLOSED_FROM, of=of, places=self._functions(defined_at(main), RAN))
        if event is not None:
            self._let_go(event, None, name, main)

    def _taken(self, name: str, main: Any) -> Received:
        event = self._app.arrivals.next()
        if self._app.pump is not None:
            self._app.pump.take(event)
        self._note_entered(event.seq, name, main)
        self._app.handling = event.seq
        self._look = self.waits.look(event.seq, name)
        self._counted = self.cpu.count(event.seq)
        # In the handler's own task: what it starts from now on is about this message.
        on_behalf_from_now_on(name, event.seq)
        if self._app.may_be_answered(event):
            self.functions.begin(event.seq, name, main)
        return event

    def _let_go(self, event: Received, failure: Optional[Exception], name: str, main: Any) -> None:
        if failure is not None:
            self._note_unparseable(event, failure, main, ended=False)
        self._look_away()
        self.functions.pause()
        self._counted()
        self._app.handling = None
        self._app.journal.note(HANDLER_RETURNED, of=event.seq, callback=name)
        if self._app.adapter.is_interruption(event):
            self._handing_on.interrupted(event)

    def _look_away(self) -> None:
        if self._look is not None:
            self._look.cancel()

    async def listen(self, socket: Any) -> None:
        """Open the microphone when it is time, unless the handler has; what ends it early ends the conversation, as it does in an app."""
        app, microphone = self._app, self._app.microphone
        if microphone is None:
            return
        await _once_at(app, max(microphone.begins_ns, app.journal.now_ns + HANDLERS_TURN_NS))
        if microphone.is_open():
            return
        try:
            if not await self._sound(socket, microphone):
                return
            ended: Mapping[str, Any] = {"what": "the SDK's microphone and playback ended while the connection was open"}
        except StuckError:
            raise
        except Exception as error:  # noqa: BLE001 - what the handler puts into byte_strs may break the SDK's playback in any way
            if _is_closed(error):
                return
            ended = told(error, "the SDK's microphone or playback", app.redact)
        app.journal.note(RAISED, ended=True, **ended)
        await self._websocket.close()

    async def _sound(self, socket: Any, microphone: Microphone) -> bool:
        """Run the SDK's microphone and playback, or playback alone where the microphone is off; False where there is nothing to run."""
        byte_strs = self._app.callbacks.byte_strs
        if not microphone.voice.is_off:
            microphone.voice.has_begun = True
            await self._app.adapter.run_microphone(socket, byte_strs, microphone.allow_user_interrupt)
        elif byte_strs is not None:
            await self._app.adapter.run_playback(socket, byte_strs)
        else:
            return False
        return True

    async def observed(self, event: Optional[Event], callback: Any, *args: Any) -> None:
        """Call a callback of the handler's and note when it ran and what it raised."""
        if callback is None or self._app.ending.has_ended:
            return
        journal, of = self._app.journal, None if event is None else event.seq
        name = getattr(callback, "__name__", "on_message")
        with own_work():
            self._note_entered(of, name, callback)
        self._app.handling = of
        look = self.waits.look(of, name)
        try:
            with on_behalf(name, of), self.cpu.spent_on(of):
                if isinstance(event, Received) and self._app.may_be_answered(event):
                    self.functions.begin(event.seq, name, callback)
                await call(callback, *args)
        except (StuckError, NotAHandler):
            raise
        except asyncio.CancelledError as error:
            if getattr(asyncio.current_task(), "was_told", True):
                raise
            # The handler awaited something that was cancelled: in an app, too, the reading ends with it, and without a word.
            journal.note(RAISED, of=of, ended=True, **self._told(error, name, callback))
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            self._app.ending.take(error, name, of)
        except Exception as error:  # noqa: BLE001 - whatever the handler raises is a finding
            # Who sends when the connection is closed already is told so; that is how a session ends. What the guard refused it has noted.
            if not (_is_closed(error) and self._is_over()) and not was_refused(error):
                journal.note(RAISED, of=of, **self._told(error, name, callback))
            await self._on_error(error, name)
        finally:
            look.cancel()
            self.functions.pause()
            self._app.handling = None
            journal.note(HANDLER_RETURNED, of=of, callback=name)

    async def _on_error(self, error: BaseException, name: str) -> None:
        on_error = self._app.callbacks.on_error
        if name != "on_error" and on_error is not None:
            await self.observed(None, on_error, error)

    async def _unparseable(self, error: Exception) -> None:
        self._note_unparseable(self._app.arrivals.next(), error, self._app.callbacks.on_message, ended=True)
        await self._on_error(error, "the SDK")

    def _note_entered(self, of: Optional[int], name: str, callback: Any) -> None:
        """Note that a callback begins, and where it is defined; its source stands in the first note of it."""
        own = defined_at(callback)
        places = self._defined.get(own)
        if places is None:
            places = self._functions(own, RAN)
            self._defined[own] = [{**place, "source": []} for place in places]
        self._app.journal.note(HANDLER_ENTERED, of=of, callback=name, places=places)

    def _places(self, stack: Stack) -> List[Dict[str, Any]]:
        return told_places(stack, self._app.redact, or_library=False)

    def _functions(self, stack: Stack, whole: str) -> List[Dict[str, Any]]:
        return told_functions(stack, self._app.redact, whole=whole)

    def _told(self, error: BaseException, name: str, callback: Any) -> Mapping[str, Any]:
        """What a note says of an exception; where it went through no code of the developer's, the callback stands for it."""
        facts = told(error, name, self._app.redact)
        return facts if facts["places"] else {**facts, "places": self._functions(defined_at(callback), RAN)}

    def _note_misread(self, event: Received, hidden: Misread, callback: Any) -> None:
        """Note what the parser hides, once for all messages of which it is true."""
        if str(hidden) not in self._misread:
            self._misread.add(str(hidden))
            what = self._app.redact(f"{self._app.adapter.package} hides what it made of a message: {hidden}")
            self._app.journal.note(MISREAD, of=event.seq, what=what, places=self._functions(defined_at(callback), DEFINED))

    def _raised(self, cut_off: Optional[str], main: Any) -> None:
        if cut_off is not None:
            what = self._app.redact(f"{cut_off}; the iteration over the connection ends as if that were a normal end")
            self._app.journal.note(CUT_OFF, what=what, places=self._functions(defined_at(main), DEFINED))

    def _note_unparseable(self, event: Received, error: Exception, callback: Any, *, ended: bool) -> None:
        if isinstance(error, Misread):
            self._note_misread(event, error, callback)
            return
        adapter = self._app.adapter
        found, version = adapter.problems(event.frame.payload), adapter.version()
        fields = "; ".join(str(problem) for problem in found) or f"{type(error).__name__}"
        self._app.journal.note(
            UNPARSEABLE,
            of=event.seq,
            what=self._app.redact(f"{adapter.package} {version} cannot parse this message: {fields}"),
            fields=[problem.field for problem in found],
            sdk=version,
            ended=ended,
            places=self._places(raised_stack(error)) or self._functions(defined_at(callback), DEFINED),
        )

    def _is_over(self) -> bool:
        return is_closed(self._websocket) or self._app.arrivals.is_over


def _is_closed(error: BaseException) -> bool:
    # Every version of websockets has these; a close while sending or reading is how a session ends.
    from websockets.exceptions import ConnectionClosed

    return isinstance(error, ConnectionClosed)
