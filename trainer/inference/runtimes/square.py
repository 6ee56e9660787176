"""An image's probability by a network whose input is one fixed square."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob, squeeze, stretch

Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]  # RGB (1, 3, S, S) -> probability (1, 1, S, S)


def prob_of_square(run: Run, rgb: Pixels, side: int) -> Prob:
    """RGB uint8 (H, W, 3) -> person probability float32 (H, W), by the network `run` at `side` x `side` px."""
    square = np.ascontiguousarray(squeeze(rgb, side, side).transpose(2, 0, 1)[None])  # (H, W, 3) -> (1, 3, S, S)
    return stretch(run(square)[0, 0], *rgb.shape[:2])
