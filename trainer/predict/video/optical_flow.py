"""Motion of a frame's pixels since the frame before: dense flow on small grey images (DIS, Kroeger et al. 2016)."""

from dataclasses import dataclass

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from trainer.predict.strips import Floats, shrunk

FLOW_SIDE_PX = 320  # of the longer side: 5 ms per frame; masks are no sharper than that


def flow_frame(rgb: Pixels) -> Pixels:
    """RGB (H, W, 3) -> the grey image for optical flow, (h, w)."""
    return np.asarray(cv2.cvtColor(shrunk(rgb, FLOW_SIDE_PX), cv2.COLOR_RGB2GRAY), np.uint8)


@dataclass(frozen=True, slots=True)
class Motion:
    """From every pixel of a frame to where it was in the frame before, in pixels of their flow frames, (h, w, 2)."""

    flow: Floats

    @classmethod
    def between(cls, now: Pixels, before: Pixels) -> "Motion":
        """Two flow frames (h, w)."""
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        return cls(np.asarray(dis.calc(now, before, np.zeros((*now.shape, 2), np.float32)), np.float32))

    def carried(self, before: Floats, *, outside: float) -> Floats:
        """A map of the frame before, float32 (H, W) of any size, moved to where its pixels are now.

        Pixels that come from beyond the frame's edge get the value `outside`.
        """
        height, width = before.shape
        scale_y, scale_x = height / self.flow.shape[0], width / self.flow.shape[1]
        flow = cv2.resize(self.flow, (width, height)) if (height, width) != self.flow.shape[:2] else self.flow
        map_x = flow[..., 0] * np.float32(scale_x) + np.arange(width, dtype=np.float32)[None, :]
        map_y = flow[..., 1] * np.float32(scale_y) + np.arange(height, dtype=np.float32)[:, None]
        moved = cv2.remap(
            before, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(outside,)
        )
        return np.asarray(moved, np.float32)
