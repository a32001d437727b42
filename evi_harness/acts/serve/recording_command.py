"""``record -- COMMAND``: run an app in any language behind the proxy, and record it.

Rules of living here: the app has the terminal, standard input and standard output to itself; what is ours goes to standard error. It is
never run twice, and its exit code is the result. What it leaves running when it ends by itself is not ours to end, and is named; where it
is ended from here or by a signal, all that it has started ends with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from evi_harness.acts.commanding import app_command, named_places
from evi_harness.acts.serve.app_reports import AppReports
from evi_harness.acts.serve.proxying import ProxyOptions, RunningProxy, upstream_of
from evi_harness.acts.serve.record_relayed import Relayed
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, simulation
from evi_harness.audio.cadence import AT_ITS_RATE
from evi_harness.audio.software_speaker import Heard, Playback
from evi_harness.audio.sources import FileSource
from evi_harness.carriers.telling import Aside
from evi_harness.dialects import adapter_for, dialect_named
from evi_harness.errors import EviHarnessError, SessionError, SessionUnwritable, UsageError
from evi_harness.guard.own_output import silence_libraries
from evi_harness.guard.variables import variables_in
from evi_harness.runs.app_channel import INPUT, LISTENS, PLAYED, SOUND, WARNED, InputLine, PointedPlan, SoundState, identity_of, with_site
from evi_harness.runs.app_command import PLACE, VARIABLE, Hosts, address_for, admission_for
from evi_harness.runs.app_process import Family, family, how_ended
from evi_harness.runs.quiet_end import PATIENCE_S, QUIET_S, Quiet
from evi_harness.runs.real_commands.driver import Driver
from evi_harness.runs.real_commands.listening_places import address_of_app, listening_places
from evi_harness.sdk.adapter import FollowedReplies
from evi_harness.session.events import Closed, Event, Opened, Received
from evi_harness.session.json_value import Json
from evi_harness.session.protocols import RECEIVED
from evi_harness.settings.endpoint import Endpoint
from evi_harness.settings.environment import ANY_KEY, load_environment
from evi_harness.settings.interrupts import Interrupts
from evi_harness.settings.new_folder import SessionsFolder, require_name
from evi_harness.storage.app_facts import add_app_facts
from evi_harness.verdicts.heard_audio import keep_heard
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["CommandOptions", "CommandResult", "record_command"]

# How long an app that was told to end is waited for before it is told more firmly; and what it left open, once it has ended.
GRACE_S = 5.0
# How often it is looked whether the app listens, and whether what calls it is over.
_LOOK_S = 0.05
_COULD_NOT_RUN = 3
_PIECE_FRAMES = 1 << 18
_BY_SIGNAL = 128


@dataclass(frozen=True)
class CommandOptions:
    """An app to run and record.

    Attributes:
        words: The command; ``{url}`` in a word is replaced with the proxy's URL.
        proxy: The options of the proxy.
        is_simulated: Whether the service is a simulator.
        script: The simulator's script, None to repeat what it hears.
        mic: An audio file to use as the microphone of a Python app, with a software speaker; None for the machine's sound. The app is
            interrupted when the file and the last reply have been over for a while.
        duration_s: Interrupt the app this many seconds after the first WebSocket opened; None for never.
        drive: The words of a command that calls the app, started once that listens; the app is interrupted when it has ended.
    """

    words: Tuple[str, ...]
    proxy: ProxyOptions = field(default_factory=ProxyOptions)
    is_simulated: bool = False
    script: Optional[Path] = None
    mic: Optional[Path] = None
    duration_s: Optional[float] = None
    drive: Tuple[str, ...] = ()


@dataclass(frozen=True)
class CommandResult:
    """The result of recording an app.

    Attributes:
        program: The command's first word.
        code: Its exit code, None if a signal ended it.
        signal_name: That signal, None otherwise.
        sessions: The recorded sessions.
        has_left: Whether a process that it started was still connected after it ended.
        url_variable: The service's own variable that had the proxy's URL.
        driver: How what called the app failed, as ``subprocess`` has it; 0 if it did not.
    """

    program: str
    code: Optional[int]
    signal_name: Optional[str]
    sessions: Tuple[Relayed, ...]
    has_left: bool = False
    url_variable: str = ""
    driver: int = 0

    @property
    def exit_code(self) -> int:
        """The app's own, or 128 plus the number of the signal that ended it; 3 if it is 0 but the recording is incomplete."""
        if self.signal_name is not None:
            return _BY_SIGNAL + signal.Signals[self.signal_name].value
        is_whole = self.sessions and not (self.has_left or self.driver) and all(one.problem is None for one in self.sessions)
        return (self.code or 0) or (0 if is_whole else _COULD_NOT_RUN)

    def lines(self) -> List[str]:
        """For people: how the app ended, and problems with the recording."""
        how = f"exited with {self.code}" if self.signal_name is None else f"was ended by {self.signal_name}"
        lines = [f"ended: {self.program} {how}"]
        if self.has_left:
            lines.append("warning: a process that it started was still connected, and was cut off")
        if self.driver:
            lines.append(f"warning: the caller ended {how_ended(self.driver)}")
        if not self.sessions:
            lines.append(
                f"error: nothing was recorded: the app opened no WebSocket through the proxy. Pass it the address: write {PLACE} in the "
                f"command, or read {VARIABLE} or {self.url_variable} from the environment"
            )
        n = len(self.sessions)
        return [*lines, f"recorded {n} session{'' if n == 1 else 's'}"]


