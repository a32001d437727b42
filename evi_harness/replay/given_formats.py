"""Messages that declare the format of the user's audio, if the app sends that audio and the SDK's microphone is off.

``record`` opens the microphone until the app sends its own audio, as does a replay in real time, and a session does not say which of them
sent what. So an app that speaks itself need not send a microphone's declaration of its format, and may send one.

Rules of living here: nothing is lost by it: audio in a format that nobody has given is ``rejected``.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from evi_harness.replay.judging.deviations import Deviation
from evi_harness.session.json_value import Json
from evi_harness.session.notes import MICROPHONE_OFF
from evi_harness.session.protocols import Dialect
from evi_harness.session.session import Session

__all__ = ["without_microphones"]


def without_microphones(
    deviations: Sequence[Deviation], recorded: Session, live: Session, dialect: Dialect
) -> Tuple[List[Deviation], List[str]]:
    """Leave out the deviations that are about what a microphone said of its format.

    Args:
        deviations: All of them.
        recorded: The recording.
        live: The session that the replay yielded, with its notes.
        dialect: What both are in.

    Returns:
        The others, in their order; and a remark for each that is left out.
    """
    if not _speaks_itself(live, dialect):
        return list(deviations), []
    then, now = _formats(recorded, dialect), _formats(live, dialect)
    kept: List[Deviation] = []
    remarks: List[str] = []
    for one in deviations:
        if one.kind == "missing" and one.recorded_seq in then and not one.consequences:
            remarks.append(f"the recorded #{one.recorded_seq} gave the format of a microphone, which is off here: it is not expected")
        elif one.kind == "unexpected" and one.live_seq in now and now[one.live_seq] in then.values():
            remarks.append(f"#{one.live_seq} gave the format again, for the app's own audio: that is not unexpected")
        else:
            kept.append(one)
    return kept, remarks


def _speaks_itself(live: Session, dialect: Dialect) -> bool:
    """Whether the microphone was off and audio was sent."""
    if not live.notes_of(MICROPHONE_OFF):
        return False
    audio = live.audio(dialect)
    return any(event in audio for event in live.sent)


def _formats(session: Session, dialect: Dialect) -> Dict[int, Mapping[str, Json]]:
    """The messages that give a format and nothing else, by seq."""
    sent = ((event.seq, dialect.read(event.kind, event.frame)) for event in session.sent if event.frame.is_text)
    return {seq: message.fields for seq, message in sent if dialect.gives_format(message)}
