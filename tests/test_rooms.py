"""The rooms and what may be done in each, read off the code.

The rules stand here as tables. ``breaches`` applies them to any tree, so that the tests below can show it bad ones: a rule that nothing
can break holds nothing.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

import pytest

from evi_harness.quiet_loading import loading

PACKAGE = "evi_harness"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

# What every room may use besides: what a session is, the errors, and the bounds of what a user gives.
EVERYWHERE = {"bounds", "errors", "session"}

# Room → the rooms that it may import, besides itself and those above. A module that stands directly in the package is a room of its own.
MAY_IMPORT: Dict[str, Set[str]] = {
    "errors": set(),
    # What a user's number or word may be.
    "bounds": set(),
    "version": set(),
    # Names dialects, and loads one only when it is asked for.
    "dialects": {"sdk", "installed_packages"},
    "input_file": set(),
    # Asked of the folders as they are now.
    "installed_packages": set(),
    # Forms that other programs read: a session in, text out.
    "formats": {"measure", "report"},
    # A form that other programs write, read and written.
    "har": set(),
    # How modules are loaded, of whatever room.
    "quiet_loading": {"guard"},
    "session": set(),
    # What is no vendor's.
    "json_dialects": set(),
    "evi": {"json_dialects"},
    "openai_realtime": {"json_dialects"},
    "replay": set(),
    "measure": set(),
    # Audio in containers, as it crosses a wire in pieces.
    "containers": set(),
    "simulate": {"evi", "openai_realtime", "json_dialects", "containers"},
    "redacting": set(),
    "storage": {"redacting", "input_file"},
    "audio": {"containers", "input_file", "installed_packages"},
    "guard": {"redacting"},
    "clocks": {"guard"},
    "carriers": {"guard", "clocks"},
    "watch": {"guard", "clocks", "carriers"},
    "tap": {"guard", "clocks", "carriers"},
    "sdk": {"guard", "clocks", "carriers", "watch", "tap", "evi", "openai_realtime", "input_file", "installed_packages"},
    "runs": {
        *("guard", "clocks", "carriers", "watch", "tap", "sdk", "replay", "audio"),
        *("redacting", "input_file", "installed_packages", "quiet_loading"),
    },
    # In an app's own process, begun by Python itself.
    "injected": {"guard", "clocks", "carriers", "watch", "sdk", "runs", "replay", "audio", "dialects", "quiet_loading"},
    "report": {"replay", "measure"},
    "pages": {"replay", "measure", "report", "redacting"},
    "settings": {"guard", "sdk", "measure", "redacting", "dialects", "input_file", "version"},
    "verdicts": {"carriers", "runs", "settings", "report", "replay", "measure", "storage", "redacting", "audio", "dialects"},
    "terminal": {"settings"},
    "acts": set(),
    "pytesting": set(),
    "cli": {"acts", "terminal", "verdicts", "settings", "runs", "version", "quiet_loading"},
    "pytest_plugin": {"pytesting", "acts", "verdicts", "runs"},
    "strategies": {"evi"},
    "realtime_strategies": set(),
    "calls": {"acts", "audio", "carriers", "measure", "replay", "report", "runs", "sdk", "settings", "verdicts"},
    # The public names, the types of what they return, and ``python -m``.
    "__init__": {"acts", "calls", "verdicts", "clocks", "sdk", "version"},
    "results": {"acts", "calls", "carriers", "measure", "replay", "report", "runs"},
    "__main__": {"cli"},
}
DOORS = {"calls", "cli", "pytest_plugin", "results", "strategies", "realtime_strategies", "__init__", "__main__"}
# These may import any room but the doors.
for _room in ("acts", "pytesting"):
    MAY_IMPORT[_room] = set(MAY_IMPORT) - DOORS - {"pytesting"}

PURE = {
    "errors",
    "bounds",
    "version",
    "session",
    "har",
    "evi",
    "replay",
    "measure",
    "simulate",
    "redacting",
    "pages",
    "formats",
    *("containers", "json_dialects", "openai_realtime"),
}

# What a pure room never imports: clocks, threads, loops, files, processes, the network.
IMPURE_MODULES = {
    *("asyncio", "concurrent", "multiprocessing", "sched", "signal", "subprocess", "threading", "_thread", "time"),
    *("fileinput", "glob", "logging", "mmap", "os", "pathlib", "shutil", "sqlite3", "tempfile", "wave"),
    *("http", "select", "selectors", "socket", "socketserver", "ssl"),
    *("aiohttp", "click", "hume", "numpy", "openai", "rich", "sounddevice", "soundfile", "websockets"),
}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval"}
IMPURE_METHODS = {("io", "open"), ("io", "FileIO"), ("codecs", "open"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}

# What only one room knows.
HOME_OF = {
    "hume": {"sdk"},
    "openai": {"sdk"},
    "click": {"cli"},
    "rich": {"terminal"},
    "pytest": {"pytest_plugin"},
    "hypothesis": {"strategies", "realtime_strategies"},
}

# ``error`` is left out: it is also a word.
EVI_TYPES = (
    *("assistant_end", "assistant_message", "assistant_prosody", "audio_output", "chat_metadata", "user_interruption", "user_message"),
    *("assistant_input", "audio_input", "pause_assistant_message", "resume_assistant_message", "session_settings", "user_input"),
    *("tool_call", "tool_error", "tool_response"),
)
EVI_TYPE = re.compile(r"(?<!\w)(?:" + "|".join(EVI_TYPES) + r")(?!\w)")
KNOW_EVI = ("evi", "simulate", "sdk.hume", "strategies")

# Modules that replace what they never put back through the registry, and why.
REPLACE_FOR_GOOD = {
    "cli.failing": "the hook and the streams of the command's own process, before anything else is loaded",
    "settings.sink": "the command's streams, likewise",
    "runs.child_run": "the streams of a process that is the run's own and ends with it",
    "injected.app_run": "how a process ends that is the app's own, and ends with the run",
    "injected.loops": "the event loops of such a process",
    "injected.children": "how such a process starts others",
    "injected.leading": "where a name leads in such a process",
    "injected.own_descriptors": "what a process of an app's may not close",
    "injected.tls_left_out": "TLS of such a process",
    "injected.listening": "what tells where such a process listens",
    "injected.real_time_watch": "what sees the exceptions of such a process, and how it ends",
    "injected.typed_input": "the input of such a process",
    "injected.noted_input": "what such a process reads its input with",
    "guard.process_state": "puts back what the app has replaced",
}

# The dialects, and the adapters of the SDKs that speak them.
DIALECTS = ("evi", "sdk.hume", "openai_realtime", "sdk.openai")
# Whole rooms that are of one dialect: an EVI with no recording, made-up messages of EVI's, and what the package offers by its first name.
KNOW_A_DIALECT = ("simulate", "strategies", "realtime_strategies", "__init__", "dialects")
# Modules that name one, and why.
NAME_ONE: Dict[str, str] = {
    "acts.demos.evi_demo": "it shows one conversation, which is with EVI",
    "acts.demos.realtime_demo": "likewise, in the Realtime protocol",
    "acts.doctor": "what it looks at is the installation of Hume's SDK, and the way to Hume's service",
    "acts.serve.proxying": "a service that is not reached may be Hume's, which has ended: the line says so as record does",
    "acts.imports.import_chat_history": "a chat history is what Hume's API has of chats with EVI",
    "acts.imports.import_events": "a log of events is a form of the Realtime protocol's messages, as its apps write it",
    "acts.imports.json_file": "what a file looks like that is none, is known of files of EVI's alone",
    "acts.import_capture": "a wire capture is a form of EVI's messages, as Hume's own proxy writes it",
}

EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}


@dataclass(frozen=True)
class Module:
    """One source file, parsed."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else "__init__"

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


