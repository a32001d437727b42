"""What a replay finds of what can be wrong with an app: good handlers, changed in one place each, before the golden sessions.

    python benchmarks/mutants.py [--sites 3] [--seed 0] [--jobs 2] [--only OPERATOR] [--markdown FILE]

A mutant is one handler with one change (``mutation.py`` has the operators). It is classified by what it does, without a look at any
finding:

- *not reached*: no changed line ran;
- *equivalent*: it sent the same frames and the same samples were heard, within 100 ms, its functions ended in the same ways, and it left
  the same threads and sockets behind;
- *live*: anything else. Of these the table says what the replay said: it failed, warned, noted something, or missed the mutant.

A mutant is judged over all sessions that its handler passes unchanged, as a project's tests would judge it; ``--max-late 500`` is judged
beside the default. Each mutant runs in its own process. It takes minutes, outside CI; the figures are in docs/explanation/mutants.md.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import gc
import io
import os
import random
import re
import stat
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "fixtures")]

import make_failing  # noqa: E402
from mutation import OPERATORS, Operator, mutated  # noqa: E402

from evi_harness.acts.replay import ReplayResult, replay_session  # noqa: E402
from evi_harness.evi.dialect import EVI  # noqa: E402
from evi_harness.sdk.hume.installed_sdk import import_sdk  # noqa: E402
from evi_harness.storage.writer import write_session  # noqa: E402

HANDLERS = ROOT / "fixtures" / "handlers"
# File and name in it, and what the handler is given for the session in which the user types; None where it types nothing.
SUBJECTS: Mapping[str, Optional[Mapping[str, str]]] = {
    "careful.py:App": None,
    "weather.py:WeatherApp": None,
    "counts.py:App": None,
    "guide.py:App": {"typed": "What's the weather in Bath?"},
    "iterates.py:main": {"typed": "What's the weather in Bath?"},
    "receives.py:main": {"typed": "What's the weather in Bath?"},
    "listens.py:main": {"typed": "What's the weather in Bath?"},
}
GOLDEN = ("weather", "demo", "typed")
CLOSE_NS = 100_000_000
TIMEOUT_S = 5.0
DEADLINE_S = 300.0
MAX_LATE_MS = 500.0

# What a mutant is, and what the replay said of it, best last.
NOT_REACHED, EQUIVALENT, MISSED, NOTED, WARNS, FAILS = "not reached", "equivalent", "missed", "noted", "warns", "fails"
_RANKS = (NOT_REACHED, EQUIVALENT, MISSED, NOTED, WARNS, FAILS)

# Stands in the mutated file, for the run that classifies it: how each of its functions ended.
ORACLE = """
import functools as _functools, inspect as _inspect, sys as _sys
def _seen(function):
    log = _sys.modules["__main__"].__dict__.setdefault("ENDED", [])
    def ended(how):
        log.append((function.__qualname__, how))
    if _inspect.iscoroutinefunction(function):
        @_functools.wraps(function)
        async def seen(*args, **named):
            try:
                result = await function(*args, **named)
            except BaseException as error:
                ended(type(error).__name__)
                raise
            ended("returned")
            return result
    else:
        @_functools.wraps(function)
        def seen(*args, **named):
            try:
                result = function(*args, **named)
            except BaseException as error:
                ended(type(error).__name__)
                raise
            ended("returned")
            return result
    return seen
