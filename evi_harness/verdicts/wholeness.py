"""Whether a recording is complete and unchanged, for everything whose verdict depends on it: replays, servers, latency, tests.

Rules of living here: the one rule is here, and what it is about is ``Session.missing``, whatever put a sentence there: the reader, or the
digests. What cannot be opened at all is another error, and not this one.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional, Union

from evi_harness.errors import IncompleteRecording, SessionError, SessionUnwritable
from evi_harness.report.plain import printable
from evi_harness.session.session import Session
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["refused_for_what_is_missing", "require_whole", "way_out"]


def require_whole(*sessions: Session, allow_incomplete: bool = False) -> None:
    """Refuse recordings that are incomplete or damaged.

    Args:
        sessions: The recordings, as ``load_session(verify=True)`` gives them; one that is in memory alone is what its ``missing`` says.
        allow_incomplete: Take them as they are.

    Raises:
        IncompleteRecording: At least one is; the message lists all that is missing in all of them.
    """
    broken = [session for session in sessions if session.missing]
    if broken and not allow_incomplete:
        raise _refusal(*broken)


@contextmanager
def refused_for_what_is_missing(recorded: Session, *, allow_incomplete: bool) -> Iterator[None]:
    """Have what cannot be done with a recording because of what is missing in it refused as an incomplete recording.

    Args:
        recorded: The recording.
        allow_incomplete: Whether it is taken as it is: then the error is the one that it leads to.

    Raises:
        IncompleteRecording: In the place of an error about the session, where something is missing in it and that is not allowed.
    """
    try:
        yield
    except SessionError as error:
        if allow_incomplete or not recorded.missing or isinstance(error, SessionUnwritable):
            raise
        raise _refusal(recorded) from error


def way_out(place: Optional[Union[str, Path]]) -> str:
    """What can be done about a recording that is not whole.

    Args:
        place: Its folder, None where it is in memory alone.
    """
    more = "" if place is None else f"evi-harness check {place} shows more. "
    return f"{more}--allow-incomplete accepts the recording as it is (allow_incomplete=True in Python, --evi-allow-incomplete in pytest)."


def _refusal(*broken: Session) -> IncompleteRecording:
    redactor = redactor_for(*broken)
    is_one = len(broken) == 1
    told = [f"  {sentence if is_one else f'{_name(session)}: {sentence}'}" for session in broken for sentence in session.missing]
    what = "the recording is incomplete or damaged" if is_one else f"{len(broken)} recordings are incomplete or damaged"
    lines = [redactor.string(printable(line)) for line in (f"{what}:", *told)]
    return IncompleteRecording(
        "\n".join(lines),
        where=redactor.string(printable(_name(broken[0]))) if is_one else None,
        hint=way_out("FOLDER"),
        missing=tuple(line.strip() for line in lines[1:]),
    )


def _name(session: Session) -> str:
    return session.name or session.header.id
