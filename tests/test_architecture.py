"""docs/explanation/architecture.md: its table is that of the rooms, and what it names is there."""

from __future__ import annotations

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| ([^|]+) \|$", re.MULTILINE)
# Named on the page, and no file: classes and tables with the module that they stand in.
PLACED = re.compile(r"`([\w/]+\.py): (\w+)`")


def rooms():
    """tests/test_rooms.py, whose tables this page repeats."""
    spec = spec_from_file_location("test_rooms", ROOT / "tests" / "test_rooms.py")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_table_of_rooms_is_the_one_that_is_enforced():
    """Room by room: what it may import, and whether it is pure."""
    told, table = {name: (what, granted) for name, what, granted in ROW.findall(PAGE)}, rooms()
    asked = {room: granted for room, granted in table.MAY_IMPORT.items() if not room.startswith("__")}
    assert set(told) == set(asked)
    free = {room for room, (_, granted) in told.items() if granted == "any room but the doors"}
    assert free == {"acts", "pytesting"}
    said = {room: set(re.findall(r"`(\w+)`", granted)) for room, (_, granted) in told.items() if room not in free}
    assert said == {room: granted for room, granted in asked.items() if room not in free}
    assert {room for room, (what, _) in told.items() if what.startswith("pure:")} == table.PURE


def test_every_file_that_it_names_is_there():
    """Below the package or beside it; and a name that stands behind a file stands in it."""
    named = set(re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md))(?:`|:)", PAGE))
    assert len(named) > 30
    assert [name for name in sorted(named) if not any((ROOT / above / name).is_file() for above in ("", "evi_harness"))] == []
    placed = PLACED.findall(PAGE)
    assert placed
    assert [
        one for one in placed if not re.search(rf"^(?:class )?{one[1]}\b", (ROOT / "evi_harness" / one[0]).read_text("utf-8"), re.M)
    ] == []


def test_every_table_that_it_sends_somebody_to_is_there():
    """``FINDINGS`` in a module, ``RUNS`` of a module: the constant is one of it."""
    found = re.findall(r"`([A-Z_]{4,})`\s+(?:in|of)\s+`([\w/]+\.py)`", PAGE)
    assert len(found) >= 6
    where = [(name, next(ROOT / above / file for above in ("", "evi_harness") if (ROOT / above / file).is_file())) for name, file in found]
    assert [name for name, file in where if not re.search(rf"^{name}\b", file.read_text("utf-8"), re.MULTILINE)] == []
