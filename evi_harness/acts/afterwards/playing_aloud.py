"""Play as an act: a session, or a turn of it, on this machine's speaker.

Rules of living here: what can be refused is refused before anything sounds; a session folder is never written to. What is not heard but
computed is called so.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Tuple, Union

from evi_harness.acts.devices import OUTPUT, Device, choose_device, list_devices
from evi_harness.acts.exporting import speed_of_session
from evi_harness.audio.mixing import mono, stereo
from evi_harness.audio.sounding_sides import Side, mix_rate, said, would_play
from evi_harness.bounds import require_word
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, Parameter, Words
from evi_harness.replay.moments import TURN, Moment, beginning_of, end_of
from evi_harness.replay.played_recording import PlayedRecording
from evi_harness.report.plain import printable
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.verdicts.heard_audio import heard_side
from evi_harness.verdicts.loading import load_session

__all__ = ["BOTH", "HEARD", "SIDES", "USER", "play_session"]

USER, HEARD, BOTH = "user", "heard", "both"
SIDES = (USER, HEARD, BOTH)
_SAID = {USER: "the user", HEARD: "what was heard", BOTH: "the user left, what was heard right"}
_IN_ONE = "the user, and what was heard"
_INSTEAD = "evi-harness export writes a file to listen to elsewhere."
# So many seconds are mixed ahead of what sounds.
_AHEAD = 4
_LOOK_S = 0.1


@dataclass(frozen=True)
class _Sound:
    """What is to be played.

    Attributes:
        sides: The voices of the one channel, or of two; of both sides in one channel, where that is all a speaker has.
        pcm: The format.
        begin_ns: From where on, on the session's axis.
        end_ns: Until where; infinite for the end of all sound.
        lasts_ns: How long the session lasts.
    """

    sides: Tuple[Side, ...]
    pcm: Pcm
    begin_ns: int
    end_ns: float
    lasts_ns: int

    def blocks(self) -> Iterator[bytes]:
        """Its samples, at most a second at a time."""
        rate, lasts_ns = self.pcm.rate, min(self.lasts_ns, self.end_ns)
        voices = [side.voices for side in self.sides]
        if self.pcm.channels == 1:
            mixed = mono([one for some in voices for one in some], rate, round(lasts_ns))
        else:
            mixed = stereo(voices[0], voices[1], rate, round(lasts_ns))
        first = self.begin_ns * rate // 1_000_000_000
        last = inf if self.end_ns == inf else round(self.end_ns) * rate // 1_000_000_000
        at = 0
        for block in mixed:
            n_frames = len(block) // self.pcm.frame_bytes
            start, stop = max(first - at, 0), round(min(last - at, n_frames))
            if start < stop:
                yield block[start * self.pcm.frame_bytes : stop * self.pcm.frame_bytes]
            at += n_frames
            if at >= last:
                return


def play_session(
    session: Union[str, Path, Session],
    *,
    turn: Optional[int] = None,
    side: str = BOTH,
    speaker: Optional[str] = None,
    write: Callable[[str], object] = print,
) -> None:
    """Play a session, or a turn of it, until it is over.

    What was heard is the session's heard.wav, where it has one; else what a speaker would have played, computed from when the audio came.

    Args:
        session: A session, or its folder.
        turn: The number of a turn; None for all of it.
        side: ``user``, ``heard``, or ``both``: the user left, what was heard right.
        speaker: The index or the name of a device, or a part of its name; None for the default one.
        write: Takes the line that says what is played.

    Raises:
        UsageError: There is no such side or turn, or no such speaker.
        SessionUnreadable: The session cannot be read.
        EviHarnessError: There is no audio, no sound system or no speaker; or it stopped.
        KeyboardInterrupt: Ctrl+C; it is silent by then.
    """
    require_word("side", side, SIDES)
    loaded = session if isinstance(session, Session) else load_session(session)
    begin_ns, end_ns = _span(loaded, turn)
    sides, remark = _sides(loaded, None if isinstance(session, Session) else Path(session), side)
    device = _speaker(speaker)
    pcm = _format(sides, device)
    sound = _Sound(sides, pcm, begin_ns, end_ns, loaded.duration_ns)
    until = "its end" if end_ns == inf else f"{end_ns / 1e9:.3f} s"
    what = f"{printable(loaded.name or 'the session')}{'' if turn is None else f', turn {turn}'}"
    sounds = _IN_ONE if side == BOTH and pcm.channels == 1 else _SAID[side]
    write(f"{what}: from {begin_ns / 1e9:.3f} s to {until}, {sounds}{remark}; on {device.name}")
    _play(sound, device)


def _span(session: Session, turn: Optional[int]) -> Tuple[int, float]:
    if turn is None:
        return 0, inf
    dialect = dialect_of(session)
    place, recording = Moment(TURN, turn, Words(Parameter("turn"), f" {turn}")), PlayedRecording.of(session, dialect)
    return round(beginning_of(place, recording, dialect)[0]), end_of(place, recording, dialect)[0]


def _sides(session: Session, folder: Optional[Path], side: str) -> Tuple[Tuple[Side, ...], str]:
    """What sounds in each channel; and what there is to say of it."""
    dialect, speed = dialect_of(session), speed_of_session(session)
    found: List[Side] = []
    remark = ""
    if side in (USER, BOTH):
        found.append(said(session, dialect, speed))
    if side in (HEARD, BOTH):
        heard = None if folder is None else heard_side(folder if folder.is_dir() else folder.parent, session)
        found.append(would_play(session, dialect, speed) if heard is None else heard)
        remark = " (reconstructed from arrival times)" if heard is None else ""
    if all(one.rate is None for one in found):
        raise EviHarnessError(
            "this session has no audio that can be played",
            where=session.name or None,
            hint="evi-harness show prints what is in it.",
        )
    return tuple(found), remark


def _speaker(wanted: Optional[str]) -> Device:
    try:
        devices = list_devices()
    except EviHarnessError as error:
        raise EviHarnessError(error.what, hint=f"{f'{error.hint}. ' if error.hint else ''}{_INSTEAD}") from None
    if wanted is not None:
        return choose_device(devices, wanted, OUTPUT)
    found = next((device for device in devices if OUTPUT in device.default_for), None)
    if found is None:
        raise EviHarnessError("there is no speaker on this machine", hint=_INSTEAD)
    return found


def _format(sides: Tuple[Side, ...], device: Device) -> Pcm:
    """The format to play in: the rate of the session, else one that the speaker takes. Not every sound system resamples."""
    import sounddevice

    channels = min(len(sides), device.n_output)
    rates = [mix_rate(sides[0], sides[-1]), 48_000, 44_100]
    for rate in rates:
        try:
            sounddevice.check_output_settings(device=device.index, channels=channels, dtype="int16", samplerate=rate)
        except sounddevice.PortAudioError as error:
            refused = error
        else:
            return Pcm(rate, channels)
    raise EviHarnessError(f"{device.name} plays 16 bits at none of {', '.join(map(str, rates))} Hz: {refused}", hint=_INSTEAD)


def _play(sound: _Sound, device: Device) -> None:
    import sounddevice

    feed = _Feed(sounddevice.CallbackStop)
    blocks = sound.blocks()
    for block in blocks:
        feed.waiting.put(block)
        if feed.waiting.qsize() >= _AHEAD:
            break
    try:
        with sounddevice.RawOutputStream(
            samplerate=sound.pcm.rate,
            device=device.index,
            channels=sound.pcm.channels,
            dtype="int16",
            callback=feed.fill,
            finished_callback=feed.over.set,
        ):
            feed.give(blocks)
            # In short waits, so that Ctrl+C comes in between.
            while not feed.over.wait(_LOOK_S):
                pass
    except sounddevice.PortAudioError as error:
        raise EviHarnessError(f"{device.name} cannot play: {error}", hint=_INSTEAD) from None
    if not feed.has_all:
        raise EviHarnessError(
            f"{device.name} stopped before everything was played", hint="Is it still connected? evi-harness devices lists the devices."
        )


class _Feed:
    """What the sound system asks for audio, on a thread of its own.

    Args:
        stop: Raised to end the stream once all was given.
    """

    def __init__(self, stop: Callable[[], BaseException]) -> None:
        self.waiting: queue.Queue[Optional[bytes]] = queue.Queue(2 * _AHEAD)
        self.over = threading.Event()
        self.has_all = False
        self._stop = stop
        self._rest = b""

    def give(self, blocks: Iterator[bytes]) -> None:
        """Mix what is left while it plays, and then the end."""
        for block in _ended(blocks):
            while not self.over.is_set():
                try:
                    self.waiting.put(block, timeout=_LOOK_S)
                    break
                except queue.Full:
                    continue

    def fill(self, block: memoryview, n_frames: int, time: object, status: object) -> None:  # noqa: ARG002 - sounddevice's signature
        """Fill a block; of what is not mixed yet, silence."""
        wanted = len(block)
        while len(self._rest) < wanted and not self.has_all:
            try:
                more = self.waiting.get_nowait()
            except queue.Empty:
                break
            self.has_all = more is None
            self._rest += more or b""
        piece, self._rest = self._rest[:wanted], self._rest[wanted:]
        block[:] = piece + bytes(wanted - len(piece))
        if self.has_all and not self._rest:
            raise self._stop()


def _ended(blocks: Iterator[bytes]) -> Iterator[Optional[bytes]]:
    yield from blocks
    yield None
