"""`python -m manifests.bench`: time and memory of operations on a dataset of N synthetic rows.

Each operation runs in its own process, on a version of N rows. It prints seconds, CPU seconds and peak memory; the time
relative to the baseline, pyarrow copying the same file row group by row group; and the time per row relative to that of
the smallest N: 1.0 for linear growth.

`verify` is compared with coreutils' sha256sum on the same blobs with one process per core, alternating, by medians.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.bench.headline import Figure, add_headline_option, record
from manifests.bench.rows import made_up_blobs, made_up_parts, made_up_samples
from manifests.cli.converters import positive
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.decisions.publish import publish
from manifests.errors import UserError
from manifests.exports.metadata_table import metadata_csv
from manifests.exports.rows import choose_rows, file_names
from manifests.samples.groups import Groups
from manifests.samples.sample import JOINED_COLUMNS, add_rows
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.training_rows import require_rows
from manifests.upkeep.stats import Statistics, describe
from manifests.upkeep.verify import verify
from manifests.versions.diff import diff
from manifests.versions.policy_file import SelectionPolicy
from manifests.versions.selection import commit_selection

ROWS = [100_000, 1_000_000]
CHANGED = 10_000  # decisions folded, rows added
MORE = 100  # decisions behind one on every pending mask
BLOBS = 10_000
ROUNDS = 5  # of verify and sha256sum

BASELINE = "copy"
HEADLINE = "publish"
_COLUMNS = f"  {'operation':<40}{'rows':>12}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}{'x copy':>8}{'x per row':>11}"


@dataclass(frozen=True, slots=True)
class Cost:
    """One operation: wall-clock seconds, CPU seconds of all cores, the process's peak memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        if operations := [part for part in options.part if part in OPERATIONS]:
            record(options.headline, *_report_operations(Path(directory), sorted(options.rows), operations))
        if "verify" in options.part:
            record(options.headline, *_report_verify(Path(directory)))


def copy(root: Path) -> None:
    """The baseline: read the rows of v1 and write them with the same compression."""
    with (
        pq.ParquetFile(root / "v1.parquet") as file,
        pq.ParquetWriter(root / "copy", file.schema_arrow, compression="zstd") as writer,
    ):
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group))
    (root / "copy").unlink()


def publish_decisions(root: Path) -> None:
    """Write v2: CHANGED decisions folded."""
    with closing(DecisionLog(f"sqlite:///{root / 'decisions.sqlite3'}")) as log:
        publish(ManifestStore(root), log)


def publish_all(root: Path) -> None:
    """Write the next version: a verdict on every pending mask, which a publish that has none before it folds."""
    _judge(root, "carol", None)
    publish_decisions(root)


def publish_more(root: Path) -> None:
    """Write the next version: MORE decisions behind those of `publish_all`."""
    _judge(root, "bob", MORE)
    publish_decisions(root)


def add(root: Path) -> None:
    """Write v3: CHANGED rows added."""
    rows = pa.concat_tables(made_up_parts(CHANGED, seed=1)).to_pylist()
    ManifestStore(root).amend(
        lambda base, version: add_rows(rows, base.parts(JOINED_COLUMNS) if base else (), version=version).patch,
        operation="import",
        parameters={},
        data_root=root / "data",
    )


def group(root: Path) -> None:
    """Find the groups of as many new rows as v1 has: pairs of look-alikes among them, their groups and splits."""
    Groups().assign(made_up_samples(_open(root).counts["rows"]))


def export(root: Path) -> None:
    """Read the accepted rows in the order of an export, without pixels, as the lines of its metadata.csv."""
    with choose_rows(_open(root)) as rows:
        for _line in metadata_csv((file_names(row), row) for row in rows.all_rows()):
            pass


def accepted(root: Path) -> None:
    """Open the rows for trainer.fit, and make the first thousand objects."""
    for _row in require_rows(_open(root), "train")[:1000]:
        pass


def select(root: Path) -> None:
    policy = SelectionPolicy(sources=("studio", "web"), max_doubt=0.5)
    commit_selection(ManifestStore(root), _open(root), policy, name="bench")


def look(root: Path) -> str:
    """Read the metadata of every version, and one digest, like `log` and `show`."""
    return ManifestStore(root).history()[0].digest


OPERATIONS: dict[str, tuple[str, Callable[[Path], object]]] = {
    BASELINE: ("pyarrow copies the rows (baseline)", copy),
    "publish": (f"publish {CHANGED:,} decisions", publish_decisions),
    "add": (f"add {CHANGED:,} rows", add),
    "diff": ("diff v1 v2", lambda root: str(diff(*(ManifestStore(root).open(version) for version in (1, 2))))),
    "group": ("group as many new rows", group),
    "export": ("export accepted rows without pixels", export),
    "accepted": ("accepted rows of train", accepted),
    "stats": ("stats", lambda root: describe(Statistics(_open(root)))),
    "select": ("select two sources", select),
    "judge": ("publish a verdict on every pending mask", publish_all),
    "more": (f"publish {MORE} decisions more", publish_more),
    "look": ("open all versions, digest of one", look),
}
_NEEDED = {"diff": "publish", "more": "judge"}  # part -> the part that writes its version


def _open(root: Path) -> Manifest:
    return ManifestStore(root).open(1)


