"""Every operation that changes a dataset, on one of a few samples, ready to be disturbed.

`prepare` makes the dataset `here`, a second lineage `there`, and what the operations read. Each operation ends as its
command does: with an exit status and what it prints on standard error.
"""

import io
import os
import shutil
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from small_lineages import Lineage, mask, picture

from manifests.__main__ import main
from manifests.cli.arguments import run_command
from manifests.decisions.database import integrity_problems
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import ManifestStore
from manifests.upkeep.verify import verify
from pipeline import quarantine
from pipeline.labelling.commit import commit_shards
from pipeline.labelling.relabel import MASK_SCHEMA, commit_relabelled
from pipeline.labelling.shards import ROW_SCHEMA, SMALL_FACES, ShardResult

ORPHAN = b"named by nothing"
IMPORT = ("import", "--source", "studio")
SHARDS = "here/data/shards"


@dataclass(frozen=True)
class State:
    """Status and mask of each sample, standing votes, rows of each selection, and whether the orphan is there."""

    rows: dict[str, tuple[str, str]]
    votes: frozenset[tuple[str, str, str]]
    selections: tuple[int, ...]
    orphan: bool


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    error: str

    @property
    def is_clear(self) -> bool:
        """Success, or one line on standard error, which ends the command."""
        lines = [line for line in self.error.splitlines() if not line.startswith("warning: ")]
        return self.status == 0 or (self.status == 1 and len(lines) == 1 and lines[0].startswith("error: "))


def ended(command: Callable[[], object]) -> Ended:
    """Run `command` as a command line's body."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        try:
            run_command(lambda _arguments: command() and None)
        except SystemExit as end:
            return Ended(int(end.code or 0), said.getvalue())
    raise AssertionError("run_command exits")


def copy(prepared: Path, root: Path) -> Path:
    """Replace `root` by a copy of a prepared directory."""
    shutil.rmtree(root, ignore_errors=True)
    return Path(shutil.copytree(prepared, root))


def prepare(root: Path) -> None:
    """Sample 0 is accepted in v2 and rejected in v3, sample 1 is rejected; one verdict on 2 is not yet published.

    All blobs are old, also those that only a finished shard names, and those that an import stores again.
    """
    here, there = Lineage(root / "here"), Lineage(root / "there")
    here.generate(*range(4))
    here.judge({0: "accept", 1: "reject"})
    here.publish()
    shutil.copytree(here.root, there.root)
    there.judge({1: "accept"}, minutes=20)
    there.publish()
    there.generate(100)
    here.judge({0: "reject"}, minutes=5)
    here.publish()
    here.judge({2: "accept"}, minutes=9)
    here.blobs.put(ORPHAN, ".png")
    (root / "all.toml").write_text('origins = ["teacher"]\n')
    _write_pairs(root)
    _store_blobs_of_an_aborted_import(root)
    new, again = (_row(here.blobs, seed, level) for seed, level in ((200, 240), (3, 200)))
    _write_shard(root / SHARDS / "new", [{**new, SMALL_FACES: 0}], ROW_SCHEMA)
    _write_shard(root / SHARDS / "again", [again], MASK_SCHEMA)
    for blob in here.blobs.root.glob("blobs/*/*"):
        os.utime(blob, (1, 1))  # old enough for gc


def _store_blobs_of_an_aborted_import(root: Path) -> None:
    aborted = root / "aborted"
    ended(lambda: main([*IMPORT, *_pairs(root), "--manifests", str(aborted), "--data", str(root / "here/data")]))
    shutil.rmtree(aborted)


def command(root: Path, *words: str) -> None:
    main([*words, "--manifests", str(root / "here/manifests")])


def import_(root: Path) -> None:
    command(root, *IMPORT, *_pairs(root))


def publish(root: Path) -> None:
    command(root, "publish")


def restore(root: Path) -> None:
    command(root, "restore", "v2", "--take-back")


def merge(root: Path) -> None:
    command(root, "merge", str(root / "there/manifests"), "--prefer", "theirs")


def gc(root: Path) -> None:
    command(root, "gc", "--delete")


def select(root: Path) -> None:
    command(root, "select", str(root / "all.toml"), "v2")


def generate(root: Path) -> None:
    """Commit a finished shard."""
    here = Lineage(root / "here")
    commit_shards([_shard(root / SHARDS / "new")], here.store, here.blobs.root, parameters={"images": "photos"})


def relabel(root: Path) -> None:
    """Commit a finished shard's new mask of sample 3, made from v1."""
    here = Lineage(root / "here")
    shards = [_shard(root / SHARDS / "again")]
    commit_relabelled(shards, here.store, here.blobs.root, version=1, status="pending", parameters={})


