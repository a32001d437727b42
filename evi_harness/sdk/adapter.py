"""Everything specific to one SDK behind one object: connections, handlers, parsing, the microphone.

Rules of living here: shapes only. ``evi_harness.dialects`` knows the adapters, by the dialect that the SDK speaks; code that runs an app is
given one.
"""

from __future__ import annotations

import inspect
import ssl
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any, AsyncContextManager, Callable, ContextManager, List, Mapping, Optional, Protocol, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import Step
from evi_harness.guard.ending import Ending, Notes
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.sdk.user_voice import AUTO, UserVoice
from evi_harness.session.events import NOTHING, Event, Frame, Handshake, Received
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import BlockedFacts
from evi_harness.session.protocols import Message
from evi_harness.session.wav import Pcm
from evi_harness.watch.handed import HandedOn

__all__ = [
    "Adapter",
    "Callbacks",
    "ConnectionWatch",
    "HandingWatch",
    "LiveTalk",
    "LiveTalkOptions",
    "Misread",
    "PendingReplies",
    "Unparsed",
    "call",
]


@dataclass(frozen=True)
class Callbacks:
    """A handler's callbacks, None where it has none.

    Attributes:
        name: What reports call the handler.
        on_message: Called with each parsed message.
        set_socket: Gets the SDK's connection.
        on_open: Called when the connection is open.
        on_close: Called when the connection is closed.
        on_error: Called with an exception that ``on_message`` raised.
        owner: What has the ``byte_strs``: the object whose callbacks these are, or the stream that a function gets; None where there is
            neither.
        main: A function that takes the SDK's connection and reads it by itself, awaited; then there are no callbacks.
        choose: Which of several callbacks a message is for, None where none is; without it all are for ``on_message``.
        cannot_send: Whether nothing of it is given a connection to send on, though the recorded app had to: all that was recorded is sent
            for it.
    """

    name: str
    on_message: Optional[Callable[[Any], Any]] = None
    set_socket: Optional[Callable[[Any], Any]] = None
    on_open: Optional[Callable[[], Any]] = None
    on_close: Optional[Callable[[], Any]] = None
    on_error: Optional[Callable[[BaseException], Any]] = None
    owner: Any = None
    main: Optional[Callable[[Any], Any]] = None
    choose: Optional[Callable[[Any], Optional[Callable[[Any], Any]]]] = None
    cannot_send: bool = False

    @property
    def only_hears(self) -> bool:
        """Whether it is a function of messages and nothing else: it has no connection, and nothing to be played."""
        return self.owner is None and self.main is None

    def for_message(self, message: Any) -> Optional[Callable[[Any], Any]]:
        """What is called with a parsed message; None where nothing is."""
        return self.on_message if self.choose is None else self.choose(message)

    @property
    def byte_strs(self) -> Any:
        """The stream whose items are played, as the handler has it now; None where it has none that can be iterated over."""
        found = None
        # It may be a property of the developer's, and no audio is no reason to fail.
        with suppress(Exception):
            found = getattr(self.owner, "byte_strs", None)
        return found if hasattr(type(found), "__aiter__") else None


async def call(callback: Optional[Callable[..., Any]], *args: Any) -> None:
    """Call a callback, sync or async; nothing where there is none."""
    if callback is None:
        return
    result = callback(*args)
    if inspect.isawaitable(result):
        await result


class Misread(Exception):
    """What an SDK's parser hides of a message that it took; ``str()`` is a sentence, the same for all messages of which it is true."""


class HandingWatch(Protocol):
    """Watches what a handler hands on to be played in one conversation."""

    def begin(self) -> None:
        """Watch from now on; the connection is open."""

    def before(self) -> None:
        """The handler is about to be given a message."""

    def interrupted(self, event: Event) -> None:
        """The handler has dealt with an interruption."""

    def finish(self) -> HandedOn:
        """Watch no longer, and say what was handed on."""


class ConnectionWatch(Protocol):
    """Watches one connection for audio of the app's own."""

    def watch(self, websocket: Any) -> None:
        """Watch a connection of the websockets library from now on."""

    def restore(self) -> None:
        """Watch no longer."""


class PendingReplies(Protocol):
    """Whether a reply is owed or under way.

    Attributes:
        last_s: When the latest sign of one came, on the loop's clock; None before there was one.
        is_pending: Whether one is owed or under way.
    """

    @property
    def last_s(self) -> Optional[float]:
        """When the latest sign of one came."""

    @property
    def is_pending(self) -> bool:
        """Whether one is owed or under way."""


class FollowedReplies(PendingReplies, Protocol):
    """The same, of a conversation that somebody else holds: message by message."""

    def take(self, message: Message, now_s: float) -> None:
        """Take a received message.

        Args:
            message: The message, as the dialect reads it.
            now_s: When it came, by a clock of the caller's.
        """


