"""Networks fitted under one recipe and one budget, and their three metrics with intervals over the images.

`python -m trainer.compare` fits them, each an arm: it resumes, keeps finished runs, and refuses images that are both
trained on and measured. Its runs and its table of differences are in the directory of the fits.
"""

import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import Interval, MetricsAccumulator, percentile_interval
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, SplitOrAll, require_rows
from trainer.device import pick_device
from trainer.evaluate.evaluation import measure
from trainer.inference.predictors import open_predictor
from trainer.weights.checkpoint_files import BEST

Arms = Mapping[str, str]  # name, of small letters, digits and dashes -> its options of trainer.fit; the base first


@dataclass(frozen=True, slots=True)
class Budget:
    """How all networks are fitted: `options` are words of trainer.fit for each of them, --epochs included."""

    manifest: Path
    on: Path
    split: SplitOrAll
    options: str
    seeds: Sequence[int]

    def __str__(self) -> str:
        fitted = f"fitted on {self.manifest} with `{self.options}`, seeds {', '.join(map(str, self.seeds))}"
        return f"{fitted}; measured on {self.on}, split {self.split}"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Metrics in [0, 1], means over the seeds, with 95 % bootstrap intervals over the images."""

    images: int
    values: dict[str, float]
    intervals: dict[str, Interval]

    def cell(self, name: str) -> str:
        """One metric and its interval as text."""
        low, high = self.intervals[name]
        return f"{self.values[name]:.4f} [{low:.4f}, {high:.4f}]"


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm's metric minus the base's, in points (1/100), with its 95 % interval."""

    points: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of trainer.compare's table.csv: an arm's mean over seeds in [0, 1]; the base has no difference."""

    mean: float
    difference: Difference | None

    @classmethod
    def of(cls, record: Mapping[str, str]) -> "Finding":
        points = [record[f"{name}_points"] for name in ("difference", "low", "high")]
        return cls(float(record["mean"]), Difference(*map(float, points)) if all(points) else None)


def fit_and_measure(arms: Arms, budget: Budget, fits: Path) -> dict[str, Accuracy]:
    """Fit what isn't fitted yet and measure all; UserError, with the reason, unless every arm is finished."""
    compare(arms, budget, fits)
    on = Manifest.open(budget.on)
    rows, blobs = require_rows(on, budget.split), BlobStore(on.data_root)
    return {
        arm: accuracy([_measured(fits / arm / f"seed{seed}" / BEST, rows, blobs) for seed in budget.seeds])
        for arm in arms
    }


def accuracy(runs: Sequence[MetricsAccumulator]) -> Accuracy:
    """Accuracy over runs that differ in their seed, measured on the same images."""
    names, results, draws = MetricsAccumulator.NAMES, [run.result() for run in runs], [run.draws() for run in runs]
    return Accuracy(
        results[0].n,
        {name: float(np.mean([getattr(result, name) for result in results])) for name in names},
        {name: percentile_interval(np.mean([draw[name] for draw in draws], axis=0)) for name in names},
    )


def compare(arms: Arms, budget: Budget, fits: Path, *, rotations_degrees: Sequence[int] = ()) -> list[dict[str, str]]:
    """Run trainer.compare and return the lines of its table.csv.

    Its lines go to standard error; the last one, when it fails, into a UserError.
    """
    command = [sys.executable, "-m", "trainer.compare", "--manifest", str(budget.manifest), "--on", str(budget.on)]
    command += ["--split", budget.split, "--output", str(fits), f"--fit={budget.options}"]
    command += ["--seeds", *map(str, budget.seeds)]
    command += ["--rotations", *map(str, rotations_degrees)] if rotations_degrees else []
    command += [word for arm, options in arms.items() for word in ("--arm", f"{arm}={options}")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, check=False)
    *lines, last = done.stderr.decode(errors="replace").strip().split("\n")
    if not done.returncode:
        lines.append(last)
    print("\n".join(lines), file=sys.stderr, end="\n" if any(lines) else "", flush=True)
    if done.returncode:
        raise UserError(last.partition("error: ")[2] or last)
    return list(csv.DictReader((fits / "table.csv").read_text().splitlines()))


def _measured(checkpoint: Path, rows: Sequence[AcceptedRow], blobs: BlobStore) -> MetricsAccumulator:
    return measure(open_predictor(checkpoint, pick_device("auto")), rows, blobs).total
