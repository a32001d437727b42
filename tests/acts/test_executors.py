"""Tests of evi_harness.acts.executors, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from evi_harness.acts.executors import lent_executor, local_processes
from evi_harness.errors import EviHarnessError

ROOT = Path(__file__).resolve().parents[2]

# Shows that it is there for as long as its process is, and never comes back.
STAYS = """
import os

def on_message(message):
    shown = os.open({fifo!r}, os.O_WRONLY)
    os.write(shown, b"here\\n")
    os.read(os.pipe()[0], 1)
"""
# Run by Python itself before anything else.
TELLS = """
import os, signal
with open(os.path.join({folder!r}, str(os.getpid())), "w") as file:
    file.write(str(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
def test_workers_end_with_whoever_gave_out_the_work(tmp_path, number):
    """However that ends; nobody would ever give them anything again."""
    for name in ("a", "b"):
        shutil.copytree(ROOT / "sessions" / "typed", tmp_path / "sessions" / name)
    fifo, handler = tmp_path / "fifo", tmp_path / "stays.py"
    os.mkfifo(fifo)
    handler.write_text(STAYS.format(fifo=str(fifo)), encoding="utf-8")
    words = [sys.executable, "-m", "evi_harness", "replay", str(tmp_path / "sessions"), "-j", "2", "--handler", f"{handler}:on_message"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent, fifo.open() as shown:
        assert [shown.readline(), shown.readline()] == ["here\n", "here\n"]
        parent.send_signal(number)
        assert parent.wait(120) == -number
        # The end of the file is the end of both.
        assert shown.read() == ""


def test_a_worker_begins_with_ctrl_c_held_back(tmp_path, monkeypatch):
    """A terminal sends it to all, and one that is only being imported would end with a traceback; afterwards it is ignored there."""
    (tmp_path / "sitecustomize.py").write_text(TELLS.format(folder=str(tmp_path)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with local_processes(1) as processes:
        pid = processes.submit(os.getpid).result()
        assert processes.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert signal.SIGINT not in processes.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result()
    assert (tmp_path / str(pid)).read_text() == "True"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask


class Certificates(NamedTuple):
    """PEM files of an authority, and of a certificate for loopback that it has signed."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path):
        """Make an authority of its own."""
        trustme = pytest.importorskip("trustme")
        authority = trustme.CA()
        made = cls(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        authority.cert_pem.write_to_path(made.ca)
        signed = authority.issue_cert("127.0.0.1")
        signed.cert_chain_pems[0].write_to_path(made.cert)
        signed.private_key_pem.write_to_path(made.key)
        return made

    def configured(self, **changes):
        """Dask's configuration of a client that has them, as ``dask.config.set`` takes it."""
        told = {"ca-file": str(self.ca), "client.cert": str(self.cert), "client.key": str(self.key), **changes}
        return {f"distributed.comm.tls.{name}": value for name, value in told.items()}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The cluster's."""
    return Certificates.made_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def tls_cluster(certificates):
    """A Dask cluster on loopback behind TLS: one worker, in a process of its own. Gives its address."""
    distributed = pytest.importorskip("distributed")
    kinds = {"cert": str(certificates.cert), "key": str(certificates.key)}
    roles = {f"tls_{role}_{kind}": file for role in ("client", "scheduler", "worker") for kind, file in kinds.items()}
    security = distributed.Security(tls_ca_file=str(certificates.ca), require_encryption=True, **roles)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0", protocol="tls", security=security
    ) as cluster:
        yield cluster.scheduler_address


# Dask's own, at its end.
_OF_DASK = ("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning")


@pytest.mark.filterwarnings(*_OF_DASK)
def test_a_cluster_behind_tls_replays_by_dasks_own_configuration(tls_cluster, certificates, tmp_path):
    """From the command line, with the variables that Dask has for it; the address is the scheduler's."""
    for name in ("a", "b"):
        shutil.copytree(ROOT / "sessions" / "typed", tmp_path / "sessions" / name)
    named = {"CA_FILE": certificates.ca, "CLIENT__CERT": certificates.cert, "CLIENT__KEY": certificates.key}
    variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(file) for name, file in named.items()}
    assert tls_cluster.startswith("tls://")
    words = [sys.executable, "-m", "evi_harness", "replay", str(tmp_path / "sessions"), "--executor", tls_cluster]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2].startswith("2 sessions: 2 passed")


def test_tls_without_certificates_says_what_to_set():
    """Before anybody is asked anything."""
    dask = pytest.importorskip("dask")
    empty = dict.fromkeys(("distributed.comm.tls.ca-file", "distributed.comm.tls.client.cert", "distributed.comm.tls.client.key"))
    missing = pytest.raises(EviHarnessError, match=r"TLS__CA_FILE and .*TLS__CLIENT__CERT")
    with dask.config.set(empty), missing as caught, lent_executor("tls://127.0.0.1:1"):
        pass
    assert caught.value.exit_code == 3
    assert "~/.config/dask" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "content", "said"),
    [
        ("ca-file", None, "CA_FILE cannot be read: "),
        ("client.cert", None, "CLIENT__CERT cannot be read: "),
        ("client.key", None, "CLIENT__KEY cannot be read: "),
        ("ca-file", "no PEM", "cannot be used"),
        ("client.cert", "no PEM", "cannot be used"),
        ("client.key", "no PEM", "cannot be used"),
        ("ca-file", "\n\n", "cannot be used"),
    ],
)
def test_certificates_that_cannot_be_used_are_told(certificates, tmp_path, change, content, said):
    """Which one, where that can be known."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    file = tmp_path / "it.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    changes = certificates.configured(**{change: content if content == "\n\n" else str(file)})
    with dask.config.set(changes), pytest.raises(EviHarnessError, match=said), lent_executor("tls://127.0.0.1:1"):
        pass


@pytest.mark.filterwarnings(*_OF_DASK)
def test_certificates_of_another_authority_are_not_taken(tls_cluster, tmp_path, monkeypatch):
    """Neither side trusts the other; nothing is run."""
    dask = pytest.importorskip("dask")
    monkeypatch.setattr("evi_harness.acts.executors._DASK_WAIT_S", 1)
    others = Certificates.made_in(tmp_path).configured()
    with dask.config.set(others), pytest.raises(EviHarnessError, match="no Dask scheduler") as caught, lent_executor(tls_cluster):
        pass
    assert "authority" in caught.value.hint
