"""Which simulators there are, by the dialect that they speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping, Optional, Union

from evi_harness.containers.opus_packets import OpusHead
from evi_harness.session.protocols import Conversion, Hearing, LateHearing, Service
from evi_harness.simulate.encoded_uplink import OpusDecoding
from evi_harness.simulate.partners import Partner
from evi_harness.simulate.realtime_simulator import REALTIME_OPTIONS, RealtimeSimulator
from evi_harness.simulate.simulator import Simulator
from evi_harness.simulate.simulator_options import DEFAULT_OPTIONS, Options
from evi_harness.simulate.voice import VoiceMaker

__all__ = ["SIMULATORS", "SimulatorKind"]

# Hearing, partner, options, conversion, voice, decoder of Opus → the simulator of one connection.
_OpenSimulator = Callable[
    [Union[Hearing, LateHearing], Partner, Options, Conversion, Optional[VoiceMaker], Callable[[OpusHead], OpusDecoding]], Service
]


@dataclass(frozen=True)
class SimulatorKind:
    """A simulator of one dialect.

    Attributes:
        options: How it behaves where neither a script nor the app says.
        open: Makes it for one connection.
    """

    options: Options
    open: _OpenSimulator


def _realtime(
    hearing: Union[Hearing, LateHearing],
    partner: Partner,
    options: Options,
    conversion: Conversion,
    voice: Optional[VoiceMaker],
    open_decoder: Callable[[OpusHead], OpusDecoding],  # noqa: ARG001 - no audio comes in a container
) -> Service:
    return RealtimeSimulator(hearing, partner, options, conversion, voice)


SIMULATORS: Mapping[str, SimulatorKind] = {
    "evi": SimulatorKind(DEFAULT_OPTIONS, Simulator),
    "openai-realtime": SimulatorKind(REALTIME_OPTIONS, _realtime),
}
