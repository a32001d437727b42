"""The options of a gate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Tuple

__all__ = ["GateOptions"]


@dataclass(frozen=True)
class GateOptions:
    """What the command line, or a call, says of a gate; None for what the configuration, or else the default, has.

    Attributes:
        gate: Thresholds; none for those of the configuration.
        baseline: The file to compare with.
        save_baseline: The file to write what is measured to; a folder gets a new file in it.
        inconclusive: ``fail`` or ``pass``.
        gate_seed: The seed of the resampling.
        false_alarm: Probability that all comparisons together yield a false "regressed".
        job_noise: How much one job's machine differs from another's, as a share.
        least_effect: The least effect that matters, as ``5%,1ms..50ms``.
    """

    gate: Tuple[str, ...] = ()
    baseline: Optional[Path] = None
    save_baseline: Optional[Path] = None
    inconclusive: Optional[str] = None
    gate_seed: Optional[int] = None
    false_alarm: Optional[float] = None
    job_noise: Optional[float] = None
    least_effect: Optional[str] = None
