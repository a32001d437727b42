"""Explain as an act: a report's JSON file becomes a few lines that say what failed, where, and what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Mapping, Union

from evi_harness.acts.afterwards.shortening import shorter_command
from evi_harness.errors import ReportError
from evi_harness.input_file import read_file
from evi_harness.report.explaining.explanation import explanation_text
from evi_harness.report.explaining.told_causes import read_report_json
from evi_harness.session.json_value import Json
from evi_harness.settings.program import as_started
from evi_harness.settings.sink import redacted_data

__all__ = ["explain_report", "explained"]

_HINT = "evi-harness replay --json FILE writes one."


def explain_report(file: Union[str, Path], *, shorten: bool = False) -> str:
    """Explain the report of a replay, a gate, a check or a repair.

    Args:
        file: What a command wrote as JSON.
        shorten: Look for a part of the session that fails in the same way, by replaying it: the handler that the report names
            runs, so the report must be one to trust.

    Returns:
        Lines of plain text, each with its line break, less than 2,000 bytes in UTF-8: a headline; up to three causes, each with what was
        observed and expected, the place in the code with three lines of source, and what to try; how many more there are; the command that
        runs it again; the page, where the report names one; versions.

    Raises:
        ReportError: The file cannot be read, or is not such a report.
    """
    return explained(_read(Path(file)), str(file), shorten=shorten)


def explained(report: Mapping[str, Json], where: str = "", *, shorten: bool = False) -> str:
    """Explain a report that was read, or that a result gives by ``json()``: see ``explain_report``."""
    told = read_report_json(redacted_data(report), where)
    shorter = shorter_command(told) if shorten else ()
    # To be typed as they stand, by whoever reads this now.
    told = replace(told, again=as_started(told.again, told.cwd))
    return explanation_text(told, where, as_started(shorter, told.cwd))


def _read(path: Path) -> Json:
    try:
        return json.loads(read_file(path, "report", ReportError, hint=_HINT).decode("utf-8"))
    except OSError as error:
        raise ReportError(f"it cannot be read: {error.strerror or error}", where=str(path)) from None
    except UnicodeDecodeError:
        raise ReportError("it is not UTF-8 text", where=str(path), hint=_HINT) from None
    except json.JSONDecodeError as error:
        raise ReportError(f"it is not JSON: {error.msg}", where=f"{path}:{error.lineno}", hint=_HINT) from None
    except RecursionError:
        raise ReportError("it is nested too deeply", where=str(path), hint=_HINT) from None
    except ValueError as error:
        # A number of more digits than Python reads.
        raise ReportError(f"it cannot be read: {error}", where=str(path), hint=_HINT) from None
