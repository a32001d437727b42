"""Many sessions: so many turns of ten seconds, each a session of its own, replayed on local processes, and on a Dask cluster beside them.

    python benchmarks/corpus.py [--sessions 1000] [--jobs 2] [--dask]

Prints the time, the sessions a second, and how far the workers' memory grew between the first quarter and the end. With --dask the same
sessions go to as many workers of a cluster on loopback, in the same run; their start is not counted on either side.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Dict, List

from evi_harness.acts.corpus import replay_corpus
from evi_harness.acts.executors import local_processes
from evi_harness.evi.dialect import EVI
from evi_harness.storage.writer import write_session


def main() -> None:
    """Make the sessions, replay them, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default 2)")
    parser.add_argument("--dask", action="store_true", help="also on a Dask cluster with as many workers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folders = _made(Path(folder), options.sessions)
        print(f"{len(folders)} sessions of one turn of 10 s, {options.jobs} at a time; Python {sys.version.split()[0]}")
        with local_processes(options.jobs) as processes:
            _measure("local processes", folders, processes, options.jobs)
        if options.dask:
            _on_dask(folders, options.jobs)


def _on_dask(folders: List[Path], n_jobs: int) -> None:
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=n_jobs, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with cluster, Client(cluster) as client:
        _measure("Dask workers", folders, client.get_executor(pure=False), n_jobs)


def _measure(name: str, folders: List[Path], executor: Executor, n_jobs: int) -> None:
    # Starting and importing is the same for one session as for a thousand.
    replay_corpus(folders[: 2 * n_jobs], executor=executor)
    peaks: Dict[int, List[int]] = {}
    began_s = time.perf_counter()
    quarter = max(1, len(folders) // 4)
    for start in range(0, len(folders), quarter):
        report = replay_corpus(folders[start : start + quarter], executor=executor)
        assert report.passed, "\n".join(report.lines()[-20:])
        for pid, peak_kb in {executor.submit(peak_memory, number).result() for number in range(4 * n_jobs)}:
            peaks.setdefault(pid, []).append(peak_kb)
    took_s = time.perf_counter() - began_s
    growth = [max(seen) - min(seen) for seen in peaks.values()]
    print(f"{name:<16} {took_s:.1f} s, {len(folders) / took_s:.1f} sessions a second;", end=" ")
    print(f"peak memory of {len(peaks)} workers grew by {statistics.median(growth) / 1024:.1f} MB (median) behind the first quarter")


def peak_memory(number: int) -> Any:
    """This worker's id and the most memory that it ever held, in KB."""
    import resource

    del number
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return os.getpid(), peak // 1024 if sys.platform == "darwin" else peak


def _made(folder: Path, n_sessions: int) -> List[Path]:
    path = Path(__file__).parent.parent / "fixtures" / "ten_minutes.py"
    spec = importlib.util.spec_from_file_location("ten_minutes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    session = module.ten_minutes(1)
    return [write_session(folder / f"{number:04}", session, EVI) for number in range(n_sessions)]


if __name__ == "__main__":
    main()
