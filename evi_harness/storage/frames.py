"""A frame of a stored session, read from the folder when its payload is needed, and not kept.

Rules of living here: what needs no file must touch none: opcode, size, outline and the header of a frame's samples stand in the line.
"""

from __future__ import annotations

from typing import Optional, Union

from evi_harness.session.events import Frame
from evi_harness.storage import codec
from evi_harness.storage.layout import PAYLOADS
from evi_harness.storage.lines import NO_JSON, Cut, FrameLine, Slice
from evi_harness.storage.opening import Folder

__all__ = ["StoredFrame"]


class StoredFrame(Frame):
    """A frame whose audio is in the folder.

    Args:
        line: Its record.
        folder: The folder.
    """

    __slots__ = ("_folder", "_line")

    def __init__(self, line: FrameLine, folder: Folder) -> None:
        self.opcode = line.frame
        self._line = line
        self._folder = folder

    @property
    def payload(self) -> bytes:
        """The bytes of the message, read from the folder at each call.

        Raises:
            AudioMissing: The folder does not hold its audio.
        """
        line = self._line
        if line.payload is not None:
            return self._folder.piece(line.payload.file, line.payload.offset, line.payload.length)
        cut = line.audio
        return codec.payload_of(line, self._folder.piece(cut.file, cut.offset, cut.length) if cut is not None else b"")

    @property
    def audio(self) -> Optional[bytes]:
        """The frame's audio as the folder has it, read at each call: what its base64 stands for.

        Raises:
            AudioMissing: The folder does not hold it.
        """
        cut = self._line.audio
        return None if cut is None else cut.head + self._folder.piece(cut.file, cut.offset, cut.length) + cut.tail

    @property
    def size(self) -> int:
        """Length of the payload in bytes, as the line has it."""
        line = self._line
        if line.payload is not None:
            return line.payload.length
        cut = line.audio
        n_audio = 0 if cut is None else cut.size if cut.size is not None else len(cut.head) + cut.length + len(cut.tail)
        if line.json is not NO_JSON:
            return n_audio + memoryview(line.json).nbytes
        # Most frames are all audio, and this is asked several times for each.
        return n_audio if line.text is None and line.base64 is None else n_audio + len(codec.body_of(line))

    @property
    def outline(self) -> bytes:
        """The payload with its audio cut out."""
        return codec.body_of(self._line) if self._line.payload is None else self.payload

    @property
    def head(self) -> bytes:
        """What stands before the samples, as the line has it; the payload where the audio is not kept as samples, or not they alone."""
        cut = self._line.audio
        if cut is None or cut.at or cut.tail or cut.file.startswith(PAYLOADS):
            return self.payload
        return cut.head

    @property
    def used(self) -> Union[Cut, Slice, None]:
        """The bytes of the folder that it needs, None where its line holds all of it."""
        return self._line.audio or self._line.payload

    def __repr__(self) -> str:
        return f"<StoredFrame {self.opcode} {self.size} bytes>"
