"""Whether an app plays what it gets, and plays on after an interruption: what a handler hands on is watched, at its ``byte_strs``.

EVI stops sending when the user interrupts, but what the app holds of the reply by then is the app's to drop. Told as a finding is a
handler that hands on audio of the interrupted reply once its ``on_message`` has returned from the interruption. What had been taken out of
``byte_strs`` by then nobody can take back from the SDK's player: how much of it was still to be heard is a note, ``player_tail``. A
handler whose ``byte_strs`` stays empty, whatever comes, is told once.

Rules of living here: a chunk is known by its samples, so audio that the handler changes is not followed; nothing the handler does takes
longer or goes otherwise because it is watched.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from evi_harness.live.journal import Journal
from evi_harness.session.events import Event
from evi_harness.session.wav import split

__all__ = ["PlayingOn"]

# Who has had audio for so long has had the time to hand it on.
TIME_ENOUGH_NS = 1_000_000_000


@dataclass
class _Interruption:
    """One interruption.

    Attributes:
        seq: Its event.
        at_ns: When the handler had taken it.
        held: What the handler had been given and had not handed on: samples, and how long they play.
        is_noted: Whether the handler played on, and that is told.
    """

    seq: int
    at_ns: int
    held: Dict[bytes, int]
    is_noted: bool = False


class PlayingOn:
    """Watches one handler in one conversation.

    Args:
        byte_strs: Gives the stream that the handler has now; one that is none is not watched.
        journal: Where the finding goes, and the time comes from.
        heard_ns: How much audio the speaker has played so far; None where there is none to be asked.
    """

    def __init__(self, byte_strs: Callable[[], Any], journal: Journal, heard_ns: Optional[Callable[[], int]] = None) -> None:
        self._byte_strs = byte_strs
        self._journal = journal
        self._heard_ns = heard_ns
        self._queue: Any = None
        # How long all plays that was taken out of ``byte_strs``.
        self._taken_ns = 0
        # What the handler holds of all replies so far.
        self._held: Dict[bytes, int] = {}
        self._interruptions: List[_Interruption] = []
        # What came to be played: the first message with sound, how many there were, and how long they play.
        self._first: Optional[Event] = None
        self._n_came = 0
        self._came_ns = 0
        self._is_fed = False

    def before(self, message: Any) -> None:
        """The handler gets a message.

        Args:
            message: The message, as the SDK parsed it.
        """
        self._watch()
        if getattr(message, "type", "") == "audio_output":
            self._learn(message)

    def after(self, event: Event, message: Any) -> None:
        """The handler has returned from a message.

        Args:
            event: What it came as.
            message: The message.
        """
        if self._n_came and self._first is None:
            self._first = event
        if getattr(message, "type", "") == "user_interruption":
            self._interruptions.append(_Interruption(event.seq, self._journal.now_ns, self._held))
            self._held = {}
            self._tell_of_tail(event)

    def finish(self) -> None:
        """The conversation is over. Of a handler that hands on nothing, it is told where there was time enough to play something."""
        first = self._first
        # Without a queue that could be watched, nobody knows; and who played something by other means does play.
        if first is None or self._queue is None or self._is_fed or (self._heard_ns is not None and self._heard_ns() > 0):
            return
        if self._journal.now_ns - first.at_ns >= TIME_ENOUGH_NS:
            came = f"{self._came_ns / 1e9:.2f} s of audio came in {self._n_came} message{'' if self._n_came == 1 else 's'}"
            self._journal.note("plays_nothing", of=first.seq, what=f"{came}, and the handler put nothing into its byte_strs")

    def _learn(self, message: Any) -> None:
        with suppress(binascii.Error, ValueError):
            samples, length_ns = _played(base64.b64decode(message.data))
            if any(samples):
                self._n_came += 1
                self._came_ns += length_ns
            self._held[samples] = length_ns
            # A new reply may hold the very samples of an old one.
            for one in self._interruptions:
                one.held.pop(samples, None)

    def _watch(self) -> None:
        """Look at the queue that the handler has now; it may make another on the way."""
        queue = getattr(self._byte_strs(), "queue", None)
        if queue is None or queue is self._queue or not callable(getattr(queue, "_put", None)):
            return
        self._queue = queue
        self._is_fed = self._is_fed or not queue.empty()
        # ``_put`` and ``_get`` are what asyncio.Queue leaves to its subclasses: every way of putting and taking goes through them.
        real_put, real_get = queue._put, queue._get

        def put(item: Any) -> None:
            self._is_fed = True
            self._handed_on(item)
            real_put(item)

        def get() -> Any:
            item = real_get()
            self._taken(item)
            return item

        queue._put, queue._get = put, get

    def _handed_on(self, item: Any) -> None:
        if not isinstance(item, (bytes, bytearray)):
            return
        samples, _ = _played(bytes(item))
        self._held.pop(samples, None)
        for one in self._interruptions:
            if samples in one.held and not one.is_noted:
                one.is_noted = True
                self._note(one)

    def _taken(self, item: Any) -> None:
        if isinstance(item, (bytes, bytearray)):
            self._taken_ns += _played(bytes(item))[1]

    def _tell_of_tail(self, event: Event) -> None:
        tail_ns = 0 if self._heard_ns is None else self._taken_ns - self._heard_ns()
        if tail_ns > 0:
            what = f"the SDK's player had taken {tail_ns / 1e9:.2f} s of audio that was still to be heard when the user interrupted"
            self._journal.note("player_tail", of=event.seq, what=what, tail_ns=tail_ns)

    def _note(self, one: _Interruption) -> None:
        late_ns, held_ns = self._journal.now_ns - one.at_ns, sum(one.held.values())
        what = f"audio of the interrupted reply went to byte_strs {late_ns / 1e6:.0f} ms after the interruption"
        held = f"the handler held {held_ns / 1e9:.2f} s of it"
        self._journal.note("plays_on", of=one.seq, what=f"{what}; {held}", late_ns=late_ns, held_ns=held_ns)


def _played(data: bytes) -> Tuple[bytes, int]:
    """The samples of a chunk and how long they play; of one without a header the length is not known, and not asked for."""
    wav = split(data)
    return (data, 0) if wav is None else (wav.samples, wav.pcm.length_ns(len(wav.samples)))
