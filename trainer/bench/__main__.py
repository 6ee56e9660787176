"""`python -m trainer.bench [PART]`: speed on this machine's CPU, and tables of SINet's paper rerun."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from manifests.bench.headline import add_headline_option, record
from manifests.cli.arguments import run_command
from manifests.cli.converters import not_negative, positive
from manifests.store.training_rows import SPLITS
from trainer.fit.options import SIZE_PX
from trainer.models import MODELS, PREFIX
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH, checkpoint_path

TABLES = ("table1", "table3", "table4", "table5", "table6")
PARTS = ("training", "latency", "profile", *TABLES)
FITS = ("fit", "manifest", "on", "split", "seeds", "recipe")
FITTED = ("table3", "table4", "table5")
OPTIONS = {  # of some parts only
    "checkpoint": ("latency",),
    "rival": ("latency",),
    "headline": ("training", "latency"),
    "models": ("table3",),
    "output": TABLES,
    "size": FITTED,
    **dict.fromkeys(FITS, FITTED),
}


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.bench import latency, training  # after parsing: torch takes seconds to load
    from trainer.bench.tables import commands

    if options.part == "latency":
        checkpoints = options.checkpoint or [STARTER_PATH]
        figures = latency.measure(checkpoints, seconds=options.seconds, rivals=options.rival or [])
        record(options.headline, *figures)
    elif options.part == "profile":
        latency.profile()
    elif options.part in TABLES:
        commands.print_table(options)
    else:
        record(options.headline, training.measure(options.seconds, options.threads, compile_network=options.compile))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.bench", description="Measure networks on this machine's CPU.")
    add = parser.add_argument
    parts = "training, exported networks in each runtime, where their time goes, or a table of SINet's paper"
    add("part", nargs="?", choices=PARTS, help=f"{parts} (default: training)")
    add("--part", dest="named_part", choices=PARTS, help="the same")
    own_size = f"for latency, each at the size it was fitted at (default: {STARTER})"
    add("--checkpoint", type=checkpoint_path, nargs="+", metavar="PATH", help=own_size)
    add("--rival", type=Path, nargs="+", metavar="ONNX", help="third-party networks, for latency")
    add("--seconds", type=float, default=60.0, help="approximate duration, without fits (default: %(default)s)")
    add("--threads", type=positive, help="threads of training (default: torch's)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile (default: yes)")
    add_headline_option(parser)
    group = parser.add_argument_group("tables").add_argument
    group("--models", type=_models, metavar="A,B", help="of table3 (default: all but teachers and sinet_cityscapes)")
    group("--output", type=Path, metavar="DIR", help="directory of the table's files, and of the fits")
    group("--size", type=_side, help=f"image side of tables 3 to 5 in px, fitted and timed (default: {SIZE_PX})")
    group("--fit", type=positive, metavar="N", help="of tables 3 to 5: fit every network for N epochs; resumes")
    group("--manifest", type=Path, help="manifests/v<N>.parquet, to fit on")
    group("--on", type=Path, metavar="MANIFEST", help="to measure on (default: the test split of --manifest)")
    group("--split", choices=SPLITS, help="which rows of it (default: test; with --on all)")
    group("--seeds", type=not_negative, nargs="+", help="(default: 0)")
    group("--recipe", metavar="OPTIONS", help="options of trainer.fit for every network, one quoted word")
    options = parser.parse_args(arguments)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Complete the part; a contradiction is the parser's error."""
    if options.part and options.named_part:
        parser.error(f"expected one part, found {options.part} and --part {options.named_part}")
    options.part = options.part or options.named_part or "training"
    given = [name for name in OPTIONS if getattr(options, name) is not None]
    for name in given:
        if options.part not in OPTIONS[name]:
            parser.error(f"argument --{name}: expected only with {', '.join(OPTIONS[name])}, found with {options.part}")
        if name in FITS and options.fit is None:
            parser.error(f"argument --{name}: expected --fit N beside it")
    if options.fit is None:
        if options.part == "table4":
            parser.error("table4: expected --fit N, --manifest and --output: it compares fitted networks")
        return
    if not (options.manifest and options.output):
        parser.error("argument --fit: expected --manifest and --output beside it")
    if any(word.startswith("--si") for word in shlex.split(options.recipe or "")):
        parser.error("argument --recipe: expected no --size in it; give --size itself, which the times follow too")
    if options.models and len(options.models) < 2:
        parser.error("argument --fit: expected at least two --models to compare")


def _side(text: str) -> int:
    """An argparse type: an image side that every network can take."""
    value = positive(text)
    if value % 32:
        raise argparse.ArgumentTypeError(f"expected a multiple of 32, found {text!r}")
    return value


def _models(text: str) -> list[str]:
    """An argparse type: networks' names, separated by commas, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in MODELS and not name.startswith(PREFIX):
            raise argparse.ArgumentTypeError(
                f"expected {', '.join(MODELS)} or {PREFIX}ARCHITECTURE:ENCODER, found {name!r}"
            )
    return names


if __name__ == "__main__":
    run_command(main)
