"""Secrets, found by name and by value and replaced, before anything is written.

By name: the value of a member, a query parameter or a header whose name the dialect calls secret. By value: what was given, every value
that was found by name, and what looks like a key with a known prefix, wherever it occurs later, also escaped, in base64, or in audio.

Rules of living here: pure, bytes and strings in and out; what is replaced is a span of bytes, everything else stays byte for byte.
Redacting is idempotent: "[redacted]" is never redacted. Values shorter than 8 characters are not searched for, since they would be found in
innocent places.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import unquote_plus

from evi_harness.redacting.escapes import levels
from evi_harness.session.json_places import Member, members, string_value

__all__ = ["GENERAL_NAMES", "MIN_VALUE_LENGTH", "REDACTED", "Edit", "Redactor", "apply", "moved"]

REDACTED = "[redacted]"
MIN_VALUE_LENGTH = 8

_REDACTED = REDACTED.encode()
# Names that nobody gives to anything but a secret, for whoever looks at a session without knowing its dialect.
GENERAL_NAMES: FrozenSet[str] = frozenset(
    {"authorization", "proxy-authorization", "api_key", "apikey", "api-key", "x-api-key", "access_token", "accesstoken", "client_secret"}
)
# What carries credentials in HTTP, whatever the dialect.
_HTTP_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SCHEMES = frozenset({"basic", "bearer", "token"})
_BASE64_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_BRACKETED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_QUERY_IN_TEXT = re.compile(rb"[?&;]((?:[\w.\[\]-]|%5[bBdD])+)=([^&;\s\"'<>\\#]+)")
_USERINFO = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]*://([^/\s\"'@?#]+)@")
# What stands behind a name and is none of its values: nothing, the beginning of a structure, or what a sentence has in its place.
_NO_VALUES = frozenset({b"null", b"None", b"true", b"false", b"True", b"False", "…".encode(), b"...", b"VALUE"})
# Keys that begin with what they are: those of OpenAI and of many that followed, and of xAI. A digit, since words may begin so too.
_KEY_STARTS = (b"sk-", b"ek_", b"xai-")
_KEYS = re.compile(rb"(?<![A-Za-z0-9_-])(?:sk-|ek_|xai-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{20,}")
# Of what people and programs print, a word is no key.
_LIKE_A_KEY = re.compile(rf"(?=.*\d)\S{{{MIN_VALUE_LENGTH},}}")
_VALUE_IN_TEXT = rb"""["']?\s*[=:]\s*(?:b?"([^"]+)"|b?'([^']+)'|((?:(?:Basic|Bearer)\s+)?[^\s"'&,;)}\]]+))"""
# The group of a value without quotation marks, behind that of the name and those of the two kinds of marks.
_BARE = 4


class Edit(NamedTuple):
    """A span of bytes to replace.

    Attributes:
        start: Offset of its first byte.
        stop: Offset behind its last.
        replacement: What stands there afterwards.
        what: What was found, without the secret.
    """

    start: int
    stop: int
    replacement: bytes
    what: str


class _Needle(NamedTuple):
    """A form of a secret value: the bytes to look for, and how many base64 characters around hold some of its bits too."""

    core: bytes
    before: int
    after: int


def apply(text: bytes, edits: Iterable[Edit]) -> bytes:
    """Replace spans; the edits are ordered and do not overlap."""
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.replacement]
        at = edit.stop
    return b"".join([*pieces, text[at:]])


def moved(at: int, edits: Iterable[Edit]) -> Optional[int]:
    """Where an offset is after some edits, None where it lies within one of them."""
    shift = 0
    for edit in edits:
        if edit.start < at < edit.stop:
            return None
        if edit.stop <= at:
            shift += len(edit.replacement) - (edit.stop - edit.start)
    return at + shift


class Redactor:
    """Finds and replaces secrets, and learns values from names as it goes.

    Args:
        secret_names: Names in lower case whose values are secret.
        folded_names: Names in lower case of query parameters that hold other fields in a form of their own.
        secrets: Values that are secret wherever they occur.
        is_prose: Whether it looks at what people and programs print, for as long as they do. Then a word that stands bare behind a name is
            let stand where it is too short for a key, and what has no digit is not looked for elsewhere.
    """

    def __init__(
        self, secret_names: Iterable[str], folded_names: Iterable[str] = (), secrets: Iterable[str] = (), *, is_prose: bool = False
    ) -> None:
        self._is_prose = is_prose
        self._names: FrozenSet[str] = frozenset(name.lower() for name in secret_names)
        self._folded: FrozenSet[str] = frozenset(name.lower() for name in folded_names)
        self._known: Set[str] = set()
        self._needles: List[_Needle] = []
        self._spelled = [name.encode() for name in self._names | self._folded]
        secret = b"|".join(re.escape(name).encode() for name in sorted(self._names, key=len, reverse=True)) or rb"(?!)"
        self._pair_in_text = re.compile(rb"(?<![A-Za-z0-9])(" + secret + rb")" + _VALUE_IN_TEXT, re.IGNORECASE)
        for value in secrets:
            self.learn(value)

    def learn(self, value: str) -> None:
        """Take a value as secret from now on; one that is too short, empty or redacted is passed over."""
        if len(value) < MIN_VALUE_LENGTH or value in self._known or value == REDACTED:
            return
        self._known.add(value)
        # A longer value goes first: one can begin like another.
        self._needles = sorted({*self._needles, *_needles(value)}, key=lambda needle: (-len(needle.core), needle))

    def edits(self, text: bytes, *, is_frame: bool = True) -> List[Edit]:
        """What to replace in a text.

        Args:
            text: The text: JSON or not.
            is_frame: Whether it crossed the wire; then what only looks like ``name: value`` in the strings of JSON stays.

        Returns:
            The edits, ordered, without overlap.
        """
        found: List[Edit] = []
        might_be_named = self._is_name_in(text)
        # A name may be written with escapes, and with letters that are others in lower case: by who made a session, not by who prints.
        if might_be_named or b"\\" in text or not (self._is_prose or text.isascii()):
            found += self._named(text, is_frame)
        if might_be_named and b"=" in text:
            found += self._in_urls(text)
        if not is_frame and b"@" in text:
            found += [Edit(*match.span(1), _REDACTED, "userinfo") for match in _USERINFO.finditer(text) if match[1] != _REDACTED]
        if any(start in text for start in _KEY_STARTS):
            for match in _KEYS.finditer(text):
                self.learn(match[0].decode())
        found += [Edit(start, stop, _REDACTED, "value") for start, stop in self._spans(text)]
        return _merged(found)

    def names_in(self, data: bytes) -> bool:
        """Whether some bytes are a JSON text with a member whose name is secret."""
        return data[:64].lstrip()[:1] in (b"{", b"[") and any(edit.what != "value" for edit in self.edits(data))

    def samples(self, data: bytes) -> bytes:
        """Audio with secrets silenced: as many zero bytes stand where one stood."""
        spans = list(self._spans(data))
        if not spans:
            return data
        silenced = bytearray(data)
        for start, stop in spans:
            silenced[start:stop] = bytes(stop - start)
        return bytes(silenced)

    def string(self, value: str, found: Optional[Set[str]] = None) -> str:
        """A string of our own records with secrets replaced.

        Args:
            value: The string; lone surrogates in it are written as escapes, since no UTF-8 file holds them.
            found: Collects what was found.
        """
        text = value.encode("utf-8", "backslashreplace")
        edits = self.edits(text, is_frame=False)
        if found is not None:
            found.update(edit.what for edit in edits)
        return apply(text, edits).decode("utf-8", "backslashreplace")

    def printed(self, text: bytes) -> bytes:
        """What is printed with secrets replaced; a name and its value stand in one line."""
        if self._is_name_in(text) and text.find(b"\n", 0, -1) >= 0:
            return b"".join(map(self.printed, text.splitlines(keepends=True)))
        return apply(text, self.edits(text, is_frame=False))

    def data(self, value: Any, found: Optional[Set[str]] = None) -> Any:
        """JSON values of our own records with secrets replaced, at every depth, by name as well."""
        if isinstance(value, str):
            return self.string(value, found)
        if isinstance(value, Mapping):
            return {self.string(str(name), found): self._member(str(name), inner, found) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(inner, found) for inner in value]
        return value

    def query(self, pairs: Iterable[Tuple[str, str]], found: Optional[Set[str]] = None) -> Tuple[Tuple[str, str], ...]:
        """Query parameters, decoded, with secrets replaced."""
        pairs = tuple(pairs)
        for name, value in pairs:
            if self._judge(name) == "secret":
                self.learn(value)
        # An empty tuple that is not the empty tuple is written by some versions of msgspec, as if it were no default.
        return tuple((self.string(name, found), self._parameter(name, value, found)) for name, value in pairs) or ()

    def headers(self, pairs: Iterable[Tuple[str, str]], found: Optional[Set[str]] = None) -> Tuple[Tuple[str, str], ...]:
        """HTTP headers with secrets replaced."""
        pairs = tuple(pairs)
        for name, value in pairs:
            if self._is_secret_header(name):
                self._learn_credentials(value)
        return tuple((self.string(name, found), self._header(name, value, found)) for name, value in pairs) or ()

    def _header(self, name: str, value: str, found: Optional[Set[str]]) -> str:
        return self._hidden(name, value, found) if self._is_secret_header(name) else self.string(value, found)

    def _is_name_in(self, text: bytes) -> bool:
        """Whether a name stands in a text as it is; cheap, since every frame is asked."""
        lowered = text.lower()
        return any(name in lowered for name in self._spelled)

    def _is_secret_header(self, name: str) -> bool:
        return name.lower() in self._names or name.lower() in _HTTP_HEADERS

    def _judge(self, name: str) -> Optional[str]:
        """Whether a query parameter is ``secret``, ``folded`` (its value may hold secrets in a form of its own), or neither."""
        lowered = name.lower()
        if lowered in self._names:
            return "secret"
        bracketed = _BRACKETED.fullmatch(lowered)
        if bracketed is not None:
            return "secret" if self._names.intersection(bracketed[2][1:-1].split("][")) else None
        return "folded" if re.split(r"[^\w-]", lowered, maxsplit=1)[0] in self._folded else None

    def _parameter(self, name: str, value: str, found: Optional[Set[str]]) -> str:
        verdict = self._judge(name)
        if verdict == "secret" or (verdict == "folded" and not _is_json_object(value)):
            return self._hidden(name, value, found)
        return self.string(value, found)

    def _hidden(self, name: str, value: str, found: Optional[Set[str]]) -> str:
        if not value or value == REDACTED:
            return value
        if found is not None:
            found.add(self.string(name.lower()))
        return REDACTED

    def _member(self, name: str, value: Any, found: Optional[Set[str]]) -> Any:
        if name.lower() not in self._names and name.lower() not in _HTTP_HEADERS:
            return self.data(value, found)
        for inner in _strings_in(value):
            self._learn_credentials(inner)
        return value if value is None else self._hidden(name, str(value), found)

    def _learn_credentials(self, value: str) -> None:
        """Learn a header's value: with its scheme, without, and the two halves of a Basic one."""
        if self._is_prose and not _LIKE_A_KEY.search(value):
            return
        self.learn(value)
        scheme, _, rest = value.partition(" ")
        if scheme.lower() not in _SCHEMES:
            return
        self.learn(rest.strip())
        if scheme.lower() == "basic":
            try:
                halves = base64.b64decode(rest).decode().split(":", 1)
            except ValueError:
                return
            for half in halves:
                self.learn(half)

    def _named(self, text: bytes, is_frame: bool) -> List[Edit]:
        try:
            found = list(members(text))
        except ValueError:
            return self._pairs(text)
        edits = []
        for member in found:
            if member.name.lower() in self._names:
                edits += self._replaced_member(text, member)
            elif text[member.start : member.start + 1] == b'"':
                self._learn_from_nested(text, member)
        return edits if is_frame else edits + self._pairs(text)

    def _replaced_member(self, text: bytes, member: Member) -> List[Edit]:
        value = text[member.start : member.stop]
        if value in (b"null", b'""', b'"%s"' % _REDACTED):
            return []
        for inner in _strings_in(_decoded(value)):
            self._learn_credentials(inner)
        return [Edit(member.start, member.stop, b'"%s"' % _REDACTED, member.name.lower())]

    def _learn_from_nested(self, text: bytes, member: Member) -> None:
        """Learn the secrets of a JSON text that is a string of this one; they are then found by value."""
        if b"{" not in text[member.start : member.start + 64] or not self._is_name_in(text[member.start : member.stop]):
            return
        inner = string_value(text, member.start, member.stop).encode("utf-8", "surrogatepass")
        try:
            found = [one for one in members(inner) if one.name.lower() in self._names]
        except ValueError:
            return
        for one in found:
            for value in _strings_in(_decoded(inner[one.start : one.stop])):
                self._learn_credentials(value)

    def _pairs(self, text: bytes) -> List[Edit]:
        """``name=value``, ``name: value`` and their like in a text that is not JSON: as good as it gets."""
        edits = []
        for match in self._pair_in_text.finditer(text):
            group = next(index for index in (2, 3, 4) if match[index] is not None)
            if match[group].startswith(_REDACTED[:-1]) or match[group] in _NO_VALUES or match[group][:1] in (b"{", b"["):
                continue
            if self._is_prose and group == _BARE and len(match[group]) < MIN_VALUE_LENGTH:
                continue
            self._learn_credentials(match[group].decode("utf-8", "replace"))
            edits.append(Edit(*match.span(group), _REDACTED, match[1].decode().lower()))
        return edits

    def _in_urls(self, text: bytes) -> List[Edit]:
        """Query parameters of URLs that stand in a text."""
        edits = []
        for match in _QUERY_IN_TEXT.finditer(text):
            name, value = unquote_plus(match[1].decode()), unquote_plus(match[2].decode("utf-8", "replace"))
            verdict = self._judge(name)
            if verdict is None or value == REDACTED or (verdict == "folded" and _is_json_object(value)):
                continue
            self.learn(value)
            edits.append(Edit(*match.span(2), _REDACTED, name.lower()))
        return edits

    def _spans(self, text: bytes) -> Iterator[Tuple[int, int]]:
        """Where known values stand, in any of their forms."""
        if not self._needles:
            return
        yield from self._found(text)
        for level in levels(text):
            for start, stop in self._found(level.text):
                yield level.origin(start, stop)

    def _found(self, text: bytes) -> Iterator[Tuple[int, int]]:
        for needle in self._needles:
            at = text.find(needle.core)
            while at >= 0:
                stop = at + len(needle.core)
                yield _widened(text, at, stop, needle)
                at = text.find(needle.core, stop)


