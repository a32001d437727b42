"""Checks of everything that a live conversation needs, with remedies.

A replay, the demo and ``record --mic`` need no sound system, no key and no network: what only ``record`` with a microphone needs is checked
anyway, and the check says so.

Rules of living here: a check only looks and changes nothing. It says whether a key is set, and never shows it. Facts about the machine are
arguments, so that tests can pass any machine.
"""

from __future__ import annotations

import platform
import shutil
import socket
import ssl
import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from evi_harness.acts.devices import INPUT, INSTALL_PORTAUDIO, OUTPUT, Device, list_devices, portaudio_version, refused_rates
from evi_harness.errors import EviHarnessError, Parameter, UsageError, Words
from evi_harness.evi.compat import parse_version
from evi_harness.evi.evi_variables import API_KEY, CONFIG_ID, SECRET_KEY
from evi_harness.sdk.hume.connect_errors import is_hume, unreachable, way_on
from evi_harness.sdk.hume.installed_sdk import import_sdk, installed_version
from evi_harness.sdk.installed import version_of
from evi_harness.session.json_value import Json
from evi_harness.settings.endpoint import Endpoint
from evi_harness.settings.environment import Settings, endpoint_for, faults, load_environment

__all__ = ["ACTS", "NOTE", "OK", "PROBLEM", "Check", "Diagnosis", "diagnose"]

OK, NOTE, PROBLEM = "ok", "note", "problem"

REACH_S = 3.0

_PYTHONS = ((3, 9), (3, 13))
_SDKS = ((0, 8, 6), (0, 14, 1))
# Those that work but for something that is known.
_SDK_NOTES: Mapping[str, str] = {
    "0.13.0": "puts session settings into the query in a form that EVI does not understand",
    "0.13.1": "puts session settings into the query in a form that EVI does not understand",
    "0.14.0": "cannot be imported without the package aiofiles, which it does not declare",
}
# What the SDK pins: from which version on, and which websockets it takes, the end not included.
_WEBSOCKETS = (((0, 13, 7), (12, 0), None), ((0, 8, 5), (13, 1), (14,)))

# Frames a second in which EVI answers.
_EVI_RATES = (24_000, 48_000)
_RESAMPLING: Mapping[str, str] = {
    "Debian/Ubuntu": "make a PulseAudio or PipeWire speaker the default: they resample",
    "macOS": "choose another default speaker",
}

# What one may want to do with this machine.
REPLAY, RECORD, SERVE = ACTS = ("replay", "record", "serve")

# What only a live conversation needs: the checks that may fail, and the word for it.
_SOUND = frozenset({"PortAudio", "devices", "microphone", "speaker", "ffmpeg"})
_ONLY_LIVE = (
    (_SOUND, "sound system"),
    (frozenset({".env", API_KEY, SECRET_KEY, CONFIG_ID}), "key"),
    (frozenset({"endpoint"}), "endpoint"),
)

# Up to here the SDK plays through pydub, which decodes by ffmpeg.
_LAST_WITH_FFMPEG = (0, 8, 6)

