"""What the demo records of the Realtime protocol: the openai package, on software sound, in a conversation with the simulator."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Callable, Optional

from evi_harness.acts.demos.bundled_sound import SCRIPT, USER
from evi_harness.acts.record_connection import Recording, record
from evi_harness.acts.record_live import INTERRUPTED, LiveResult
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, simulation
from evi_harness.audio.cadence import AT_ITS_RATE
from evi_harness.audio.resampling import convert
from evi_harness.audio.software_microphone import SoftwareMicrophone
from evi_harness.audio.software_sound import software_sounddevice
from evi_harness.audio.software_speaker import Heard, SoftwareSpeaker
from evi_harness.audio.sources import FileSource, PcmSource
from evi_harness.errors import SessionUnwritable
from evi_harness.openai_realtime.realtime_dialect import OPENAI_REALTIME
from evi_harness.runs.quiet_end import LOOK_EVERY_S, PATIENCE_S, Quiet
from evi_harness.sdk.openai.openai_adapter import Openai
from evi_harness.sdk.openai.realtime_demo_app import RATE, converses, truncates_at_received, weather_talk
from evi_harness.session.events import Event
from evi_harness.session.wav import Pcm
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import SessionsFolder, near
from evi_harness.verdicts.heard_audio import keep_heard
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["BROKEN", "REALTIME_HANDLER", "record_realtime"]

REALTIME_HANDLER = f"{converses.__module__}:{converses.__qualname__}"
BROKEN = f"{truncates_at_received.__module__}:{truncates_at_received.__qualname__}"

_BY_THE_APP, _NOTHING_MORE = "by the app", "the file is over and nothing more has come"
# The user's file in one read: it is twenty seconds long.
_WHOLE = 60 * 48_000


def record_realtime(out: Path, tell: Callable[[str], object]) -> LiveResult:
    """Hold the bundled conversation with the simulator of the Realtime protocol, and record it.

    Args:
        out: The folder of sessions.
        tell: Takes lines for people.

    Raises:
        SdkError: The openai package is not installed, or has no Realtime.
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The conversation could not be held or recorded.
        KeyboardInterrupt: Ctrl+C. What was recorded until then is kept.
    """
    sdk = Openai()
    sdk.version()
    sdk.load()
    options = ServeOptions(service=SIMULATOR, dialect=OPENAI_REALTIME.name)
    with SessionsFolder(out, near(out)), served(simulation(SCRIPT, OPENAI_REALTIME.name), options) as server:
        tell(f"The simulator listens on {server.url}/v1/realtime.")
        tell("The user's voice comes from a file: you do not have to speak.\n")
        talk = _Talk(sdk, server.url, out.absolute(), tell)
        with Interrupts() as interrupts, sdk.sound(software_sounddevice(talk.microphone, talk.speaker)):
            recorded = talk.hold(interrupts)
    for line in ["", *recorded.lines()]:
        tell(line)
    if recorded.problem is not None:
        raise recorded.problem
    if recorded.ended == INTERRUPTED:
        raise KeyboardInterrupt
    return recorded


class _Talk:
    """The conversation, once."""

    def __init__(self, sdk: Openai, url: str, out: Path, tell: Callable[[str], object]) -> None:
        source, pcm = FileSource(USER), Pcm(RATE, 1)
        self.microphone = SoftwareMicrophone(PcmSource(convert(source.read(_WHOLE), source.pcm, pcm), pcm))
        self.speaker = SoftwareSpeaker()
        self._sdk = sdk
        self._url = url
        self._out = out
        self._tell = tell
        self._recording: Optional[Recording] = None
        self._ended = ""
        self._last_ns = 0

    def hold(self, interrupts: Interrupts) -> LiveResult:
        try:
            asyncio.run(self._main(interrupts))
        except (KeyboardInterrupt, asyncio.CancelledError):
            self._ended = INTERRUPTED
        finally:
            interrupts.over()
            if self._recording is not None:
                self._recording.stop()
        if self._recording is None:
            raise KeyboardInterrupt
        return self._result(self._recording)

    async def _main(self, interrupts: Interrupts) -> None:
        talking = asyncio.ensure_future(self._talk())
        interrupts.told_to(asyncio.get_running_loop(), talking.cancel)
        await talking

    async def _talk(self) -> None:
        connect_ns = time.monotonic_ns()
        async with self._sdk.open(self._url, None) as connection:
            self._recording = record(connection, out=self._out, name="demo", connect_ns=connect_ns, watch=self._watch).start()
            app = asyncio.ensure_future(weather_talk(connection, self._tell))
            looking = asyncio.ensure_future(self._nothing_more())
            try:
                await asyncio.wait([app, looking], return_when=asyncio.FIRST_COMPLETED)
                self._ended = _BY_THE_APP if app.done() else _NOTHING_MORE
            finally:
                for task in (app, looking):
                    task.cancel()
                await asyncio.gather(app, looking, return_exceptions=True)
        if not app.cancelled():
            app.result()

    def _watch(self, event: Event) -> None:
        self._last_ns = max(self._last_ns, event.at_ns)

    async def _nothing_more(self) -> None:
        """Wait until the file has been over for so long that no reply will come any more: a machine may be too busy to hear the user."""
        quiet = Quiet()
        is_quiet = False
        while quiet.look(time.monotonic(), is_quiet) < PATIENCE_S:
            await asyncio.sleep(LOOK_EVERY_S)
            is_quiet = self.microphone.ended_at_ns is not None and not self.speaker.is_sounding

    def _result(self, recording: Recording) -> LiveResult:
        folder = recording.folder
        if folder is None:
            raise recording.failure or SessionUnwritable("no session could be created", where=str(self._out))
        heard = Heard.of(self.speaker.playbacks, recording.opened_at_ns, AT_ITS_RATE)
        problem = None
        if not recording.is_complete:
            reason = f"{recording.n_dropped} events were dropped" if recording.failure is None else str(recording.failure)
            problem = SessionUnwritable(f"the session is incomplete: {reason}", where=near(folder))
        return LiveResult(
            folder,
            self._ended,
            self._last_ns,
            recording.n_events,
            recording.n_dropped,
            problem,
            keep_heard(folder, heard, redactor_for()),
            handler=REALTIME_HANDLER,
        )