@dataclass(frozen=True)
class LiveTalkOptions:
    """One conversation with a live service, as it is to be held.

    Attributes:
        base_url: http or https URL of the service, without a path.
        api_key: The key to present.
        chat: What the connection is opened with: ``config_id``, ``secret_key``.
        handler: The handler, imported; None for the built-in one.
        name: What to call it.
        arguments: What its class or function takes besides, by name.
        device: The index of the microphone, None for the default one.
        allow_user_interrupt: Whether the microphone is sent while the assistant plays.
        microphone: Who speaks for the user: one of ``MICROPHONES``. With ``auto`` nobody does once the handler sends its own audio.
        on_connected: Called with the SDK's connection before anything else is done with it.
        write: Takes the lines that the built-in handler prints.
        redact: Takes secrets out of what errors quote.
        ending: Knows whether the app has ended; follow it where more than its callbacks can tell. None for one of its own.
    """

    base_url: str
    api_key: str
    chat: Mapping[str, Any] = NOTHING
    handler: Any = None
    name: str = "the built-in handler"
    arguments: Mapping[str, Any] = NOTHING
    device: Optional[int] = None
    allow_user_interrupt: bool = False
    microphone: str = AUTO
    on_connected: Callable[[Any], object] = id
    write: Callable[[str], object] = print
    redact: Callable[[str], str] = str
    ending: Optional[Ending] = None


class LiveTalk(Notes, Protocol):
    """One conversation with a live service; ``run`` is called once.

    Attributes:
        replies: Whether a reply is owed or under way.
        faults: What the handler raised: a sentence and the places in its code, the innermost first.
        leaves: How the app left when all was over, likewise; no fault.
        is_open: Whether the connection has been open.
        connect_ns: The machine's monotonic clock when connecting began, 0 before that.
        silenced: What became of the microphone when the handler sent its own audio, as a sentence; None where it did not.
    """

    @property
    def replies(self) -> PendingReplies:
        """Whether a reply is owed or under way."""

    faults: List[Tuple[str, List[str]]]
    leaves: List[Tuple[str, List[str]]]
    is_open: bool
    connect_ns: int
    silenced: Optional[str]

    @property
    def reads_itself(self) -> bool:
        """Whether the handler takes the connection and reads it itself."""

    @property
    def opens_microphone(self) -> bool:
        """Whether such a handler opened the microphone itself."""

    async def run(self) -> None:
        """Converse until ``end`` is called or the connection is closed by the service or lost."""

    def end(self) -> None:
        """Have the conversation ended by the app. A second call, or a third, no longer waits for the service to answer."""


class Unparsed(Protocol):
    """Why a message cannot be parsed; ``str()`` is a sentence.

    Attributes:
        field: The field, empty for the message as a whole.
    """

    @property
    def field(self) -> str:
        """The field."""


