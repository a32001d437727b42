"""Tests of evi_harness.session.notes: the table of notes is what the code does, and what docs/reference/session-format.md says."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest

from evi_harness.quiet_loading import loading
from evi_harness.replay.judging.findings import FINDINGS
from evi_harness.session import notes
from evi_harness.session.events import Note
from evi_harness.session.notes import KINDS, finding_facts, is_sample, of_kinds

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "evi_harness"
PAGE = (ROOT / "docs" / "reference" / "session-format.md").read_text(encoding="utf-8")

# What looks a note up, or into one.
READS = {"all_in", "facts", "matches", "notes_in", "read"}
READERS = {"noted", "notes_of", "of_kinds"}
# Facts that a row of the page may leave out: any note may have them, and a paragraph behind the table says so.
ANYWHERE = {"detail", "ended", "places", "sample", "at_ns"}
CONSTANTS: Dict[str, str] = {name: kind.name for name, kind in vars(notes).items() if kind in KINDS.values()}


def rows() -> Iterator[Tuple[List[str], str, Set[str], str]]:
    """The rows of the page: the names of the notes, what they are of, the facts that are named, and who says so."""
    table = PAGE[PAGE.index("| name | of | data | said by |") :].split("\n\n", 1)[0]
    for row in table.splitlines()[2:]:
        names, of, data, by = (cell.strip() for cell in row.strip("|").split("|"))
        yield re.findall(r"`(\w+)`", names), of, set(re.findall(r"`(\w+)`", data)), by


@pytest.fixture(scope="module", autouse=True)
def forget_sources() -> Iterator[None]:
    """Leave the syntax trees of the package to no later test: whoever looks for garbage would look through a million nodes."""
    yield
    modules.cache_clear()


@functools.cache
def modules() -> List[Tuple[str, str, ast.Module]]:
    """Every module of the package but the table: its room, its path, and its code."""
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name not in ("notes.py", "note_kind.py")]
    places = [(path, path.relative_to(PACKAGE)) for path in paths]
    with loading():
        return [(place.parts[0], place.as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path, place in places]


def uses(tree: ast.Module) -> Iterator[Tuple[str, bool]]:
    """The kinds of note that a module uses, each with whether it reads it there; two kinds compared are neither written nor read."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {alias.name for node in imports if node.module == "evi_harness.session.notes" for alias in node.names}
    has_table = any(node.module == "evi_harness.session" and alias.name == "notes" for node in imports for alias in node.names)
    if not imported and not has_table:
        return
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Name) and node.id in imported
        is_member = has_table and isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "notes"
        name = getattr(node, "id", "") if is_name else getattr(node, "attr", "") if is_member else ""
        if name not in CONSTANTS:
            continue
        around: List[ast.expr] = []
        above = parents[node]
        while isinstance(above, ast.expr):
            around.append(above)
            above = parents[above]
        if any(isinstance(one, ast.Compare) for one in around):
            continue
        is_asked = isinstance(around[0], ast.Attribute) and around[0].attr in READS if around else False
        is_listed = any(isinstance(one, (ast.Tuple, ast.Set, ast.List, ast.Dict)) for one in around) and parents.get(above) is tree
        is_given = any(isinstance(one, ast.Call) and getattr(one.func, "attr", getattr(one.func, "id", "")) in READERS for one in around)
        yield CONSTANTS[name], is_asked or is_listed or is_given


def rooms(*, that_read: bool) -> Dict[str, Set[str]]:
    """The rooms that write, or read, each kind of note."""
    found: Dict[str, Set[str]] = {name: set() for name in KINDS}
    for room, _, tree in modules():
        for name, is_read in uses(tree):
            if is_read is that_read:
                found[name].add(room)
    if that_read:
        # Findings are read as what they have in common, by the names of their table.
        for name in set(FINDINGS) & set(KINDS):
            found[name].add("replay")
    return found


def test_every_note_is_in_the_format_page() -> None:
    """A row of docs/reference/session-format.md says what a note is of and who says so, as the code does; a plain finding needs none."""
    said = {name: (of, by) for names, of, _, by in rows() for name in names}
    plain = {name for name, kind in KINDS.items() if kind.facts.form is notes.FindingFacts and name in FINDINGS}
    assert set(KINDS) - set(said) - plain == set(), "docs/reference/session-format.md has no row for it in the table of notes"
    assert said == {name: (kind.subject, kind.said_by) for name, kind in KINDS.items() if name in said}


