"""Networks fitted under one recipe and one budget, and their three metrics with intervals over the images.

`python -m trainer.compare` fits them, each an arm: it resumes, keeps finished runs, and refuses images that are both
trained on and measured. Its runs and its table of differences are in OUTPUT/fits.
"""

import subprocess
import sys
from collections.abc import Sequence
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

FITS = "fits"


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

    values: dict[str, float]
    intervals: dict[str, Interval]


def fit_and_measure(models: Sequence[str], budget: Budget, output: Path) -> dict[str, Accuracy]:
    """Fit what isn't fitted yet and measure all; UserError, with the reason, unless every network is finished."""
    fits = output / FITS
    _compare(models, budget, fits)
    on = Manifest.open(budget.on)
    rows, blobs = require_rows(on, budget.split), BlobStore(on.data_root)
    return {
        model: accuracy([_measured(fits / _arm(model) / f"seed{seed}" / BEST, rows, blobs) for seed in budget.seeds])
        for model in models
    }


def accuracy(runs: Sequence[MetricsAccumulator]) -> Accuracy:
    """Of runs that differ in their seed, measured on the same images."""
    names, results, draws = MetricsAccumulator.NAMES, [run.result() for run in runs], [run.draws() for run in runs]
    return Accuracy(
        {name: float(np.mean([getattr(result, name) for result in results])) for name in names},
        {name: percentile_interval(np.mean([draw[name] for draw in draws], axis=0)) for name in names},
    )


def _compare(models: Sequence[str], budget: Budget, fits: Path) -> None:
    """Run trainer.compare; its lines go to standard error, its last one, when it fails, into a UserError."""
    command = [sys.executable, "-m", "trainer.compare", "--manifest", str(budget.manifest), "--on", str(budget.on)]
    command += ["--split", budget.split, "--output", str(fits), f"--fit={budget.options}"]
    command += ["--seeds", *map(str, budget.seeds)]
    command += [word for model in models for word in ("--arm", f"{_arm(model)}=--model {model}")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=subprocess.PIPE, check=False)
    *lines, last = done.stderr.decode(errors="replace").strip().split("\n")
    if not done.returncode:
        lines.append(last)
    print("\n".join(lines), file=sys.stderr, end="\n" if any(lines) else "", flush=True)
    if done.returncode:
        raise UserError(last.partition("error: ")[2] or last)


def _measured(checkpoint: Path, rows: Sequence[AcceptedRow], blobs: BlobStore) -> MetricsAccumulator:
    return measure(open_predictor(checkpoint, pick_device("auto")), rows, blobs).total


def _arm(model: str) -> str:
    """The arm's name, which is also its directory's."""
    return model.replace("_", "-").replace(":", "-")
