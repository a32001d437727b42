"""The audio that a handler passes on to the SDK's player, item by item: its ``byte_strs``, or another stream.

An item counts from when it was put into the stream. One that the app takes out again itself, as when it drops its queue at an interruption,
was not handed on. Neither was one in a stream that the SDK's player was never given, as when the handler makes its stream anew while the
player goes on with the old one. In an iterable that is not a stream of the SDK, an item counts from when the player takes it.

The player takes the format of the whole stream from its first item (from 0.11.3 on; from each item before), and plays what has no header as
48 kHz mono. So a headerless item is in the format of the stream that it is in. Only what begins like MP3 is decoded; all else is played as
samples, whatever it is.

What the player holds when the user interrupts, nobody can take back from it: how much of that was still to be heard is the note
``player_tail``.

Rules of living here: nothing the handler does takes longer or goes otherwise because it is watched; no item is decoded while it runs.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any, AsyncIterator, Callable, List, Optional, Tuple

from evi_harness.carriers.journal import Journal
from evi_harness.guard.developers import PYTHON, owner
from evi_harness.guard.patches import Hooks
from evi_harness.guard.place_lookup import Stack
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session.events import Event
from evi_harness.session.notes import PLAYER_TAIL
from evi_harness.session.wav import Pcm, split
from evi_harness.watch.handed import Handed, HandedOn, Taken

__all__ = ["HEADERLESS", "HandingOn", "is_players"]

# What the SDK's player takes headerless audio for (audio_utilities.play_audio_streaming: sample_rate=48000, one channel).
HEADERLESS = Pcm(48000, 1)
# From here on the player plays all items as one stream, in the format of the first.
_ONE_STREAM = (0, 11, 3)
_CHAT_CLIENT = "hume.empathic_voice.chat.audio.chat_client"
_PLAYER = "hume.empathic_voice.chat.audio.audio_utilities"
_STREAM_FILE = "asyncio_utilities.py"
_SDK = "hume"
# As audio_utilities._looks_like_mp3 has it. The last three are also samples that headerless PCM may begin with.
_MP3 = (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


def is_players(callback: Any) -> bool:
    """Whether a callback that fills a speaker's blocks is that of the SDK's player."""
    return getattr(callback, "__module__", None) in (_PLAYER, "evi_harness.sdk.hume.old_playback")


@dataclass(eq=False)
class _Item:
    """Something that was put into a stream, or, where ``queue`` is None, taken out of another iterable."""

    at_ns: int
    data: Any
    standing: Stack
    queue: Any = None
    is_withdrawn: bool = False
    is_taken: bool = False


class HandingOn:
    """Watches one handler in one conversation.

    Args:
        byte_strs: Gives the stream that the handler has now; one that is none is not watched.
        journal: Where the time comes from, and the notes go.
        heard_ns: How much audio the speaker has played so far; None where there is none to be asked.
        standing: Tells where the calling code is, for the places of what is found.
    """

    def __init__(
        self,
        byte_strs: Callable[[], Any],
        journal: Journal,
        heard_ns: Optional[Callable[[], int]] = None,
        standing: Callable[[], Stack] = tuple,
    ) -> None:
        self._byte_strs = byte_strs
        self._journal = journal
        self._heard_ns = heard_ns
        self._standing = standing
        self._hooks = Hooks()
        self._items: List[_Item] = []
        self._taken: List[Taken] = []
        # The queues that the SDK's player was given; empty where none was opened.
        self._players: List[Any] = []
        self._is_watched = self._has_stream = self._is_over = False
        # How long all plays that the player has taken, and the format of what has no header.
        self._taken_ns = 0
        self._pcm = HEADERLESS

    def begin(self) -> None:
        """Watch from now on what the SDK's interface is given to play, whoever opens it."""
        self.before()
        try:
            chat_client = import_module(_CHAT_CLIENT).ChatClient
        except (ImportError, OSError):
            # Without the SDK's microphone, or PortAudio for it, there is no player.
            return
        self._hooks.wrap(chat_client, "new", self._opening)

    def _opening(self, new: Callable[..., Any]) -> Any:
        def new_watched(*args: Any, **kwargs: Any) -> Any:
            client = new(*args, **kwargs)
            if self._is_over:
                # Somebody else has replaced it since, so that it could not be put back.
                return client
            queue = getattr(client.byte_strs, "queue", None)
            if self._watch(queue):
                self._players.append(queue)
            else:
                self._has_stream = self._has_stream or self._byte_strs() is not None
                client.byte_strs = self._passed_on(client.byte_strs)
            return client

        return staticmethod(new_watched)

    def before(self) -> None:
        """The handler gets a message: it may have made another stream meanwhile."""
        if self._watch(getattr(self._byte_strs(), "queue", None)):
            self._has_stream = True

    def interrupted(self, event: Event) -> None:
        """The handler has returned from an interruption.

        Args:
            event: The message.
        """
        self._taken.append(Taken(event.seq, self._journal.now_ns, len(self._items)))
        tail_ns = 0 if self._heard_ns is None else self._taken_ns - self._heard_ns()
        if tail_ns > 0:
            held = f"the SDK's player held {tail_ns / 1e9:.2f} s of audio"
            what = f"{held} when the user interrupted, and played it: that is normal, an app cannot take it back"
            self._journal.note(PLAYER_TAIL, of=event.seq, what=what, tail_ns=tail_ns)

    def finish(self) -> HandedOn:
        """Watch no longer.

        Returns:
            What was handed on.
        """
        self._is_over = True
        self._hooks.restore()
        kept = [index for index, item in enumerate(self._items) if self._is_handed_on(item)]
        # How many of those that count had been handed on, by how many had been put.
        n_before = {index: number for number, index in enumerate(kept)}
        taken = [Taken(one.seq, one.at_ns, sum(index < one.n_handed for index in n_before)) for one in self._taken]
        return HandedOn(_decoded([self._items[index] for index in kept]), taken, self._is_watched, self._has_stream)

    def _is_handed_on(self, item: _Item) -> bool:
        if item.is_withdrawn:
            return False
        return item.is_taken or not self._players or any(item.queue is one for one in self._players)

    def _watch(self, queue: Any) -> bool:
        """Watch a queue, once; whether it can be watched."""
        if queue is None or not callable(getattr(queue, "_put", None)):
            return False
        self._is_watched = True
        if getattr(vars(queue).get("_put"), "watches", None) is self:
            return True
        # ``_put`` and ``_get`` are what asyncio.Queue leaves to its subclasses: every way of putting and taking goes through them.
        real_put, real_get = queue._put, queue._get
        # In the order in which they are in the queue; those from before count from now on.
        inside = deque(self._put(item, (), queue) for item in getattr(queue, "_queue", ()))

        def put(item: Any) -> None:
            if not self._is_over:
                inside.append(self._put(item, self._standing(), queue))
            real_put(item)

        def get() -> Any:
            data = real_get()
            item = next((one for one in inside if one.data is data), None)
            if item is not None:
                inside.remove(item)
                self._get(item)
            return data

        put.watches = self  # type: ignore[attr-defined]
        self._hooks.set(queue, "_put", put)
        self._hooks.set(queue, "_get", get)
        return True

    async def _passed_on(self, iterable: Any) -> AsyncIterator[Any]:
        """An iterable that is not a stream, item by item."""
        self._is_watched = True
        async for data in iterable:
            self._count(self._put(data, ()))
            yield data

    def _put(self, data: Any, standing: Stack, queue: Any = None) -> _Item:
        item = _Item(self._journal.now_ns, data, standing, queue)
        self._items.append(item)
        return item

    def _get(self, item: _Item) -> None:
        if _is_apps_own():
            item.is_withdrawn = True
        else:
            self._count(item)

    def _count(self, item: _Item) -> None:
        item.is_taken = True
        if isinstance(item.data, (bytearray, memoryview)):
            # The player copies it now, and the app may use its buffer again.
            item.data = bytes(item.data)
        if isinstance(item.data, bytes):
            wav = split(item.data) if item.data[:4] == b"RIFF" else None
            self._pcm = self._pcm if wav is None else wav.pcm
            self._taken_ns += self._pcm.length_ns(len(item.data if wav is None else wav.samples))


