"""`python -m trainer.bench [PART]`: speed on this machine's CPU, and tables of SINet's paper rerun."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.cli.converters import not_negative, positive
from manifests.store.training_rows import SPLITS
from trainer.models import MODELS, PREFIX
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH, checkpoint_path

PARTS = ("training", "latency", "profile", "table3")
OF_FITS = ("manifest", "on", "split", "seeds", "recipe")
OPTIONS = {  # of one part only
    "latency": ("checkpoint", "rival"),
    "table3": ("models", "output", "fit", *OF_FITS),
}


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.bench import latency, training  # after parsing: torch takes seconds to load

    if options.part == "latency":
        checkpoints = options.checkpoint or [STARTER_PATH]
        latency.measure(checkpoints, seconds=options.seconds, rivals=options.rival or [])
    elif options.part == "profile":
        latency.profile()
    elif options.part == "table3":
        _table3(options)
    else:
        training.measure(seconds=options.seconds, threads=options.threads, compile_network=options.compile)


def _table3(options: argparse.Namespace) -> None:
    """Fit on request, measure, print the page, write the files."""
    import torch

    from trainer.bench.tables import table3
    from trainer.bench.tables.accuracy import Budget, fit_and_measure
    from trainer.bench.tables.published import DEFAULT_MODELS

    models, threads = options.models or DEFAULT_MODELS, options.threads or torch.get_num_threads()
    accuracies, fitted = {}, None
    if options.fit:
        split = options.split or ("all" if options.on else "test")
        budget = Budget(
            options.manifest, options.on or options.manifest, split,
            options=f"--epochs {options.fit} {options.recipe or ''}".strip(), seeds=options.seeds or [0],
        )  # fmt: skip
        accuracies, fitted = fit_and_measure(models, budget, options.output), str(budget)
    rows = table3.measure(models, accuracies, seconds=options.seconds, threads=threads)
    page = table3.markdown(rows, threads=threads, fitted=fitted)
    print(page)
    if options.output:
        print(table3.write_table(options.output, rows, page))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.bench", description="Measure networks on this machine's CPU.")
    add = parser.add_argument
    parts = "training, exported networks in each runtime, where their time goes, or table 3 of SINet's paper"
    add("part", nargs="?", choices=PARTS, help=f"{parts} (default: training)")
    add("--part", dest="named_part", choices=PARTS, help="the same")
    own_size = f"for latency, each at the size it was fitted at (default: {STARTER})"
    add("--checkpoint", type=checkpoint_path, nargs="+", metavar="PATH", help=own_size)
    add("--rival", type=Path, nargs="+", metavar="ONNX", help="third-party networks, for latency")
    add("--seconds", type=float, default=60.0, help="approximate duration, without fits (default: %(default)s)")
    add("--threads", type=positive, help="threads of training (default: torch's)")
    add("--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile (default: yes)")
    group = parser.add_argument_group("table3").add_argument
    group("--models", type=_models, metavar="A,B", help="networks (default: all but teachers and sinet_cityscapes)")
    group("--output", type=Path, metavar="DIR", help="write table3.md, table3.csv, table3.png, and the fits")
    group("--fit", type=positive, metavar="N", help="fit every network for N epochs, as trainer.compare; resumes")
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
    for part, names in OPTIONS.items():
        for name in names:
            if getattr(options, name) is not None and options.part != part:
                parser.error(f"argument --{name}: expected only with {part}, found with {options.part}")
    fits = [name for name in OF_FITS if getattr(options, name) is not None]
    if options.fit is None and fits:
        parser.error(f"argument --{fits[0]}: expected --fit N beside it")
    if options.fit is None:
        return
    if not (options.manifest and options.output):
        parser.error("argument --fit: expected --manifest and --output beside it")
    if options.models and len(options.models) < 2:
        parser.error("argument --fit: expected at least two --models to compare")


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
