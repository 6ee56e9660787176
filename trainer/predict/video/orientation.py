"""Frames as players show them: turned and mirrored by the display matrix that cameras store beside the frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from manifests.pixels.geometry import Pixels


@dataclass(frozen=True, slots=True)
class Orientation:
    """The turn of a stored frame to upright: transposed first, then with columns or rows reversed."""

    transposed: bool = False
    columns_reversed: bool = False
    rows_reversed: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """Read the frame's display matrix (ISO/IEC 14496-12, 6.2.2), rounded to a quarter turn."""
        side_data: Mapping[Any, Any] = frame.side_data  # the stub has only motion vectors
        stored = side_data.get(Type.DISPLAYMATRIX)
        if stored is None:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(stored), np.int32)[:5].tolist()  # x' = a x + c y, y' = b x + d y
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(columns_reversed=a < 0, rows_reversed=d < 0)
        return cls(transposed=True, columns_reversed=c < 0, rows_reversed=b < 0)

    def upright(self, stored: Pixels) -> Pixels:
        """(H, W, 3) as stored -> as shown, (H, W, 3) or (W, H, 3)."""
        turned = stored.transpose(1, 0, 2) if self.transposed else stored
        rows, columns = -1 if self.rows_reversed else 1, -1 if self.columns_reversed else 1
        return np.ascontiguousarray(turned[::rows, ::columns])