@dataclass(frozen=True)
class Import:
    """One imported name: ``from module import name``, or ``import module`` where there is none."""

    module: str
    name: str
    line: int


@pytest.fixture(scope="module", autouse=True)
def forget_sources() -> Iterator[None]:
    """Leave the syntax trees of the package to no later test: each replay looks for garbage, and would look through a million nodes."""
    yield
    for read in (modules_of, imports_of, public_classes):
        read.cache_clear()


@cache
def modules_of(root: Path) -> Dict[str, Module]:
    """Every module of the package in a folder, by dotted name."""
    found = {}
    with loading():
        for path in sorted(root.rglob("*.py")):
            parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


@cache
def imports_of(module: Module) -> Tuple[Import, ...]:
    """Every import of a module: at the top, in functions, for type checkers, and by ``import_module`` with a plain name."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            found += [Import(origin, alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            target = node.args[0]
            if called in ("import_module", "__import__") and isinstance(target, ast.Constant) and isinstance(target.value, str):
                found.append(Import(target.value, "", node.lineno))
    return tuple(sorted(set(found), key=lambda one: (one.line, one.module, one.name)))


Rule = Callable[[Module, Dict[str, Module]], Iterator[Tuple[int, str]]]


def known_room(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A new room needs a line in the table."""
    if module.room not in MAY_IMPORT:
        yield 1, f"{module.room} is no room: give it a line in MAY_IMPORT"


