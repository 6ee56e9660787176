"""The runs of a comparison, one after the other, and its tables -> OUTPUT/table.md, table.csv and table.png.

Every arm is fitted with every seed, by trainer.fit in a process of its own, and measured on a manifest that no arm is
trained on. The same command resumes; finished runs are neither fitted nor measured twice.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from manifests.errors import UserError
from manifests.pixels.metrics import MetricsAccumulator
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SplitOrAll, require_rows
from trainer.compare.arms import Arm
from trainer.compare.report import TABLE, write_comparison
from trainer.compare.result import Comparison, shared_pictures
from trainer.compare.run import RunFailed, SeedRun, only_one
from trainer.device import pick_device


def compare_arms(
    train: Manifest,
    on: Manifest,
    split: SplitOrAll,
    arms: list[Arm],
    output: Path,
    *,
    fit: str,
    seeds: Sequence[int],
    rotations: Sequence[float],
) -> None:
    """Fit and measure what isn't finished yet; UserError for an image both trained on and measured, or a failed run."""
    own = {arm.name: Manifest.open(arm.manifest) for arm in arms if arm.manifest}
    rows = require_rows(on, split)
    chose_best: set[str] = set()
    for manifest in (train, *own.values()):
        require_rows(manifest, "train")
        _refuse_leaks(manifest, on, split)
        chose_best.update(shared_pictures(manifest, "val", on, split))
    comparison = Comparison(train, on, split, len(rows), len(chose_best), arms, fit, seeds, own=own)
    for arm in arms:
        pick_device(arm.options.device)  # fails before the first run
    with only_one(output) as lock:
        page = _run_all(comparison, rotations, output, lock)
    print(f"\n{page}\n{output / TABLE}", flush=True)
    if comparison.failed:
        names = ", ".join(f"{name} seed {seed}" for name, seed in comparison.failed)
        raise UserError(
            f"expected {len(arms) * len(seeds)} finished runs, found {len(comparison.failed)} failed: {names}; "
            "the same command tries them again"
        )


def _run_all(comparison: Comparison, rotations: Sequence[float], output: Path, lock: int) -> str:
    """Run all arms seed by seed, so that an interrupted table holds whole rounds; return table.md's text."""
    page = ""
    rows = require_rows(comparison.on, comparison.split)
    runs_left, fit_seconds = len(comparison.arms) * len(comparison.seeds), []
    for seed in comparison.seeds:
        for arm in comparison.arms:
            run = SeedRun(arm, seed, output, comparison.trained_on(arm))
            started, runs_left = time.perf_counter(), runs_left - 1
            try:
                fitted = run.fit(lock)
            except RunFailed as error:
                comparison.failed[arm.name, seed] = str(error)
                print(f"{arm.name}, seed {seed} {error}", file=sys.stderr, flush=True)
                continue
            for degrees in (0.0, *rotations):
                comparison.add(arm, seed, degrees, run.figures(comparison.on, comparison.split, rows, degrees))
            comparison.seconds[arm.name, seed] = run.seconds()
            if fitted:
                fit_seconds.append(time.perf_counter() - started)
            print(f"{_figures_line(comparison, arm, seed)}; {_remaining(runs_left, fit_seconds)}", flush=True)
        page = write_comparison(output, comparison)
    return page


def _refuse_leaks(train: Manifest, on: Manifest, split: SplitOrAll) -> None:
    shared = shared_pictures(train, "train", on, split)
    if shared:
        raise UserError(
            f"expected images that are not trained on in split {split} of {on.path}, found {len(shared)} of them "
            f"among the accepted train rows of {train.path}, the first is sample {shared[0]}; "
            "give another --on or --split val"
        )


def _figures_line(comparison: Comparison, arm: Arm, seed: int) -> str:
    metrics = comparison.figures[arm.name, 0.0][seed].metrics()
    listed = "  ".join(f"{name} {metrics[name][0]:.4f}" for name in MetricsAccumulator.NAMES)
    return f"{arm.name}, seed {seed}: {listed}  {comparison.seconds[arm.name, seed] / 60:.1f} min"


def _remaining(runs: int, fit_seconds: Sequence[float]) -> str:
    """`fit_seconds` are those of the runs fitted now."""
    about = f", about {runs * sum(fit_seconds) / len(fit_seconds) / 60:.0f} min" if fit_seconds and runs else ""
    return f"{runs} runs left{about}"
