"""Hume's SDK as an ``Adapter``: the one object through which other rooms know it.

Rules of living here: no rules; each member calls the module that knows. Heavy imports happen then.
"""

from __future__ import annotations

import ssl
from types import ModuleType
from typing import Any, AsyncContextManager, Callable, ContextManager, Dict, List, Mapping, Optional, Sequence, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.clocks.steps import Step
from evi_harness.evi import compat
from evi_harness.evi.queries import audio_settings
from evi_harness.evi.reading import read
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.sdk.adapter import Callbacks, FollowedReplies, LiveTalk, LiveTalkOptions
from evi_harness.sdk.hides_nothing import HidesNothing
from evi_harness.sdk.hume import handlers, installed_sdk, microphone, moved_imports, parsing, playback_queue
from evi_harness.sdk.hume.connection import open_chat, watched_parser, websocket_of
from evi_harness.sdk.hume.direct_chat import direct_chat
from evi_harness.sdk.hume.handing_on import HEADERLESS, HandingOn, is_players
from evi_harness.sdk.hume.owed_replies import Replies
from evi_harness.sdk.hume.own_audio import OwnAudio
from evi_harness.sdk.hume.quickstart import Quickstart
from evi_harness.sdk.hume.sound import software_sound
from evi_harness.sdk.sound_switch import standing_sound
from evi_harness.sdk.user_voice import UserVoice
from evi_harness.session.events import Frame, Handshake, Received
from evi_harness.session.note_kind import NoteKind
from evi_harness.session.notes import BlockedFacts
from evi_harness.session.protocols import RECEIVED
from evi_harness.session.wav import Pcm

__all__ = ["HUME", "Hume", "chat_options"]

_INTERRUPTION = "user_interruption"

# The parameters of the handshake that every SDK version takes as an argument. Of the rest only the format of the audio is repeated.
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "config_id": str,
    "config_version": int,
    "resumed_chat_group_id": str,
    "verbose_transcription": lambda text: text.lower() == "true",
}


def chat_options(handshake: Optional[Handshake]) -> Mapping[str, Any]:
    """What a recorded handshake asked for, as the SDK takes it, with the format of the user's audio; never a key."""
    query = () if handshake is None else handshake.query
    options = {name: _OPTIONS[name](value) for name, value in query if name in _OPTIONS}
    audio = audio_settings(query)
    return {**options, "audio": audio} if audio else options


class Hume(HidesNothing):
    """Hume's SDK. ``HUME`` is the one that is needed; the members are those of ``sdk.adapter.Adapter``, where they are documented."""

    package: str = "hume"
    headerless: Optional[Pcm] = HEADERLESS
    announces_audio: bool = True

    def version(self) -> str:
        """The installed version of ``hume``."""
        return installed_sdk.installed_version()

    def load(self) -> None:
        """Import ``hume``, also where there is no sound system."""
        installed_sdk.import_sdk()

    def import_hint(self, error: ImportError) -> Optional[str]:
        """The import that works with the installed version: what stands in Hume's guide has moved from one version to the next."""
        return moved_imports.import_hint(error) if (error.name or "").partition(".")[0] == self.package else None

    def built_in(self, write: Callable[[str], object]) -> Any:
        """Hume's quickstart."""
        return Quickstart(write)

    def callbacks_of(self, handler: Any, name: str, arguments: Mapping[str, Any]) -> Callbacks:
        """Callbacks as Hume's guide has them, or a function that takes the connection."""
        return handlers.callbacks_of(handler, name, arguments)

    def open(self, base_url: str, handshake: Optional[Handshake]) -> AsyncContextManager[Any]:
        """Open a chat."""
        return open_chat(base_url, api_key="replay", options=chat_options(handshake))

    def websocket_of(self, socket: Any) -> Any:
        """The connection below the SDK's."""
        return websocket_of(socket)

    def watch_parsing(self, hooks: Hooks, socket: Any, failed: Callable[[Exception], object]) -> None:
        """Watch what the module of the SDK's connection parses with."""
        watched_parser(hooks, socket, failed)

    def problems(self, payload: bytes) -> Sequence[parsing.FieldProblem]:
        """Which fields the SDK's models refuse."""
        return parsing.problems(payload)

    def is_interruption(self, event: Received, message: Any = None) -> bool:
        """Whether a message is a user_interruption."""
        if message is not None:
            return bool(getattr(message, "type", "") == _INTERRUPTION)
        return _INTERRUPTION.encode() in event.frame.outline and read(RECEIVED, event.frame).type == _INTERRUPTION

    def handing_watch(
        self, byte_strs: Callable[[], Any], journal: Journal, heard_ns: Optional[Callable[[], int]], standing: Callable[[], Stack]
    ) -> HandingOn:
        """Watch what goes into ``byte_strs``, and into the SDK's interface."""
        return HandingOn(byte_strs, journal, heard_ns, standing)

    def is_players(self, callback: Any) -> bool:
        """Whether a callback is that of the SDK's player."""
        return is_players(callback)

    def sound(self, stand_in: ModuleType) -> ContextManager[ModuleType]:
        """Put software sound in the place of sounddevice."""
        return software_sound(stand_in)

    def standing_sound(self) -> Optional[ModuleType]:
        """What stands in for sounddevice at the moment."""
        return standing_sound()

    def playback_queue(self, loop: playback_queue.VirtualTime, speaker: playback_queue.Drains) -> ContextManager[None]:
        """Have the queue that the SDK plays from keep virtual time."""
        return playback_queue.virtual_playback_queue(loop, speaker)

    def kind_of_step(self, step: Step) -> NoteKind[..., BlockedFacts]:
        """Whether the SDK's playback has blocked the loop."""
        return playback_queue.kind_of_step(step)

    def microphone_trouble(self) -> Optional[str]:
        """Why the installed SDK cannot run its microphone."""
        return microphone.microphone_trouble()

    def microphone_settings(self, pcm: Pcm) -> Dict[str, Any]:
        """The session_settings that the SDK's microphone sends."""
        return microphone.microphone_settings(pcm)

    async def run_microphone(self, socket: Any, byte_strs: Any, allow_user_interrupt: Optional[bool]) -> None:
        """Run the SDK's ``MicrophoneInterface``."""
        await microphone.run_microphone(socket, byte_strs, allow_user_interrupt)

    async def run_playback(self, socket: Any, byte_strs: Any) -> None:
        """Play as the ``MicrophoneInterface`` does."""
        await microphone.run_playback(socket, byte_strs)

    def own_audio(self, voice: UserVoice, found: Callable[[], object]) -> OwnAudio:
        """Look for audio that comes from elsewhere than the SDK's microphone."""
        return OwnAudio(voice, found)

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
        """Open a chat with the SDK's handshake and authentication."""
        return direct_chat(base_url, path, query, api_key=api_key, secret_key=secret_key, tls=tls)

    def live_conversation(self, options: LiveTalkOptions) -> LiveTalk:
        """Converse as Hume's quickstart does."""
        from evi_harness.sdk.hume.live_conversation import LiveConversation

        return LiveConversation(options)

    def followed_replies(self) -> FollowedReplies:
        """By the types of EVI's messages."""
        return Replies()

    def upgrade(self, frame: Frame) -> Optional[Tuple[Frame, List[str]]]:
        """Add the fields that newer models insist on."""
        found = compat.upgrade(frame, self.version())
        return None if found is None else (found[0], list(found[1]))

    def is_refused(self, frame: Frame) -> bool:
        """Whether the installed version refuses a frame."""
        return bool(compat.problems(frame, self.version()))


HUME = Hume()
