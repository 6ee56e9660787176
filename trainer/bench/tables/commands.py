"""`trainer.bench table1|table3|table4|table5|table6`: fits on request, measures, prints the page, writes its files."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import torch

from manifests.files.atomic import write_replace
from trainer.bench.tables import table1, table3, table4, table5, table6
from trainer.bench.tables.accuracy import Accuracy, Arms, Budget, compare, fit_and_measure
from trainer.bench.tables.published import DEFAULT_MODELS


def print_table(options: argparse.Namespace) -> None:
    """Print the table `options.part`; with --output write it, and print the path of its Markdown last."""
    TABLES[options.part](options)


def _table1(options: argparse.Namespace) -> None:
    _publish(table1.markdown(table1.measure(seconds=options.seconds)), options)


def _table3(options: argparse.Namespace) -> None:
    models = options.models or DEFAULT_MODELS
    fits = _fitted({_arm(model): f"--model {model}" for model in models}, options)
    accuracies = {model: fits[_arm(model)] for model in models if fits}
    threads = options.threads or torch.get_num_threads()
    rows = table3.measure(models, accuracies, seconds=options.seconds, threads=threads)
    fitted = str(_budget(options)) if options.fit else None
    files = table3.files(rows) if options.output else {}
    _publish(table3.markdown(rows, threads=threads, fitted=fitted), options, files)


def _table4(options: argparse.Namespace) -> None:
    budget = _budget(options)
    records = compare(table4.ARMS, budget, _fits(options), rotations_degrees=table4.ROTATIONS_DEGREES)
    _publish(table4.markdown(table4.findings_of(records), str(budget)), options)


def _table5(options: argparse.Namespace) -> None:
    accuracies = _fitted(table5.ARMS, options)
    fitted = str(_budget(options)) if options.fit else None
    _publish(table5.markdown(table5.measure(seconds=options.seconds), accuracies, fitted), options)


def _table6(options: argparse.Namespace) -> None:
    _publish(table6.markdown(table6.count()), options)


TABLES: dict[str, Callable[[argparse.Namespace], None]] = {
    "table1": _table1,
    "table3": _table3,
    "table4": _table4,
    "table5": _table5,
    "table6": _table6,
}


def _arm(model: str) -> str:
    """A network's name as trainer.compare names its directory."""
    return re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")


def _fitted(arms: Arms, options: argparse.Namespace) -> dict[str, Accuracy]:
    """Accuracy by arm, in the arms' order; empty without --fit."""
    return fit_and_measure(arms, _budget(options), _fits(options)) if options.fit else {}


def _budget(options: argparse.Namespace) -> Budget:
    return Budget(
        options.manifest,
        options.on or options.manifest,
        options.split or ("all" if options.on else "test"),
        f"--epochs {options.fit} {options.recipe or ''}".strip(),
        options.seeds or [0],
    )


def _fits(options: argparse.Namespace) -> Path:
    """Each table has its own directory of fits, as trainer.compare writes one table into it."""
    directory: Path = options.output / f"{options.part}-fits"
    return directory


def _publish(page: str, options: argparse.Namespace, files: dict[str, bytes] | None = None) -> None:
    """Print the page; with --output write it and `files`, by name, and print its path last."""
    print(page)
    if options.output is None:
        return
    for name, data in {**(files or {}), f"{options.part}.md": page.encode()}.items():
        write_replace(options.output / name, data)
    print(options.output / f"{options.part}.md")