"""


@dataclass(frozen=True)
class Mutant:
    """One change of one handler.

    Attributes:
        subject: The handler.
        operator: The change, by name.
        number: Which of its sites.
    """

    subject: str
    operator: str
    number: int


@dataclass(frozen=True)
class Seen:
    """What a run did, without a look at any finding: see the module.

    Attributes:
        sent: What was sent: a digest of each message, and when, in ns. The audio of the user is one entry, with how much of it there was.
        heard: What was heard: each stretch of samples, and when.
        ended: How each call of the handler's functions ended, in no order: one that was cancelled was left behind.
        left: Threads and sockets that were left.
    """

    sent: Tuple[Tuple[Any, int], ...]
    heard: Tuple[Tuple[bytes, int], ...]
    ended: Tuple[Tuple[str, str], ...]
    left: Tuple[str, ...]

    def is_like(self, other: Seen) -> bool:
        """Whether two runs did the same, within 100 ms."""
        ends = (self.ended, self.left) == (other.ended, other.left)
        return ends and _alike(self.sent, other.sent) and _alike(self.heard, other.heard)


@dataclass
class Row:
    """What became of the mutants of one operator."""

    counts: Dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RANKS, 0))
    fails_late: int = 0
    missed: List[str] = field(default_factory=list)

    @property
    def live(self) -> int:
        """How many changed what the app does."""
        return sum(self.counts[rank] for rank in _RANKS[2:])

    @property
    def reported(self) -> int:
        """How many of these the replay said something of."""
        return self.live - self.counts[MISSED]

    def add(self, other: Row) -> None:
        """Count another's in."""
        for rank in _RANKS:
            self.counts[rank] += other.counts[rank]
        self.fails_late += other.fails_late
        self.missed += other.missed


def _alike(some: Sequence[Tuple[Any, int]], others: Sequence[Tuple[Any, int]]) -> bool:
    if len(some) != len(others):
        return False
    return all(one == other and abs(at_ns - other_ns) <= CLOSE_NS for (one, at_ns), (other, other_ns) in zip(some, others))


def instrumented(tree: ast.Module) -> str:
    """The source of a file in which every function tells how it ended."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "CHOSEN" and not _yields(node):
            node.decorator_list.append(ast.Name("_seen", ast.Load()))
    at = 1 if ast.get_docstring(tree) else 0
    tree.body[at:at] = ast.parse(ORACLE).body
    return ast.unparse(ast.fix_missing_locations(tree))


def _yields(function: ast.AST) -> bool:
    return any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in ast.walk(function))


def changed_lines(before: str, after: str) -> FrozenSet[int]:
    """The lines of ``after`` that are not in ``before``, from 1; where lines were taken away, those around."""
    found: Set[int] = set()
    for tag, _, _, begin, end in difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes():
        if tag != "equal":
            found.update(range(begin + 1, max(end, begin + 1) + 1))
    return frozenset(found)


@contextlib.contextmanager
def traced(file: str) -> Iterator[Set[int]]:
    """The lines of a file that run in the block, on any thread."""
    lines: Set[int] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add(frame.f_lineno)
        return line

    def call(frame: FrameType, *_: Any) -> Any:
        return line if frame.f_code.co_filename == file else None

    threading.settrace(call)
    sys.settrace(call)
    try:
        yield lines
    finally:
        sys.settrace(None)
        threading.settrace(None)


def replayed(session: Path, handler: str, arguments: Optional[Mapping[str, str]], *, max_late_ms: Optional[float] = None) -> ReplayResult:
    """One replay that prints nothing."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return replay_session(
            session, handler=handler, arguments=arguments, timeout_s=TIMEOUT_S, max_late_ms=max_late_ms, write=lambda _: None
        )


