"""Read a script: TOML to a partner and options. docs/how-to/simulator.md documents the format.

Rules of living here: what is not known is an error that names its place and what is known there, never ignored; a voice is named in the
script and given by the caller, since nothing is opened here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple, Union

from evi_harness.errors import ScriptError, UsageError
from evi_harness.session.foreign_text import toml_tables
from evi_harness.session.wav import Pcm, split
from evi_harness.simulate.delays import Delay, Latency
from evi_harness.simulate.partners import FREE, SPEECH, TEXT, ScriptedPartner, ScriptedTurn
from evi_harness.simulate.replies import ERROR, RESPONSE, Answer, Reply, Sentence, ToolCall
from evi_harness.simulate.simulator_options import Limits, Options
from evi_harness.simulate.turn_detection import TurnDetection
from evi_harness.simulate.uplink import AudioPiece, Formats

__all__ = ["Script", "parse", "voice_names"]

Table = Mapping[str, Any]

_SILENT, _REPEAT, _CLOSE = "silent", "repeat", "close"


@dataclass(frozen=True)
class Script:
    """A script, understood.

    Attributes:
        turns: Its turns.
        greeting: What the assistant says first.
        repeats: Whether it begins again behind its last turn.
        options: How the simulator behaves, what the script does not say as the caller gave it.
        name: What to call it.
    """

    turns: Tuple[ScriptedTurn, ...]
    greeting: Optional[Reply]
    repeats: bool
    options: Options
    name: str

    def partner(self) -> ScriptedPartner:
        """A partner that follows it, for one connection."""
        return ScriptedPartner(self.turns, self.greeting, repeats=self.repeats, name=self.name)


def voice_names(source: Union[str, Table], name: str = "script") -> FrozenSet[str]:
    """The voices that a script names, to be read and given to ``parse``.

    Args:
        source: The script's text, or its tables.
        name: What to call it in errors.

    Raises:
        ScriptError: It is not TOML.
    """
    return frozenset(_voices(_tables(source, name)))


def parse(
    source: Union[str, Table], voices: Optional[Mapping[str, bytes]] = None, *, name: str = "script", options: Optional[Options] = None
) -> Script:
    """Understand a script.

    Args:
        source: The script's text, or its tables.
        voices: WAV files by the names that the script gives them; ``voice_names`` lists these.
        name: What to call it in errors and notes.
        options: What holds where the script says nothing.

    Raises:
        ScriptError: It is not TOML, or something in it is not as documented, or a voice is missing or not PCM; says where.
    """
    return _Reader(voices or {}, name).script(_tables(source, name), options or Options())


def _tables(source: Union[str, Table], name: str) -> Table:
    if not isinstance(source, str):
        return source
    try:
        return toml_tables(source)
    except ValueError as error:
        raise ScriptError(f"it is not TOML: {error}", where=name) from None


def _voices(value: Any) -> Iterator[str]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if isinstance(value, Mapping) and isinstance(value.get("voice"), str):
        yield value["voice"]
    for one in inner:
        yield from _voices(one)


class _Reader:
    """Reads the tables of one script; each method reads one kind of table, at a place."""

    def __init__(self, voices: Mapping[str, bytes], name: str) -> None:
        self._voices = voices
        self._name = name
        self._sounds: Dict[str, AudioPiece] = {}

    def script(self, table: Table, options: Options) -> Script:
        known = ("seed", "at_end", "echo_settings", "audio", "turn_detection", "latency", "limits", "user_audio", "greeting", "turn")
        self._only(table, "", known)
        at_end = self._choice(table, "", "at_end", (_SILENT, _REPEAT, _CLOSE))
        turns = [self._turn(inner, f"turn {number}") for number, inner in enumerate(self._list(table, "", "turn"), 1)]
        if turns and at_end == _CLOSE:
            turns[-1] = replace(turns[-1], reply=replace(turns[-1].reply or Reply(), hangs_up=True))
        greeting = self._table(table, "", "greeting")
        if greeting is not None:
            self._only(greeting, "greeting", ("say", "delay_ms", "chunk_delay_ms", "interruptible"))
        return Script(
            tuple(turns),
            None if greeting is None else self._reply(greeting, "greeting"),
            at_end == _REPEAT,
            self._options(table, options),
            self._name,
        )

    def _turn(self, table: Any, place: str) -> ScriptedTurn:
        known = ("expect", "said", "interim", "say", "delay_ms", "chunk_delay_ms", "interruptible", "hang_up", "tool")
        self._only(table, place, known)
        interim = self._list(table, place, "interim")
        if not all(isinstance(one, str) for one in interim):
            raise self._wrong(place, "interim is not a list of texts")
        has_reply = "say" in table or "tool" in table or table.get("hang_up")
        return ScriptedTurn(
            reply=self._reply(table, place) if has_reply else None,
            expect=self._choice(table, place, "expect", (FREE, SPEECH, TEXT)),
            said=self._value(table, place, "said", str, ""),
            interim=tuple(interim),
        )

    def _reply(self, table: Table, place: str) -> Reply:
        return Reply(
            sentences=self._said(table, place),
            tool=self._tool(table, place),
            delay_ms=self._milliseconds(table, place, "delay_ms") or 0,
            chunk_delay_ms=self._milliseconds(table, place, "chunk_delay_ms"),
            is_interruptible=self._value(table, place, "interruptible", bool, True),
            hangs_up=self._value(table, place, "hang_up", bool, False),
        )

    def _said(self, table: Table, place: str) -> Tuple[Sentence, ...]:
        """Sentences: a text, a table, or a list of these."""
        say = table.get("say", [])
        listed = say if isinstance(say, list) else [say]
        return tuple(self._sentence(one, f"{place}, say {number}") for number, one in enumerate(listed, 1))

    def _sentence(self, value: Any, place: str) -> Sentence:
        table = {"text": value} if isinstance(value, str) else value
        self._only(table, place, ("text", "voice", "chunk_ms", "prosody", "quick"))
        if "text" not in table:
            raise self._wrong(place, "text is missing")
        return Sentence(
            text=self._value(table, place, "text", str, ""),
            sound=self._sound(table, place),
            chunk_ms=self._milliseconds(table, place, "chunk_ms"),
            has_prosody=self._value(table, place, "prosody", bool, False),
            is_quick=self._value(table, place, "quick", bool, False),
        )

    def _sound(self, table: Table, place: str) -> Optional[AudioPiece]:
        voice = self._value(table, place, "voice", str, "")
        if not voice:
            return None
        if voice not in self._voices:
            raise self._wrong(place, f"there is no voice {voice!r}")
        if voice not in self._sounds:
            wav = split(self._voices[voice])
            if wav is None:
                raise self._wrong(place, f"the voice {voice!r} is not a WAV file of linear PCM")
            self._sounds[voice] = AudioPiece(wav.pcm, wav.samples)
        return self._sounds[voice]

    def _tool(self, table: Table, place: str) -> Optional[ToolCall]:
        tool = self._table(table, place, "tool")
        if tool is None:
            return None
        place = f"{place}, tool"
        self._only(tool, place, ("name", "parameters", "response_required", "answer"))
        if not self._value(tool, place, "name", str, ""):
            raise self._wrong(place, "name is missing")
        return ToolCall(
            name=tool["name"],
            parameters=self._parameters(tool, place),
            response_required=self._value(tool, place, "response_required", bool, True),
            answers=tuple(
                self._answer(one, f"{place}, answer {number}") for number, one in enumerate(self._list(tool, place, "answer"), 1)
            ),
        )

    def _parameters(self, table: Table, place: str) -> str:
        parameters = table.get("parameters", {})
        if isinstance(parameters, str):
            return parameters
        if not isinstance(parameters, Mapping):
            raise self._wrong(place, "parameters is neither a table nor a text")
        try:
            return json.dumps(parameters, ensure_ascii=False)
        except TypeError as error:
            # TOML knows dates, JSON does not.
            raise self._wrong(place, f"parameters: {error}") from None

    def _answer(self, table: Any, place: str) -> Answer:
        self._only(table, place, ("to", "contains", "say"))
        return Answer(
            sentences=self._said(table, place),
            to=self._choice(table, place, "to", ("any", RESPONSE, ERROR)),
            contains=self._value(table, place, "contains", str, ""),
        )

    # How the simulator behaves.

    def _options(self, table: Table, options: Options) -> Options:
        audio = self._table(table, "", "audio") or {}
        self._only(audio, "audio", ("rate", "chunk_ms"))
        chunk_ms = self._milliseconds(audio, "audio", "chunk_ms")
        rate = self._value(audio, "audio", "rate", int, options.pcm.rate)
        if not 8_000 <= rate <= 192_000:
            raise self._wrong("audio", f"rate is {rate}; it is frames a second, such as 24000 or 48000")
        return replace(
            options,
            seed=self._value(table, "", "seed", int, options.seed),
            detection=self._filled(TurnDetection, table, "turn_detection", options.detection, self._number),
            latency=self._filled(Latency, table, "latency", options.latency, self._delay),
            limits=self._filled(Limits, table, "limits", options.limits, self._number),
            formats=self._filled(Formats, table, "user_audio", options.formats, self._number),
            pcm=Pcm(rate, 1),
            chunk_ms=options.chunk_ms if chunk_ms is None else chunk_ms,
            echoes_settings=self._value(table, "", "echo_settings", bool, options.echoes_settings),
        )

    def _filled(self, kind: Any, table: Table, place: str, default: Any, read: Callable[[Table, str, str], Any]) -> Any:
        """A group of options: the default with what the script says."""
        inner = self._table(table, "", place) or {}
        self._only(inner, place, tuple(field.name for field in fields(kind)))
        try:
            return replace(default, **{key: read(inner, place, key) for key in inner})
        except UsageError as error:
            raise self._wrong(place, error.what) from None

    def _number(self, table: Table, place: str, key: str) -> Any:
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 10**9:
            raise self._wrong(place, f"{key} is {value!r}, not a number from 0 on")
        return value

    def _delay(self, table: Table, place: str, key: str) -> Any:
        if not isinstance(table[key], Mapping):
            number = self._number(table, place, key)
            return number if key == "extra_ms" else Delay(number)
        inner, place = table[key], f"{place}.{key}"
        self._only(inner, place, ("median_ms", "sigma"))
        if key == "extra_ms" or "median_ms" not in inner:
            raise self._wrong(place, "a delay is a number of ms, or a table with median_ms and sigma; extra_ms is a number")
        return Delay(**{name: self._number(inner, place, name) for name in inner})

    # Values.

    def _only(self, table: Any, place: str, known: Tuple[str, ...]) -> None:
        if not isinstance(table, Mapping):
            raise self._wrong(place, "is not a table")
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise self._wrong(place, f"{', '.join(unknown)} is not known here; known: {', '.join(known)}")

    def _value(self, table: Table, place: str, key: str, kind: type, default: Any) -> Any:
        value = table.get(key, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self._wrong(place, f"{key} is {value!r:.60}, not {_KINDS[kind]}")
        return value

    def _choice(self, table: Table, place: str, key: str, choices: Tuple[str, ...]) -> str:
        value = table.get(key, choices[0])
        if value not in choices:
            raise self._wrong(place, f"{key} is {value!r:.60}; it is one of {', '.join(choices)}")
        return str(value)

    def _milliseconds(self, table: Table, place: str, key: str) -> Optional[int]:
        if key not in table:
            return None
        value: int = self._value(table, place, key, int, 0)
        if not 0 <= value < 10**7:
            raise self._wrong(place, f"{key} is {value}, not a valid number of milliseconds")
        return value

    def _table(self, table: Table, place: str, key: str) -> Optional[Table]:
        value = table.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise self._wrong(place, f"{key} is not a table")
        return value

    def _list(self, table: Table, place: str, key: str) -> List[Any]:
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self._wrong(place, f"{key} is not a list")
        return value

    def _wrong(self, place: str, what: str) -> ScriptError:
        where = f"{self._name}: {place}" if place else self._name
        return ScriptError(what, where=where, hint="docs/how-to/simulator.md of evi-harness gives the format of a script.")


_KINDS = {str: "a text", bool: "true or false", int: "a whole number"}
