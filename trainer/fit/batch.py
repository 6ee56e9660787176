"""One training batch."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """RGB float (N, 3, S, S) in 0..255, labels float (N, s, s), and the probabilities of live teachers, likewise."""

    images: Tensor
    labels: Tensor
    taught: Tensor | None = None
