"""Record a live conversation: Hume's quickstart with a recorder in it, from .env to a session folder.

Rules of living here: every mistake that can be found beforehand is reported before anything is connected. However the conversation ends,
the recording is completed, and reported before the error. No output contains a key.
"""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Iterator, List, Mapping, Optional, Tuple

from evi_harness.acts.devices import INPUT, OUTPUT, choose_device, list_devices
from evi_harness.acts.record_connection import Recording, record
from evi_harness.audio.cadence import AT_ITS_RATE
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_speaker import Heard, SoftwareSpeaker
from evi_harness.audio.sources import FileSource
from evi_harness.bounds import SOME_TIME, require_number
from evi_harness.clocks.app_loop import AppLoop, run_app_loop
from evi_harness.clocks.exits import AppExits
from evi_harness.dialects import adapter_for, default_dialect
from evi_harness.errors import EviHarnessError, HandlerError, Parameter, SessionUnwritable, UsageError, Words, value_of
from evi_harness.guard.ending import Ending
from evi_harness.guard.process_state import restored_process
from evi_harness.redacting.source_redaction import is_secret_name
from evi_harness.report.plain import printable
from evi_harness.runs import spec
from evi_harness.runs.quiet_end import LOOK_EVERY_S, PATIENCE_S, QUIET_S, Quiet
from evi_harness.runs.replay_options import RECORDED
from evi_harness.runs.run import name_of
from evi_harness.runs.user_audio import sound_in_place
from evi_harness.sdk.adapter import Adapter, LiveTalk, LiveTalkOptions
from evi_harness.sdk.user_voice import AUTO, OFF, require_microphone
from evi_harness.session.events import Closed, Event, Sent
from evi_harness.session.too_large import too_large
from evi_harness.settings.endpoint import Endpoint
from evi_harness.settings.environment import Settings, api_key_for, endpoint_for, load_environment
from evi_harness.settings.indicator import Indicator, Level
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import DEFAULT_OUT, SessionsFolder, near, require_name
from evi_harness.settings.program import program
from evi_harness.verdicts.heard_audio import HeardFile, keep_heard
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["INTERRUPTED", "LiveOptions", "LiveResult", "record_live"]

_FILE = Parameter("mic", "FILE")
_FILE_INSTEAD = Words(_FILE, " plays a file instead and needs no sound system.")
_FILE_INSTEAD_OF_NONE = Words(
    "Without ", Parameter("microphone", OFF), ", ", _FILE, " needs no sound system, and is off once the handler sends its own audio."
)
INTERRUPTED, _TIME_IS_UP, _FILE_IS_OVER = "interrupted", "--duration has elapsed", "the file and the last reply are over"
_OWN_AUDIO_IS_OVER = "the handler's audio and the last reply are over"
_ERROR = "by an error"


@dataclass(frozen=True)
class LiveOptions:
    """What is to be recorded, and how.

    Attributes:
        base_url: Where EVI is; None for HUME_BASE_URL, else Hume's own.
        mic: An audio file to be the microphone, with a software speaker to go with it; None for the sound card.
        out: The folder of sessions.
        name: Name of the session.
        duration_s: After how many seconds the conversation ends; None for no such limit.
        device: The microphone, by index or by a part of its name; None for the default one.
        config_id: EVI's configuration; None for HUME_CONFIG_ID.
        allow_user_interrupt: Whether the microphone is sent while the assistant plays.
        handler: A name (``FILE.py:NAME``), a handler itself, or None for the built-in one.
        arguments: Further arguments for the handler's class or function, by name.
        microphone: ``auto`` to switch the microphone off when the handler sends its own audio, ``sdk`` to leave it on, ``off`` for none.
    """

    base_url: Optional[str] = None
    mic: Optional[Path] = None
    out: Path = Path(DEFAULT_OUT)
    name: str = "session"
    duration_s: Optional[float] = None
    device: Optional[str] = None
    config_id: Optional[str] = None
    allow_user_interrupt: bool = False
    handler: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    microphone: str = AUTO


