"""Remove secrets from everything that a report, a timeline or an error quotes.

Recording redacts before anything is written, but a session may be made in memory or come from a stranger, and a handler may quote its own
keys. What counts as secret: the keys of this run, and every value of a secret name in the sessions at hand.

Rules of living here: what is shown is replaced before it is shortened, since half a key is a key found; frames are never touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, FrozenSet, Iterable, Iterator, List, Tuple

from evi_harness.dialects import dialect_of, dialects_of
from evi_harness.redacting.redaction import REDACTED, Redactor
from evi_harness.redacting.source_redaction import redacted_source
from evi_harness.replay.judging.deviations import Deviation
from evi_harness.replay.judging.differences import Difference
from evi_harness.replay.judging.findings import Finding
from evi_harness.replay.judging.verdict import Verdict
from evi_harness.session.events import Closed, Event, Frame, Handshake, Note, Opened, Received, Sent
from evi_harness.session.places import Place, SourceLine
from evi_harness.session.protocols import Dialect, Message
from evi_harness.session.session import Session
from evi_harness.settings.keys_here import environment_secrets
from evi_harness.settings.sink import learn
from evi_harness.storage import header_file
from evi_harness.verdicts.comparing import AS_USUAL, Comparing, Rules

__all__ = ["Discreet", "discreet_deviation", "discreet_session", "discreet_verdict", "known_secrets", "redactor_for"]


class Discreet(Comparing):
    """A dialect that tells no secrets when it describes a message.

    Args:
        dialect: The dialect.
        redactor: Knows the secrets.
        rules: How messages are compared.
    """

    def __init__(self, dialect: Dialect, redactor: Redactor, rules: Rules = AS_USUAL) -> None:
        super().__init__(dialect, rules)
        self._redactor = redactor

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return self._redactor.string(text)

    def describe(self, kind: str, message: Message) -> str:
        """One short line for people, without secrets."""
        name = None if message.type is None else self._redactor.string(message.type)
        text = None if message.text is None else self._redactor.string(message.text)
        return super().describe(kind, Message(name, self._redactor.data(message.fields), text))


def redactor_for(*sessions: Session, secrets: Iterable[str] = ()) -> Redactor:
    """What knows the secrets of this run and of some sessions, and others that are known to be.

    Args:
        sessions: The sessions.
        secrets: The others.
    """
    known = [*known_secrets(*sessions), *secrets]
    learn(known)
    dialects = dialects_of(sessions)
    return Redactor(_secret_names(dialects), frozenset().union(*(one.folded_names for one in dialects)), known)


def known_secrets(*sessions: Session) -> List[str]:
    """The values that are secret: this run's keys from the environment and .env, and what stands under a secret name in the sessions.

    Whatever is printed from now on shows none of them.
    """
    found = environment_secrets()
    for session in sessions:
        dialect, names = dialect_of(session), _secret_names(dialects_of((session,)))
        for event in session.events:
            if not isinstance(event, (Sent, Received)) or _may_name(event.frame, names):
                found += [form for value in _values(event, dialect, names) for form in _forms(value)]
    known = [value for value in dict.fromkeys(found) if value != REDACTED]
    learn(known)
    return known


def _secret_names(dialects: Iterable[Dialect]) -> FrozenSet[str]:
    return frozenset().union(*(one.secret_names for one in dialects))


def _may_name(frame: Frame, names: FrozenSet[str]) -> bool:
    """Whether a frame may have a secret's name: most have none, and to search a message costs less than to read it."""
    if not frame.is_text:
        return False
    # As a string: a letter beyond ASCII may be a plain one in lower case, as the kelvin sign is. A name may be written with escapes.
    text = frame.outline.decode("utf-8", "replace").lower()
    return "\\u" in text or any(name in text for name in names)


def _values(event: Event, dialect: Dialect, names: FrozenSet[str]) -> Iterator[str]:
    if isinstance(event, Opened):
        pairs = (*event.handshake.query, *event.handshake.headers)
        yield from (value for name, value in pairs if name.lower() in names)
        yield from dialect.keys_in(event.handshake)
    elif isinstance(event, (Sent, Received)):
        yield from _named(dialect.read(event.kind, event.frame).fields, names)
    elif isinstance(event, Note):
        yield from _named(event.data, names)


def _named(value: Any, names: FrozenSet[str]) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if str(name).lower() in names and isinstance(inner, str):
                yield inner
            else:
                yield from _named(inner, names)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _named(inner, names)


def _forms(value: str) -> Tuple[str, ...]:
    """A value as it stands, and without the scheme that a header puts before it."""
    scheme, _, rest = value.partition(" ")
    return (value, rest) if scheme.lower() in ("bearer", "basic", "token") and rest else (value,)


def discreet_session(session: Session, redactor: Redactor) -> Session:
    """A session to be shown: header, opening, close and notes without secrets; frames are for ``Discreet`` to describe."""
    events = tuple(_discreet_event(event, redactor) for event in session.events)
    return replace(session, header=header_file.redacted(session.header, redactor), events=events)


def _discreet_event(event: Event, redactor: Redactor) -> Event:
    if isinstance(event, Opened):
        asked = event.handshake
        return replace(event, handshake=Handshake(asked.path, redactor.query(asked.query), redactor.headers(asked.headers)))
    if isinstance(event, Closed):
        return replace(event, reason=redactor.string(event.reason))
    if isinstance(event, Note):
        return replace(event, data=redactor.data(event.data))
    return event


def discreet_verdict(verdict: Verdict, redactor: Redactor) -> Verdict:
    """A verdict whose sentences and values hold no secrets."""
    return replace(
        verdict,
        deviations=tuple(discreet_deviation(deviation, redactor) for deviation in verdict.deviations),
        findings=tuple(_discreet_finding(finding, redactor) for finding in verdict.findings),
        late=tuple(replace(one, what=redactor.string(one.what)) for one in verdict.late),
    )


def discreet_deviation(deviation: Deviation, redactor: Redactor) -> Deviation:
    """A deviation whose sentences and values hold no secrets."""
    differences = tuple(
        Difference(redactor.string(one.path), redactor.data(one.recorded), redactor.data(one.live)) for one in deviation.differences
    )
    return replace(
        deviation,
        what=redactor.string(deviation.what),
        detail=tuple(map(redactor.string, deviation.detail)),
        differences=differences,
        places=_discreet_places(deviation.places, redactor),
    )


def _discreet_finding(finding: Finding, redactor: Redactor) -> Finding:
    places = _discreet_places(finding.places, redactor)
    return replace(finding, what=redactor.string(finding.what), detail=tuple(map(redactor.string, finding.detail)), places=places)


def _discreet_places(places: Tuple[Place, ...], redactor: Redactor) -> Tuple[Place, ...]:
    return tuple(
        replace(one, file=redactor.string(one.file), function=redactor.string(one.function), source=_source(one, redactor))
        for one in places
    )


def _source(place: Place, redactor: Redactor) -> Tuple[SourceLine, ...]:
    """The source of a place; a stranger's session may hold what was never redacted as source is."""
    return tuple(SourceLine(one.line, redactor.string(redacted_source(one.text))) for one in place.source)
