"""Share of masks that need no look when those with little doubt are accepted unseen."""

import numpy as np
import numpy.typing as npt

FALSE_ACCEPTS = 0.01  # share of the masks accepted unseen that may be bad


def looks_saved(
    doubts: npt.NDArray[np.float64], bad: npt.NDArray[np.bool_], false_accepts: float = FALSE_ACCEPTS
) -> float:
    """Return the largest share of least doubtful masks of which at most `false_accepts` are bad."""
    order = np.argsort(doubts, kind="stable")
    share_bad = np.cumsum(bad[order]) / np.arange(1, len(bad) + 1)
    enough = np.flatnonzero(share_bad <= false_accepts)
    return float((enough[-1] + 1) / len(bad)) if len(enough) else 0.0
