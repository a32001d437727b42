"""The adapter for apps without an SDK: a function takes a connection of the websockets library, and reads and sends frames.

It serves every dialect without a separate adapter. Nothing is parsed for the app, and its only microphone and player are those that it
opens itself, on software sound.
"""

from __future__ import annotations

import functools
import inspect
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from types import ModuleType
from typing import Any, AsyncContextManager, AsyncIterator, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import Step
from evi_harness.errors import EviHarnessError, NotAHandler, Parameter, SdkError, UsageError, Words
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.sdk.adapter import Callbacks, FollowedReplies, LiveTalk, LiveTalkOptions, Unparsed
from evi_harness.sdk.hides_nothing import HidesNothing
from evi_harness.sdk.installed import version_of
from evi_harness.sdk.recorded import url_of
from evi_harness.sdk.sound_switch import software_sounddevice_in_place, standing_sound
from evi_harness.sdk.user_voice import UserVoice
from evi_harness.session.events import Event, Frame, Handshake, Received
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import BLOCKED, BlockedFacts
from evi_harness.session.protocols import Message
from evi_harness.session.wav import Pcm
from evi_harness.tap.websocket import is_tappable
from evi_harness.watch.handed import HandedOn

__all__ = ["PLAIN", "Plain"]

_WHAT_WOULD_BE = "A handler is a function that takes the connection, async def main(websocket), and reads from it."


