"""Runs ``evi-harness`` commands for the tests of hostile input, each in a process of its own with bounds on its memory and against hanging.

Started as a program it is the warm process: it has imported what commands need, and forks for each. ``Commands`` starts it and asks it.
A hang ends by a traceback on standard error and an exit code that no command has, so nothing here measures time.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import pkgutil
import resource
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Dict, NamedTuple, NoReturn, Optional, Sequence

# What a process may take beyond what it had imported, and after how many seconds it is taken for hung.
MAX_MEMORY = 200 << 20
HUNG_S = 300.0
# A runaway is stopped by the system before it takes the machine's memory; what is asserted is the peak.
_LIMIT = 4 << 30
# Of ``faulthandler``, whose own code is 1.
HUNG = "Timeout ("


class Done(NamedTuple):
    """What became of a command.

    Attributes:
        code: Its exit code, or minus the signal that ended it.
        out, err: What it printed.
        n_bytes: How far its memory grew at its peak, its children's included.
    """

    code: int
    out: str
    err: str
    n_bytes: int

    @property
    def is_told(self) -> bool:
        """Whether it ended as a command does that has something to say: no traceback, no fault of our own, no signal, no hang."""
        told = self.out + self.err
        return self.code >= 0 and not any(word in told for word in ("Traceback (most recent", "internal error in evi-harness", HUNG))


class Commands:
    """The warm process; a context manager."""

    def __enter__(self) -> Commands:
        words = [sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._idle = self._ask({"argv": ["--version"], "cwd": None})["peak"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, argv: Sequence[str], cwd: Optional[Path] = None) -> Done:
        """Run one command.

        Args:
            argv: The words behind ``evi-harness``.
            cwd: Where; by default here.
        """
        return self._done({"argv": list(argv), "cwd": None if cwd is None else str(cwd)})

    def run_code(self, source: str) -> Done:
        """Run Python code in place of a command, to see what is seen of it."""
        return self._done({"source": source, "cwd": None})

    def _done(self, asked: Dict[str, Any]) -> Done:
        done = self._ask(asked)
        return Done(done["code"], done["out"], done["err"], max(0, done["peak"] - self._idle))

    def _ask(self, asked: Dict[str, Any]) -> Dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        done: Dict[str, Any] = json.loads(self._process.stdout.readline())
        return done


def _serve() -> None:
    _warm()
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                _be_the_command(asked, out.fileno(), err.fileno())
            _, status, used = os.wait4(child, 0)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        print(json.dumps({"code": code, "out": texts[0], "err": texts[1], "peak": peak}), flush=True)  # noqa: T201 - the answer


def _warm() -> None:
    """Import once what each command would import by itself: all commands with their acts, the SDK, and a detector's model."""
    import dotenv.main  # noqa: F401
    import numpy  # noqa: F401
    import soundfile  # noqa: F401

    from evi_harness import acts, cli
    from evi_harness.audio.detectors import make_detector
    from evi_harness.dialects import adapter_for, default_dialect
    from evi_harness.report import ci  # noqa: F401

    for room in (acts, cli):
        for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            importlib.import_module(module.name)
    adapter_for(default_dialect()).load()
    make_detector()


def _be_the_command(asked: Dict[str, Any], out: int, err: int) -> NoReturn:
    code = 70
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((null, out, err)):
            os.dup2(descriptor, number)
        if sys.platform != "darwin":
            resource.setrlimit(resource.RLIMIT_DATA, (_LIMIT, _LIMIT))
        faulthandler.dump_traceback_later(HUNG_S, exit=True)
        if asked["cwd"] is not None:
            os.chdir(asked["cwd"])
        os.environ["EVI_HARNESS_TRACEBACK"] = "1"
        from evi_harness.cli.main import main

        code = main(asked["argv"]) if "argv" in asked else _code_of(asked["source"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _code_of(source: str) -> int:
    try:
        exec(source, {})
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 - as a command that breaks
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve()
