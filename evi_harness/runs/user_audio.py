"""Who sends the user's audio in a replay, and the sound that the handler finds.

The SDK's own microphone sends it where it can replace the recorded app's: for the built-in handler, and for each that has a connection or
something to be played. Else the recorded frames are sent as they were: for a function of messages; for audio that no microphone delivers;
and where the recorded app told the service of its audio in another way than the SDK's microphone does. A handler that opens the microphone
itself gets the user's track, and nobody else sends. One that sends audio of its own is the only one that sends, from that time on, or in a
run of its own where somebody else has spoken already.

Rules of living here: what is decided is read off the recording; only whether the handler has opened the microphone, and whether it sends
audio of its own, is asked while it runs.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, FrozenSet, Iterator, Mapping, Optional, Sequence

from evi_harness.audio.sent_blocks import SentBlocks
from evi_harness.audio.sent_microphone import Going, SentMicrophone
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_pyaudio import software_pyaudio
from evi_harness.audio.software_simpleaudio import software_simpleaudio
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import SoftwareSpeaker
from evi_harness.audio.sources import SilenceSource, UserTrack
from evi_harness.carriers.journal import Journal
from evi_harness.clocks.virtual import VirtualLoop
from evi_harness.errors import SessionUnreadable
from evi_harness.replay.pace import at_speed_ns
from evi_harness.replay.played_recording import AS_RECORDED, PlayedRecording, Speed
from evi_harness.replay.talking_over import talked_over
from evi_harness.replay.user import RecordedUser
from evi_harness.replay.wrapping import SilentUser, UndecidedUser
from evi_harness.sdk.adapter import Adapter, Callbacks, ConnectionWatch
from evi_harness.sdk.sound_switch import software_packages_in_place
from evi_harness.sdk.user_voice import HANDLERS_TURN_NS, RECORDED_AUDIO, SDKS_MICROPHONE, Microphone, Silenced, UserVoice
from evi_harness.session.notes import MICROPHONE_OFF, SENT_AS_RECORDED, UNSEEN
from evi_harness.session.protocols import SENT, AudioSource, Dialect, Service
from evi_harness.session.session import Session

__all__ = ["ActedUser", "SoundDevices", "UserAudio", "replay_sound", "sent_by", "sound_in_place", "user_audio"]

# What ran ahead of the clock by so much was not heard by a microphone as it was sent; a position may be late by as much.
AHEAD_NS = 2_000_000_000
# Opened so little later than in the recording, the microphone counts as opened on time.
ON_TIME_NS = 20_000_000

_ALLOWED: Mapping[str, bool] = {"allowed": True, "dropped": False}
# What is taken for the app's own setting where the recording does not say, and why.
_UNKNOWN = "this recording does not say whether the app sends its microphone while the assistant plays"
_GUESSED: Mapping[Optional[bool], str] = {
    True: f"{_UNKNOWN}: it was assumed to, since audio was sent while the assistant spoke",
    False: f"{_UNKNOWN}: it was assumed not to, since none was sent while the assistant spoke",
    None: f"{_UNKNOWN}, nor does its audio: it was left to the SDK",
}


@dataclass(frozen=True)
class UserAudio:
    """What is known of the user's audio before a replay begins.

    Attributes:
        source: What the microphone plays.
        speed: How many times as fast as its rate it plays, and the speaker with it.
        block_frames: Frames a block of the microphone's; None for its own choice.
        begins_ns: When the recorded app opened its microphone, in session time; None where nobody spoke.
        seqs: The recorded events that the SDK's microphone sends on its own: the message that tells of the format, and the audio.
        why_not: Why the SDK's microphone cannot replace the recorded app's; None where it can, and where nobody spoke.
        allow_user_interrupt: Whether the microphone was sent while the assistant played; None where that is not known.
        blocks: The same audio, block by block as it was sent; None where nobody spoke.
    """

    source: AudioSource
    speed: Speed = AS_RECORDED
    block_frames: Optional[int] = None
    begins_ns: Optional[int] = None
    seqs: FrozenSet[int] = frozenset()
    why_not: Optional[str] = None
    allow_user_interrupt: Optional[bool] = None
    blocks: Optional[SentBlocks] = None


def user_audio(recording: PlayedRecording, dialect: Dialect, adapter: Adapter) -> UserAudio:
    """Find out what a microphone would have to play.

    Args:
        recording: The recording. One in which nobody spoke, or whose sent side is not known, gives silence.
        dialect: What it speaks.
        adapter: The SDK whose microphone it is.
    """
    # A microphone plays what was said as it was said, only faster.
    recorded, speed = recording.unhurried, recording.speed
    try:
        track = UserTrack(recorded, dialect)
    except SessionUnreadable as error:
        return UserAudio(SilenceSource(), speed, begins_ns=0, why_not=error.what)
    if track.began_at_ns is None:
        return UserAudio(SilenceSource(), speed)
    settings = _settings(recorded, dialect, adapter, track)
    said = recorded.header.user_interrupt
    why_not = None
    if track.has_headers:
        why_not = "the user's audio was sent with WAV headers, which the SDK's microphone does not send"
    elif settings is None:
        why_not = "the recorded app did not describe its audio to the service as the SDK's microphone does"
    elif track.ahead_ns > AHEAD_NS:
        why_not = "the user's audio was sent faster than a microphone hears it"
    return UserAudio(
        track,
        speed,
        block_frames=track.block_frames,
        begins_ns=at_speed_ns(track.began_at_ns, speed),
        seqs=track.seqs if settings is None else track.seqs | {settings},
        why_not=why_not,
        allow_user_interrupt=_ALLOWED[said] if said in _ALLOWED else talked_over(recorded, dialect),
        blocks=SentBlocks(recorded, dialect, track),
    )


def _settings(recorded: Session, dialect: Dialect, adapter: Adapter, track: UserTrack) -> Optional[int]:
    """The first recorded message that says nothing but the format of the track, as the SDK's microphone says it; its seq."""
    said = adapter.microphone_settings(track.pcm)
    for event in recorded.sent:
        if event.outcome == "sent" and event.frame.is_text and event.seq not in track.seqs:
            message = dialect.read(SENT, event.frame)
            if dialect.sets_audio(message) and dialect.must_equal(message) == said:
                return event.seq
    return None