def _needles(value: str) -> List[_Needle]:
    """The forms of a value: itself, and in base64 at each of the three places in a group, in both alphabets."""
    raw = value.encode("utf-8", "surrogatepass")
    needles = [_Needle(raw, 0, 0)]
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(shift) + raw)
        whole, left = divmod((shift + len(raw)) * 8, 6)
        core = encoded[first:whole]
        needles += [_Needle(form, int(shift > 0), int(left > 0)) for form in {core, core.translate(_TO_URL)}]
    return needles


def _widened(text: bytes, start: int, stop: int, needle: _Needle) -> Tuple[int, int]:
    """A span with the neighbouring base64 characters that hold bits of the value."""
    if needle.before and start and text[start - 1] in _BASE64_BYTES:
        start -= 1
    if needle.after and stop < len(text) and text[stop] in _BASE64_BYTES:
        stop += 1
    return start, stop


def _merged(edits: List[Edit]) -> List[Edit]:
    """Edits in order, with those that touch one another's bytes made one: the widest keeps its replacement."""
    merged: List[Edit] = []
    for edit in sorted(edits, key=lambda one: (one.start, -one.stop)):
        if not merged or edit.start >= merged[-1].stop:
            merged.append(edit)
        elif edit.stop > merged[-1].stop:
            merged[-1] = merged[-1]._replace(stop=edit.stop, replacement=_REDACTED)
    return merged


def _is_json_object(value: str) -> bool:
    text = value.encode("utf-8", "surrogatepass")
    try:
        list(members(text))
    except ValueError:
        return False
    return text.lstrip()[:1] == b"{"


def _decoded(value: bytes) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _strings_in(inner)