def _is_apps_own() -> bool:
    """Whether it is code of the app's that takes something out of a queue, and not the SDK's player."""
    frame: Optional[FrameType] = sys._getframe(3)
    # Between the two are asyncio's queue and the SDK's stream, whoever iterates over it.
    while frame is not None and (owner(frame.f_code.co_filename) == PYTHON or frame.f_code.co_filename.endswith(_STREAM_FILE)):
        frame = frame.f_back
    return frame is not None and owner(frame.f_code.co_filename) != _SDK


def _decoded(items: List[_Item]) -> List[Handed]:
    """What was handed on as the player takes it: each item in its own format, or in that of the stream."""
    is_one_stream = bool(items) and _version() >= _ONE_STREAM
    found: List[Handed] = []
    # What the first item says of those behind it: the format of what has no header, and whether all of it is one MP3.
    stream, is_mp3 = HEADERLESS, False
    for item in items:
        is_first = not found
        if not isinstance(item.data, (bytes, bytearray, memoryview)):
            found.append(Handed(item.at_ns, b"", None, item.standing, f"it is of type {type(item.data).__name__}, not bytes"))
            continue
        data = bytes(item.data)
        wav = split(data)
        if is_first or not is_one_stream:
            is_mp3 = data.startswith(_MP3)
        if is_mp3:
            found.append(Handed(item.at_ns, data, None, item.standing, "it is MP3"))
            continue
        if wav is not None and wav.pcm.width == 2:
            pcm = wav.pcm
            # Behind the first item nothing but 44 bytes is cut off: what stands behind the samples is played too.
            samples = wav.samples if is_first or not _is_audible(wav.tail) else wav.samples + wav.tail
        else:
            pcm, samples = stream, data
        if is_first and is_one_stream:
            stream = pcm
        found.append(Handed(item.at_ns, samples, pcm, item.standing))
    return found


def _is_audible(tail: bytes) -> bool:
    """Whether what stands behind the samples of a WAV is more than padding and a list of names."""
    return b"RIFF" in tail or len(tail) > 512


def _version() -> Tuple[int, ...]:
    parts = installed_version().split(".")[:3]
    return tuple(int(part) for part in parts if part.isdigit())
