"""The log of a run's epochs: `metrics.csv` and TensorBoard's event files.

A resumed run continues the same CSV; epochs after the one it resumes from, of a run that was killed between writing a
line and saving its state, are dropped.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from manifests.files.atomic import write_replace
from manifests.pixels.metrics import Metrics
from trainer.fit.run_state import RunProgress
from trainer.fit.trackers import Trackers

CSV = "metrics.csv"
TENSORBOARD = "tensorboard"
COLUMNS = (
    *("stage", "epoch", "loss", "miou", "person_iou_per_image", "boundary_f1", "images_per_second"),
    *("teacher_seconds_per_step", "waiting_seconds_per_step"),
)


@dataclass(frozen=True, slots=True)
class EpochMetrics:
    """One epoch. `stage` is 0 for the encoder alone and 1 for the whole network.

    `teaching` are seconds per step of live teachers, summed over their threads, and of waiting for them.
    """

    stage: int
    epoch: int
    loss: float
    metrics: Metrics | None
    images_per_second: float
    teaching: tuple[float, float] | None = None

    def values(self) -> dict[str, str]:
        """The values by column; metrics and seconds are empty where nothing was measured."""
        scores = {name: f"{getattr(self.metrics, name):.6f}" if self.metrics else "" for name in COLUMNS[3:6]}
        teacher, waiting = (f"{seconds:.4f}" for seconds in self.teaching) if self.teaching else ("", "")
        return {
            "stage": str(self.stage),
            "epoch": str(self.epoch),
            "loss": f"{self.loss:.6f}",
            **scores,
            "images_per_second": f"{self.images_per_second:.1f}",
            "teacher_seconds_per_step": teacher,
            "waiting_seconds_per_step": waiting,
        }


class RunLog:
    """The lines of one run, from its start."""

    def __init__(self, output: Path, progress: RunProgress, trackers: Trackers | None = None) -> None:
        """Read the lines of a run interrupted after `progress`; `trackers` get the later ones too."""
        self._output = output
        self._trackers = trackers
        done = progress.stage, progress.epoch
        self.lines = [line for line in read_log(output) if (int(line["stage"]), int(line["epoch"])) <= done]
        self._writer: SummaryWriter | None = None  # opened with the first line: a run that fails earlier leaves nothing

    def add(self, line: EpochMetrics) -> None:
        self.lines.append(line.values())
        if self._writer is None:
            self._writer = SummaryWriter(str(self._output / TENSORBOARD), purge_step=len(self.lines))
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(self.lines)
        write_replace(self._output / CSV, text.getvalue().encode())
        scalars = {name: float(value) for name, value in line.values().items() if name in COLUMNS[2:] and value}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, len(self.lines))
        self._writer.flush()
        if self._trackers is not None:
            self._trackers.log(scalars, len(self.lines))

    def close(self, status: str = "success") -> None:
        """Close the files; trackers record the status: success, failed or stopped."""
        if self._writer is not None:
            self._writer.close()
        if self._trackers is not None:
            self._trackers.close(status)


def read_log(output: Path) -> list[dict[str, str]]:
    """The lines of OUTPUT/metrics.csv by column; none when there is no such file."""
    path = output / CSV
    return list(csv.DictReader(io.StringIO(path.read_text()))) if path.is_file() else []