class Plain(HidesNothing):
    """The websockets library alone. ``PLAIN`` is the one that is needed; the members are those of ``sdk.adapter.Adapter``."""

    package: str = "websockets"
    headerless: Optional[Pcm] = None
    announces_audio: bool = False

    def version(self) -> str:
        """The installed version of ``websockets``."""
        found = version_of(self.package)
        if found is None:
            raise SdkError("the package websockets is not installed", hint="pip install websockets")
        return found

    def load(self) -> None:
        """Nothing: the library is imported when a connection is opened."""

    def import_hint(self, error: ImportError) -> Optional[str]:  # noqa: ARG002 - the signature is Adapter's
        """Nothing of its own to say."""
        return None

    def built_in(self, write: Callable[[str], object]) -> Any:  # noqa: ARG002 - the signature is Adapter's
        """There is none: nobody knows what an app of this dialect does."""
        raise UsageError(
            "there is no built-in handler for this session's protocol", hint=Words("Name yours with ", Parameter("handler"), ".")
        )

    def callbacks_of(self, handler: Any, name: str, arguments: Mapping[str, Any]) -> Callbacks:
        """A coroutine function that takes the connection."""
        if not callable(handler) or not inspect.iscoroutinefunction(_below_partials(handler)):
            raise NotAHandler(f"{name} is not a handler: it is not a coroutine function", hint=_WHAT_WOULD_BE)
        main = functools.partial(handler, **arguments) if arguments else handler
        try:
            inspect.signature(main).bind(None)
        except TypeError as error:
            raise NotAHandler(f"{name} cannot be called with the connection: {error}", hint=_WHAT_WOULD_BE) from None
        return Callbacks(name, main=main)

    def open(self, base_url: str, handshake: Optional[Handshake]) -> AsyncContextManager[Any]:
        """Open a connection as the recorded app did, with its path and query; a secret in it is a placeholder and is sent as such."""
        return _opened(url_of(base_url, handshake or Handshake("/")))

    def websocket_of(self, socket: Any) -> Any:
        """The connection itself."""
        if is_tappable(socket):
            return socket
        kind = f"{type(socket).__module__}.{type(socket).__qualname__}"
        raise UsageError(f"{kind} is not a connection", hint="Give what the websockets library's connect() gives.")

    def watch_parsing(self, hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
        """Nothing: the app parses, and what it raises is its own."""

    def problems(self, payload: bytes) -> Sequence[Unparsed]:  # noqa: ARG002 - the signature is Adapter's
        """None: any bytes are a message."""
        return ()

    def is_interruption(self, event: Received, message: Any = None) -> bool:  # noqa: ARG002 - the signature is Adapter's
        """Never: nothing is played."""
        return False

    def handing_watch(
        self,
        byte_strs: Callable[[], Any],  # noqa: ARG002 - the signature is Adapter's
        journal: Journal,  # noqa: ARG002
        heard_ns: Optional[Callable[[], int]],  # noqa: ARG002
        standing: Callable[[], Stack],  # noqa: ARG002
    ) -> _NothingHanded:
        """Nothing is handed on."""
        return _NothingHanded()

    def is_players(self, callback: Any) -> bool:  # noqa: ARG002 - the signature is Adapter's
        """Never: there is no player."""
        return False

    def sound(self, stand_in: ModuleType) -> ContextManager[ModuleType]:
        """Software sound, for an app that opens its microphone and speaker itself."""
        return software_sounddevice_in_place(stand_in)

    def standing_sound(self) -> Optional[ModuleType]:
        """What stands in for sounddevice now."""
        return standing_sound()

    def playback_queue(self, loop: Any, speaker: Any) -> ContextManager[None]:  # noqa: ARG002 - the signature is Adapter's
        """There is none."""
        return nullcontext()

    def kind_of_step(self, step: Step) -> NoteKind[..., BlockedFacts]:  # noqa: ARG002 - the signature is Adapter's
        """A blocked loop, whoever blocked it."""
        return BLOCKED

    def microphone_trouble(self) -> Optional[str]:
        """There is none."""
        return "an app without an SDK has no SDK microphone"

    def microphone_settings(self, pcm: Pcm) -> Dict[str, Any]:  # noqa: ARG002 - the signature is Adapter's
        """Nothing."""
        return {}

    async def run_microphone(self, socket: Any, byte_strs: Any, allow_user_interrupt: Optional[bool]) -> None:
        """Nothing to run."""

    async def run_playback(self, socket: Any, byte_strs: Any) -> None:
        """Nothing to run."""

    def own_audio(self, voice: UserVoice, found: Callable[[], object]) -> _NothingWatched:  # noqa: ARG002 - the signature is Adapter's
        """All audio is the app's own, and nobody else speaks."""
        return _NothingWatched()

    def direct(
        self,
        base_url: str,
        path: str,
        query: Sequence[Tuple[str, str]],
        *,
        api_key: str,  # noqa: ARG002 - how this service authenticates, nobody knows
        secret_key: Optional[str],  # noqa: ARG002
        tls: Optional[ssl.SSLContext],
    ) -> AsyncContextManager[Any]:
        """Open a connection with what was asked for; a secret in it is a placeholder and is sent as such."""
        return _reached(base_url, url_of(base_url, Handshake(path, tuple(query))), tls)

    def live_conversation(self, options: LiveTalkOptions) -> LiveTalk:  # noqa: ARG002 - the signature is Adapter's
        """Nobody can hold one: what an app of this dialect says to whom is its own."""
        what = "an app that uses no SDK is not recorded by a command"
        raise UsageError(what, hint="Record it from inside: with evi_harness.record(websocket, dialect=NAME).")

    def followed_replies(self) -> FollowedReplies:
        """Any message may be part of a reply that goes on."""
        return _UnknownReplies()

    def upgrade(self, frame: Frame) -> Optional[Tuple[Frame, List[str]]]:  # noqa: ARG002 - the signature is Adapter's
        """Nothing is lacking."""
        return None

    def is_refused(self, frame: Frame) -> bool:  # noqa: ARG002 - the signature is Adapter's
        """Never."""
        return False


class _NothingHanded:
    """Watches nothing."""

    def begin(self) -> None:
        """Nothing to watch."""

    def before(self) -> None:
        """As above."""

    def interrupted(self, event: Event) -> None:
        """As above."""

    def finish(self) -> HandedOn:
        """Nothing was handed on."""
        return HandedOn()


class _NothingWatched:
    """Watches no connection."""

    def watch(self, websocket: Any) -> None:
        """Nothing to watch."""

    def restore(self) -> None:
        """Nothing to put back."""


def _below_partials(handler: Any) -> Any:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler


@asynccontextmanager
async def _opened(url: str, tls: Optional[ssl.SSLContext] = None) -> AsyncIterator[Any]:
    import websockets

    async with websockets.connect(url, max_size=None, ssl=tls) as websocket:
        yield websocket


@asynccontextmanager
async def _reached(base_url: str, url: str, tls: Optional[ssl.SSLContext]) -> AsyncIterator[Any]:
    """A connection with a service elsewhere, which may not be there."""
    from websockets.exceptions import InvalidHandshake, InvalidURI

    async with AsyncExitStack() as stack:
        try:
            websocket = await stack.enter_async_context(_opened(url, tls))
        except (InvalidHandshake, InvalidURI, OSError) as error:
            # What the library says may quote the query, with whatever is in it.
            why = error.strerror or "no answer" if isinstance(error, OSError) else type(error).__name__
            hint = "Does the service there speak this session's protocol?"
            raise EviHarnessError(f"no connection to {base_url}: {why}", hint=hint) from None
        yield websocket


PLAIN = Plain()


class _UnknownReplies:
    """The replies of a dialect that does not say when one is over.

    Attributes:
        last_s: When the latest message came.
    """

    def __init__(self) -> None:
        self.last_s: Optional[float] = None

    @property
    def is_pending(self) -> bool:
        """Whether there may be one: from the first message on."""
        return self.last_s is not None

    def take(self, message: Message, now_s: float) -> None:  # noqa: ARG002 - the signature is FollowedReplies'
        """Take a received message."""
        self.last_s = now_s