@dataclass(frozen=True)
class LiveResult:
    """A conversation that was recorded.

    Attributes:
        folder: The session folder.
        ended: How it ended, in words.
        duration_ns: From its opening to its last event.
        n_events: How many events were written.
        n_dropped: How many were not written, because the disk was full, failed or did not keep up.
        problem: The error that ended the conversation early; the folder exists anyway.
        heard: heard.wav, if a software speaker played the replies.
        leave: How the app ended its process after the conversation, with the place; None if it did not.
        remarks: Deviations from what was requested, as sentences; not faults.
        handler: The handler's name (``FILE.py:NAME``), None for the built-in one and for an object.
        arguments: Its further arguments, by name.
        silenced: What happened to the microphone when the handler sent its own audio; None if it did not.
    """

    folder: Path
    ended: str
    duration_ns: int
    n_events: int
    n_dropped: int = 0
    problem: Optional[EviHarnessError] = None
    heard: HeardFile = field(default_factory=HeardFile)
    leave: Optional[str] = None
    remarks: Tuple[str, ...] = ()
    handler: Optional[str] = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    silenced: Optional[str] = None

    def lines(self) -> List[str]:
        """For people: how it ended, where the session is, and how to replay it."""
        place = shlex.quote(near(self.folder))
        how_long = f"{self.duration_ns / 1e9:.1f} s, {self.n_events} events"
        if self.n_dropped:
            how_long += f"; {self.n_dropped} more were lost"
        remarks = [f"note: {remark}" for remark in (self.silenced, *self.remarks, *self.heard.remarks) if remark is not None]
        warning = [] if self.leave is None else [f"warning: {self.leave}"]
        # Without its handler the replay would say nothing of the app that was recorded.
        handler = "" if self.handler is None else f" --handler {shlex.quote(self.handler)}{''.join(self._given())}"
        last = f"session: {place} ({how_long}); replay it: {program()} replay {place}{handler}"
        return [*warning, f"ended: {self.ended}", *remarks, last]

    def _given(self) -> Iterator[str]:
        for name, value in self.arguments.items():
            # A secret has to be put back.
            yield f" --arg {name}={'VALUE' if is_secret_name(name) else shlex.quote(str(value))}"


def record_live(options: LiveOptions, write: Callable[[str], object] = print, *, shows_progress: bool = True) -> LiveResult:
    """Hold a live conversation and record it, until Ctrl+C, the service's close, the duration, or the end of the file.

    Args:
        options: See there.
        write: Takes the lines that the built-in handler prints; they hold no key and nothing that a terminal acts on.
        shows_progress: Draw the time and the microphone's level at the bottom of a terminal.

    Returns:
        Where the session is. With a ``problem`` where the recording ended early, or the handler or the sound failed on the way.

    Raises:
        UsageError: An invalid option: an unknown device, a file that is not audio, a handler that is not one, a name that no
            session can have.
        EviHarnessError: Nothing could be recorded: no key, no microphone, no connection, nowhere to write, a handler that does not import.
        KeyboardInterrupt: A signal came before there was a connection.
    """
    if options.mic is not None and options.device is not None:
        what = Words(Parameter("mic"), " and ", Parameter("device"), " cannot be used together: a file is not a sound device")
        raise UsageError(what, hint="Give one of them.")
    _check_microphone(options)
    with value_of("name"):
        require_name(options.name)
    _check_times(options)
    # The handler may change the working directory, and what is asked for is meant here.
    options = replace(options, out=options.out.absolute())
    _require_handler(options)
    with Interrupts() as interrupts, ExitStack() as stack:
        settings = load_environment()
        endpoint = endpoint_for(settings, options.base_url)
        api_key = api_key_for(settings, endpoint)
        adapter = adapter_for(default_dialect())
        speaker, device = None, None
        if options.mic is None:
            device = _microphone(options.device, is_off=options.microphone == OFF)
        else:
            speaker = _software(options.mic, adapter, stack)
        stack.enter_context(SessionsFolder(options.out, near(options.out)))
        adapter.version()
        live = _Live(options, settings, endpoint, api_key, write, Indicator(is_wanted=shows_progress))
        return live.go(interrupts, device, speaker)


def _check_times(options: LiveOptions) -> None:
    """Refuse a length of time that is none."""
    if options.duration_s is not None:
        require_number("duration_s", options.duration_s, SOME_TIME)


