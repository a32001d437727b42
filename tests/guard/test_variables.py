from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evi_harness.acts.ci_outputs import without_ci
from evi_harness.guard.process_state import restored_process
from evi_harness.guard.variables import variables_in
from evi_harness.runs.app_channel import with_site
from evi_harness.settings.keys_here import environment_secrets

PRODUCT = Path(__file__).parents[2] / "evi_harness"
PASSING = "EVI_HARNESS_TEST_PASSING"
STAYING, KEY = "EVI_HARNESS_TEST_API_KEY", "Kq7ApiKeyOfThisRun0123456789"


@pytest.fixture
def one_passes(monkeypatch):
    """A variable is taken away by another thread, as soon as the first one is read."""
    decode = os.environ.decodekey

    def read(name):
        os.environ._data.pop(os.fsencode(PASSING), None)
        return decode(name)

    monkeypatch.setenv(STAYING, KEY)
    monkeypatch.setenv(PASSING, "1")
    monkeypatch.setattr(os.environ, "decodekey", read)


@pytest.mark.parametrize(
    "values",
    [
        lambda: variables_in().values(),
        environment_secrets,
        lambda: with_site(os.environ, "3,4").values(),
        lambda: without_ci(os.environ).values(),
    ],
    ids=["all", "secrets", "an app's", "without CI"],
)
def test_a_variable_may_be_taken_away_while_all_are_read(one_passes, values):
    """As numpy does at the end of its import: all others are read."""
    with pytest.raises(KeyError):
        dict(os.environ)
    os.environ[PASSING] = "1"
    assert KEY in values()


def test_a_variable_may_be_taken_away_while_a_run_puts_them_back(monkeypatch):
    """What an app has set is gone after its run, whoever took it away."""
    monkeypatch.delenv(PASSING, raising=False)
    real, taken = os.environ.encodekey, []

    def look(name):
        # The first who looks it up to take it away comes too late.
        if name == PASSING and not taken:
            taken.append(os.environ._data.pop(os.fsencode(PASSING), None))
        return real(name)

    with restored_process():
        os.environ[PASSING] = "1"
        monkeypatch.setattr(os.environ, "encodekey", look)
    assert taken == [b"1"]
    assert PASSING not in os.environ


def test_what_is_read_is_what_is_there(monkeypatch):
    """For each form of an environment: that of the process, its bytes, and an app's dict."""
    monkeypatch.setenv(PASSING, "grün")
    assert variables_in() == dict(os.environ)
    assert variables_in(os.environb) == dict(os.environb)
    assert variables_in({"A": "b"}) == {"A": "b"}


def test_a_thread_that_imports_numpy_disturbs_no_recording():
    """In a process of its own, since it is imported once: all variables are read again and again meanwhile."""
    code = """
import sys, threading
from evi_harness.guard.variables import variables_in
sys.setswitchinterval(1e-6)
importing = threading.Thread(target=__import__, args=("numpy",))
importing.start()
while importing.is_alive():
    variables_in()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_nothing_else_in_the_product_reads_all_variables():
    """``dict(os.environ)``, ``os.environ.items()`` and ``{**os.environ}`` can meet a thread that takes one away."""
    found = []
    for file in PRODUCT.rglob("*.py"):
        if file.name == "variables.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("items", "values", "copy") and _is_environ(node.value):
                found.append((file.name, node.lineno))
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "dict"
                and any(map(_is_environ, node.args))
            ):
                found.append((file.name, node.lineno))
            if isinstance(node, ast.Dict) and any(key is None and _is_environ(value) for key, value in zip(node.keys, node.values)):
                found.append((file.name, node.lineno))
    assert not found


def _is_environ(node):
    return isinstance(node, ast.Attribute) and node.attr in ("environ", "environb")