@contextmanager
def sound_in_place(adapter: Adapter, microphone: SoftwareMicrophone, speaker: SoftwareSpeaker) -> Iterator[None]:
    """Put software sound in the place of what apps reach a sound card with, for as long as the block runs.

    Args:
        adapter: The SDK, which may hold names of sounddevice.
        microphone: What is heard with sounddevice and PyAudio.
        speaker: What is played to with these and simpleaudio.
    """
    others = (software_pyaudio(microphone, speaker), software_simpleaudio(speaker))
    with software_packages_in_place(others), adapter.sound(software_sounddevice(microphone, speaker)):
        yield


@dataclass(frozen=True)
class SoundDevices:
    """The sound devices of one replay."""

    microphone: SoftwareMicrophone
    speaker: SoftwareSpeaker


@contextmanager
def replay_sound(
    audio: UserAudio,
    adapter: Adapter,
    journal: Journal,
    loop: Optional[VirtualLoop] = None,
    *,
    others_ns: Optional[Sequence[int]] = None,
) -> Iterator[SoundDevices]:
    """Put software sound in the place of the machine's for as long as the block runs.

    The microphone plays what the user said. It begins when the recorded one began, or when it is opened if that is later.

    Args:
        audio: What there is to play.
        adapter: The SDK that plays it.
        journal: The session that the replay yields; it says when the connection was opened.
        loop: The virtual loop that keeps the time, None for real time.
        others_ns: When the app has sent messages besides audio, by the loop; it grows. With it, in virtual time, the microphone delivers
            each block when it was sent in the recording, as far as it can; without, on a grid.
    """

    def began_ns(now_ns: int) -> int:
        recorded_ns = (journal.opened_at_ns or 0) + (audio.begins_ns or 0)
        return recorded_ns if now_ns <= recorded_ns + ON_TIME_NS else now_ns

    speaker = SoftwareSpeaker(clock=loop, speed=audio.speed)
    microphone = SoftwareMicrophone(audio.source, clock=loop, block_frames=audio.block_frames, began_ns=began_ns, speed=audio.speed)
    if loop is not None and others_ns is not None and audio.blocks is not None and audio.block_frames and audio.speed == AS_RECORDED:

        def live_ns(at_ns: int) -> Optional[int]:
            return None if journal.opened_at_ns is None else journal.opened_at_ns + at_ns

        going = Going(live_ns, others_ns, lambda: speaker.is_playing)
        microphone = SentMicrophone(audio.blocks, audio.source, going, clock=loop, block_frames=audio.block_frames, began_ns=began_ns)
    with sound_in_place(adapter, microphone, speaker):
        if loop is None:
            yield SoundDevices(microphone, speaker)
        else:
            with adapter.playback_queue(loop, speaker):
                yield SoundDevices(microphone, speaker)


