"""Upgrade old versions of the format to the current one while reading.

Rules of living here: a step goes from one version to the next and changes dictionaries, never files; the folder on disk stays what it is. A
change that raises ``FORMAT_VERSION`` adds the step here, and a folder of the old version to fixtures/.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple

__all__ = ["UPGRADES", "Upgrade", "upgraded_header", "upgraded_line"]


class Upgrade(NamedTuple):
    """From one version to the next.

    Attributes:
        header: Changes the members of session.json; the version itself is raised by the caller.
        line: Changes the fields of a line.
    """

    header: Callable[[Dict[str, Any]], Dict[str, Any]]
    line: Callable[[Dict[str, Any]], Dict[str, Any]]


# By the version that the step starts from. Empty: version 1 is the first.
UPGRADES: Mapping[int, Upgrade] = {}


def upgraded_header(members: Dict[str, Any], version: int, to: int) -> Dict[str, Any]:
    """The members of a header of an older version, as of a newer one.

    Raises:
        KeyError: There is no step from a version on the way.
    """
    for number in range(version, to):
        members = dict(UPGRADES[number].header(members), version=number + 1)
    return members


def upgraded_line(fields: Dict[str, Any], version: int, to: int) -> Dict[str, Any]:
    """The fields of a line of an older version, as of a newer one."""
    for number in range(version, to):
        fields = UPGRADES[number].line(fields)
    return fields
