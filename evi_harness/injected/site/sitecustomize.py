"""Imported by Python at its start if this folder is first on PYTHONPATH: the way into an app's process.

It takes the folder out of PYTHONPATH and of ``sys.path`` again, runs the app's ``sitecustomize``, and begins. It is also read by versions
of Python that the rest is not written for.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(FOLDER))
# Where to report, and what to act out: two numbers of file descriptors.
CHANNEL = "EVI_HARNESS_COMMAND"


def restore_path() -> None:
    """Take this folder out of where Python, and what the app starts, look for modules."""
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != FOLDER or not folder]
    folders = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder != FOLDER]
    if folders and any(folders):
        os.environ["PYTHONPATH"] = os.pathsep.join(folders)
    else:
        os.environ.pop("PYTHONPATH", None)


def run_own() -> None:
    """Run the ``sitecustomize`` that Python would have imported."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def load_harness() -> None:
    """Load the package from where it is, whatever the app's environment has: none, or another version."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("evi_harness", os.path.join(PACKAGE, "__init__.py"), submodule_search_locations=[PACKAGE])
    assert spec is not None
    assert spec.loader is not None
    package = module_from_spec(spec)
    sys.modules["evi_harness"] = package
    spec.loader.exec_module(package)


def begin() -> None:
    """Begin, if a command is being replayed or recorded."""
    channel = os.environ.pop(CHANNEL, None)
    restore_path()
    try:
        run_own()
    finally:
        if channel is not None:
            try:
                if sys.version_info < (3, 9):  # noqa: UP036 - an app's Python may be any
                    raise RuntimeError(f"Python 3.9 or later is needed, and this is {sys.version.split()[0]}")
                load_harness()
                from evi_harness.quiet_loading import loading

                with loading():
                    from evi_harness.injected.beginning import begin_in

                    begin_in(channel)
            except Exception as error:  # noqa: BLE001 - whatever keeps it from beginning
                told = f"{type(error).__name__}: {error}".encode()
                reports, plan = map(int, channel.split(","))
                if os.pread(plan, 1, 0) == b"g":
                    # It is recorded all the same where it takes the proxy's address.
                    os.write(2, b"evi-harness: the service's host does not lead to the proxy: " + told + b"\n")
                else:
                    # The app must not go on to the real service.
                    os.write(reports, b"f" + len(told).to_bytes(8, "big") + told)
                    os._exit(3)


begin()
