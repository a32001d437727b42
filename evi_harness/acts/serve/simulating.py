"""Prepare a simulator for serving: read its script and voices, and attach speech detection and resampling.

Rules of living here: every mistake in a script is reported when it is read, before an app connects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Mapping, Optional, Tuple

from evi_harness.dialects import DEFAULT
from evi_harness.errors import Parameter, ScriptError, UsageError, Words
from evi_harness.input_file import read_file
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Hearing, Service
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.partners import Parrot, Partner
from evi_harness.simulate.script import Script, parse, voice_names
from evi_harness.simulate.simulator_options import DEFAULT_OPTIONS, EVI_PCM, Options
from evi_harness.simulate.simulators import SIMULATORS
from evi_harness.simulate.voice import VoiceMaker

__all__ = ["SIMULATOR", "Simulation", "refuse_script", "simulation"]

# What headers call it.
SIMULATOR = "simulator"
# Ten minutes at 48 kHz; a sentence has a hundredth of it.
MAX_VOICE_BYTES = 64 << 20
_FORMAT = "docs/how-to/simulator.md of evi-harness gives the format of a script."


def refuse_script(session: object) -> None:
    """Refuse a simulator's script that is given in the place of a session.

    Args:
        session: What was given as the session.

    Raises:
        UsageError: It is a script, by its name; the error says how to give it.
    """
    if isinstance(session, (str, Path)) and Path(session).suffix == ".toml":
        hint = Words("Give ", Parameter("simulate", True), " and ", Parameter("script", str(session)), ".")
        raise UsageError(f"{session} is a simulator script, not a session", hint=hint)


@dataclass
class Simulation:
    """Makes a simulator for each connection; can be sent to another process.

    Attributes:
        script: What it follows, None for the parrot.
        options: How the parrot behaves; a script has its own.
        open_ear: Makes the ear of one connection; by default one in this process, with a detector of its own.
        open_voice: Makes what makes the voices of one connection; by default they are made at once.
        dialect: The name of what it speaks.
    """

    script: Optional[Script] = None
    options: Options = DEFAULT_OPTIONS
    open_ear: Optional[Callable[[], Hearing]] = None
    open_voice: Optional[Callable[[], VoiceMaker]] = None
    dialect: str = DEFAULT
    _n_opened: int = 0

    def __reduce__(self) -> Tuple[Callable[[Optional[Script], Options, str], Simulation], Tuple[Optional[Script], Options, str]]:
        """In another process, be ready before anybody connects: the first chat must not wait for the detector's model."""
        return _ready, (self.script, self.options, self.dialect)

    def __call__(self, _: Handshake) -> Service:
        """Make the simulator for one connection; each has its own seed, so that no two chats have the same ids."""
        from evi_harness.audio.opus_decoding import OpusDecoder
        from evi_harness.audio.resampling import convert

        options = self.options if self.script is None else self.script.options
        options = replace(options, seed=options.seed + self._n_opened)
        self._n_opened += 1
        partner: Partner = Parrot() if self.script is None else self.script.partner()
        voice = None if self.open_voice is None else self.open_voice()
        return SIMULATORS[self.dialect].open((self.open_ear or _own_ear)(), partner, options, convert, voice, OpusDecoder)


def _own_ear() -> Hearing:
    from evi_harness.audio.detectors import make_detector
    from evi_harness.audio.ear import Ear

    return Ear(make_detector())


def simulation(script: Optional[Path] = None, dialect: str = DEFAULT, *, max_duration_s: Optional[float] = None) -> Simulation:
    """Get a simulator ready.

    Args:
        script: A script file; its voices stand beside it and are whatever audio can be read. None for the parrot.
        dialect: The name of what it speaks.
        max_duration_s: After how many seconds it ends a session, whatever the script says; None for what that says, or the service does.

    Raises:
        UsageError: There is no such file, or nothing simulates a service that speaks this.
        ScriptError: The script cannot be understood, or a voice is not there.
        EviHarnessError: No speech detector can be used.
    """
    if dialect not in SIMULATORS:
        what = f"there is no simulator for the dialect {dialect!r}"
        raise UsageError(what, hint=f"There are simulators for: {', '.join(SIMULATORS)}.")
    options = SIMULATORS[dialect].options
    if script is None:
        return _ready(None, _ending_after(options, max_duration_s), dialect)
    text = _text(script)
    try:
        parsed = parse(text, _voices(text, script), name=script.name, options=options)
    except RecursionError:
        raise ScriptError("it is nested too deeply", where=str(script), hint=_FORMAT) from None
    return _ready(replace(parsed, options=_ending_after(parsed.options, max_duration_s)), options, dialect)


def _ending_after(options: Options, max_duration_s: Optional[float]) -> Options:
    if max_duration_s is None:
        return options
    return replace(options, limits=replace(options.limits, max_duration_s=max_duration_s))


def _ready(script: Optional[Script] = None, options: Options = DEFAULT_OPTIONS, dialect: str = DEFAULT) -> Simulation:
    """A simulation whose parts are loaded."""
    from evi_harness.audio.resampling import convert

    ready = Simulation(script, options, dialect=dialect)
    ready(Handshake("/"))
    # The libraries that it imports where they are needed.
    convert(bytes(2), Pcm(8_000, 1), EVI_PCM)
    return Simulation(script, options, dialect=dialect)


def _text(script: Path) -> str:
    try:
        content = read_file(script, "script", ScriptError, hint=_FORMAT)
    except OSError as error:
        raise UsageError(f"the script cannot be read: {error.strerror}", where=str(script)) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ScriptError("it is not UTF-8 text", where=str(script), hint=_FORMAT) from None


def _voices(text: str, script: Path) -> Mapping[str, bytes]:
    return {name: _wav(script.parent / name, name, script) for name in sorted(voice_names(text, script.name))}


def _wav(path: Path, name: str, script: Path) -> bytes:
    """An audio file as the WAV that the simulator takes."""
    from evi_harness.audio.sources import FileSource

    try:
        source = FileSource(path, mono=True)
    except UsageError as error:
        raise ScriptError(f"the voice {name!r}: {error.what}", where=str(script), hint=error.hint) from None
    pieces, n_bytes = [], 0
    for piece in iter(lambda: source.read(source.pcm.rate), b""):
        n_bytes += len(piece)
        if n_bytes > MAX_VOICE_BYTES:
            source.close()
            what = f"the voice {name!r} is longer than {MAX_VOICE_BYTES >> 20} MiB of samples, and all voices are kept in memory"
            raise ScriptError(what, where=str(script), hint=_FORMAT)
        pieces.append(piece)
    return header(source.pcm, n_bytes) + b"".join(pieces)