@dataclass(frozen=True)
class ActedUser:
    """What speaks for the user in one run, besides the handler.

    Attributes:
        service: What sends the recorded messages, and the audio where no microphone does.
        microphone: The microphone that is to be opened, None where there is none.
        voice: Whether the audio of these is off, and whether it has been heard.
        silenced: What is told when the handler sends its own audio; None where it cannot send, or nobody spoke.
    """

    service: Service
    microphone: Optional[Microphone]
    voice: UserVoice
    silenced: Optional[Silenced] = None

    def own_audio(
        self, adapter: Adapter, sound: SoundDevices, journal: Journal, end: Optional[Callable[[], object]]
    ) -> Optional[ConnectionWatch]:
        """What looks for audio of the handler's own, and silences all else; None where there is nothing to be silenced.

        Args:
            adapter: The SDK that the handler uses.
            sound: The devices.
            journal: Where it is noted.
            end: Ends the run where somebody else has spoken already, so that it can be run again; None where they are only silenced.
        """
        silenced, voice = self.silenced, self.voice
        if silenced is None or voice.is_off:
            return None

        def found() -> None:
            if sound.microphone.is_open and not voice.has_begun:
                # The handler listens by itself, and nobody else will speak.
                return
            voice.is_off = True
            if not voice.has_begun:
                _note_off(journal, silenced.unheard)
            elif end is None:
                _note_off(journal, silenced.cut(journal.now_ns / 1e9))
            else:
                _note_off(journal, silenced.again, ended=True)
                end()

        return adapter.own_audio(voice, found)

    def note_off(self, journal: Journal, *, is_again: bool) -> None:
        """Note why the voice is off from the start.

        Args:
            journal: Where to.
            is_again: Whether it spoke in a run before, and the app did too; else it was asked for.
        """
        _note_off(journal, self.silenced.again if is_again and self.silenced is not None else "the microphone was off, as asked")


def _note_off(journal: Journal, what: str, *, ended: bool = False) -> None:
    """Note that nothing is sent for the user but by the app, and whether the run ends for that, to be run again."""
    journal.note(MICROPHONE_OFF, what=what, ended=ended)


def sent_by(
    recorded: Session,
    dialect: Dialect,
    adapter: Adapter,
    audio: UserAudio,
    callbacks: Callbacks,
    sound: SoundDevices,
    journal: Journal,
    voice: UserVoice,
    *,
    built_in: bool,
) -> ActedUser:
    """Decide who sends what the recorded app sent.

    Args:
        recorded: The recording.
        dialect: What it speaks.
        adapter: The SDK that the handler uses.
        audio: What is known of its audio.
        callbacks: The handler.
        sound: The devices.
        journal: Where it is noted when an object's audio is sent as it was recorded.
        voice: Whether all that speaks for the user is off from the start.
        built_in: Whether there is nobody but the recording to send what the app sent.

    Returns:
        What speaks on the client's side besides the handler.
    """
    sends_all = built_in or callbacks.cannot_send

    def frames() -> Service:
        if voice.is_off and not sends_all:
            return SilentUser()
        left_out = _audio_of(recorded, dialect) if voice.is_off else frozenset()
        if not (sends_all or adapter.announces_audio):
            left_out |= _formats_of(recorded, dialect)
        return RecordedUser(recorded, dialect, only_microphone=not sends_all, closes=False, left_out=left_out)

    if callbacks.cannot_send:
        journal.note(SENT_AS_RECORDED, what="all that the recorded app sent was sent for the handler, which has no connection to send on")
        return ActedUser(frames(), None, voice)
    if (callbacks.only_hears and not built_in) or audio.begins_ns is None:
        return ActedUser(frames(), None, voice)
    # Of one that never is, it does not matter what it would have said.
    why_not = adapter.microphone_trouble() or audio.why_not
    if why_not is None:
        if recorded.header.user_interrupt not in _ALLOWED:
            journal.note(UNSEEN, kind="user_interrupt", what=_GUESSED[audio.allow_user_interrupt])
        microphone = Microphone(audio.begins_ns, lambda: sound.microphone.is_open, voice, audio.allow_user_interrupt)
        if not built_in:
            return ActedUser(SilentUser(), microphone, voice, SDKS_MICROPHONE)
        spoken = RecordedUser(recorded, dialect, only_microphone=False, closes=False, left_out=audio.seqs)
        return ActedUser(frames() if voice.is_off else spoken, microphone, voice)

    def tell() -> None:
        what = f"the recorded audio was sent as it was, and not by the SDK's microphone: {why_not}"
        journal.note(SENT_AS_RECORDED, what=what)

    if built_in:
        if not voice.is_off:
            tell()
        return ActedUser(frames(), None, voice)

    def decide() -> bool:
        # Unless the handler opens the microphone itself.
        voice.has_begun = not voice.is_off and not sound.microphone.is_open
        if voice.has_begun:
            tell()
        return voice.has_begun

    undecided = UndecidedUser(frames(), max(audio.begins_ns, HANDLERS_TURN_NS), decide, lambda: voice.is_off)
    return ActedUser(undecided, None, voice, RECORDED_AUDIO)


def _formats_of(recorded: Session, dialect: Dialect) -> FrozenSet[int]:
    """The recorded messages that say, with whatever else, in which format the user's audio comes, by seq."""
    return frozenset(event.seq for event in recorded.sent if dialect.sets_audio(dialect.read(SENT, event.frame)))


def _audio_of(recorded: Session, dialect: Dialect) -> FrozenSet[int]:
    """The recorded events that hold the user's audio, by seq."""
    audio = recorded.audio(dialect)
    return frozenset(event.seq for event in recorded.sent if event in audio)
