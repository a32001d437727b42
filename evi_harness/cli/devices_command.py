"""``evi-harness devices``."""

from __future__ import annotations

import click

from evi_harness.cli.options.grouped import GroupedCommand
from evi_harness.cli.printing import echo

__all__ = ["command"]


@click.command("devices", cls=GroupedCommand)
def command() -> int:
    """List sound devices: index, name, and channels in and out.

    > marks the default microphone, < the default speaker, * both. Give the index, or part of the name, to record --device.
    """
    from evi_harness.acts.devices import device_lines, list_devices

    devices = list_devices()
    for line in device_lines(devices):
        echo(line)
    if not devices:
        echo("no sound devices (evi-harness doctor says more)", err=True)
    return 0
