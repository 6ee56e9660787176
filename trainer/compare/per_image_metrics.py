"""One network's per-image figures, as arrays, and the three metrics of any draw of those images."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.files.atomic import write_replace
from manifests.pixels.metrics import MetricsAccumulator, iou

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PerImage:
    """Figures of N images: pixel counts (N, 2, 2) indexed [truth, predicted], person IoU (N,), boundary F1 (N,)."""

    confusions: Counts
    person_ious: Numbers
    boundary_f1s: Numbers

    @classmethod
    def of(cls, accumulator: MetricsAccumulator) -> "PerImage":
        return cls(
            np.stack(accumulator.confusions), np.array(accumulator.person_ious), np.array(accumulator.boundary_f1s)
        )

    def __len__(self) -> int:
        return len(self.person_ious)

    def metrics(self, counts: Counts | None = None) -> dict[str, Numbers]:
        """Three arrays (R,) for R draws, from how often each takes each image (R, N); default: each image once."""
        counts = np.ones((1, len(self)), np.int64) if counts is None else counts
        pixels = (counts @ self.confusions.reshape(-1, 4)).reshape(-1, 2, 2)  # (R, truth, predicted)
        drawn = counts.sum(axis=1)
        return {
            "miou": (iou(pixels, 0) + iou(pixels, 1)) / 2,
            "person_iou_per_image": counts @ self.person_ious / drawn,
            "boundary_f1": counts @ self.boundary_f1s / drawn,
        }

    def write(self, path: Path) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, confusions=self.confusions, person_ious=self.person_ious, boundary_f1s=self.boundary_f1s)
        write_replace(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> "PerImage":
        with np.load(path) as stored:
            return cls(stored["confusions"], stored["person_ious"], stored["boundary_f1s"])
