"""OpenAI's SDK as an ``Adapter``: the one object through which other rooms know it.

It has a connection and a parser, and neither microphone nor player: what apps open themselves is on software sound. Where it is not
installed, apps of this dialect use the websockets library alone, and ``REALTIME`` is an adapter for these.

Rules of living here: no rule beyond a line or two; each member asks the module that knows. What is heavy is imported when it is asked.
"""

from __future__ import annotations

import ssl
from importlib import import_module
from typing import Any, AsyncContextManager, Callable, Mapping, Optional, Sequence, Tuple

from evi_harness.errors import NotAHandler, SdkError, UsageError
from evi_harness.guard.patches import Hooks
from evi_harness.openai_realtime.realtime_reading import read
from evi_harness.sdk.adapter import Adapter, Callbacks, LiveTalk, LiveTalkOptions, Misread
from evi_harness.sdk.installed import version_of
from evi_harness.sdk.openai.appended_audio import AppendedAudio
from evi_harness.sdk.openai.direct_session import direct_session
from evi_harness.sdk.openai.event_classes import MessageProblem, known_types, misread, unreadable
from evi_harness.sdk.openai.event_handlers import WEBSOCKET, event_callbacks, first_taken
from evi_harness.sdk.openai.realtime_connection import MODULE, ended_early, is_iterated, open_realtime, sdk_websocket_of, watched_events
from evi_harness.sdk.plain_client import Plain
from evi_harness.sdk.user_voice import UserVoice
from evi_harness.session.events import Handshake, Received
from evi_harness.session.protocols import RECEIVED

__all__ = ["REALTIME", "Openai", "OpenaiAbsent"]

_PACKAGE = "openai"
_INSTALL = "pip install 'evi-harness[openai]'"
_SPEECH = "input_audio_buffer.speech_started"


class _Authenticating(Plain):
    """What a service of this dialect is reached by, with the SDK or without."""

    def direct(
        self,
        base_url: str,
        path: str,
        query: Sequence[Tuple[str, str]],
        *,
        api_key: str,
        secret_key: Optional[str],  # noqa: ARG002 - there is none here
        tls: Optional[ssl.SSLContext],
    ) -> AsyncContextManager[Any]:
        """Open a session below the SDK."""
        return direct_session(base_url, path, query, api_key=api_key, tls=tls)


class Openai(_Authenticating):
    """OpenAI's SDK. The members are those of ``sdk.adapter.Adapter``, where they are documented."""

    package: str = _PACKAGE

    def version(self) -> str:
        """The installed version of ``openai``."""
        found = version_of(_PACKAGE)
        if found is None:
            raise SdkError("the package openai is not installed", hint=_INSTALL)
        return found

    def load(self) -> None:
        """Import the SDK's Realtime connection, and the websockets library that it needs."""
        try:
            import_module(MODULE)
            import_module("websockets.asyncio.client")
        except ImportError as error:
            raise SdkError(f"the installed openai package cannot be used for Realtime: {error}", hint=_INSTALL) from error

    def import_hint(self, error: ImportError) -> Optional[str]:
        """Which version has what a handler imports from the SDK."""
        is_ours = (error.name or "").partition(".")[0] == _PACKAGE
        return f"openai has Realtime from 1.103 on; {self.version()} is installed. {_INSTALL}" if is_ours else None

    def callbacks_of(self, handler: Any, name: str, arguments: Mapping[str, Any]) -> Callbacks:
        """Functions of an event or of the connection, and objects with a method for each event."""
        return event_callbacks(handler, name, arguments, known_types())

    def open(self, base_url: str, handshake: Optional[Handshake]) -> AsyncContextManager[Any]:
        """Open what ``client.realtime.connect`` gives."""
        return open_realtime(base_url, handshake)

    def websocket_of(self, socket: Any) -> Any:
        """The connection below the SDK's."""
        return sdk_websocket_of(socket)

    def watch_parsing(self, hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
        """Watch ``parse_event``."""
        watched_events(hooks, socket, failed)

    def hidden(self, message: Any) -> Optional[Misread]:
        """An object of another class, and fields that were not given."""
        found = misread(message)
        return None if found is None else Misread(found)

    def is_iterated(self) -> bool:
        """Whether it is the iteration over the connection that calls."""
        return is_iterated()

    def cut_off(self, error: BaseException) -> Optional[str]:
        """A close with 1001."""
        return ended_early(error)

    def problems(self, payload: bytes) -> Sequence[MessageProblem]:
        """Only what is no JSON."""
        return unreadable(payload)

    def is_interruption(self, event: Received, message: Any = None) -> bool:
        """Whether a message is that the user begins to speak: what is played is to end then."""
        if message is not None:
            return bool(getattr(message, "type", "") == _SPEECH)
        return _SPEECH.encode() in event.frame.outline and read(RECEIVED, event.frame).type == _SPEECH

    def microphone_trouble(self) -> Optional[str]:
        """There is none."""
        return "the openai package has no microphone"

    def own_audio(self, voice: UserVoice, found: Callable[[], object]) -> AppendedAudio:  # type: ignore[override] # noqa: ARG002
        """Look for audio that the app sends."""
        return AppendedAudio(found)

    def live_conversation(self, options: LiveTalkOptions) -> LiveTalk:  # noqa: ARG002 - the signature is Adapter's
        """Nobody can hold one: what an app of this SDK says to whom is its own."""
        what = "an app of the openai package is not recorded by its handler"
        raise UsageError(what, hint="Record it as it runs, evi-harness record -- python app.py, or with evi_harness.record(connection).")


class OpenaiAbsent(_Authenticating):
    """Where the SDK is not installed: apps on the websockets library."""

    def callbacks_of(self, handler: Any, name: str, arguments: Mapping[str, Any]) -> Callbacks:
        """A coroutine function that takes the connection of the websockets library.

        Raises:
            SdkError: It takes the SDK's connection or its events.
        """
        if callable(handler) and first_taken(handler) != WEBSOCKET:
            taken = first_taken(handler)
            if taken is not None:
                raise SdkError(f"{name} takes {taken} of the openai package, which is not installed", hint=_INSTALL)
            raise NotAHandler(f"{name} takes no websocket, and the openai package is not installed", hint=_INSTALL)
        return super().callbacks_of(handler, name, arguments)


REALTIME: Adapter = Openai() if version_of(_PACKAGE) is not None else OpenaiAbsent()
