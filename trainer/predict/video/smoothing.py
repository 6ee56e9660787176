"""`--smooth`: masks of a video that don't flicker.

A network predicts every frame by itself, and its mask flickers where nothing moves. `exponential` mixes each mask with
the one before, moved by the frames' optical flow; where motion doesn't explain a frame (a hand comes up, the scene
changes) the new mask counts more, up to all of it.
"""

from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.strips import Floats
from trainer.predict.video.optical_flow import Motion, flow_frame

NEW_SHARE = 0.3  # of the new mask where nothing changed: a change of the mask is 90 % complete after six frames
STILL_LEVELS = 8.0  # grey levels of difference that sensor noise and flow's errors leave
CHANGED_LEVELS = 30.0  # from here on the frame has changed
BLUR_FRACTION = 0.02  # of the flow frame's longer side: changes spread to their surroundings


class Smoother(Protocol):
    """Keeps its state of earlier frames; one smoother per video."""

    def __call__(self, rgb: Pixels, prob: Prob) -> Prob:
        """The next frame RGB (H, W, 3) and its person probability (H, W) -> the smoothed probability."""
        ...


class Exponential:
    """Mixes the moved mask before and the new one, pixel by pixel."""

    def __init__(self, *, new_share: float = NEW_SHARE) -> None:
        self._new_share = new_share
        self._before: tuple[Pixels, Prob] | None = None

    def __call__(self, rgb: Pixels, prob: Prob) -> Prob:
        now = flow_frame(rgb)
        if self._before is not None:
            frame_before, prob_before = self._before
            motion = Motion.between(now, frame_before)
            prob = self._mixed(prob, now, motion, frame_before, prob_before)
        self._before = now, prob
        return prob

    def _mixed(self, prob: Prob, now: Pixels, motion: Motion, frame_before: Pixels, prob_before: Prob) -> Prob:
        share = self._new_share + (1 - self._new_share) * changed(now, motion, frame_before)
        share = np.asarray(cv2.resize(share, prob.shape[::-1]), np.float32)
        carried = motion.carried(prob_before, outside=-1.0)
        mixed = carried + share * (prob - carried)
        return np.where(carried < 0, prob, mixed)


def unsmoothed(rgb: Pixels, prob: Prob) -> Prob:
    """Each frame's own probability."""
    return prob


def changed(now: Pixels, motion: Motion, frame_before: Pixels) -> Floats:
    """Two flow frames (h, w) -> (h, w): 0 where motion explains the frame, 1 where it doesn't."""
    carried = motion.carried(frame_before.astype(np.float32), outside=-1.0)
    difference = np.where(carried < 0, CHANGED_LEVELS, np.abs(now - carried)).astype(np.float32)
    sigma = BLUR_FRACTION * max(now.shape)
    blurred = cv2.GaussianBlur(difference, (0, 0), sigma)
    return np.clip((blurred - STILL_LEVELS) / (CHANGED_LEVELS - STILL_LEVELS), 0, 1).astype(np.float32)


SMOOTHERS: dict[str, Callable[[], Smoother]] = {"none": lambda: unsmoothed, "exponential": Exponential}