def observed(session: Path, file: Path, name: str, arguments: Optional[Mapping[str, str]]) -> Tuple[Seen, Set[int]]:
    """Run a handler to see what it does, and which of its lines run."""
    log: List[Tuple[str, str]] = sys.modules["__main__"].__dict__.setdefault("ENDED", [])
    log.clear()
    before = _left()
    with traced(str(file)) as lines:
        result = replayed(session, f"{file}:{name}", arguments)
    sent: List[Tuple[Any, int]] = []
    n_bytes = 0
    for event in result.session.sent:
        if event.frame.is_text:
            sent.append((event.frame.payload, event.at_ns))
        else:
            n_bytes += len(event.frame.payload)
    # Of the user's audio the SDK sends more or less, to a block, as the speaker plays: as much as plays in 100 ms is alike.
    sent.append(("audio", n_bytes * 1_000_000_000 // 32_000))
    heard = []
    for playback in [] if result.heard is None else result.heard.playbacks:
        for span in playback.spans:
            samples = playback.piece(span.start, span.start + span.n_bytes)
            if not span.is_silence:
                heard.append((samples, span.at_ns))
    ends = tuple(sorted((name, how) for name, how in log))
    return Seen(tuple(sent), tuple(_joined(heard)), ends, tuple(sorted((_left() - before).elements()))), lines


def _joined(heard: Sequence[Tuple[bytes, int]]) -> Iterator[Tuple[bytes, int]]:
    """Stretches that follow each other within 100 ms as one: where a block of silence falls between two depends on the block."""
    whole, began, until = b"", 0, 0
    for samples, at_ns in heard:
        if whole and at_ns - until > CLOSE_NS:
            yield whole, began
            whole = b""
        if not whole:
            began = at_ns
        whole += samples
        until = at_ns + len(samples) * 1_000_000_000 // 96_000
    if whole:
        yield whole, began


def _left() -> Counter[str]:
    """Threads, by their names without the numbers in them, and sockets that are open in this process."""
    gc.collect()
    threads = [thread.name for thread in threading.enumerate() if not thread.name.startswith("evi-harness")]
    found = Counter(f"thread {re.sub('[0-9]+', '#', name)}" for name in threads)
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            found["socket"] += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    return found


def told(result: ReplayResult) -> Tuple[str, FrozenSet[str]]:
    """What a replay says: how bad it is, and all of it, without figures."""
    report = result.json()
    words = [f"{one['kind']} {one['severity']}" for one in report["findings"]]
    words += [one["kind"] for one in report["deviations"]] + [re.sub(r"[\d.]+", "#", str(one)) for one in report["notes"]]
    words += ["late"] if report["late"] else []
    is_warned = any(one["severity"] == "warning" for one in report["findings"])
    return FAILS if not result.passed else WARNS if is_warned else NOTED, frozenset(words)


def judged(mutant: Mutant, sessions: Sequence[Path], folder: Path) -> Tuple[str, bool]:
    """What becomes of a mutant over the sessions that its handler passes, and whether it fails with ``--max-late``."""
    name, _, handler = mutant.subject.partition(":")
    operator = next(one for one in OPERATORS if one.name == mutant.operator)
    source = (HANDLERS / name).read_text()
    for file in HANDLERS.glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    good, seen_good, bad, seen_bad = (folder / f"{kind}_{name}" for kind in ("good", "seen_good", "bad", "seen_bad"))
    good.write_text(ast.unparse(ast.parse(source)))
    seen_good.write_text(instrumented(ast.parse(source)))
    bad.write_text(ast.unparse(mutated(source, operator, mutant.number)))
    seen_bad.write_text(instrumented(mutated(source, operator, mutant.number)))
    changed = changed_lines(seen_good.read_text(), seen_bad.read_text())
    best, fails_late = NOT_REACHED, False
    for session in sessions:
        arguments = SUBJECTS[mutant.subject] if session.name == "typed" else None
        unchanged = replayed(session, f"{good}:{handler}", arguments, max_late_ms=MAX_LATE_MS)
        if not unchanged.passed:
            continue
        was, _ = observed(session, seen_good, handler, arguments)
        now, lines = observed(session, seen_bad, handler, arguments)
        if not lines & changed:
            continue
        if now.is_like(was):
            best = max(best, EQUIVALENT, key=_RANKS.index)
            continue
        (rank, words), (_, words_before) = told(replayed(session, f"{bad}:{handler}", arguments)), told(unchanged)
        best = max(best, MISSED if words == words_before else rank, key=_RANKS.index)
        fails_late = fails_late or not replayed(session, f"{bad}:{handler}", arguments, max_late_ms=MAX_LATE_MS).passed
    return best, fails_late


def _judge(mutant: Mutant, sessions: Sequence[Path], answer: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(BrokenPipeError):
        answer.send(judged(mutant, sessions, Path(folder)))
        answer.close()
    # A mutant may have left threads that never end.
    os._exit(0)


def run(mutants: Sequence[Mutant], sessions: Sequence[Path], n_jobs: int) -> Iterator[Tuple[Mutant, str, bool]]:
    """Judge mutants, each in a process of its own, so many at a time."""
    context = get_context("fork")
    waiting = list(reversed(mutants))
    running: Dict[Connection, Tuple[Mutant, Any, float]] = {}
    while waiting or running:
        while waiting and len(running) < n_jobs:
            here, there = context.Pipe(duplex=False)
            mutant = waiting.pop()
            process = context.Process(target=_judge, args=(mutant, sessions, there), daemon=True)
            process.start()
            there.close()
            running[here] = mutant, process, time.monotonic()
        done = set(wait(list(running), timeout=1.0))
        for connection, (mutant, process, began) in list(running.items()):
            if connection not in done and time.monotonic() - began < DEADLINE_S:
                continue
            try:
                rank, fails_late = connection.recv() if connection in done else ("hung", False)
            except EOFError:
                rank, fails_late = "died", False
            if rank == "hung":
                process.kill()
            process.join()
            del running[connection]
            yield mutant, rank, fails_late


def chosen(operators: Sequence[Operator], n_sites: int, seed: int) -> List[Mutant]:
    """The mutants: of each operator and handler so many sites, drawn by the seed."""
    mutants = []
    for operator in operators:
        for subject in SUBJECTS:
            n = len(list(operator.sites(ast.parse((HANDLERS / subject.partition(":")[0]).read_text()))))
            numbers = random.Random(f"{seed} {operator.name} {subject}").sample(range(n), min(n, n_sites))
            mutants += [Mutant(subject, operator.name, number) for number in sorted(numbers)]
    return mutants


def table(rows: Mapping[str, Row]) -> List[str]:
    """The table, in Markdown."""
    lines = [
        "| operator | mutants | not reached | equivalent | live | fails | warns | noted | missed | reported | fails with `--max-late 500` |"
    ]
    lines.append("| --- |" + " ---: |" * 10)
    total = Row()
    for row in rows.values():
        total.add(row)
    for name, row in [*rows.items(), ("**all**", total)]:
        counts = row.counts
        cells = [
            sum(counts.values()),
            counts[NOT_REACHED],
            counts[EQUIVALENT],
            row.live,
            counts[FAILS],
            counts[WARNS],
            counts[NOTED],
            counts[MISSED],
        ]
        shares = [f"{100 * n / row.live:.0f}%" if row.live else "–" for n in (row.reported, row.fails_late)]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} | {' | '.join(shares)} |")
    return lines


def main() -> None:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=3, help="sites of an operator in each handler (default 3)")
    parser.add_argument("--seed", type=int, default=0, help="which sites are drawn (default 0)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default 2)")
    parser.add_argument("--only", action="append", default=[], metavar="OPERATOR", help="this operator; may be given again")
    parser.add_argument("--markdown", metavar="FILE", help="write the table here too")
    options = parser.parse_args()
    operators = [one for one in OPERATORS if not options.only or one.name in options.only]
    import_sdk()
    rows: Dict[str, Row] = {one.name: Row() for one in operators}
    broken = []
    with tempfile.TemporaryDirectory() as folder:
        failing = Path(folder) / "failing"
        write_session(failing, make_failing.session(), EVI)
        sessions = [*(ROOT / "sessions" / name for name in GOLDEN), failing]
        for mutant, rank, fails_late in run(chosen(operators, options.sites, options.seed), sessions, options.jobs):
            print(
                f"{mutant.operator}: {mutant.subject} {mutant.number}: {rank}{', fails with --max-late' if fails_late else ''}", flush=True
            )
            if rank not in _RANKS:
                broken.append(mutant)
                continue
            row = rows[mutant.operator]
            row.counts[rank] += 1
            row.fails_late += fails_late
            row.missed += [f"{mutant.operator}, {mutant.subject}, site {mutant.number}"] if rank == MISSED else []
    lines = table(rows)
    print("", *lines, "", *(f"missed: {one}" for row in rows.values() for one in row.missed), sep="\n")
    print(*(f"broken: {one}" for one in broken), sep="\n")
    if options.markdown:
        Path(options.markdown).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
