"""`python -m trainer.compare`: what each choice of recipe or data brings -> OUTPUT/table.md, table.csv and table.png.

Every arm is fitted with every seed, by trainer.fit in a process of its own, and measured on a manifest that nobody
trained on. The same command again goes on where it was stopped; what is finished is neither fitted nor measured twice.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.pixels.metrics import MetricsAccumulator
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SPLITS, SplitOrAll, require_rows
from trainer.compare.arms import Arm, WrongArms, read_arms
from trainer.compare.report import TABLE, write_comparison
from trainer.compare.result import Comparison, shared_pictures
from trainer.compare.run import Run, RunFailed, only_one
from trainer.device import pick_device
from trainer.fit.options import number


def main(arguments: Sequence[str]) -> None:
    options, arms = _parse(arguments)
    train, on = Manifest.open(options.manifest), Manifest.open(options.on, data_root=options.data)
    own = {arm.name: Manifest.open(arm.manifest) for arm in arms if arm.manifest}
    rows = require_rows(on, options.split)
    chose_best: set[str] = set()
    for manifest in (train, *own.values()):
        require_rows(manifest, "train")
        _refuse_leaks(manifest, on, options.split)
        chose_best.update(shared_pictures(manifest, "val", on, options.split))
    comparison = Comparison(
        train, on, options.split, len(rows), len(chose_best), arms, options.fit, options.seeds, own=own
    )
    for arm in arms:
        pick_device(arm.options.device)  # before the first run and not after it
    with only_one(options.output) as lock:
        page = _run_all(comparison, options, lock)
    print(f"\n{page}\n{options.output / TABLE}", flush=True)
    if comparison.failed:
        names = ", ".join(f"{name} seed {seed}" for name, seed in comparison.failed)
        raise UserError(
            f"expected {len(arms) * len(options.seeds)} finished runs, found {len(comparison.failed)} failed: {names}; "
            "the same command tries them again"
        )


def _run_all(comparison: Comparison, options: argparse.Namespace, lock: int) -> str:
    """Seeds outside, arms inside: what is written when it is stopped holds whole rounds. Returns table.md's text."""
    page = ""
    rows = require_rows(comparison.on, comparison.split)
    left, took = len(comparison.arms) * len(comparison.seeds), []
    for seed in comparison.seeds:
        for arm in comparison.arms:
            run = Run(arm, seed, options.output, comparison.trained_on(arm))
            started, left = time.perf_counter(), left - 1
            try:
                fitted = run.fit(lock)
            except RunFailed as error:
                comparison.failed[arm.name, seed] = str(error)
                print(f"{arm.name}, seed {seed} {error}", file=sys.stderr, flush=True)
                continue
            for degrees in (0.0, *options.rotations):
                comparison.add(arm, seed, degrees, run.figures(comparison.on, comparison.split, rows, degrees))
            comparison.seconds[arm.name, seed] = run.seconds()
            if fitted:
                took.append(time.perf_counter() - started)
            print(f"{_said(comparison, arm, seed)}; {_left(left, took)}", flush=True)
        page = write_comparison(options.output, comparison)
    return page


def _refuse_leaks(train: Manifest, on: Manifest, split: SplitOrAll) -> None:
    shared = shared_pictures(train, "train", on, split)
    if shared:
        raise UserError(
            f"expected pictures that are not trained on in split {split} of {on.path}, found {len(shared)} of them "
            f"among the accepted train rows of {train.path}, the first is sample {shared[0]}; "
            "give another --on or --split val"
        )


def _said(comparison: Comparison, arm: Arm, seed: int) -> str:
    found = comparison.figures[arm.name, 0.0][seed].metrics()
    listed = "  ".join(f"{name} {found[name][0]:.4f}" for name in MetricsAccumulator.NAMES)
    return f"{arm.name}, seed {seed}: {listed}  {comparison.seconds[arm.name, seed] / 60:.1f} min"


def _left(runs: int, took: Sequence[float]) -> str:
    """`took` are the seconds of the runs fitted now."""
    about = f", about {runs * sum(took) / len(took) / 60:.0f} min" if took and runs else ""
    return f"{runs} runs left{about}"


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[Arm]]:
    parser = argparse.ArgumentParser(
        "python -m trainer.compare",
        description="Fit arms that differ in their options with several seeds, and say by how much they differ.",
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, help="manifests/v<N>.parquet, to fit on")
    add("--on", type=Path, required=True, metavar="MANIFEST", help="to measure on: no picture of it is trained on")
    add("--split", choices=SPLITS, default="all", help="which rows of --on (default: %(default)s)")
    add("--data", type=Path, help="data root of --on (default: the one it records)")
    add("--output", type=Path, required=True, help="directory of runs and tables")
    add("--seeds", type=number(int, 0, "a whole number"), nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    add("--fit", default="", metavar="OPTIONS", help="options of trainer.fit for every arm, one quoted word")
    arm = (
        "an arm, its own options of trainer.fit, --manifest among them, after those of --fit; the first one is the "
        "base of all differences"
    )
    add("--arm", action="append", default=[], metavar="NAME=OPTIONS", help=f"{arm}; repeatable")
    degrees = number(float, 0, "degrees of at least 0")
    add("--rotations", type=degrees, nargs="+", default=[], metavar="DEGREES", help="as 25 45 75 90")
    options = parser.parse_args(_joined(arguments))
    if len(options.arm) < 2:
        parser.error("expected at least two of --arm, the first is the base")
    if len(set(options.seeds)) < len(options.seeds):
        parser.error("expected seeds that differ")
    options.rotations = sorted({degrees for degrees in options.rotations if degrees})
    try:
        return options, read_arms(options.arm, options.fit)
    except WrongArms as error:
        parser.error(str(error))


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--fit X` as `--fit=X`: argparse takes an X that starts with a dash for an option."""
    words = iter(arguments)
    return [f"{word}={next(words, '')}" if word == "--fit" else word for word in words]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # takes its run along
    run_command(main)
