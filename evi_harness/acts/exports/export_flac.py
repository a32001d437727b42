"""Export of both sides of a session as FLAC: what ``export_wav`` writes, losslessly compressed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

from evi_harness.acts.exporting import Exported, mixed
from evi_harness.acts.exports.whole_file import place_of_file, whole_file
from evi_harness.errors import EviHarnessError
from evi_harness.session.session import Session

__all__ = ["export_flac"]


def export_flac(session: Union[str, Path, Session], file: Union[str, Path], *, overwrite: bool = False) -> Exported:
    """Write both sides of a session into one FLAC file; everything else is as of ``export_wav``."""
    import soundfile

    path = place_of_file(file, session, overwrite=overwrite)
    mix, remarks = mixed(session)
    n_bytes = 0
    with whole_file(path) as new:
        # Made first, so that its owner alone may read it from its first byte on.
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with soundfile.SoundFile(str(new), "w", mix.pcm.rate, mix.pcm.channels, "PCM_16", format="FLAC") as stream:
                for block in mix.blocks():
                    stream.buffer_write(block, dtype="int16")
                    n_bytes += len(block)
        except soundfile.LibsndfileError as error:
            raise EviHarnessError(f"it cannot be written: {error.error_string}", where=str(path)) from None
    return Exported(path, mix.pcm, n_bytes, remarks)