def record_command(options: CommandOptions, tell: Callable[[str], object]) -> CommandResult:
    """Run an app behind the proxy until it ends. Handles Ctrl+C, SIGTERM and SIGHUP, and passes them on.

    Args:
        options: The options.
        tell: Called with a line for each session that ends, and for each refused request.

    Raises:
        UsageError: There is no command, a name or a URL is invalid, or the script does not exist.
        ScriptError: The script cannot be understood.
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The command cannot be run, or the port cannot be opened.
    """
    if not options.words or not options.words[0]:
        raise UsageError("there is no command to run", hint="Give one after --, for example -- python app.py.")
    require_name(options.proxy.name)
    with Interrupts() as interrupts, ExitStack() as stack:
        dialect = dialect_named(options.proxy.dialect)
        settings = load_environment(dialect)
        simulated = simulation(options.script, dialect.name) if options.is_simulated else None
        # Read here: an app's environment need not have what reads audio files.
        sound = None if options.mic is None else FileSource(options.mic)
        stack.enter_context(SessionsFolder(options.proxy.out, str(options.proxy.out)))
        told = stack.enter_context(Aside(tell))
        proxy = options.proxy
        if simulated is not None:
            server = stack.enter_context(served(simulated, ServeOptions(service=SIMULATOR, dialect=dialect.name)))
            proxy = replace(proxy, upstream=server.url)
        endpoint = upstream_of(proxy)
        environment = variables_in()
        if endpoint.is_loopback and settings.api_key is None:
            # What needs none takes any, and most apps do not begin without one.
            environment[dialect.variables.api_key] = ANY_KEY
        hosts = named_places(app_command(options.words, proxy.upstream), dialect).hosts
        # Where Python apps look for it, they find the proxy.
        proxy = replace(proxy, admission=admission_for(hosts))
        running = _Run(options, proxy, endpoint, environment, hosts, sound, interrupts, told)
        return asyncio.run(running.main())


