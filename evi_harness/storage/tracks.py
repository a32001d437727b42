"""The audio files of a folder while it is written.

16-bit PCM of one format goes into one WAV file after the other: ``user.wav``, ``user.2.wav``. All else goes verbatim into ``payloads/``;
chunks without a header that follow a container's header belong to the same stream and the same file.

Rules of living here: ``plan`` says where bytes would go and changes nothing; ``store`` puts them there. So a line can be tried before
anything is on disk.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from evi_harness.session.header import TrackFile
from evi_harness.session.wav import Pcm
from evi_harness.storage.append import AppendFile, WavFile
from evi_harness.storage.codec import Pieces
from evi_harness.storage.layout import MAX_TRACK_BYTES, PAYLOADS, payload_name, track_name

__all__ = ["AudioFiles", "Slot"]


class Slot(NamedTuple):
    """Where bytes go.

    Attributes:
        track: The track.
        file: The file's name in the folder.
        offset: Where in it they begin, as a line says it.
        pcm: The format of a WAV file, None for a file kept verbatim.
        is_new: Whether the file must be made.
    """

    track: str
    file: str
    offset: int
    pcm: Optional[Pcm]
    is_new: bool


class _Stream:
    """A file that is being written."""

    def __init__(self, slot: Slot, file: AppendFile) -> None:
        self.track = slot.track
        self.name = slot.file
        self.pcm = slot.pcm
        self.file = file

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def ends_whole(self) -> bool:
        return self.pcm is None or self.file.size % self.pcm.frame_bytes == 0


class AudioFiles:
    """The audio files of one folder.

    Args:
        folder: A descriptor of the folder, good for as long as files are made.
        max_bytes: Bytes of audio after which a track goes on in another file.
    """

    def __init__(self, folder: int, max_bytes: int = MAX_TRACK_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._streams: List[_Stream] = []
        self._open: List[_Stream] = []
        # Folders in which files are new, by their names in the folder.
        self._new_in: Set[str] = set()
        self._current: Dict[str, _Stream] = {}
        self._n_files: Dict[str, int] = {}

    def plan(self, track: str, audio: Pieces) -> Slot:
        """Say where a frame's samples go, without putting them there."""
        kind = _kind(track, audio.pcm)
        stream = self._current.get(kind)
        if stream is not None and self._goes_on(stream, audio):
            return Slot(track, stream.name, stream.file.size, stream.pcm, is_new=False)
        number = self._n_files.get(kind, 0) + 1
        if audio.pcm is not None:
            return Slot(track, track_name(track, number), 0, audio.pcm, is_new=True)
        extension = audio.container.extension if audio.container else "bin"
        return Slot(track, payload_name(track, number, extension), 0, None, is_new=True)

    def store(self, slot: Slot, data: bytes) -> None:
        """Append bytes where they were planned to go.

        Raises:
            OSError: They cannot be written; the file is as before.
        """
        kind = _kind(slot.track, slot.pcm)
        if slot.is_new:
            self._current[kind] = self._begin(slot)
            self._n_files[kind] = self._n_files.get(kind, 0) + 1
        self._current[kind].file.append(data)

    def store_body(self, name: str, data: bytes) -> None:
        """Put a frame's body into a file of its own."""
        self._begin(Slot("", name, 0, None, is_new=True)).file.append(data)

    def track_files(self) -> List[TrackFile]:
        """The audio files as the header lists them."""
        return [_track_file(stream) for stream in self._streams if stream.track]

    def names(self) -> List[str]:
        """The names of all files made here."""
        return [stream.name for stream in self._streams]

    def sync(self) -> None:
        """Have the disk hold all audio, and close the files that will not go on."""
        current = list(self._current.values())
        for stream in self._open:
            stream.file.sync()
            if stream not in current:
                stream.file.close()
        self._open = current
        for name in sorted(self._new_in):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        self._new_in.clear()

    def disturbed(self) -> Optional[Tuple[str, str]]:
        """The first open file to which another program has done something, and what, as of ``AppendFile.disturbed``; None for none."""
        for stream in self._open:
            what = stream.file.disturbed()
            if what is not None:
                return stream.name, what
        return None

    def close(self) -> None:
        """Close all files."""
        for stream in self._open:
            stream.file.close()
        self._open = []

    def _goes_on(self, stream: _Stream, audio: Pieces) -> bool:
        if stream.file.size + len(audio.samples) > self._max_bytes and stream.file.size:
            return False
        if stream.pcm is not None:
            return stream.pcm == audio.pcm and (stream.ends_whole or not audio.whole)
        return audio.container is None or (audio.container.extension == stream.extension and not audio.container.once)

    def _begin(self, slot: Slot) -> _Stream:
        stream = _Stream(slot, self._make(slot))
        self._streams.append(stream)
        self._open.append(stream)
        return stream

    def _make(self, slot: Slot) -> AppendFile:
        path = Path(slot.file)
        if slot.file.startswith(PAYLOADS):
            with contextlib.suppress(FileExistsError):
                os.mkdir(PAYLOADS, 0o700, dir_fd=self._folder)
        self._new_in.update((".", str(path.parent)))
        return WavFile(path, slot.pcm, self._folder) if slot.pcm is not None else AppendFile(path, self._folder)


def _kind(track: str, pcm: Optional[Pcm]) -> str:
    return f"{track} {'pcm' if pcm is not None else 'verbatim'}"


def _track_file(stream: _Stream) -> TrackFile:
    pcm = stream.pcm
    if pcm is None:
        return TrackFile(stream.track, stream.name, stream.file.size)
    return TrackFile(stream.track, stream.name, stream.file.size, pcm.rate, pcm.channels, pcm.width)