def test_the_format_page_has_the_facts_of_every_note() -> None:
    """A row names facts that its notes have, and leaves out none but those that any note may have."""
    for names, _, named, _ in rows():
        facts = [set(KINDS[name].facts.types) for name in names]
        assert named - set(KINDS) <= set.union(*facts), names
        assert set.union(*facts) - ANYWHERE <= named, names


@pytest.mark.parametrize("that_read", [False, True], ids=["write", "read"])
def test_the_table_names_the_rooms_that(that_read: bool) -> None:
    """Who writes a kind of note, and who reads it, is as the table says."""
    told = {name: kind.read_in if that_read else kind.written_in for name, kind in KINDS.items()}
    assert told == {name: tuple(sorted(found)) for name, found in rooms(that_read=that_read).items()}


def test_every_kind_is_written() -> None:
    """A kind of note that nobody writes any more is no row of the table."""
    assert [name for name, found in rooms(that_read=False).items() if not found] == []


def test_a_note_that_is_a_finding_is_one_of_the_findings() -> None:
    """A kind of note is a finding if the table of findings has it, and has it with a note."""
    noted = {name for name, kind in KINDS.items() if kind.said_by.endswith("a finding")}
    found = {name for name, row in FINDINGS.items() if row.has_note}
    assert noted - found == set(), "evi_harness/replay/judging/findings.py has no row for this note, or has it with has_note=False"
    assert found - noted == set(), "evi_harness/session/notes.py has no such note; a finding that is read off the events has has_note=False"


def test_every_fact_says_what_it_is() -> None:
    """The docstring of each form has its facts in order, and a number that is no seq says its unit by its name."""
    plain = {"awaited", "exit_code", "number", "port", "recorded_seq", "last_seq", "seed"}
    for kind in KINDS.values():
        form = kind.facts.form
        said = re.findall(r"^ {8}(\w+): ", form.__doc__ or "", re.MULTILINE)
        assert said == list(kind.facts.types), form
        numbers = [name for name, hint in kind.facts.types.items() if accepts(hint, int) and hint is not Any]
        assert [name for name in numbers if not re.search(r"_ns$|_ms$|^n_", name) and name not in plain] == [], form


