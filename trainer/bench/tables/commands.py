"""`trainer.bench table1|table3|table4|table5|table6`: fits on request, measures, prints the page, writes its files."""

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from manifests.files.atomic import write_replace
from trainer.bench.tables import table1, table3, table4, table5, table6
from trainer.bench.tables.accuracy import Accuracy, Arms, Budget, compare, fit_and_measure
from trainer.bench.tables.published import DEFAULT_MODELS
from trainer.fit.options import SIZE_PX


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
    size_px = _size_px(options)
    rows = table3.measure(models, accuracies, size_px=size_px, seconds=options.seconds, threads=threads)
    page = table3.markdown(rows, size_px=size_px, threads=threads, fitted=_how_fitted(options, fits))
    _publish(page, options, table3.files(rows, size_px=size_px) if options.output else {})


def _table4(options: argparse.Namespace) -> None:
    budget = _budget(options)
    records = compare(table4.ARMS, budget, _fits(options), rotations_degrees=table4.ROTATIONS_DEGREES)
    _publish(table4.markdown(table4.findings_of(records), str(budget)), options)


def _table5(options: argparse.Namespace) -> None:
    accuracies = _fitted(table5.ARMS, options)
    size_px = _size_px(options)
    rows = table5.measure(size_px=size_px, seconds=options.seconds)
    _publish(table5.markdown(rows, accuracies, size_px=size_px, fitted=_how_fitted(options, accuracies)), options)


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


def _how_fitted(options: argparse.Namespace, accuracies: Mapping[str, Accuracy]) -> str | None:
    """The budget and the number of images in words; None without fits."""
    images = next((accuracy.images for accuracy in accuracies.values()), None)
    return f"{_budget(options)}, {images:,} images" if images else None


def _size_px(options: argparse.Namespace) -> int:
    """The side of the images that are fitted, timed and counted."""
    return int(options.size or SIZE_PX)


def _budget(options: argparse.Namespace) -> Budget:
    return Budget(
        options.manifest,
        options.on or options.manifest,
        options.split or ("all" if options.on else "test"),
        f"--epochs {options.fit} --size {_size_px(options)} {options.recipe or ''}".strip(),
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
