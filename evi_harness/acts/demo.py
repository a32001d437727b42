"""The demo as an act: a bundled conversation is spoken to the simulator, recorded, and replayed to the same app.

It works like a developer's own conversation: the SDK, its microphone and playback, a real socket, ``record``, ``replay``. Only the person,
the sound card and EVI are missing.

Rules of living here: nothing leaves the machine, and no key is used; typing the equivalent commands gives the same result.
"""

from __future__ import annotations

import io
import os
import shlex
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator, List, Union

from evi_harness.acts.paging.page_making import page_of_replay, write_page
from evi_harness.acts.record_live import LiveOptions, LiveResult, record_live
from evi_harness.acts.replay import ReplayResult, replay_session
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, Simulation, simulation
from evi_harness.evi.dialect import EVI
from evi_harness.evi.evi_variables import API_KEY, BASE_URL, CONFIG_ID, SECRET_KEY
from evi_harness.report.timeline import as_lines
from evi_harness.sdk.hume.demo_app import WeatherApp
from evi_harness.sdk.hume.installed_sdk import installed_version
from evi_harness.session.session import Session
from evi_harness.settings.new_folder import DEFAULT_OUT, near
from evi_harness.settings.program import program
from evi_harness.verdicts.loading import load_session

__all__ = ["HANDLER", "SCRIPT", "USER", "DemoResult", "demo"]

ASSETS = Path(__file__).resolve().parent.parent / "assets" / "demo"
SCRIPT = ASSETS / "conversation.toml"
USER = ASSETS / "user.flac"
HANDLER = f"{WeatherApp.__module__}:{WeatherApp.__qualname__}"

_VARIABLES = (API_KEY, SECRET_KEY, CONFIG_ID, BASE_URL)
_INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class DemoResult:
    """What the demo did.

    Attributes:
        recorded: The conversation that was recorded.
        replayed: Its replay.
        page: The page of the replay.
    """

    recorded: LiveResult
    replayed: ReplayResult
    page: Path

    @property
    def exit_code(self) -> int:
        """0 if the replay passed, else 1."""
        return self.replayed.exit_code


def demo(out: Union[str, Path] = DEFAULT_OUT, tell: Callable[[str], object] = print) -> DemoResult:
    """Record the bundled conversation and replay it; takes as long as the conversation, and a few seconds.

    Args:
        out: The folder of sessions that the new one is written to.
        tell: Takes lines for people.

    Returns:
        The recording and its replay.

    Raises:
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The conversation could not be held or recorded: the SDK or a speech detector is not there.
        KeyboardInterrupt: Ctrl+C. What was recorded until then is kept.
    """
    tell("A spoken conversation with a simulated EVI, recorded and replayed: no key, no sound card, nothing leaves this machine.")
    recorded = _record(Path(out), tell)
    tell("\nEverything that crossed the socket, except the audio:\n")
    for line in _timeline(load_session(recorded.folder)):
        tell(line)
    tell("\nThe same app again, from the recording and in virtual time:\n")
    # The app prints the transcript again.
    with redirect_stdout(io.StringIO()):
        replayed = replay_session(recorded.folder, handler=HANDLER)
    for line in [*replayed.lines(), *(["", *_next_steps(recorded.folder)] if replayed.passed else [])]:
        tell(line)
    page = write_page(page_of_replay(replayed), recorded.folder.with_suffix(".html"))
    tell("\nIts page, to look at and listen to:")
    tell(f"  {near(page.file)}")
    return DemoResult(recorded, replayed, page.file)


def _record(out: Path, tell: Callable[[str], object]) -> LiveResult:
    with _no_keys(), served(_conversation(), ServeOptions(service=SIMULATOR)) as server:
        tell(f"The simulator listens on {server.url}; the emotions it reports are made up.")
        tell("The user's voice comes from a file: you do not have to speak.\n")
        options = LiveOptions(base_url=server.url, mic=USER, out=out, name="demo", allow_user_interrupt=True, handler=WeatherApp(tell))
        recorded = record_live(options, tell)
    for line in ["", *recorded.lines()]:
        tell(line)
    if recorded.problem is not None:
        raise recorded.problem
    if recorded.ended == _INTERRUPTED:
        raise KeyboardInterrupt
    return recorded


def _conversation() -> Simulation:
    """The bundled conversation, with no message that the installed SDK does not know."""
    found = simulation(SCRIPT)
    assert found.script is not None
    return replace(found, script=replace(found.script, options=replace(found.script.options, sdk=installed_version())))


@contextmanager
def _no_keys() -> Iterator[None]:
    """Leave out what the environment and .env say of the developer's own EVI: .env overrides nothing that is set, be it empty."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, ""))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _timeline(session: Session) -> List[str]:
    """The session's timeline without the frames of audio, which are most of it."""
    audio = session.audio(EVI)
    events = tuple(event for event in session.events if event not in audio)
    lines = as_lines(replace(session, events=events), EVI)
    return lines[lines.index("") + 1 :]


def _next_steps(folder: Path) -> List[str]:
    relative = os.path.relpath(folder)
    place = shlex.quote(str(folder) if relative.startswith(os.pardir) else relative)
    start = program()
    steps = (
        (f"{start} show {place}", "the whole timeline, audio and all"),
        (f"{start} check {place}", "whether anything is wrong with the folder"),
        (f"{start} replay {place} --handler {HANDLER}", "the replay above"),
        (f"{start} replay {place} --handler FILE.py:NAME", "to your own handler: does it answer the tool call?"),
        (f"{start} record", "your own conversation; --help says what it needs"),
    )
    return ["What to type next:", *(line for command, what in steps for line in (f"  {command}", f"      {what}"))]