class _Run:
    """One app, while it runs."""

    def __init__(
        self,
        options: CommandOptions,
        proxy: ProxyOptions,
        endpoint: Endpoint,
        environment: Dict[str, str],
        hosts: Hosts,
        sound: Optional[FileSource],
        interrupts: Interrupts,
        tell: Callable[[str], object],
    ) -> None:
        self._options = options
        self._proxy = proxy
        self._endpoint = endpoint
        self._environment = environment
        self._hosts = hosts
        self._sound = sound
        self._interrupts = interrupts
        self._dialect = dialect_named(proxy.dialect)
        self._tell = tell
        self._n_told = 0
        self._is_counting = False
        # Of each session that is under way.
        self._replies: Dict[int, FollowedReplies] = {}
        self._quiet = Quiet()
        self._is_over = False
        self._playbacks: List[Playback] = []
        self._process: Optional[asyncio.subprocess.Process] = None
        self._family: Optional[Family] = None
        # Whether it was to end before it did.
        self._is_asked = False
        self._ending: Optional[asyncio.Future[None]] = None
        # Where the app listens, once it does, and what calls it there.
        self._address: Optional[str] = None
        self._driver: Optional[Driver] = None

    async def main(self) -> CommandResult:
        """Run it."""
        loop = asyncio.get_running_loop()
        silence_libraries()

        def take(kind: bytes, what: object) -> None:
            if kind == INPUT and isinstance(what, InputLine):
                running.read_line(what)
            elif kind == SOUND and isinstance(what, SoundState):
                self._look(what)
            elif kind == PLAYED and isinstance(what, list):
                self._playbacks += what
            elif kind == WARNED:
                self._tell(f"warning: {what}")
            elif kind == LISTENS and isinstance(what, tuple):
                self._listen(*what)

        reports = AppReports(take)
        running = RunningProxy(
            self._proxy,
            self._endpoint,
            lambda one: self._tell(str(one)),
            self._tell,
            self._begin_to_count,
            reports.catch_up,
            None if self._sound is None else self._follow,
        )
        driving: Optional[asyncio.Future[None]] = None
        try:
            try:
                url = await running.start()
                process = self._process = await self._started(url, reports.said)
                self._family = Family(process.pid)
            finally:
                reports.begin()
            self._interrupts.told_to(loop, self._hand_on, may_block=False)
            driving = asyncio.ensure_future(self._drive(process.pid, running))
            code = await self._ended(process, driving)
            if self._is_asked:
                # A shell may have ended and left running what it ran.
                await self._all_end()
            has_left = not await running.drained(GRACE_S)
        finally:
            await self._killed()
            if driving is not None:
                await self._driven(driving)
            await running.stop()
            reports.catch_up()
            reports.end()
            self._interrupts.over()
        result = CommandResult(
            self._options.words[0],
            code if code >= 0 else None,
            _name(-code) if code < 0 else None,
            tuple(running.sessions),
            has_left,
            self._dialect.variables.base_url,
            (self._driver is not None and self._driver.status) or 0,
        )
        self._note(result)
        self._keep_heard(result)
        return result

    def _listen(self, host: str, port: int) -> None:
        if self._address is None:
            self._address = address_of_app(host, port)

    async def _drive(self, process: int, running: RunningProxy) -> None:
        """Have the app called, once it listens, and interrupt it when that is over."""
        if not self._options.drive:
            return
        while self._address is None:
            await asyncio.sleep(_LOOK_S)
            # A program that is not Python does not tell.
            for place in listening_places(family(process))[:1]:
                self._listen(*place)
        driver = self._driver = Driver.start(self._options.drive, self._address)
        while not driver.has_ended:  # noqa: ASYNC110 - no event tells of another process's end
            await asyncio.sleep(_LOOK_S)
        # The app still has to take that nobody is there any more.
        await running.drained(GRACE_S)
        self._end()

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process, driving: asyncio.Future[None]) -> int:
        """Wait for the app's end, and return its code. An app that nothing can call would never end.

        Raises:
            CommandError: What calls the app cannot be started.
        """
        ended = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait((ended, driving), return_when=asyncio.FIRST_COMPLETED)
            if driving.done():
                driving.result()
            return await ended
        finally:
            ended.cancel()

    async def _driven(self, driving: asyncio.Future[None]) -> None:
        """Leave nothing that calls an app which is gone."""
        driving.cancel()
        await asyncio.wait((driving,))
        if not driving.cancelled():
            # That it failed counts only where the app waits for it.
            driving.exception()
        if self._driver is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._driver.stop)

    async def _killed(self) -> None:
        """Where something of ours has failed, leave no app behind that nobody waits for, nor what runs it, such as a shell."""
        if self._ending is not None:
            self._ending.cancel()
        if self._process is not None and self._process.returncode is None:
            self._send_all(signal.SIGKILL)
            self._send(signal.SIGKILL)
            await self._process.wait()

    async def _started(self, url: str, reports: int) -> asyncio.subprocess.Process:
        words = [word.replace(PLACE, url) for word in self._options.words]
        plan = self._plan(url).write()
        given = self._proxy.upstream or self._environment.get(self._dialect.variables.base_url)
        environment = with_site({**self._environment, **address_for(url, self._dialect, given)}, f"{reports},{plan}")
        try:
            return await asyncio.create_subprocess_exec(*words, env=environment, pass_fds=(reports, plan))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not a command"
            raise EviHarnessError(f"{words[0]!r} cannot be run: {reason}", hint="Give the command as you type it in a shell.") from None
        finally:
            os.close(plan)

    def _plan(self, url: str) -> PointedPlan:
        """What a Python app's own process is told."""
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        calls = bool(self._options.drive)
        plan = PointedPlan(self._hosts, (place.hostname, place.port), self._dialect, stdin=identity_of(0), tells_listening=calls)
        if self._sound is None:
            return plan
        parts: List[bytes] = []
        while part := self._sound.read(_PIECE_FRAMES):
            parts.append(part)
        return replace(plan, pcm=self._sound.pcm, samples=b"".join(parts))

    def _begin_to_count(self) -> None:
        """A conversation has begun; the first one counts."""
        if self._is_counting:
            return
        self._is_counting = True
        loop = asyncio.get_running_loop()
        if self._family is not None:
            # A terminal interrupts a shell that may be gone before we look what it ran.
            loop.run_in_executor(None, self._family.look)
        if self._options.duration_s is not None:
            loop.call_later(self._options.duration_s, self._end)

    def _follow(self, number: int, event: Event) -> None:
        """Follow a session, as to whether a reply is owed or under way."""
        if isinstance(event, Opened):
            self._replies[number] = adapter_for(self._dialect).followed_replies()
        elif isinstance(event, Closed):
            self._replies.pop(number, None)
        elif isinstance(event, Received) and number in self._replies:
            self._replies[number].take(self._dialect.read(RECEIVED, event.frame), asyncio.get_running_loop().time())

    def _look(self, sound: SoundState) -> None:
        """See whether the file and the last reply have been over for a while, as ``record`` does; then the app is interrupted."""
        now_s = asyncio.get_running_loop().time()
        awaits = any(one.is_pending and now_s - (one.last_s or now_s) < PATIENCE_S for one in self._replies.values())
        quiet_s = self._quiet.look(sound.at_s, sound.is_quiet and bool(self._replies) and not awaits)
        if quiet_s >= QUIET_S and not self._is_over:
            self._is_over = True
            self._tell("interrupting the app: the file and the last reply are over")
            self._end()

    def _hand_on(self) -> None:
        """A signal has come: the app is to have it too. One that takes no notice is told more firmly each time."""
        self._n_told += 1
        last = self._interrupts.last or signal.SIGINT
        self._ask()
        if self._n_told > 1:
            self._send_all(signal.SIGTERM if self._n_told == 2 else signal.SIGKILL)
            if self._n_told == 2:
                asyncio.get_running_loop().call_later(GRACE_S, self._send_all, signal.SIGKILL)
        elif last != signal.SIGINT:
            self._send(last)
            if last == signal.SIGTERM:
                asyncio.get_running_loop().call_later(GRACE_S, self._send, signal.SIGKILL)
        elif not _is_foreground():
            # Where it is, the terminal has told it, and all that it runs.
            self._send(last)
            asyncio.get_running_loop().call_later(GRACE_S, self._interrupt_others)

    def _end(self) -> None:
        """Have it end: it is interrupted, and what takes no notice is told more firmly."""
        if self._process is not None and self._process.returncode is None:
            self._ask()
            self._send(signal.SIGINT)
            self._all_end()

    def _ask(self) -> None:
        """From now on it is to end, and so is all that it has started; once it has ended, nothing tells what that was."""
        if self._family is not None:
            self._is_asked = True
            self._family.look()

    def _all_end(self) -> asyncio.Future[None]:
        """Wait for the end of the command and of all that it has started; they are told more firmly each time it does not come."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._told_more_firmly())
        return self._ending

    async def _told_more_firmly(self) -> None:
        if await self._has_all_ended():
            return
        # A shell waits for what it runs, which was not interrupted with it. A second time would cut short what the command does about it.
        if self._interrupt_others() and await self._has_all_ended():
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._send_all(number)
            if await self._has_all_ended():
                return

    async def _has_all_ended(self) -> bool:
        """Wait until the command and all that it has started have ended, but not for long; return whether they have."""
        assert self._process is not None
        assert self._family is not None
        loop = asyncio.get_running_loop()
        until_s = loop.time() + GRACE_S
        while True:
            if self._process.returncode is not None and not await loop.run_in_executor(None, self._family.look):
                return True
            if loop.time() >= until_s:
                return False
            await asyncio.sleep(_LOOK_S)

    def _interrupt_others(self) -> bool:
        """Interrupt what the command has started; return whether there is any."""
        return self._family is not None and self._family.signal(signal.SIGINT, spares_first=True)

    def _send_all(self, number: int) -> None:
        if self._family is not None:
            self._family.signal(number)

    def _send(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _keep_heard(self, result: CommandResult) -> None:
        """Write what the software speaker played beside the session."""
        if self._sound is None or not result.sessions:
            return
        if not self._playbacks:
            self._tell("note: there is no heard.wav: no process of the app played on the software speaker and ended by itself")
            return
        if len(result.sessions) > 1:
            self._tell("note: there is no heard.wav: it is for a single session")
            return
        (one,) = result.sessions
        if one.folder is not None and one.problem is None:
            heard = Heard.of(self._playbacks, one.opened_ns, AT_ITS_RATE)
            for remark in keep_heard(one.folder, heard, redactor_for()).remarks:
                self._tell(f"note: {remark}")

    def _note(self, result: CommandResult) -> None:
        """Have each session say how the app ended."""
        facts: Mapping[str, Json] = {"exit_code": result.code} if result.signal_name is None else {"signal": result.signal_name}
        for one in result.sessions:
            if one.folder is not None and one.problem is None:
                try:
                    add_app_facts(one.folder, facts)
                except (SessionError, SessionUnwritable) as error:
                    self._tell(f"warning: the session does not say how the app ended: {error.what}")


def _name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _is_foreground() -> bool:
    """Whether a terminal has sent Ctrl+C to all that runs in it, and so to the app."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