def _require_handler(options: LiveOptions) -> None:
    """Refuse what is known to be no handler before anything is looked for."""
    if options.arguments and options.handler is None:
        hint = Words("Name yours with ", Parameter("handler"), ".")
        raise UsageError(f"arguments are given ({', '.join(options.arguments)}), and no handler that takes them", hint=hint)
    if isinstance(options.handler, str) and options.handler.strip().lower() == RECORDED:
        raise UsageError(
            f"{options.handler!r} plays a recording, which is not possible while recording",
            hint="Give FILE.py:NAME or PACKAGE.MODULE:NAME.",
        )
    if isinstance(options.handler, str):
        spec.split_spec(options.handler)


def _check_microphone(options: LiveOptions) -> None:
    """Refuse what cannot go with a microphone that is off, and a microphone that there is not."""
    with value_of("microphone"):
        require_microphone(options.microphone)
    given = {"mic": options.mic, "device": options.device, "allow_user_interrupt": options.allow_user_interrupt or None}
    meant = next((name for name, value in given.items() if value is not None), None)
    if options.microphone == OFF and meant is not None:
        what = Words(Parameter(meant), " cannot be used with ", Parameter("microphone", OFF))
        raise UsageError(what, hint="Give one of them.")


class _Live:
    """One recorded conversation."""

    def __init__(
        self,
        options: LiveOptions,
        settings: Settings,
        endpoint: Endpoint,
        api_key: str,
        write: Callable[[str], object],
        indicator: Indicator,
    ) -> None:
        self._options = options
        self._settings = settings
        self._endpoint = endpoint
        self._api_key = api_key
        self._write = write
        self._dialect = default_dialect()
        self._adapter = adapter_for(self._dialect)
        self._redactor = redactor_for()
        # Ctrl+C is heard by ``Interrupts``.
        self._exits = AppExits(Ending(self._redactor.string), takes_interrupts=False)
        self._indicator = indicator
        self._level = Level()
        self._recording: Optional[Recording] = None
        self._conversation: Optional[LiveTalk] = None
        self._opened_s = 0.0
        self._ended = ""
        self._last_ns = 0
        # When the handler sent its own audio last.
        self._own_audio_s = 0.0

    def go(self, interrupts: Interrupts, device: Optional[int], sound: Optional[_Software]) -> LiveResult:
        failure: Optional[EviHarnessError] = None
        try:
            with restored_process(), self._indicator, self._exits:
                run_app_loop(lambda loop: self._main(loop, interrupts, device, sound))
        except (KeyboardInterrupt, asyncio.CancelledError):
            self._ended = self._ended or INTERRUPTED
        except EviHarnessError as error:
            failure = error
            self._ended = self._ended or _ERROR
        finally:
            interrupts.over()
            if self._recording is not None:
                self._recording.stop()
        if self._recording is None and self._exits.ending.has_ended:
            self._ended, failure = _ERROR, self._fault() or failure
        if self._recording is None:
            # What an attempt that was called off says in the end is no news.
            raise KeyboardInterrupt if failure is None or self._ended == INTERRUPTED else failure
        return self._result(self._recording, failure, sound)

    async def _main(self, loop: AppLoop, interrupts: Interrupts, device: Optional[int], sound: Optional[_Software]) -> None:
        handler = self._options.handler
        # Imported and built inside of the running loop: on Python 3.9 a queue belongs to the loop that runs when it is made.
        self._adapter.load()
        conversation = self._conversation = self._adapter.live_conversation(
            LiveTalkOptions(
                self._endpoint.base_url,
                api_key=self._api_key,
                chat=self._chat_options(),
                handler=spec.load(handler, self._adapter) if isinstance(handler, str) else handler,
                name=name_of(handler),
                arguments=self._options.arguments,
                device=device,
                allow_user_interrupt=self._options.allow_user_interrupt,
                microphone=self._options.microphone,
                on_connected=self._connected,
                write=self._say,
                redact=self._redactor.string,
                ending=self._exits.ending,
            )
        )
        self._exits.follow(loop, conversation)
        conversing = asyncio.ensure_future(conversation.run())
        interrupts.told_to(loop, lambda: self._end(INTERRUPTED))
        looking = asyncio.ensure_future(self._look(sound))
        try:
            await conversing
        finally:
            looking.cancel()
            self._exits.ending.over()

    def _chat_options(self) -> Mapping[str, Any]:
        # A secret key without a key of its own is that of another endpoint.
        secret_key = self._settings.secret_key if self._settings.api_key is not None else None
        return {"config_id": self._options.config_id or self._settings.config_id, "secret_key": secret_key}

    def _connected(self, socket: Any) -> None:
        assert self._conversation is not None
        self._recording = record(
            socket,
            out=self._options.out,
            name=self._options.name,
            secrets=[key for key in (self._settings.api_key, self._settings.secret_key) if key],
            user_interrupt=self._user_interrupt(),
            connect_ns=self._conversation.connect_ns,
            watch=self._watch,
        ).start()
        self._opened_s = time.monotonic()

    def _user_interrupt(self) -> str:
        is_own = self._conversation is not None and self._conversation.reads_itself
        if is_own or self._options.microphone == OFF:
            # A handler that may open the microphone itself says itself whether that is sent while the assistant plays.
            return "unknown"
        return "allowed" if self._options.allow_user_interrupt else "dropped"

    def _watch(self, event: Event) -> None:
        self._last_ns = max(self._last_ns, event.at_ns)
        if self._is_silenced and isinstance(event, Sent) and self._dialect.reader().read(event.kind, event.frame) is not None:
            self._own_audio_s = time.monotonic()
        if self._indicator.is_shown:
            self._level.hear(event)

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        if self._conversation is not None:
            self._conversation.end()

    async def _look(self, sound: Optional[_Software]) -> None:
        """Draw the indicator, and see when the time is up or the file is over."""
        quiet = Quiet()
        looked_s = time.monotonic()
        while not self._ended:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._conversation is None or not self._conversation.is_open:
                continue
            earlier_s, looked_s = looked_s, time.monotonic()
            self._indicator.draw(looked_s - self._opened_s, self._level.take())
            if self._options.duration_s is not None and looked_s - self._opened_s >= self._options.duration_s:
                self._end(_TIME_IS_UP)
            has_sent = self._is_silenced and self._own_audio_s >= earlier_s
            is_quiet = sound is not None and not has_sent and sound.is_quiet(is_heard=not self._is_silenced)
            if quiet.look(looked_s, is_quiet and not self._awaits_reply(self._conversation)) >= QUIET_S:
                self._end(_OWN_AUDIO_IS_OVER if self._is_silenced else _FILE_IS_OVER)

    @property
    def _is_silenced(self) -> bool:
        """Whether the handler sends its own audio, and the microphone is off."""
        return self._conversation is not None and self._conversation.silenced is not None

    @staticmethod
    def _awaits_reply(conversation: LiveTalk) -> bool:
        replies = conversation.replies
        since_s = 0.0 if replies.last_s is None else asyncio.get_running_loop().time() - replies.last_s
        return replies.is_pending and since_s < PATIENCE_S

    def _say(self, line: str) -> None:
        self._write(printable(self._redactor.string(line)))

    def _result(self, recording: Recording, failure: Optional[EviHarnessError], sound: Optional[_Software]) -> LiveResult:
        folder = recording.folder
        problem = self._told(failure or self._fault())
        if not recording.is_complete:
            problem = self._recording_problem(recording)
        if folder is None:
            raise problem or SessionUnwritable("no session could be created", where=str(self._options.out))
        heard = Heard.of(None if sound is None else sound.speaker.playbacks, recording.opened_at_ns, AT_ITS_RATE)
        return LiveResult(
            folder,
            self._how_it_ended(recording.closed),
            self._last_ns,
            recording.n_events,
            recording.n_dropped,
            problem,
            keep_heard(folder, heard, self._redactor),
            self._leave(),
            tuple(self._remarks()),
            self._options.handler if isinstance(self._options.handler, str) else None,
            self._options.arguments,
            None if self._conversation is None else self._conversation.silenced,
        )

    def _remarks(self) -> Iterator[str]:
        """What was asked for and the handler did itself."""
        if self._conversation is None or not self._conversation.opens_microphone:
            return
        if self._options.device is not None or self._options.allow_user_interrupt:
            yield "--device and --allow-user-interrupt are for a microphone that the handler does not open itself"

    def _leave(self) -> Optional[str]:
        leaves = [] if self._conversation is None else self._conversation.leaves
        return ", at ".join([leaves[0][0], *leaves[0][1][:1]]) if leaves else None

    def _told(self, problem: Optional[EviHarnessError]) -> Optional[EviHarnessError]:
        if problem is not None:
            problem.what = self._redactor.string(problem.what)
        return problem

    def _fault(self) -> Optional[EviHarnessError]:
        faults = [] if self._conversation is None else self._conversation.faults
        if not faults:
            return None
        what, places = faults[0]
        times = "" if len(faults) == 1 else f" (the first of {len(faults)} times)"
        return HandlerError(f"{what}{times}", where=places[0] if places else None, hint="The session itself is complete.")

    def _recording_problem(self, recording: Recording) -> EviHarnessError:
        if recording.failure is None:
            reason = f"the disk did not keep up, and {recording.n_dropped} events were dropped"
        else:
            reason = self._redactor.string(getattr(recording.failure, "what", None) or str(recording.failure))
        if recording.folder is None:
            # What was written may have been deleted since.
            what = reason if recording.n_events else f"nothing was recorded: {reason}"
            return SessionUnwritable(what, where=near(self._options.out))
        place = near(recording.folder)
        hint = f"Everything written so far is kept: {program()} check {shlex.quote(place)} says what is missing."
        return SessionUnwritable(f"the session is incomplete: {reason}", where=place, hint=hint)

    def _how_it_ended(self, closed: Optional[Closed]) -> str:
        # What the service did stands, though the app may have come to want an end before it noticed.
        # A message that the SDK refused was never one for the app, and is in no recording.
        large = too_large(closed, (), str, self._dialect.message_limits)
        if closed is not None and closed.by == "app" and large is not None:
            return f"the app closed the connection with {closed.code}: {large}"
        if closed is None or closed.by != "service":
            lost = closed is not None and closed.by == "network"
            return self._ended or ("the connection was lost" if lost else "by the app")
        code = "no code" if closed.code is None else f"{closed.code}: {self._dialect.explain(closed.code)}"
        reason = f" ({printable(self._redactor.string(closed.reason))})" if closed.reason else ""
        return f"the service closed the connection with {code}{reason}"


