"""A live conversation as in Hume's quickstart: connect, deliver messages, run the SDK's microphone and playback, close.

Rules of living here: the SDK makes the connection, reads the microphone and plays; nothing of it is replaced. A callback that raises does
not end the conversation; what it raised is kept. A handler that takes the connection and reads it itself is the app: when it returns or
raises, the conversation is over. Whatever ends the conversation, the connection is closed in good order where it still can
be. No exception that leaves here quotes a request.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import Any, Iterator, List, Mapping, Optional, Tuple

from evi_harness.clocks.app_loop import AppLoop, HostTask
from evi_harness.errors import EviHarnessError, HandlerError, NotAHandler, Parameter, SdkError, Words
from evi_harness.guard.ending import Ending, UsersInterrupt
from evi_harness.guard.on_behalf_of import on_behalf
from evi_harness.guard.place_lookup import told
from evi_harness.sdk.adapter import LiveTalkOptions, call
from evi_harness.sdk.handler_reads import leaves
from evi_harness.sdk.hume.callbacks import connect_with_callbacks, connected
from evi_harness.sdk.hume.connect_errors import unreachable
from evi_harness.sdk.hume.connection import client_for, websocket_of
from evi_harness.sdk.hume.handlers import callbacks_of
from evi_harness.sdk.hume.interface import WebSocketInterface
from evi_harness.sdk.hume.microphone import run_playback
from evi_harness.sdk.hume.owed_replies import Replies
from evi_harness.sdk.hume.own_audio import OwnAudio
from evi_harness.sdk.hume.own_reading import OwnReading
from evi_harness.sdk.redirects import same_origin_hooks
from evi_harness.sdk.user_voice import AUTO, OFF, SDKS_MICROPHONE, UserVoice
from evi_harness.session.note_kind import NoteKind, ParamSpec
from evi_harness.session.notes import EXITS_AT_END, LEAKED_TASK, SWALLOWED
from evi_harness.tap.connection_facts import is_closed
from evi_harness.watch.tasks import AppTasks

__all__ = ["LiveConversation"]

P = ParamSpec("P")

# How long the service may take to answer the app's close.
CLOSE_S = 5.0
# How long a service that has not answered the handshake may take to hang up.
HANG_UP_S = 0.2
# Once the connection is closed, a handler that takes no message for so long has them all; one that is busy may go on for longer.
DRAIN_S = 0.2
BUSY_S = 5.0

# A handler that takes the connection has so long to open the microphone itself, unless it goes on reading before; and so long behind that
# for a task which it has begun for it.
TURN_S = 1.0
TASKS_TURN_S = 0.05

# How long the service may take to give a token: the SDK's own default.
HTTP_S = 60.0

_SOUND_HINT = Words("evi-harness doctor says what the sound system lacks. ", Parameter("mic", "FILE"), " needs none.")


class LiveConversation:
    """One live conversation. Make it inside the running loop; ``run`` is called once.

    Args:
        options: How it is to be held. The handler is whatever ``callbacks_of`` takes: its ``byte_strs``, or its stream, is what is played;
            for one that has neither, what the assistant says is played. None is the guide's ``WebSocketInterface``.

    Attributes:
        replies: Whether a reply is owed or under way.
        faults: What the handler raised: a sentence and the places in its code, the innermost first.
        leaves: How the app left when all was over, likewise; no fault.
        is_open: Whether the connection has been open.
        connect_ns: The machine's monotonic clock when connecting began, 0 before that.
        silenced: What became of the microphone when the handler sent its own audio, as a sentence; None where it did not.

    Raises:
        NotAHandler, HandlerError: The handler is none, or cannot be built.
    """

    def __init__(self, options: LiveTalkOptions) -> None:
        self.replies = Replies()
        self.faults: List[Tuple[str, List[str]]] = []
        self.leaves: List[Tuple[str, List[str]]] = []
        self._ending = Ending(options.redact) if options.ending is None else options.ending
        self.is_open = False
        self.connect_ns = 0
        self.silenced: Optional[str] = None
        self._base_url = options.base_url
        self._api_key = options.api_key
        self._chat_options = options.chat
        self._built_in = WebSocketInterface(options.write)
        handler = self._built_in if options.handler is None else options.handler
        with on_behalf("its own making"):
            self._callbacks = callbacks_of(handler, options.name, options.arguments)
        own = self._callbacks.byte_strs
        self._plays_itself = own is None
        self._byte_strs = self._built_in.byte_strs if own is None else own
        self._microphone = {"device": options.device, "allow_user_interrupt": options.allow_user_interrupt}
        self._voice = UserVoice(is_off=options.microphone == OFF)
        hears_own = options.microphone == AUTO and options.handler is not None
        self._own_audio = OwnAudio(self._voice, self._silence) if hears_own else None
        self._opened_s = 0.0
        self._on_connected = options.on_connected
        self._redact = options.redact
        self._websocket: Any = None
        self._is_ready = asyncio.Event()
        self._is_to_end = asyncio.Event()
        self._task: Optional[asyncio.Task[Any]] = None
        self._n_taken = 0
        self._is_busy = False
        self._reading: Optional[OwnReading] = None

    @property
    def reads_itself(self) -> bool:
        """Whether the handler takes the connection and reads it itself."""
        return self._callbacks.main is not None

    @property
    def opens_microphone(self) -> bool:
        """Whether such a handler opened the microphone itself: then nobody opens it for it."""
        return self._reading is not None and self._reading.opens.is_set()

    async def run(self) -> None:
        """Converse until ``end`` is called or the connection is closed by the service or lost.

        Raises:
            EviHarnessError: The service could not be reached or refused; microphone or playback failed; the handler failed before the
                first message.
            asyncio.CancelledError: ``end`` was called before the connection was open.
        """
        self._task = asyncio.current_task()
        self._ending.follow(asyncio.get_running_loop(), self)
        self._ending.ends(self.end)
        failure: Exception
        try:
            with self._watched():
                async with _http_client() as http, self._opened(self._chat(http)) as socket:
                    await self._converse(socket)
            return
        except Exception as error:
            if self.is_open:
                raise
            failure = unreachable(self._base_url, error)
        # Outside of the except block, so that no exception with the request in it hangs on ours.
        raise failure

    @property
    def now_ns(self) -> int:
        """No session time is kept here: see ``Notes``."""
        return 0

    def note(self, kind: NoteKind[P, object], /, of: Optional[int] = None, *_: P.args, **data: P.kwargs) -> None:  # noqa: ARG002 - see it
        """Take how the app ended without being interrupted; see ``Notes``."""
        said: Mapping[str, Any] = data
        # What went wrong in none of the app's code may be a library's way to end, and what is left over ends with the app.
        is_warning = kind in (EXITS_AT_END, LEAKED_TASK) or (kind is SWALLOWED and not said["places"])
        kept = self.leaves if is_warning else self.faults
        kept.append((said["what"], list(said["detail"])))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Look at the tasks that the app starts: what one raises that nobody awaits is a fault, and asyncio would only log it."""
        if not isinstance(asyncio.get_running_loop(), AppLoop):
            yield
            return
        with AppTasks(self, self._redact, lambda: self._websocket is not None and is_closed(self._websocket)) as tasks:
            try:
                yield
            finally:
                tasks.finish(has_ended=True)

    def _chat(self, http: Any) -> Any:
        client = client_for(self._base_url, self._api_key, http)
        # What the SDK loads for a first chat is not connecting.
        chat = client.empathic_voice.chat
        self.connect_ns = time.monotonic_ns()
        return chat

    def _opened(self, chat: Any) -> Any:
        if self.reads_itself:
            return connected(chat, self._chat_options)
        return connect_with_callbacks(
            chat, self._chat_options, on_message=self._take, on_close=self._tell_of_close, on_error=self._tell_of_error
        )

    def end(self) -> None:
        """Have the conversation ended by the app. A second call, or a third, no longer waits for the service to answer."""
        if self._is_to_end.is_set():
            self._abort()
        self._is_to_end.set()
        if not self.is_open and self._task is not None:
            self._task.cancel()
            # In the middle of a handshake the websockets library then waits for the service to hang up, up to ten seconds.
            asyncio.get_running_loop().call_later(HANG_UP_S, self._call_off)

    async def _converse(self, socket: Any) -> None:
        self.is_open = True
        self._websocket = websocket_of(socket)
        self._on_connected(socket)
        self._opened_s = asyncio.get_running_loop().time()
        if self._own_audio is not None:
            self._own_audio.watch(self._websocket)
        try:
            await self._first(self._callbacks.on_open)
            await self._first(self._callbacks.set_socket, socket)
            self._is_ready.set()
            await self._talk(socket)
        finally:
            if self._own_audio is not None:
                self._own_audio.restore()

    def _silence(self) -> None:
        """Have the microphone off from now on: the handler is about to send its own audio."""
        at_s = asyncio.get_running_loop().time() - self._opened_s
        self.silenced = SDKS_MICROPHONE.cut(at_s) if self._voice.has_begun else SDKS_MICROPHONE.unheard
        self._voice.is_off = True

    async def _talk(self, socket: Any) -> None:
        try:
            await (self._until_returned(socket) if self.reads_itself else self._until_over(socket))
        finally:
            asyncio.get_running_loop().call_later(CLOSE_S, self._abort)

    async def _first(self, callback: Any, *args: Any) -> None:
        """Call what is called once, before the first message."""
        try:
            with on_behalf(getattr(callback, "__name__", "the handler")):
                await call(callback, *args)
        except UsersInterrupt:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            fault = told(error, getattr(callback, "__name__", "the handler"), self._redact)
            raise HandlerError(fault["what"], where=next(iter(fault["detail"]), None)) from error

    async def _until_over(self, socket: Any) -> None:
        microphone = asyncio.ensure_future(self._sound(socket))
        closed = asyncio.ensure_future(self._websocket.wait_closed())
        asked = asyncio.ensure_future(self._is_to_end.wait())
        try:
            await asyncio.wait({microphone, closed, asked}, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                await self._drained()
        finally:
            for task in (microphone, closed, asked):
                task.cancel()
            results = await asyncio.gather(microphone, closed, asked, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]

    async def _until_returned(self, socket: Any) -> None:
        """Run a handler that takes the connection to its end, which is that of the conversation, or until that is over otherwise."""
        reading = self._reading = OwnReading(self._websocket, self._heard)
        main = HostTask(self._main(socket), loop=asyncio.get_running_loop())
        sound = asyncio.ensure_future(self._sound_unless_own(socket, reading))
        closed = asyncio.ensure_future(self._websocket.wait_closed())
        asked = asyncio.ensure_future(self._is_to_end.wait())
        tasks = (main, sound, closed, asked)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                # What had arrived before the close is still its to take.
                await asyncio.wait({main, asked}, timeout=BUSY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            # One that does not let itself be cancelled is left behind.
            done, _ = await asyncio.wait(tasks, timeout=BUSY_S)
            reading.stop()
        if main in done and main.cancelled() and main.cancelled_at is not None:
            self._ending.cancels(main.cancelled_at, ended=True)
        for task in (main, sound):
            failure = task.exception() if task in done and not task.cancelled() else None
            if failure is not None:
                raise failure

    async def _main(self, socket: Any) -> None:
        main = self._callbacks.main
        name = getattr(main, "__name__", "main")
        try:
            with on_behalf(name):
                await call(main, socket)
        except (NotAHandler, UsersInterrupt):
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            self._ending.take(error, name)
        except Exception as error:  # noqa: BLE001 - the app may raise anything
            self._keep_fault(error, name)

    async def _sound_unless_own(self, socket: Any, reading: OwnReading) -> None:
        """Run the SDK's microphone and playback for a handler that leaves that to others, as in a replay."""
        opens, goes_on = asyncio.ensure_future(reading.opens.wait()), asyncio.ensure_future(reading.goes_on.wait())
        sound: Optional[asyncio.Future[None]] = None
        try:
            await asyncio.wait({opens, goes_on}, timeout=TURN_S, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({opens}, timeout=TASKS_TURN_S)
            if not opens.done():
                sound = asyncio.ensure_future(self._sound(socket))
                # One that opens it later is left alone from then on.
                await asyncio.wait({sound, opens}, return_when=asyncio.FIRST_COMPLETED)
            if sound is not None and sound.done():
                await sound
                return
            await opens
        finally:
            tasks: List[asyncio.Future[Any]] = [opens, goes_on, *([] if sound is None else [sound])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._websocket.wait_closed()

    async def _heard(self, message: Any) -> None:
        """A handler that reads the connection itself is about to get a message."""
        self.replies.take(message, asyncio.get_running_loop().time())
        if self._plays_itself and not self.opens_microphone and message.type == "audio_output":
            await self._built_in.on_message(message)

    async def _sound(self, socket: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            from hume import MicrophoneInterface

            if self._voice.is_off:
                await run_playback(socket, self._byte_strs)
            else:
                self._voice.has_begun = True
                await MicrophoneInterface.start(socket, byte_stream=self._byte_strs, **self._microphone)  # type: ignore[arg-type]
        except ConnectionClosed:
            # The microphone's sender is told so; that is how a conversation ends. What had been received is still to be taken.
            await self._websocket.wait_closed()
            await self._drained()
        except Exception as error:  # noqa: BLE001 - PortAudio's errors have no class that could be imported without it
            raise self._sound_failure(error) from None

    def _sound_failure(self, error: Exception) -> EviHarnessError:
        # An exception group of ImportErrors.
        if isinstance(error, ImportError) or any(isinstance(one, ImportError) for one in getattr(error, "exceptions", ())):
            return SdkError("the SDK finds no audio packages", hint="pip install 'hume[microphone]'")
        text = self._redact(str(error)).strip() or "no message"
        return EviHarnessError(f"the SDK's microphone or playback failed: {type(error).__name__}: {text}", hint=_SOUND_HINT)

    async def _drained(self) -> None:
        """Wait until the handler has what had arrived before the connection was closed."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + BUSY_S
        before = -1
        while (self._is_busy or self._n_taken != before) and loop.time() < give_up_s and not self._is_to_end.is_set():
            before = self._n_taken
            await asyncio.sleep(DRAIN_S)

    async def _take(self, message: Any) -> None:
        await self._is_ready.wait()
        self._n_taken += 1
        self.replies.take(message, asyncio.get_running_loop().time())
        self._is_busy = True
        try:
            if self._plays_itself and getattr(message, "type", "") == "audio_output":
                await self._built_in.on_message(message)
            with on_behalf("on_message"):
                await call(self._callbacks.on_message, message)
        except (SystemExit, KeyboardInterrupt) as error:
            self._ending.take(error, "on_message")
        except Exception as error:
            self._keep_fault(error, "on_message")
            raise
        finally:
            self._is_busy = False

    async def _tell_of_close(self) -> None:
        if self.is_open and self._is_ready.is_set():
            self._ending.is_over = True
            await self._kept(self._callbacks.on_close, "on_close")

    async def _tell_of_error(self, error: BaseException) -> None:
        # What is raised before and at the opening is raised by run.
        if not self._is_ready.is_set() or isinstance(error, EviHarnessError):
            return
        self._n_taken += 1
        await self._kept(self._callbacks.on_error or self._built_in.on_error, "on_error", error)

    async def _kept(self, callback: Any, name: str, *args: Any) -> None:
        try:
            with on_behalf(name):
                await call(callback, *args)
        except (SystemExit, KeyboardInterrupt) as error:
            self._ending.take(error, name)
        except Exception as error:  # noqa: BLE001 - the app's callback may raise anything
            self._keep_fault(error, name)

    def _keep_fault(self, error: BaseException, name: str) -> None:
        from websockets.exceptions import ConnectionClosed

        # Who sends when the connection is closed already is told so; that is no fault.
        if not all(isinstance(one, ConnectionClosed) for one in leaves(error)):
            fault = told(error, name, self._redact)
            self.faults.append((fault["what"], list(fault["detail"])))

    def _call_off(self) -> None:
        if not self.is_open and self._task is not None:
            self._task.cancel()

    def _abort(self) -> None:
        transport = getattr(self._websocket, "transport", None)
        if transport is not None:
            transport.abort()


def _http_client() -> Any:
    """What the SDK asks for a token with, as it makes its own; it keeps its connection open until somebody closes it."""
    import httpx

    return httpx.AsyncClient(timeout=HTTP_S, follow_redirects=True, event_hooks=same_origin_hooks("an access token"))
