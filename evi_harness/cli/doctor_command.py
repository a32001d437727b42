"""``evi-harness doctor``."""

from __future__ import annotations

import json
from typing import Optional

import click

__all__ = ["command"]


@click.command("doctor")
@click.option("--base-url", metavar="URL", help="Where EVI is.  [default: HUME_BASE_URL, else Hume's own]")
@click.option("--offline", is_flag=True, help="Connect to nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(base_url: Optional[str], offline: bool, as_json: bool) -> int:
    """Check what a live conversation needs, and say how to mend what is missing. Keys are looked for and never printed.

    Exits with 1 if anything is a problem. A replay needs none of the sound system, the keys and the endpoint.
    """
    from evi_harness.harness.doctor import diagnose

    diagnosis = diagnose(base_url=base_url, offline=offline)
    if as_json:
        click.echo(json.dumps(diagnosis.json(), indent=2))
    else:
        for line in diagnosis.lines():
            click.echo(line)
    return diagnosis.exit_code