class _Software:
    """A file in the place of the microphone, and a speaker that keeps what it is given."""

    def __init__(self, file: Path) -> None:
        self.microphone = SoftwareMicrophone(FileSource(file))
        self.speaker = SoftwareSpeaker()

    def is_quiet(self, *, is_heard: bool) -> bool:
        """Whether the file is over, or is heard by nobody, and nothing is being played."""
        is_over = self.microphone.ended_at_ns is not None or not is_heard
        return is_over and not self.speaker.is_sounding


def _software(file: Path, adapter: Adapter, stack: ExitStack) -> _Software:
    sound = _Software(file)
    stack.enter_context(sound_in_place(adapter, sound.microphone, sound.speaker))
    return sound


def _microphone(wanted: Optional[str], *, is_off: bool = False) -> Optional[int]:
    """The index of the device that is meant, None for the default one and for none; raises where there is nothing to use."""
    instead = _FILE_INSTEAD_OF_NONE if is_off else _FILE_INSTEAD
    try:
        devices = list_devices()
    except EviHarnessError as error:
        raise EviHarnessError(error.what, hint=Words(*(() if not error.hint else (error.hint, ". ")), instead)) from None
    if not is_off and not any(device.channels(INPUT) for device in devices):
        raise EviHarnessError("there is no microphone", hint=Words("evi-harness devices lists them. ", instead))
    if not any(device.channels(OUTPUT) for device in devices):
        raise EviHarnessError("there is no speaker to play replies on", hint=Words("evi-harness devices lists them. ", instead))
    if wanted is not None:
        return choose_device(devices, wanted).index
    if not is_off and not any(INPUT in device.default_for for device in devices):
        raise EviHarnessError(
            "no microphone is the default one", hint=Words("Name one with ", Parameter("device"), "; evi-harness devices lists them.")
        )
    return None
