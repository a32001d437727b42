"""``evi-harness doctor``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Optional

import click

from evi_harness.cli.flags import in_flags
from evi_harness.cli.options.grouped import CHECKS, LIVE, OUTPUT, GroupedCommand, option
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("doctor", cls=GroupedCommand)
@option(
    "--base-url", group=LIVE, metavar="URL", otherwise="HUME_BASE_URL, else Hume's own", help="The service's URL: http, https, ws or wss."
)
@option("--offline", group=LIVE, is_flag=True, help="Do not try to connect to the service.")
@option(
    "--for",
    "act",
    group=CHECKS,
    type=click.Choice(["replay", "record", "serve"]),
    otherwise="what a live conversation needs",
    help="Check only what this command needs.",
)
@option("--json", "as_json", group=OUTPUT, is_flag=True, help="Print the checks as JSON.")
def command(base_url: Optional[str], offline: bool, act: Optional[str], as_json: bool) -> int:
    """Check what a live conversation needs, and say how to fix what is missing.

    Exits with 1 if there is a problem. demo, replay and serve need no sound system, no keys and no service: --for checks what one of them
    needs. Keys are looked for and never printed.
    """
    from evi_harness.acts.doctor import diagnose
    from evi_harness.settings.sink import redacted_data

    diagnosis = diagnose(base_url=base_url, offline=offline, act=act)
    called = (
        replace(one, what=in_flags(one.what), mend={name: in_flags(way) for name, way in one.mend.items()}) for one in diagnosis.checks
    )
    diagnosis = replace(diagnosis, checks=tuple(called))
    if as_json:
        click.echo(json.dumps(redacted_data(diagnosis.json()), indent=2))
    else:
        for line in diagnosis.lines():
            echo(line)
    return diagnosis.exit_code