def bare(tree: ast.Module) -> Iterator[int]:
    """The lines that write a note without its kind, or give facts without their names."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        is_named = bool(node.args) and isinstance(node.args[0], (ast.Constant, ast.JoinedStr))
        if (called in ("note", "remark", "Remark") and (is_named or len(node.args) > 2)) or called == "Note":
            yield node.lineno


def test_no_note_is_written_by_a_bare_name() -> None:
    """A room that writes a note gives its kind; only who reads a folder, and the journal, make notes of any name."""
    may_make = {"carriers/journal.py", "storage/codec.py"}
    assert [f"{path}:{line}" for _, path, tree in modules() if path not in may_make for line in bare(tree)] == []


@pytest.mark.parametrize(
    "line", ['journal.note("due")', "self.journal.note(f'{x}')", "note(DUE, 1, 20)", 'Note(1, 2, "due")', 'Remark("x")']
)
def test_a_bare_name_is_seen(line: str) -> None:
    """The test above can fail."""
    assert list(bare(ast.parse(line))) == [1]


def unnamed(tree: ast.Module) -> Iterator[int]:
    """The lines that look for notes by a bare name, or for facts by theirs."""
    for node in ast.walk(tree):
        parts = list(ast.walk(node)) if isinstance(node, ast.Compare) else []
        if any(isinstance(one, ast.Attribute) and one.attr == "name" for one in parts):
            yield from (node.lineno for one in parts if isinstance(one, ast.Constant) and one.value in KINDS)
        looked_in = node.value if isinstance(node, ast.Subscript) else node.func if isinstance(node, ast.Call) else None
        if isinstance(looked_in, ast.Attribute) and looked_in.attr == "get":
            looked_in = looked_in.value
        key = node.slice if isinstance(node, ast.Subscript) else node.args[0] if isinstance(node, ast.Call) and node.args else None
        if (
            isinstance(looked_in, ast.Attribute)
            and looked_in.attr == "data"
            and isinstance(key, ast.Constant)
            and isinstance(key.value, str)
        ):
            yield node.lineno


def test_no_note_is_read_by_a_bare_name() -> None:
    """Neither a note, by its name, nor what it says, by the name of a fact."""
    assert [f"{path}:{line}" for _, path, tree in modules() for line in unnamed(tree)] == []


@pytest.mark.parametrize(
    "line",
    [
        'note.name == "due"',
        '"due" == event.name',
        'note.name in ("stuck", "over_time")',
        'one.note.name != "heard"',
        'note.data["due_ns"]',
        'note.data.get("due_ns", 0)',
    ],
)
def test_a_bare_name_that_is_read_is_seen(line: str) -> None:
    """The test above can fail."""
    assert set(unnamed(ast.parse(line))) == {1}


@pytest.mark.parametrize("line", ['path.name == "user.wav"', "note.name == kind.name", "data[name]", "DUE.data[2:]", 'data["x"]'])
def test_what_is_no_note_is_passed_over(line: str) -> None:
    """A file has a name too."""
    assert list(unnamed(ast.parse(line))) == []


def test_a_note_is_read_by_its_kind() -> None:
    """What is not there has its default; a note of another kind, and an event that is none, say nothing."""
    note = Note(1, 5, "due", 4, {"due_ns": 20})
    assert notes.DUE.read(note) == notes.DueFacts(20, None, 0, None)
    assert (notes.UNMET.read(note), notes.DUE.matches(note), notes.UNMET.matches(note)) == (None, True, False)


@pytest.mark.parametrize(
    ("data", "facts"),
    [
        ({}, None),
        ({"due_ns": "20"}, None),
        ({"due_ns": None}, None),
        ({"due_ns": 20, "held_ns": [], "recorded_seq": "x", "new": 1}, notes.DueFacts(20)),
        ({"due_ns": 20, "cause_ns": 10, "held_ns": 3, "recorded_seq": 7}, notes.DueFacts(20, 10, 3, 7)),
    ],
)
def test_what_is_not_of_the_form_is_passed_over(data, facts) -> None:
    """A fact of another type counts as absent; without a number that has no default a note says nothing, and is not among those found."""
    note = Note(1, 5, "due", 4, data)
    assert notes.DUE.read(note) == facts
    assert list(notes.DUE.all_in([note])) == ([] if facts is None else [(note, facts)])
    assert notes.DUE.notes_in([note]) == [note]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_reads_what_it_makes(name: str) -> None:
    """Each fact by its name, of any type that it may have."""
    kind = KINDS[name]
    facts = {field: value for field, hint in kind.facts.types.items() for value in [sample_of(hint)]}
    note = kind.make(3, 7, 2, **facts)
    assert note == Note(3, 7, name, 2, facts)
    read = kind.read(note)
    assert isinstance(read, tuple)
    assert read == tuple(facts.values())


def sample_of(hint: object) -> object:
    """A value of a type that a fact may have."""
    return next(value for kind, value in ((bool, True), (int, 5), (str, "x"), (list, ["x"])) if accepts(hint, kind))


def accepts(hint: object, kind: type) -> bool:
    """Whether a fact of a type may be an instance of another."""
    text = str(hint)
    if kind is list:
        return "Sequence" in text
    return hint is kind or f"Optional[{kind.__name__}]" in text or text == "typing.Any"


def test_findings_are_read_by_what_they_have_in_common() -> None:
    """Whatever else a note of a finding holds."""
    note = Note(1, 5, "network", 4, {"what": "no", "host": "h", "detail": ["a"], "places": 7})
    assert finding_facts(note) == notes.FindingFacts("no", ["a"])
    assert finding_facts(Note(1, 5, "raised")) == notes.FindingFacts("")


def test_notes_of_several_kinds_come_in_their_order() -> None:
    """Of the kinds that are asked for, and of no other."""
    events = [notes.STUCK.make(1, 1, what="a"), notes.HEARD.make(2, 2, at_ns=1, until_ns=2), notes.OVER_TIME.make(3, 3, what="b")]
    assert [facts.what for _, facts in of_kinds(events, (notes.OVER_TIME, notes.STUCK))] == ["a", "b"]


def test_a_sample_says_so() -> None:
    """In its data; every other event is none."""
    assert [is_sample(Note(1, 2, "x", None, data)) for data in ({"sample": True}, {"sample": False}, {})] == [True, False, False]
