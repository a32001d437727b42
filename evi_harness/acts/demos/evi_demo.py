"""What the demo records of EVI: Hume's SDK with its microphone and playback, in a conversation with the simulator."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator

from evi_harness.acts.demos.bundled_sound import SCRIPT, USER
from evi_harness.acts.record_live import INTERRUPTED, LiveOptions, LiveResult, record_live
from evi_harness.acts.serve.serving import ServeOptions, served
from evi_harness.acts.serve.simulating import SIMULATOR, Simulation, simulation
from evi_harness.evi.evi_variables import API_KEY, BASE_URL, CONFIG_ID, SECRET_KEY
from evi_harness.sdk.hume.demo_app import WeatherApp
from evi_harness.sdk.hume.installed_sdk import installed_version

__all__ = ["HANDLER", "record_evi"]

HANDLER = f"{WeatherApp.__module__}:{WeatherApp.__qualname__}"

_VARIABLES = (API_KEY, SECRET_KEY, CONFIG_ID, BASE_URL)


def record_evi(out: Path, tell: Callable[[str], object]) -> LiveResult:
    """Hold the bundled conversation with EVI's simulator, and record it.

    Args:
        out: The folder of sessions.
        tell: Takes lines for people.

    Raises:
        SessionUnwritable: ``out`` cannot be written.
        EviHarnessError: The conversation could not be held or recorded.
        KeyboardInterrupt: Ctrl+C. What was recorded until then is kept.
    """
    with _no_keys(), served(_conversation(), ServeOptions(service=SIMULATOR)) as server:
        tell(f"The simulator listens on {server.url}; the emotions it reports are made up.")
        tell("The user's voice comes from a file: you do not have to speak.\n")
        options = LiveOptions(base_url=server.url, mic=USER, out=out, name="demo", allow_user_interrupt=True, handler=WeatherApp(tell))
        recorded = record_live(options, tell)
    for line in ["", *recorded.lines()]:
        tell(line)
    if recorded.problem is not None:
        raise recorded.problem
    if recorded.ended == INTERRUPTED:
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
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
