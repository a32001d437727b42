"""Prepare a simulator for serving: read its script and voices, and attach speech detection and resampling.

Rules of living here: everything that can be wrong with a script is told when it is read, before anybody connects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Mapping, Optional, Tuple

from evi_harness.errors import Parameter, ScriptError, UsageError, Words
from evi_harness.input_file import read_file
from evi_harness.session.events import Handshake
from evi_harness.session.protocols import Hearing, Service
from evi_harness.session.wav import Pcm, header
from evi_harness.simulate.partners import Parrot, Partner
from evi_harness.simulate.script import Script, parse, voice_names
from evi_harness.simulate.simulator import DEFAULT_OPTIONS, EVI_PCM, Options, Simulator
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
    """

    script: Optional[Script] = None
    options: Options = DEFAULT_OPTIONS
    open_ear: Optional[Callable[[], Hearing]] = None
    open_voice: Optional[Callable[[], VoiceMaker]] = None
    _n_opened: int = 0

    def __reduce__(self) -> Tuple[Callable[[Optional[Script], Options], Simulation], Tuple[Optional[Script], Options]]:
        """In another process, be ready before anybody connects: the first chat must not wait for the detector's model."""
        return _ready, (self.script, self.options)

    def __call__(self, _: Handshake) -> Service:
        """Make the simulator for one connection; each has its own seed, so that no two chats have the same ids."""
        from evi_harness.audio.opus_decoding import OpusDecoder
        from evi_harness.audio.resampling import convert

        options = self.options if self.script is None else self.script.options
        options = replace(options, seed=options.seed + self._n_opened)
        self._n_opened += 1
        partner: Partner = Parrot() if self.script is None else self.script.partner()
        voice = None if self.open_voice is None else self.open_voice()
        return Simulator((self.open_ear or _own_ear)(), partner, options, convert, voice, OpusDecoder)


def _own_ear() -> Hearing:
    from evi_harness.audio.detectors import make_detector
    from evi_harness.audio.ear import Ear

    return Ear(make_detector())


def simulation(script: Optional[Path] = None) -> Simulation:
    """Get a simulator ready.

    Args:
        script: A script file; its voices stand beside it and are whatever audio can be read. None for the parrot.

    Raises:
        UsageError: There is no such file.
        ScriptError: The script cannot be understood, or a voice is not there.
        EviHarnessError: No speech detector can be used.
    """
    if script is None:
        return _ready()
    text = _text(script)
    try:
        parsed = parse(text, _voices(text, script), name=script.name)
    except RecursionError:
        raise ScriptError("it is nested too deeply", where=str(script), hint=_FORMAT) from None
    return _ready(parsed)


def _ready(script: Optional[Script] = None, options: Options = DEFAULT_OPTIONS) -> Simulation:
    """A simulation whose parts are loaded."""
    from evi_harness.audio.resampling import convert

    ready = Simulation(script, options)
    ready(Handshake("/"))
    # The libraries that it imports where they are needed.
    convert(bytes(2), Pcm(8_000, 1), EVI_PCM)
    return Simulation(script, options)


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
