"""Add facts about the app to the header of a complete session."""

from __future__ import annotations

import dataclasses
import os
from typing import Mapping, Union

from evi_harness.errors import SessionUnwritable
from evi_harness.session.header import FORMAT_VERSION
from evi_harness.session.json_value import Json
from evi_harness.storage import header_file
from evi_harness.storage.append import replace_file
from evi_harness.storage.layout import HEADER_FILE
from evi_harness.storage.opening import Folder
from evi_harness.storage.reader import read_header

__all__ = ["add_app_facts"]


def add_app_facts(folder: Union[str, os.PathLike[str]], facts: Mapping[str, Json]) -> None:
    """Add facts about the app to a complete session. If killed at any time, its header is the old or the new one.

    Args:
        folder: A complete session folder.
        facts: Facts by name; they replace those of the same name. They must not contain secrets.

    Raises:
        SessionUnwritable: The folder is incomplete, or its header cannot be replaced; it is unchanged.
        SessionUnreadable: It is not a session folder.
    """
    place = Folder(folder)
    header, version = read_header(place)
    if not header.complete or version != FORMAT_VERSION:
        raise SessionUnwritable("facts about the app can only be added to a session that is complete", where=str(place.path))
    try:
        # What could be secret in it was replaced when it was written first.
        replace_file(place.path / HEADER_FILE, header_file.encode(dataclasses.replace(header, app={**header.app, **facts})))
    except OSError as error:
        raise SessionUnwritable(f"its header cannot be replaced: {error.strerror or error}", where=str(place.path)) from None
