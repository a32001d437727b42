"""``evi-harness doctor``."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Optional

import click

from evi_harness.cli.flags import in_flags
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("doctor")
@click.option("--base-url", metavar="URL", help="Where EVI is; http, https, ws or wss.  [default: HUME_BASE_URL, else Hume's own]")
@click.option("--offline", is_flag=True, help="Connect to nothing: the endpoint is not tried.")
@click.option(
    "--for",
    "act",
    type=click.Choice(["replay", "record", "serve"]),
    help="Check what this needs and nothing else: 0 if it works.  [default: all that a live conversation needs]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(base_url: Optional[str], offline: bool, act: Optional[str], as_json: bool) -> int:
    """Check what a live conversation needs, and say how to mend what is missing. Keys are looked for and never printed.

    Exits with 1 if anything is a problem. demo, replay and serve need none of the sound system, the keys and the endpoint; --for asks for
    what one of them needs.
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