_PIP: Mapping[str, str] = {"": "pip install --upgrade 'hume[microphone]'"}
_FFMPEG: Mapping[str, str] = {"Debian/Ubuntu": "sudo apt-get install ffmpeg", "macOS": "brew install ffmpeg"}
_SOUND_SERVER: Mapping[str, str] = {
    "Debian/Ubuntu": "sudo apt-get install alsa-utils, then arecord -l and aplay -l; in a container, pass /dev/snd through",
    "macOS": "System Settings, Privacy & Security, Microphone: allow it for your terminal",
}


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: What was looked at.
        verdict: ``ok``, ``note`` or ``problem``.
        what: What was found, in a sentence or less.
        mend: System → what to do there; the empty name is any system.
    """

    name: str
    verdict: str
    what: str
    mend: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """All checks, in the order in which one would mend things.

    Attributes:
        checks: They.
        act: What they are needed for, all of them; None for whatever evi-harness does.
    """

    checks: Tuple[Check, ...]
    act: Optional[str] = None

    @property
    def passed(self) -> bool:
        """Whether nothing is a problem."""
        return not any(check.verdict == PROBLEM for check in self.checks)

    @property
    def exit_code(self) -> int:
        """1 if anything is a problem, else 0."""
        return 0 if self.passed else 1

    def lines(self) -> List[str]:
        """The checks for people, problems first: one line each, and how to mend it below; last, what the problems stand in the way of."""
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        width = max((len(check.name) for check in self.checks), default=0)
        for check in sorted(self.checks, key=lambda check: check.verdict != PROBLEM):
            yield f"{check.verdict:7}  {check.name:{width}}  {check.what}"
            for system, command in check.mend.items():
                yield " " * (width + 11) + (f"{system}: {command}" if system else command)
        yield ""
        yield self.verdict_text

    @property
    def verdict_text(self) -> str:
        """What the problems stand in the way of, in a sentence."""
        names = {check.name for check in self.checks if check.verdict == PROBLEM}
        if not names:
            return "No problem." if self.act is None else f"No problem: {self.act} works."
        n = f"{len(names)} problem{'' if len(names) == 1 else 's'}"
        if self.act is not None:
            return f"{n} for {self.act}."
        unneeded = [what for concerned, what in _ONLY_LIVE if names & concerned]
        if names - frozenset().union(*(concerned for concerned, _ in _ONLY_LIVE)):
            return f"{n}."
        acts = "demo, replay, serve and record --mic FILE" if names <= _SOUND else "demo, replay and serve"
        return f"{n}, only for a live conversation: {acts} need no {' and no '.join(unneeded)}."

    def json(self) -> Dict[str, Json]:
        """The same for programs."""
        checks = [{"name": one.name, "verdict": one.verdict, "what": one.what, "mend": dict(one.mend)} for one in self.checks]
        return {"ok": self.exit_code == 0, "for": self.act, "checks": checks}


def diagnose(*, base_url: Optional[str] = None, offline: bool = False, act: Optional[str] = None) -> Diagnosis:
    """Check this machine.

    Args:
        base_url: Where EVI is, None for what the environment says.
        offline: Whether to leave out the endpoint: then nothing is connected to.
        act: One of ``ACTS``, to check what that needs and nothing else; None for all.

    Raises:
        UsageError: ``base_url`` is not a URL of an endpoint, or ``act`` needs none.
    """
    if act in (REPLAY, SERVE) and base_url is not None:
        raise UsageError(
            Words(f"{act} needs no endpoint: ", Parameter("base_url"), " has no effect"),
            hint=Words("Leave it out, or check ", Parameter("act", RECORD), "."),
        )
    checks = [check_python(sys.version_info[:2], platform.python_version()), check_system(platform.system()), *_sdk()]
    if act in (REPLAY, SERVE):
        # A server needs none of the SDK's connections.
        return Diagnosis(tuple(one for one in checks if act == REPLAY or one.name != "websockets"), act)
    settings, environment = _environment()
    checks += [*_sound(), check_ffmpeg(shutil.which("ffmpeg"), version_of("hume")), *environment]
    try:
        endpoint = endpoint_for(settings, base_url)
    except UsageError as error:
        if base_url is not None:
            raise
        return Diagnosis((*checks, Check("endpoint", PROBLEM, error.what, {"": error.hint or ""})), act)
    checks += check_keys(settings, endpoint)
    checks.append(_not_tried(endpoint) if offline else check_endpoint(endpoint, reach))
    return Diagnosis(tuple(checks), act)


def check_python(version: Tuple[int, ...], name: str) -> Check:
    """Whether Python is one that this is tested on.

    Args:
        version: Its first two numbers.
        name: Its version as it calls it.
    """
    oldest, newest = _PYTHONS
    if version < oldest:
        return Check("Python", PROBLEM, f"{name} is older than {_dotted(oldest)}", {"": "Use Python 3.9 to 3.13."})
    if version > newest:
        return Check("Python", NOTE, f"{name} is newer than {_dotted(newest)}, the newest tested")
    return Check("Python", OK, name)


def check_system(system: str) -> Check:
    """Whether the system is one that is supported."""
    if system in ("Linux", "Darwin"):
        return Check("system", OK, {"Darwin": "macOS"}.get(system, system))
    return Check("system", NOTE, f"{system} is not supported", {"": "Use Linux or macOS."})


def check_sdk(version: str) -> Check:
    """Whether an installed SDK is one that is known."""
    oldest, newest = _SDKS
    if parse_version(version) < oldest:
        return Check("hume", PROBLEM, f"{version} is older than {_dotted(oldest)}, and cannot be pointed at another endpoint", _PIP)
    if parse_version(version) > newest:
        return Check("hume", NOTE, f"{version} is newer than {_dotted(newest)}, the newest known")
    if version in _SDK_NOTES:
        return Check("hume", NOTE, f"{version} {_SDK_NOTES[version]}", _PIP)
    return Check("hume", OK, f"{version} (newest known: {_dotted(newest)})")


def check_websockets(version: str, sdk: str) -> Check:
    """Whether the websockets library is one that the installed SDK takes."""
    first, end = next(((first, end) for since, first, end in _WEBSOCKETS if parse_version(sdk) >= since), ((0,), None))
    if parse_version(version) >= first and (end is None or parse_version(version) < end):
        return Check("websockets", OK, version)
    wanted = f">={_dotted(first)}" + (f",<{_dotted(end)}" if end else "")
    mend = {"": f"pip install 'websockets{wanted}'"}
    return Check("websockets", PROBLEM, f"hume {sdk} needs {wanted}, and {version} is installed", mend)


def check_devices(devices: Sequence[Device], refused: Sequence[int] = ()) -> List[Check]:
    """Whether there is something to speak into and something to hear with.

    Args:
        devices: The devices there are.
        refused: The rates that the default speaker does not play, of those in which EVI answers.
    """
    speaker = _check_kind(devices, OUTPUT, "speaker")
    return [_check_kind(devices, INPUT, "microphone"), _check_rates(speaker, refused) if refused else speaker]


def check_ffmpeg(path: Optional[str], sdk: Optional[str] = None) -> Check:
    """Whether ffmpeg is there, where it is needed.

    Args:
        path: Where it is, None where it is not.
        sdk: The version of the installed SDK, None for none.
    """
    if path is not None:
        return Check("ffmpeg", OK, path)
    if sdk is not None and parse_version(sdk) <= _LAST_WITH_FFMPEG:
        return Check("ffmpeg", PROBLEM, f"not found, and hume {sdk} plays the assistant's audio with it", _FFMPEG)
    return Check("ffmpeg", NOTE, "not found; only MP3 and the playback of SDKs up to 0.8.6 need it", _FFMPEG)


def check_keys(settings: Settings, endpoint: Endpoint) -> List[Check]:
    """Whether the keys are there, for an endpoint."""
    wrong = dict(faults(settings))
    checks = [Check(name, PROBLEM, what, {"": "Copy it again from the page where you created it."}) for name, what in wrong.items()]
    if API_KEY not in wrong:
        checks.append(_check_api_key(settings, endpoint))
    if SECRET_KEY not in wrong:
        what = "set" if settings.secret_key else "not set: only the API key is sent, no access token"
        checks.append(Check(SECRET_KEY, OK, what))
    what = "set" if settings.config_id else "not set: EVI uses its default configuration"
    return [*checks, Check(CONFIG_ID, OK, what)]


def check_endpoint(endpoint: Endpoint, reach_: Callable[[Endpoint], None]) -> Check:
    """Whether an endpoint can be connected to.

    Args:
        endpoint: Where EVI is.
        reach_: Connects to it and hangs up; raises an OSError where it cannot.
    """
    try:
        reach_(endpoint)
    except OSError as error:
        told = unreachable(endpoint.base_url, error)
        return Check("endpoint", PROBLEM, told.what, {"": told.hint or ""})
    if is_hume(endpoint.base_url):
        return Check(
            "endpoint", NOTE, f"{endpoint.base_url} can be reached; whether EVI answers was not tried", {"": way_on(endpoint.base_url)}
        )
    return Check("endpoint", OK, f"{endpoint.base_url} can be reached; whether EVI answers was not tried")


def _not_tried(endpoint: Endpoint) -> Check:
    what = f"{endpoint.base_url} (not tried: offline)"
    return Check("endpoint", NOTE, what, {"": way_on(endpoint.base_url)}) if is_hume(endpoint.base_url) else Check("endpoint", OK, what)


def reach(endpoint: Endpoint) -> None:
    """Connect to an endpoint, with TLS where it wants it, and hang up.

    Raises:
        OSError: It cannot be connected to within 3 s, or its certificate is not accepted.
    """
    with socket.create_connection((endpoint.host, endpoint.port), timeout=REACH_S) as connection:
        if endpoint.is_secure:
            with ssl.create_default_context().wrap_socket(connection, server_hostname=endpoint.host):
                pass


def _sdk() -> List[Check]:
    try:
        version = installed_version()
        check = check_sdk(version)
        import_sdk()
        return [check, check_websockets(metadata.version("websockets"), version)]
    except EviHarnessError as error:
        return [Check("hume", PROBLEM, error.what, {"": error.hint or ""})]


def _sound() -> List[Check]:
    try:
        found = portaudio_version()
    except EviHarnessError as error:
        is_package = "sounddevice is not" in error.what
        what = f"{error.what}; replay, demo and record --mic need none"
        return [Check("PortAudio", PROBLEM, what, _PIP if is_package else INSTALL_PORTAUDIO)]
    try:
        devices = list_devices()
        speaker = next((device for device in devices if OUTPUT in device.default_for), None)
        refused = [] if speaker is None else refused_rates(speaker, _EVI_RATES)
        return [Check("PortAudio", OK, found), *check_devices(devices, refused)]
    except EviHarnessError as error:
        return [Check("PortAudio", OK, found), Check("devices", PROBLEM, error.what, _SOUND_SERVER)]


def _environment() -> Tuple[Settings, List[Check]]:
    try:
        settings = load_environment()
    except EviHarnessError as error:
        return Settings(), [Check(".env", PROBLEM, str(error.what), {"": error.hint or ""})]
    if settings.dotenv is None:
        return settings, [Check(".env", NOTE, "none in this folder or above it; only environment variables apply")]
    return settings, [Check(".env", OK, str(settings.dotenv))]


def _check_api_key(settings: Settings, endpoint: Endpoint) -> Check:
    if settings.api_key:
        return Check(API_KEY, OK, "set")
    if endpoint.is_loopback:
        return Check(API_KEY, OK, "not set: an endpoint on this machine accepts any key")
    return Check(
        API_KEY,
        PROBLEM,
        "not set, and this endpoint requires one",
        {"": f"Write {API_KEY}=… into .env in your project's folder, or set the variable."},
    )


def _check_kind(devices: Sequence[Device], kind: str, name: str) -> Check:
    able = [device for device in devices if device.channels(kind)]
    if not able:
        return Check(name, PROBLEM, f"there is no {kind} device", _SOUND_SERVER)
    chosen = next((device for device in able if kind in device.default_for), None)
    if chosen is None:
        mend = {"": "Choose one: evi-harness devices, record --device D"}
        return Check(name, NOTE, f"none of {len(able)} {kind} devices is the default", mend)
    more = f", one of {len(able)}" if len(able) > 1 else ""
    return Check(name, OK, f"{chosen.index} {chosen.name}{more}")


def _check_rates(speaker: Check, refused: Sequence[int]) -> Check:
    # Which of the rates it will be is the service's choice, and the playback of one that is refused ends the conversation.
    verdict = PROBLEM if set(refused) >= set(_EVI_RATES) else NOTE
    what = f"{speaker.what} does not play {' and '.join(map(str, refused))} Hz; EVI may answer at {' or '.join(map(str, _EVI_RATES))} Hz"
    return Check(speaker.name, verdict, what, _RESAMPLING)


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
