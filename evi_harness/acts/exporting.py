"""Export as an act: both sides of a session as one stereo file, computed from when their audio crossed the wire.

Rules of living here: a session folder is never written to. What is not heard but computed is called so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Mapping, Tuple, Union

from evi_harness.acts.exports.whole_file import place_of_file, whole_file
from evi_harness.audio.cadence import AT_ITS_RATE, Speed
from evi_harness.audio.sounding_sides import Side, said, would_play
from evi_harness.dialects import dialect_of
from evi_harness.errors import EviHarnessError, UsageError
from evi_harness.replay.pace import speed_of
from evi_harness.report.plain import printable
from evi_harness.session.header import HEARD
from evi_harness.session.session import Session
from evi_harness.session.wav import Pcm
from evi_harness.storage.append import WavFile
from evi_harness.storage.layout import HEARD_FILE
from evi_harness.verdicts.heard_audio import Mix
from evi_harness.verdicts.loading import load_session
from evi_harness.verdicts.redacted_views import redactor_for

__all__ = ["Exported", "export_wav", "mixed", "speed_of_session"]


@dataclass(frozen=True)
class Exported:
    """A stereo file of a session.

    Attributes:
        file: The file.
        pcm: Its format.
        n_bytes: Bytes of samples in it.
        remarks: What there is to say of it, a sentence each.
    """

    file: Path
    pcm: Pcm
    n_bytes: int
    remarks: Tuple[str, ...] = ()

    def lines(self) -> List[str]:
        """What to tell people: what was written, that it was computed, and what is missing in it."""
        length = f"{self.pcm.length_ns(self.n_bytes) / 1e9:.3f} s, {self.pcm.rate} Hz, the user left, the assistant right"
        return [f"{self.file}: {length}", "reconstructed from arrival times, not recorded at a speaker", *self.remarks]


def export_wav(session: Union[str, Path, Session], file: Union[str, Path], *, overwrite: bool = False) -> Exported:
    """Write both sides of a session into one WAV file: stereo, 16-bit, on the session's axis of time.

    Left is the user, each frame where it was when it was sent. Right is the assistant as a speaker would have played it: each piece once
    it is there and the one before it is over, and nothing of a reply behind its interruption. The file ends with the session, or with
    the last sound where that is later. Its rate is the highest of the assistant's audio, or the user's where there is none.

    Args:
        session: A session, or its folder.
        file: The file; its folder must be there. Only its owner may read it.
        overwrite: Replace the file if it is there.

    Returns:
        What was written.

    Raises:
        UsageError: The file is there already, or is in a session folder; its folder is not there.
        SessionUnreadable: The session cannot be read.
        EviHarnessError: There is no audio in the session, or none of the assistant's can be decoded; or the file cannot be written.
    """
    path = place_of_file(file, session, overwrite=overwrite)
    mix, remarks = mixed(session)
    return Exported(path, mix.pcm, _write(path, mix), remarks)


def mixed(session: Union[str, Path, Session]) -> Tuple[Mix, Tuple[str, ...]]:
    """Both sides of a session as they are exported, and what there is to say of them, a sentence each.

    Raises:
        SessionUnreadable: The session cannot be read.
        EviHarnessError: There is no audio in it, or none of the assistant's can be decoded; or it says that it lasts for days.
    """
    loaded = session if isinstance(session, Session) else load_session(session)
    redactor = redactor_for(loaded)
    speed = speed_of_session(loaded)
    dialect = dialect_of(loaded)
    user, assistant = said(loaded, dialect, speed), would_play(loaded, dialect, speed)
    _require_audio(loaded, user, assistant)
    remarks = tuple(printable(redactor.string(remark)) for remark in _remarks(loaded, user, assistant))
    mix = Mix(user, assistant, loaded.duration_ns)
    mix.check_size()
    return mix, remarks


def speed_of_session(session: Session) -> Speed:
    """How many times as fast as its rate the audio of a session went by: a replay may have gone by faster than what it replayed."""
    axis = session.header.source.get("axis")
    said_speed = axis.get("speed") if session.header.made_by == "replay" and isinstance(axis, Mapping) else None
    if not isinstance(said_speed, str):
        return AT_ITS_RATE
    try:
        return speed_of(said_speed)
    except UsageError:
        # The header is a stranger's.
        return AT_ITS_RATE


def _require_audio(session: Session, user: Side, assistant: Side) -> None:
    where = session.name or None
    if assistant.n_left_out and assistant.rate is None:
        files = ", ".join(track.file for track in session.header.tracks if track.track == "assistant" and track.rate is None)
        raise EviHarnessError(
            f"none of the assistant's audio can be decoded: it is not PCM, or missing; the first is #{assistant.first_left_out}",
            where=where,
            hint=f"The session folder has it as it arrived: {files}."
            if files
            else "evi-harness check FOLDER lists everything that is missing.",
        )
    if assistant.rate is None and user.rate is None:
        what = "this session has no audio"
        if user.n_left_out:
            what = f"none of the user's audio can be decoded, and the session has no other; the first is #{user.first_left_out}"
        raise EviHarnessError(what, where=where, hint="evi-harness show prints what is in it.")


def _remarks(session: Session, user: Side, assistant: Side) -> List[str]:
    told = []
    for side, whose in ((user, "user's"), (assistant, "assistant's")):
        if side.n_left_out:
            frames = "1 frame" if side.n_left_out == 1 else f"{side.n_left_out} frames"
            told.append(f"{frames} of the {whose} audio cannot be decoded, the first is #{side.first_left_out}: the file is silent there")
    told += [f"missing: {sentence}" for sentence in session.missing]
    if any(track.track == HEARD for track in session.header.tracks):
        told.append(f"the audio that was heard is in the session folder: {HEARD_FILE}")
    return told


def _write(path: Path, mix: Mix) -> int:
    with whole_file(path) as new:
        file = WavFile(new, mix.pcm)
        try:
            for block in mix.blocks():
                file.append(block)
            return file.size
        finally:
            file.close()
