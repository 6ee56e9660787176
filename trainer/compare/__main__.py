"""`python -m trainer.compare`: the effect of recipes and data -> OUTPUT/table.md, table.csv, table.png."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import not_negative, not_negative_float
from manifests.store.manifest import Manifest
from manifests.store.training_rows import SPLITS
from trainer.compare.arms import Arm, WrongArms, read_arms


def main(arguments: Sequence[str]) -> None:
    options, arms = _parse(arguments)
    from trainer.compare.experiment import compare_arms  # after parsing: torch and matplotlib take seconds to load

    train, on = Manifest.open(options.manifest), Manifest.open(options.on, data_root=options.data)
    choices = {"fit": options.fit, "seeds": options.seeds, "rotations": options.rotations}
    compare_arms(train, on, options.split, arms, options.output, **choices)


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[Arm]]:
    parser = CommandParser(
        "python -m trainer.compare",
        description="Fit arms that differ in their options with several seeds, and report their differences.",
        example="--manifest manifests/v3.parquet --on test/manifests/v1.parquet --output runs/mixed "
        '--arm plain= --arm "cutmix=--cutmix 1"',
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, help="manifests/v<N>.parquet, to fit on")
    add(
        "--on", type=Path, required=True, metavar="MANIFEST", help="to measure on; none of its images may be trained on"
    )
    add("--split", choices=SPLITS, default="all", help="which rows of --on (default: %(default)s)")
    add("--data", type=Path, help="data root of --on (default: the one it records)")
    add("--output", type=Path, required=True, help="directory of runs and tables")
    add("--seeds", type=not_negative, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    add("--fit", default="", metavar="OPTIONS", help="options of trainer.fit for every arm, one quoted word")
    arm = (
        "an arm: its own options of trainer.fit, after those of --fit, --manifest included; the first arm is the base "
        "of all differences"
    )
    add("--arm", action="append", default=[], metavar="NAME=OPTIONS", help=f"{arm}; repeatable")
    add("--rotations", type=not_negative_float, nargs="+", default=[], metavar="DEGREES", help="e.g. 25 45 75 90")
    options = parser.parse_args(_joined(arguments))
    if len(options.arm) < 2:
        parser.error("expected at least two of --arm, the base first")
    if len(set(options.seeds)) < len(options.seeds):
        parser.error("expected different --seeds")
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends its run, too
    run_command(main)
