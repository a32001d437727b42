"""Tests of evi_harness.injected.children."""

from __future__ import annotations

import json
import multiprocessing.util
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.injected.children import follow
from evi_harness.runs.app_channel import CHANNEL, SITE

ROOT = Path(__file__).resolve().parents[2]
# What a program finds; without its own sitecustomize, so that nothing begins in it.
TELLS = f"""
import json, os, sys
found = [os.environ.get("PYTHONPATH"), os.environ.get("{CHANNEL}"), os.environ.get("OWN"), os.fstat(int(sys.argv[1])).st_size]
os.write(int(sys.argv[2]), json.dumps(found).encode())
"""


@pytest.fixture
def followed(monkeypatch, tmp_path):
    """Follows what this process starts, for as long as the test runs: the descriptor."""
    monkeypatch.setattr(subprocess.Popen, "__init__", subprocess.Popen.__init__)
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", multiprocessing.util.spawnv_passfds)
    for name in ("system", "_spawnvef", "posix_spawn", "posix_spawnp"):
        monkeypatch.setattr(os, name, getattr(os, name))
    (tmp_path / "plan").write_bytes(b"a plan")
    plan = os.open(tmp_path / "plan", os.O_RDONLY)
    # As in the process of an app, which has inherited it.
    os.set_inheritable(plan, True)
    follow(f"-1,{plan}")
    yield plan
    os.close(plan)


@pytest.mark.parametrize("own", [None, {"OWN": "own", "PYTHONPATH": "/own"}])
def test_a_program_finds_where_to_report(followed, own):
    """Besides the environment that it is given, and whatever descriptors."""
    plan = followed
    done = subprocess.run([sys.executable, "-S", "-c", TELLS, str(plan), "1"], env=own, capture_output=True, text=True, check=True)
    path, channel, its_own, size = json.loads(done.stdout)
    assert path.split(os.pathsep)[0] == str(SITE)
    assert own is None or (path.split(os.pathsep)[1], its_own) == ("/own", "own")
    assert (channel, size) == (f"-1,{plan}", 6)


def test_a_process_of_multiprocessing_finds_it_too(followed, monkeypatch):
    """And the environment of this one is what it was."""
    plan = followed
    monkeypatch.delenv("PYTHONPATH", raising=False)
    heard, pipe = os.pipe()
    before = dict(os.environ)
    words = [sys.executable, "-S", "-c", TELLS, str(plan), str(pipe)]
    process = multiprocessing.util.spawnv_passfds(os.fsencode(sys.executable), words, (pipe,))
    os.close(pipe)
    assert dict(os.environ) == before
    with os.fdopen(heard, "rb") as pipe_end:
        path, channel, _, size = json.loads(pipe_end.read())
    os.waitpid(process, 0)
    assert (path, channel, size) == (str(SITE), f"-1,{plan}", 6)


# How a program is started, given its words, and what of its environment is given with it.
STARTS = {
    "system": lambda words, _: os.system(shlex.join(words)),
    "spawnv": lambda words, _: os.spawnv(os.P_WAIT, words[0], words),
    "spawnlp": lambda words, _: os.spawnlp(os.P_WAIT, words[0], *words),
    "spawnve": lambda words, own: os.spawnve(os.P_WAIT, words[0], words, own),
    "spawnvpe": lambda words, own: os.spawnvpe(os.P_WAIT, words[0], words, {os.fsencode(name): value for name, value in own.items()}),
    "posix_spawn": lambda words, own: os.waitpid(os.posix_spawn(words[0], words, own), 0),
    "posix_spawnp": lambda words, own: os.waitpid(os.posix_spawnp(words[0], words, own, setpgroup=0), 0),
}


@pytest.mark.parametrize("way", STARTS)
def test_a_program_that_os_starts_finds_it_too(way, followed, tmp_path, monkeypatch):
    """With its environment, else this process's, which is what it was."""
    plan = followed
    monkeypatch.setenv("OWN", "this one's")
    monkeypatch.setenv("PYTHONPATH", "/own and 'another'")
    before = dict(os.environ)
    told = os.open(tmp_path / "told", os.O_WRONLY | os.O_CREAT)
    os.set_inheritable(told, True)
    STARTS[way]([sys.executable, "-S", "-c", TELLS, str(plan), str(told)], {**os.environ, "OWN": "given"})
    os.close(told)
    path, channel, own, size = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
    assert path.split(os.pathsep) == [str(SITE), "/own and 'another'"]
    assert (channel, size) == (f"-1,{plan}", 6)
    assert own == ("given" if way in ("spawnve", "spawnvpe", "posix_spawn", "posix_spawnp") else "this one's")
    assert dict(os.environ) == before


def test_the_exit_status_of_a_shell_is_what_it_was(followed):
    """Of a command as text or as bytes, with whatever is in it."""
    assert [os.waitstatus_to_exitcode(os.system(command)) for command in ("exit 7", b"# nothing\n exit 3 ", "")] == [7, 3, 0]


# Follows what it becomes, and becomes what it is given behind what is not there.
BECOMES = """
import os, sys
from evi_harness.injected.children import follow_becoming

plan, told, is_followed, way, *words = sys.argv[1:]
follow_becoming(f"-1,{plan}", lambda: is_followed == "followed", lambda: print("ends", flush=True))
try:
    os.execvp("no-such-program-anywhere", ["none"])
except FileNotFoundError:
    print("goes on", flush=True)
if way == "fork" and os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
if way == "execve":
    os.execve(words[0], words, {b"OWN": "given", "PYTHONPATH": "/given"})
os.environ["OWN"] = "this one's"
os.execvp(words[0], words) if way == "execvp" else os.execl(words[0], *words)
"""


@pytest.mark.parametrize("is_followed", ["followed", "not"])
@pytest.mark.parametrize("way", ["execve", "execvp", "execl", "fork"])
def test_a_program_that_a_process_becomes_finds_it_too(way, is_followed, tmp_path):
    """Where it is followed. That this one ends is told once, where there is another one to become, and not of a fork."""
    with (tmp_path / "plan").open("wb") as plan, (tmp_path / "told").open("wb") as told:
        numbers = plan.fileno(), told.fileno()
        becomes = [sys.executable, "-S", "-c", TELLS, *map(str, numbers)]
        words = [sys.executable, "-c", BECOMES, *map(str, numbers), is_followed, way, *becomes]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, env=env, pass_fds=numbers, capture_output=True, text=True, check=True)
    path, channel, own, _ = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
    given = "/given" if way == "execve" else str(ROOT)
    assert path.split(os.pathsep) == ([str(SITE), given] if is_followed == "followed" else [given])
    assert channel == (f"-1,{numbers[0]}" if is_followed == "followed" else None)
    assert own == ("given" if way == "execve" else "this one's")
    assert done.stdout.split("\n")[:-1] == ["goes on", *(["ends"] if way != "fork" else [])]
