"""The learning rate as a share of its peak: pure functions of how much of a stage is done, in [0, 1)."""

import math
from collections.abc import Callable


def constant(done_fraction: float) -> float:
    return 1.0


def cosine(done_fraction: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done_fraction))


def multistep(done_fraction: float) -> float:
    """Halved after 1/2 and again after 5/6: the SINet authors' code."""
    return 0.5 ** ((done_fraction >= 1 / 2) + (done_fraction >= 5 / 6))


def poly(done_fraction: float) -> float:
    """(1 - done) ** 0.9, from DeepLab; in the SINet authors' code, unused."""
    return (1 - done_fraction) ** 0.9


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "multistep": multistep,
    "poly": poly,
}


def learning_rate(step: int, total_steps: int, *, peak: float, schedule: str, warmup_fraction: float) -> float:
    """Rises linearly over the first `warmup_fraction` of the steps, then follows `schedule` over the rest."""
    warmup_steps = round(total_steps * warmup_fraction)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * SCHEDULES[schedule]((step - warmup_steps) / max(1, total_steps - warmup_steps))
