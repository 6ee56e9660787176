"""Greedy k-center (Gonzalez, 1985; for active learning: Sener and Savarese, ICLR 2018): farthest point first."""

import numpy as np
import numpy.typing as npt


def k_center(vectors: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Choose up to `count` rows of `vectors` (N, D), each of length 1: the first, then each farthest from all chosen.

    Distance is cosine distance; among equally far rows the first is chosen.
    """
    count = min(count, len(vectors))
    chosen = np.zeros(count, np.int64)
    if not count:
        return chosen
    closeness = vectors @ vectors[0]  # cosine to the closest chosen row
    closeness[0] = np.inf
    for place in range(1, count):
        farthest = int(closeness.argmin())
        chosen[place] = farthest
        np.maximum(closeness, vectors @ vectors[farthest], out=closeness)
        closeness[farthest] = np.inf  # never again, not even among equal images
    return chosen