def _make(root: Path, rows: int) -> None:
    """Write v1 of `rows` rows, and a log with CHANGED decisions, spread over its pending rows."""
    store = ManifestStore(root)
    store.commit(made_up_parts(rows), parent=None, operation="generate", parameters={}, data_root=root / "data")
    _judge(root, "alice", CHANGED)


def _judge(root: Path, reviewer: str, decisions: int | None) -> None:
    """Append accepts of v1's pending masks to the log, spread over all of them; by default one of each."""
    pending = _open(root).read(["sample_id", "mask_sha256"], only={"status": "pending"})
    places = np.linspace(0, pending.num_rows - 1, decisions or pending.num_rows).astype(int)
    with closing(DecisionLog(f"sqlite:///{root / 'decisions.sqlite3'}")) as log:
        log.append(
            Decision(
                f"{reviewer} {n}",
                **mask,
                verdict="accept",
                reviewer=reviewer,
                decided_at=datetime(2026, 1, 2, tzinfo=UTC),
            )
            for n, mask in enumerate(pending.take(pa.array(places)).to_pylist())
        )


def _report_operations(directory: Path, sizes: Sequence[int], parts: Sequence[str]) -> list[Figure]:
    """Print a line for each operation and size; return the figures of publishing into the largest version."""
    chosen = {BASELINE, *parts, *(_NEEDED[part] for part in parts if part in _NEEDED)}
    smallest: dict[str, float] = {}  # seconds a row
    headline: list[Figure] = []
    print(f"operations on one version, {os.cpu_count()} cores\n{_COLUMNS}", flush=True)
    for rows in sizes:
        root = directory / str(rows)
        _print_cost("make the version", rows, _alone(_make, root, rows))
        baseline = 1.0
        for part, (what, _operation) in OPERATIONS.items():
            if part in chosen:
                cost = _alone(_operate, part, root)
                baseline = cost.seconds if part == BASELINE else baseline
                per_row = cost.seconds / rows / smallest.setdefault(part, cost.seconds / rows)
                _print_cost(what, rows, cost, f"{cost.seconds / baseline:>8.2f}{per_row:>11.2f}")
                if part == HEADLINE and rows == max(sizes):
                    headline.append(_figure(f"{what}, {rows:,} rows", cost, baseline))
        shutil.rmtree(root)
    return headline


def _figure(what: str, cost: Cost, baseline: float) -> Figure:
    ratio = baseline / cost.seconds
    return Figure(what, cost.seconds, "s", "python -m manifests.bench", "pyarrow copying the file", ratio)


def _operate(part: str, root: Path) -> None:
    OPERATIONS[part][1](root)


def _alone(operation: Callable[..., object], *arguments: Any) -> Cost:
    """Measure an operation in its own process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (operation, arguments))


def _measure(operation: Callable[..., object], arguments: Sequence[Any]) -> Cost:
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    operation(*arguments)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu_seconds, after.ru_maxrss * 1024)


def _print_cost(what: str, rows: int, cost: Cost, ratios: str = "") -> None:
    figures = f"{cost.seconds:>9.1f}{cost.cpu_seconds:>8.1f}{cost.peak_bytes / 1e6:>9.0f}"
    print(f"  {what:<40}{rows:>12,}{figures}{ratios}", flush=True)


def _report_verify(directory: Path) -> list[Figure]:
    """Print both times; return the figure of verifying."""
    if shutil.which("sha256sum") is None:
        print("verify: not measured, as coreutils' sha256sum is not installed", file=sys.stderr)
        return []
    manifest = made_up_blobs(ManifestStore(directory / "manifests"), BLOBS)
    files = sorted((manifest.data_root / "blobs").rglob("*.*"))
    names = b"\0".join(os.fsencode(path) for path in files)
    size_bytes = sum(path.stat().st_size for path in files)
    command = ["xargs", "-0", f"-P{os.cpu_count()}", "-n250", "sha256sum"]
    ours, theirs = [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)
        theirs.append(time.perf_counter() - started)
        started = time.perf_counter()
        problems = verify(manifest)
        ours.append(time.perf_counter() - started)
        if problems:
            raise UserError(f"expected blobs without a problem, found {problems[0]}; run it again")
    baseline, seconds = (statistics.median(times[1:]) for times in (theirs, ours))  # the first round warms up
    print(f"verify of {len(files):,} blobs, {size_bytes / 1e6:,.0f} MB, {os.cpu_count()} cores, median of {ROUNDS}")
    print(f"  {' '.join(command):<40}{baseline:>8.2f} s   1.00x (baseline)")
    print(f"  {'verify':<40}{seconds:>8.2f} s{baseline / seconds:>7.2f}x of its speed", flush=True)
    what = f"verify {len(files):,} blobs, {size_bytes / 1e6:,.0f} MB"
    return [Figure(what, seconds, "s", "python -m manifests.bench", "sha256sum", baseline / seconds)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m manifests.bench", description="Measure the versioned store.")
    parser.add_argument("--rows", type=positive, nargs="+", default=ROWS, metavar="N", help="(default: %(default)s)")
    parts = [part for part in OPERATIONS if part != BASELINE] + ["verify"]
    parser.add_argument("--part", nargs="+", choices=parts, default=parts, help="(default: all)")
    add_headline_option(parser)
    parser.add_argument("--directory", type=Path, help="directory of temporary versions; 1 GB per million rows")
    return parser