def forget(root: Path) -> None:
    command(root, "forget", "--source-uri", "/1.jpg", "--yes")


OPERATIONS: dict[str, Callable[[Path], None]] = {
    "import": import_,
    "generate": generate,
    "publish": publish,
    "restore": restore,
    "merge": merge,
    "gc": gc,
    "select": select,
    "relabel": relabel,
    "forget": forget,
}


def problems(root: Path, *, disturbed: bool = False, all_versions: bool = True) -> list[str]:
    """Problems that must never occur: a gap in the history, a version with a problem, a damaged log.

    `disturbed` allows that `verify` asks to run a `forget` again. Without `all_versions` only the latest is verified.
    """
    here = Lineage(root / "here")
    history = here.store.history()
    found = [] if [each.version for each in history] == list(range(1, len(history) + 1)) else ["a gap in the history"]
    found += [
        f"v{each.version} has the parent {each.parent}" for each in history if each.parent != (each.version - 1 or None)
    ]
    found += [
        f"v{each.version}: {problem}" for each in history[0 if all_versions else -1 :] for problem in verify(each)
    ]
    with closing(here.log()) as log:
        found += integrity_problems(log.engine)
    return [line for line in found if not disturbed or "run python -m manifests forget" not in line]


def state(root: Path) -> State:
    """The state of the latest version and of what lies beside it."""
    here = Lineage(root / "here")
    rows = {name: (row["status"], row["mask_sha256"]) for name, row in here.rows().items()}
    with closing(here.log()) as log:
        votes = frozenset((each.sample_id, each.verdict, each.reviewer) for each in log.standing())
    selections = ManifestStore(here.store.root / "selections/all").history()
    orphan = here.blobs.find(sha256_hex(ORPHAN)) is not None
    return State(rows, votes, tuple(each.counts["rows"] for each in selections), orphan)


def _write_pairs(root: Path) -> None:
    for seed in (300, 301):
        marked = np.where(mask(255) > 0, 255, 0).astype(np.uint8)
        marked[: 20 + seed % 2] = 0
        for folder, pixels in (("images", picture(seed)), ("masks", marked)):
            (root / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{seed}.png")


def _pairs(root: Path) -> list[str]:
    return ["--images", str(root / "images"), "--masks", str(root / "masks")]


def _row(blobs: BlobStore, seed: int, level: int) -> Row:
    source = Source("web", f"/{seed}.jpg", f"{seed:064x}")
    return store_sample(
        blobs,
        picture(seed),
        mask(level),
        source=source,
        roi=Box(0, 0, 48, 64),
        origin="teacher",
        teacher="other@0123456789ab",
    )


def _write_shard(directory: Path, rows: list[Row], schema: pa.Schema) -> None:
    directory.mkdir(parents=True)
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)
    pq.write_table(table, directory / "rows.parquet")
    pq.write_table(quarantine.SCHEMA.empty_table(), directory / "quarantine.parquet")


def _shard(directory: Path) -> ShardResult:
    return ShardResult(str(directory), samples=1, quarantined=0, resumed=False)