def allowed_in(room: str) -> Set[str]:
    """The rooms that a room may import; what every room may use is granted to none of those things themselves."""
    alone = room in ("errors", "version", "quiet_loading")
    below = set() if alone else {"errors"} if room in ("bounds", "session", "input_file") else EVERYWHERE
    return {*MAY_IMPORT.get(room, set()), *below, room}


def allowed_rooms(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A room imports only the rooms that the table gives it; a door, for one, no other door."""
    allowed = allowed_in(module.room)
    for one in imports_of(module):
        parts = one.module.split(".")
        if parts[0] != PACKAGE:
            continue
        room = parts[1] if len(parts) > 1 else one.name
        if f"{PACKAGE}.{room}" in modules and room not in allowed:
            yield one.line, f"{module.room} may not import {room}; it may import {', '.join(sorted(allowed)) or 'nothing'}"


def defining_module(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A name is imported from the module that defines it: not from the package, a room, or by dots."""
    for one in imports_of(module):
        if one.module.startswith("."):
            yield one.line, f"import {one.module}{one.name} by its full name"
        elif one.module == PACKAGE:
            yield one.line, f"import {one.name or PACKAGE} from the module that defines it, not from {PACKAGE}"
        elif one.module in modules and modules[one.module].is_package and f"{one.module}.{one.name}" not in modules:
            yield one.line, f"import {one.name or 'it'} from the module that defines it, not from the room {one.module}"


def known_targets(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """What is imported from the package exists, also in a function that no test runs."""
    for one in imports_of(module):
        if one.module.split(".")[0] == PACKAGE and one.module not in modules:
            yield one.line, f"there is no module {one.module}"


def pure_imports(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A pure room imports nothing that knows the time, other threads, files or the network."""
    if module.room not in PURE:
        return
    for one in imports_of(module):
        if one.module.split(".")[0] in IMPURE_MODULES:
            yield one.line, f"{module.room} is pure and may not import {one.module}"


def pure_calls(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A pure room opens nothing, prints nothing and asks no clock."""
    if module.room not in PURE:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield node.lineno, f"{module.room} is pure and may not call {node.func.id}()"
        elif isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if (owner, node.attr) in IMPURE_METHODS:
                yield node.lineno, f"{module.room} is pure and may not use {owner}.{node.attr}"


def one_home(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """Each of these packages has one room that knows it."""
    for one in imports_of(module):
        home = HOME_OF.get(one.module.split(".")[0])
        if home is not None and module.room not in home:
            yield one.line, f"{one.module} is imported only in {', '.join(sorted(home))}, not in {module.room}"


def evi_types(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """EVI's type names stand only where the dialect is known; everyone else asks the Dialect. Docstrings may name them."""
    if any(f"{module.name}.".startswith(f"{PACKAGE}.{own}.") for own in KNOW_EVI):
        return
    # A string that is a statement of its own is a docstring: of a module, class or function, or of an attribute.
    docstrings = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in docstrings:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            for name in EVI_TYPE.findall(text):
                yield node.lineno, f"{name} is EVI's: {module.room} must ask the Dialect"


def one_registry(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """An attribute of what somebody else has made is replaced through guard/patches alone, which puts it back in any order."""
    if module.name.partition(".")[2] in REPLACE_FOR_GOOD:
        return
    theirs = {
        alias.asname or alias.name.split(".")[0]
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not (getattr(node, "module", None) or "").startswith(PACKAGE)
        for alias in node.names
    }
    for node in ast.walk(module.tree):
        targets: List[ast.AST] = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = [one for target in node.targets for one in getattr(target, "elts", [target])]
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("setattr", "delattr") and node.args:
            targets = [ast.Attribute(node.args[0], "an attribute")]
        for target in targets:
            owner: Any = target
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            if isinstance(target, ast.Attribute) and getattr(owner, "id", None) in theirs:
                yield node.lineno, f"{owner.id}'s {target.attr} is replaced through guard/patches"


def unnamed_dialect(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A dialect, and the SDK that speaks it, are given and never named; ``dialects`` names them, by their names, for whoever asks."""
    name = module.name.partition(".")[2] or "__init__"
    if name in NAME_ONE or any(f"{name}.".startswith(f"{own}.") for own in (*DIALECTS, *KNOW_A_DIALECT)):
        return
    for one in imports_of(module):
        target = f"{one.module}.{one.name}.".partition(".")[2]
        found = next((own for own in DIALECTS if target.startswith(f"{own}.")), None)
        if found is not None:
            yield one.line, f"{found} is one of several: {name} must ask what it is given, or evi_harness.dialects"


def docstring(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A module begins with what it is."""
    if not (ast.get_docstring(module.tree) or "").strip():
        yield 1, "a module begins with a docstring: what it is and the rules of living there"


def telling_name(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A module is named by what it is about."""
    for part in module.name.split(".")[1:]:
        if EMPTY_NAMES & set(part.split("_")):
            yield 1, f"{part} says nothing: name the module by the one concept in it"


MOST_MODULES = 25


def small_room(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """A room can be surveyed: it has at most 25 modules, not counting those of rooms within it."""
    if module.is_package and len(module.name.split(".")) > 1:
        inside = [one for one in modules.values() if not one.is_package and one.name.rsplit(".", 1)[0] == module.name]
        if len(inside) > MOST_MODULES:
            yield 1, f"{module.name} has {len(inside)} modules, and a room has at most {MOST_MODULES}: which of them belong together?"


def one_file_name(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """No two modules have one name, in whatever room: a name that is said or searched for means one file."""
    files = [one for one in modules.values() if not one.is_package and one is not module]
    same = [] if module.is_package else [one.name for one in files if one.name.split(".")[-1] == module.name.split(".")[-1]]
    for name in sorted(same):
        yield 1, f"{name} has the same name"


@cache
def public_classes(module: Module) -> Dict[str, int]:
    """The classes that a module offers to others, with their lines."""
    return {node.name: node.lineno for node in module.tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")}


# Names of several classes that mean the same, and why it is said more than once.
SAID_TWICE: Dict[str, str] = {
    "Clock": "what a speaker and what a carrier need of time; audio may not know the clocks",
    "Timer": "a call that is to come, of either clock",
}


def one_class_name(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """No two public classes have one name, unless they mean the same."""
    for name, line in public_classes(module).items():
        for other in modules.values():
            if other is not module and name in public_classes(other) and name not in SAID_TWICE:
                yield line, f"{other.name} has a class {name} too: name one of them by what it alone is"


def loaded_by(module: Module, modules: Dict[str, Module]) -> Dict[str, int]:
    """The modules that this one imports, whenever, with the line that does it; its own packages are loaded before it."""
    loaded: Dict[str, int] = {}
    for one in imports_of(module):
        target = f"{one.module}.{one.name}" if f"{one.module}.{one.name}" in modules else one.module
        parts = target.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            is_own_package = name != target and (module.name + ".").startswith(name + ".")
            if name in modules and not is_own_package:
                loaded.setdefault(name, one.line)
    return loaded


def no_ring(module: Module, modules: Dict[str, Module]) -> Iterator[Tuple[int, str]]:
    """No module imports what imports it: neither when it is loaded, nor in a function, nor for type checkers."""
    for first, line in loaded_by(module, modules).items():
        seen, waiting = {first}, [first]
        while waiting:
            ahead = set(loaded_by(modules[waiting.pop()], modules)) - seen
            seen |= ahead
            waiting += ahead
        if module.name in seen:
            yield line, f"{first} imports {module.name} in turn: an import cycle"


RULES: Tuple[Rule, ...] = (
    known_room,
    allowed_rooms,
    defining_module,
    known_targets,
    pure_imports,
    pure_calls,
    one_home,
    evi_types,
    unnamed_dialect,
    one_registry,
    docstring,
    telling_name,
    small_room,
    one_file_name,
    one_class_name,
    no_ring,
)


def breaches(root: Path, rules: Tuple[Rule, ...] = RULES) -> List[str]:
    """Every breach of the rules in a tree: file, line, rule, and what is wrong."""
    modules = modules_of(root)
    return [
        f"{module.path.relative_to(root.parent)}:{line}: {rule.__name__}: {what}"
        for module in modules.values()
        for rule in rules
        for line, what in rule(module, modules)
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    """No module of the package breaks the rule."""
    found = breaches(ROOT, (rule,))
    assert not found, "\n".join(["", *found])


def test_no_module_may_replace_for_good_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exceptions are those modules that would break the rule."""
    excepted = set(REPLACE_FOR_GOOD)
    monkeypatch.setattr(f"{__name__}.REPLACE_FOR_GOOD", {})
    told = {line.partition(":")[0] for line in breaches(ROOT, (one_registry,))}
    assert told == {f"{PACKAGE}/{name.replace('.', '/')}.py" for name in excepted}


def test_every_room_of_the_table_is_read() -> None:
    """The walk sees the package: an empty walk would keep every rule."""
    rooms = {module.room for module in modules_of(ROOT).values()}
    assert rooms == set(MAY_IMPORT)


def test_every_name_that_is_said_twice_is() -> None:
    """No exception outlives what it excepts."""
    names = [name for module in modules_of(ROOT).values() for name in public_classes(module)]
    assert [name for name in SAID_TWICE if names.count(name) < 2] == []


def test_nothing_is_granted_that_no_module_uses() -> None:
    """The table says what is so, not what might be: a grant that nobody needs goes. Acts may use any room, and are not asked."""
    modules = modules_of(ROOT)
    used: Dict[str, Set[str]] = {}
    for module in modules.values():
        names = {
            one.module.split(".")[1] if "." in one.module else one.name for one in imports_of(module) if one.module.split(".")[0] == PACKAGE
        }
        used.setdefault(module.room, set()).update(names)
    unused = {room: MAY_IMPORT[room] - used[room] for room in set(MAY_IMPORT) - {"acts", "pytesting"}}
    assert {room: rooms for room, rooms in unused.items() if rooms} == {}


GOOD = {
    "__init__.py": '"""P."""\n',
    "errors.py": '"""E."""\n',
    "session/__init__.py": '"""S."""\n',
    "session/events.py": '"""Ev."""\nfrom evi_harness.errors import EviHarnessError\nclass Session:\n    pass\n',
    "evi/__init__.py": '"""D."""\n',
    "evi/messages.py": '"""M: names user_message."""\nNAMES = ("user_message", "audio_output")\n',
    "storage/__init__.py": '"""F."""\n',
    "storage/writer.py": '"""W: not audio_output."""\nimport os\nfrom evi_harness.session import events\nTOOL_CALLS = "tool_calls"\n',
    "carriers/__init__.py": '"""L."""\n',
    "sdk/__init__.py": '"""K."""\n',
    "sdk/hume/__init__.py": '"""H."""\n',
    "sdk/parse.py": '"""P."""\nimport hume\n',
    "acts/__init__.py": '"""H."""\n',
    "acts/demos/__init__.py": '"""D."""\n',
    "acts/demos/evi_demo.py": '"""D."""\nfrom evi_harness.evi.messages import NAMES\n',
    "acts/replay.py": '"""R."""\nfrom evi_harness.storage.writer import write\n',
    "cli/__init__.py": '"""C."""\n',
    "cli/main.py": '"""M."""\nimport click\nfrom evi_harness.acts.replay import replay\n',
    "strategies.py": '"""T."""\nimport hypothesis\n',
}

# One file put into the good tree, and the breach that must be told: rule, line, and a word of the sentence.
BAD: List[Tuple[str, str, str, int, str]] = [
    ("attic/__init__.py", '"""A."""\n', "known_room", 1, "attic is no room"),
    ("session/turns.py", '"""T."""\nfrom evi_harness.storage.writer import write\n', "allowed_rooms", 2, "session may not import storage"),
    ("evi/causes.py", '"""C."""\ndef f():\n    from evi_harness.storage import writer\n', "allowed_rooms", 3, "evi may not import storage"),
    (
        "evi/lazy.py",
        '"""C."""\nimport importlib\nimportlib.import_module("evi_harness.storage.writer")\n',
        "allowed_rooms",
        3,
        "evi may not",
    ),
    (
        "storage/typed.py",
        '"""T."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from evi_harness.evi.messages import NAMES\n',
        "allowed_rooms",
        4,
        "storage may not import evi",
    ),
    ("carriers/door.py", '"""D."""\nimport evi_harness.cli.main\n', "allowed_rooms", 2, "carriers may not import cli"),
    ("cli/generate.py", '"""G."""\nfrom evi_harness.strategies import sessions\n', "allowed_rooms", 2, "cli may not import strategies"),
    ("acts/door.py", '"""G."""\nfrom evi_harness.cli.main import main\n', "allowed_rooms", 2, "acts may not import cli"),
    ("cli/show.py", '"""S."""\nfrom evi_harness.storage.writer import write\n', "allowed_rooms", 2, "cli may not import storage"),
    ("storage/reader.py", '"""R."""\nfrom evi_harness.session import Session\n', "defining_module", 2, "not from the room"),
    (
        "acts/top.py",
        '"""T."""\nfrom evi_harness import Session\n',
        "defining_module",
        2,
        "import Session from the module that defines it",
    ),
    ("acts/whole.py", '"""T."""\nimport evi_harness\n', "defining_module", 2, "not from evi_harness"),
    ("storage/dots.py", '"""D."""\nfrom . import writer\n', "defining_module", 2, "by its full name"),
    ("storage/gone.py", '"""G."""\ndef f():\n    from evi_harness.session.attic import x\n', "known_targets", 3, "no module"),
    ("session/clock.py", '"""C."""\nimport time\n', "pure_imports", 2, "session is pure and may not import time"),
    ("evi/path.py", '"""C."""\ndef f():\n    import os.path\n', "pure_imports", 3, "evi is pure and may not import os.path"),
    ("evi/loop.py", '"""C."""\nfrom asyncio import Queue\n', "pure_imports", 2, "may not import asyncio"),
    ("session/reads.py", '"""C."""\ndef f(name):\n    return open(name).read()\n', "pure_calls", 3, "may not call open()"),
    ("session/now.py", '"""C."""\nimport datetime\nNOW = datetime.datetime.now()\n', "pure_calls", 3, "may not use datetime.now"),
    ("carriers/sdk_in_disguise.py", '"""C."""\ndef f():\n    from hume import client\n', "one_home", 3, "only in sdk"),
    (
        "storage/fields.py",
        '"""F."""\ndef f(t):\n    """Not audio_output."""\n    return t == "audio_output"\n',
        "evi_types",
        4,
        "ask the Dialect",
    ),
    ("storage/raw.py", '"""F."""\nRAW = b\'{"type":"user_message"}\'\n', "evi_types", 2, "user_message is EVI's"),
    ("storage/shown.py", '"""F."""\ndef f(x):\n    return f"{x} tool_call"\n', "evi_types", 3, "tool_call is EVI's"),
    ("sdk/sleeps.py", '"""S."""\nimport time\ntime.sleep = int\n', "one_registry", 3, "time's sleep is replaced through guard/patches"),
    ("sdk/starts.py", '"""S."""\nfrom threading import Thread\nThread.a.start, x = 1, 2\n', "one_registry", 3, "Thread's start"),
    ("sdk/sets.py", '"""S."""\nimport sys\nsetattr(sys, "stdout", None)\n', "one_registry", 3, "sys's an attribute"),
    ("acts/judged.py", '"""J."""\nfrom evi_harness.evi.messages import NAMES\n', "unnamed_dialect", 2, "evi is one of several"),
    ("acts/opens.py", '"""O."""\ndef f():\n    from evi_harness.sdk import hume\n', "unnamed_dialect", 3, "sdk.hume is one of several"),
    ("storage/silent.py", "import json\n", "docstring", 1, "begins with a docstring"),
    ("storage/json_utils.py", '"""U."""\n', "telling_name", 1, "json_utils says nothing"),
    ("storage/turns.py", '"""T."""\nclass Session:\n    pass\n', "one_class_name", 2, "has a class Session too"),
    ("storage/messages.py", '"""M."""\n', "one_file_name", 1, "evi_harness.evi.messages has the same name"),
    ("crowd/__init__.py", '"""C."""\n', "small_room", 1, "has 26 modules"),
    ("storage/ring.py", '"""R."""\nimport evi_harness.storage.ring_two\n', "no_ring", 2, "an import cycle"),
    ("storage/ring.py", '"""R."""\ndef f():\n    import evi_harness.storage.ring_two\n', "no_ring", 3, "an import cycle"),
    (
        "storage/ring.py",
        '"""R."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import evi_harness.storage.ring_two\n',
        "no_ring",
        4,
        "an import cycle",
    ),
]
CROWD = {f"crowd/m{number}.py": '"""M."""\n' for number in range(MOST_MODULES + 1)}
RING_TWO = {"storage/ring_two.py": '"""R."""\nfrom evi_harness.storage import ring\n'}
# What a bad file needs beside it to be bad.
BESIDE: Dict[str, Dict[str, str]] = {"no_ring": RING_TWO, "small_room": CROWD}


def plant(folder: Path, files: Dict[str, str]) -> Path:
    """Write a tree of sources and return its package folder."""
    root = folder / PACKAGE
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source, encoding="utf-8")
    return root


def test_a_good_tree_has_no_breach(tmp_path: Path) -> None:
    """The tree that the bad files are put into is good, so what is told below is told of them."""
    assert breaches(plant(tmp_path, GOOD)) == []


@pytest.mark.parametrize(("file", "source", "rule", "line", "words"), BAD, ids=[f"{case[2]}-{case[0]}" for case in BAD])
def test_a_breach_is_told_with_file_line_and_rule(tmp_path: Path, file: str, source: str, rule: str, line: int, words: str) -> None:
    """Each bad file is told by its name, the line and the rule that it breaks."""
    files = {**GOOD, file: source, **BESIDE.get(rule, {})}
    told = breaches(plant(tmp_path, files))
    assert any(one.startswith(f"{PACKAGE}/{file}:{line}: {rule}: ") and words in one for one in told), told


def test_every_rule_is_shown_a_breach() -> None:
    """No rule stands there that was never seen to bite."""
    assert {case[2] for case in BAD} == {rule.__name__ for rule in RULES}


def test_a_package_is_no_part_of_a_ring_of_its_own_modules(tmp_path: Path) -> None:
    """Its ``__init__`` is loaded before any of them, whoever asks."""
    own = {"__init__.py": '"""P."""\nfrom evi_harness.version import x\n', "version.py": '"""V."""\n'}
    assert breaches(plant(tmp_path, {**GOOD, **own}), (no_ring,)) == []


def test_nobody_is_excused_who_names_no_dialect() -> None:
    """An exception that is none any more goes."""
    modules = modules_of(ROOT)
    naming = {
        name
        for name in NAME_ONE
        for one in imports_of(modules[f"{PACKAGE}.{name}"])
        if f"{one.module}.".startswith(tuple(f"{PACKAGE}.{own}." for own in DIALECTS))
    }
    assert naming == set(NAME_ONE)


# What is loaded in an app's own process, whose environment need not have any package of ours.
STANDALONE = (
    *("errors", "version", "session", "json_dialects", "evi", "replay", "containers", "simulate"),
    *("redacting", "guard", "clocks", "audio", "watch", "injected"),
)
_LOAD = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import evi_harness
for module in pkgutil.walk_packages(evi_harness.__path__, "evi_harness."):
    if module.name.split(".")[1] in sys.argv[2:]:
        importlib.import_module(module.name)
"""


def test_what_runs_in_an_apps_process_needs_nothing_but_python():
    """Python is told to leave its packages out, and each module of these rooms is imported."""
    ran = subprocess.run([sys.executable, "-S", "-c", _LOAD, str(ROOT.parent), *STANDALONE], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert ran.returncode == 0