class Adapter(Protocol):
    """One SDK, as the apps of its developers use it. An object of a class at the top of a module: it is given to other processes.

    Attributes:
        package: What it is installed by, as messages and headers call it.
        headerless: What its player takes audio without a header for, None where it has none or it is not known.
        announces_audio: Whether its microphone says in a message of its own in which format it comes; else that is the app's to say.
    """

    package: str
    headerless: Optional[Pcm]
    announces_audio: bool

    def version(self) -> str:
        """The installed version.

        Raises:
            SdkError: There is none.
        """

    def load(self) -> None:
        """Import the SDK; a second time does nothing.

        Raises:
            SdkError: It cannot be imported.
        """

    def import_hint(self, error: ImportError) -> Optional[str]:
        """What helps a developer whose import from this SDK fails; None where it is another module's.

        Args:
            error: What was raised.
        """

    def built_in(self, write: Callable[[str], object]) -> Any:
        """The handler if a developer names none.

        Args:
            write: Takes the lines that it prints.

        Raises:
            UsageError: There is none for this SDK.
        """

    def callbacks_of(self, handler: Any, name: str, arguments: Mapping[str, Any]) -> Callbacks:
        """Make callbacks of a handler in any of the forms that apps of this SDK have. Call it inside the running loop.

        Args:
            handler: The handler, imported.
            name: What to call it.
            arguments: What it takes besides, by name.

        Raises:
            NotAHandler: It is not a handler.
            HandlerError: Building it failed.
        """

    def open(self, base_url: str, handshake: Optional[Handshake]) -> AsyncContextManager[Any]:
        """Open a connection with a service on this machine: what an app of this SDK gets.

        Args:
            base_url: http URL of the service, without a path.
            handshake: What the recorded app asked for, None where that is not known; no key of it is repeated.
        """

    def websocket_of(self, socket: Any) -> Any:
        """The connection of the websockets library below what ``open`` gives; one of those is given back.

        Raises:
            UsageError, SdkError: There is none.
        """

    def watch_parsing(self, hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
        """Have it told what the SDK's parser raises while an app reads the connection itself.

        Args:
            hooks: Put it back at the end.
            socket: What ``open`` gives; None for any connection that an app opens with the SDK that it has loaded.
            failed: Called with what was raised, which then goes on to the app; and with a ``Misread`` for what was hidden.
        """

    def hidden(self, message: Any) -> Optional[Misread]:
        """What the SDK's parser hides of a message; None where it hides nothing.

        Args:
            message: What the SDK has parsed it to.
        """

    def is_iterated(self) -> bool:
        """Whether the SDK's iteration over the connection asks for a message.

        Ask in what stands in the place of ``recv``, before anything is awaited: a coroutine that goes on later may have nobody above it.
        """

    def cut_off(self, error: BaseException) -> Optional[str]:
        """What the service said when it ended the session early, as half a sentence, where the SDK's iteration passes that off as the end.

        Args:
            error: What the websockets library raises.
        """

    def problems(self, payload: bytes) -> Sequence[Unparsed]:
        """Why the installed version cannot parse a received message; empty where it can."""

    def is_interruption(self, event: Received, message: Any = None) -> bool:
        """Whether a received message says that the user has interrupted, so that what is played is to end.

        Args:
            event: The message.
            message: What the SDK has parsed it to, which is cheaper to ask; None where nobody knows.
        """

    def handing_watch(
        self, byte_strs: Callable[[], Any], journal: Journal, heard_ns: Optional[Callable[[], int]], standing: Callable[[], Stack]
    ) -> HandingWatch:
        """Watches what a handler hands on to the SDK's player.

        Args:
            byte_strs: Gives the stream that the handler has now.
            journal: Where the time comes from, and the notes go.
            heard_ns: How much audio the speaker has played so far; None where there is none to be asked.
            standing: Tells where the calling code is.
        """

    def is_players(self, callback: Any) -> bool:
        """Whether a callback that fills a speaker's blocks is that of the SDK's player."""

    def sound(self, stand_in: ModuleType) -> ContextManager[Any]:
        """Have the SDK use software sound, which stands in for sounddevice, for as long as the block runs."""

    def standing_sound(self) -> Optional[ModuleType]:
        """What stands in for sounddevice at the moment, None where nothing does."""

    def playback_queue(self, loop: Any, speaker: Any) -> ContextManager[Any]:
        """Have the SDK's playback keep virtual time for as long as the block runs.

        Args:
            loop: The virtual loop.
            speaker: The software speaker.
        """

    def kind_of_step(self, step: Step) -> NoteKind[..., BlockedFacts]:
        """Which note is of a long step of the loop: the SDK's own playback may have blocked it."""

    def microphone_trouble(self) -> Optional[str]:
        """Why the SDK has no microphone that can run here, None where it has. Ask while software sound is in place."""

    def microphone_settings(self, pcm: Pcm) -> Mapping[str, Any]:
        """The message by which the SDK's microphone says in which format it comes; empty where it says nothing."""

    async def run_microphone(self, socket: Any, byte_strs: Any, allow_user_interrupt: Optional[bool]) -> None:
        """Run the SDK's microphone and playback until they end, as a rule by raising.

        Args:
            socket: What ``open`` gives.
            byte_strs: What is played, None for nothing.
            allow_user_interrupt: Whether it is sent while the assistant plays; None for the SDK's default.
        """

    async def run_playback(self, socket: Any, byte_strs: Any) -> None:
        """Play what is in ``byte_strs``, and send nothing, until it is cancelled."""

    def own_audio(self, voice: UserVoice, found: Callable[[], object]) -> ConnectionWatch:
        """What looks for audio that an app sends of its own, and keeps a voice that is off from being sent.

        Args:
            voice: Who speaks besides.
            found: Called once, before the first of it is sent.
        """

    def direct(
        self,
        base_url: str,
        path: str,
        query: Sequence[Tuple[str, str]],
        *,
        api_key: str,
        secret_key: Optional[str],
        tls: Optional[ssl.SSLContext],
    ) -> AsyncContextManager[Any]:
        """Open a connection with a live service below the SDK, which parses nothing: one of the websockets library.

        Args:
            base_url: http or https URL of the service, without a path.
            path: The path to ask for.
            query: The query to ask for; what authenticates is added, and what is secret in it is left out.
            api_key: The key to present.
            secret_key: The key with which an access token is got first; None for none.
            tls: What the certificate is judged by; None for no TLS.

        Raises:
            EviHarnessError: No connection.
        """

    def live_conversation(self, options: LiveTalkOptions) -> LiveTalk:
        """Get ready to converse with a live service as an app of this SDK does. Call it inside the running loop.

        Args:
            options: See there.

        Raises:
            NotAHandler, HandlerError: The handler is none, or cannot be built.
            UsageError: No conversation can be held with this SDK.
        """

    def followed_replies(self) -> FollowedReplies:
        """Get ready to follow a conversation, as to whether a reply is owed or under way. The SDK need not be installed."""

    def upgrade(self, frame: Frame) -> Optional[Tuple[Frame, List[str]]]:
        """A received frame with what the installed version insists on and it lacks, and the names of that; None where it lacks nothing."""

    def is_refused(self, frame: Frame) -> bool:
        """Whether the installed version is known to refuse a received frame, whatever is added to it."""
