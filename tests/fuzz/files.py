"""Read thousands of hostile files with the project's own readers: each ends as a sample, a quarantine row or one line.

    PYTHONPATH=.:tests/support python tests/fuzz/files.py --files 5000

A process of its own reads the files, in which memory grows by MEMORY_BYTES at most and a file takes CASE_SECONDS at
most. Prints how the files of each kind ended. A traceback, a hang, a crash, too much memory, and an end other than
these three are failures: they are printed with their case, which `--case KIND:NUMBER` repeats; exit status 1.
"""

import argparse
import faulthandler
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from export_rows import HEIGHT, WIDTH, commit_rows, picture
from hostile_files import NAMES, mutate, mutate_file, mutate_json
from operations import ended
from original_files import write_images, write_layouts, write_masks, write_network

from manifests.__main__ import main as manifests
from manifests.errors import UserError
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import MAX_MEGAPIXELS, MIN_SIDE_PX, UnusableImage, decode_image, encode_jpeg
from manifests.pixels.onnx_segmenter import OnnxSegmenter
from manifests.samples.sample import Source, store_sample
from manifests.store.file_metadata import METADATA_KEY
from pipeline import quarantine
from pipeline.quarantine import Unusable
from pipeline.sources.local import LocalFile

End = Literal["sample", "quarantined", "refused"]
Attempt = Callable[[Path, Random], End]  # an empty directory, and what to choose the mutations with -> how it ended
Prepare = Callable[[Path], Attempt]  # a directory for the real files

CASE_SECONDS = 120  # a file of 100 megapixels takes some on a busy machine
MEMORY_BYTES = 3 << 29  # beside what the process has before the first file
MOST_FAILURES = 20  # of a kind, then the next one
IN_MEMORY = Path("/dev/shm")  # nothing here is about durability, and fsync takes most of the time on a disk


def images(root: Path) -> Attempt:
    """Image files under odd names: a row with its pixels stored, or a row of the quarantine table."""
    originals = [path.read_bytes() for path in write_images(root)]

    def attempt(directory: Path, chosen: Random) -> End:
        path = directory / chosen.choice(NAMES)
        path.write_bytes(mutate(chosen.choice(originals), originals, chosen))
        place = LocalFile(path)
        try:
            data = place.read()
            rgb = decode_image(data)
        except (Unusable, UnusableImage) as error:
            row = {"source_uri": place.uri, "reason": error.reason, "detail": error.detail, "source_sha256": None}
            pa.Table.from_pylist([row], quarantine.SCHEMA)
            return "quarantined"
        check_pixels(rgb)
        source = Source("web", place.uri, sha256_hex(data))
        mask = np.zeros(rgb.shape[:2], np.uint8)
        row = store_sample(
            BlobStore(directory / "data"), rgb, mask, source=source, roi=Box.whole(rgb), origin="teacher", teacher="t"
        )
        pa.array([row["source_uri"]], pa.string())
        return "sample"

    return attempt


def masks(root: Path) -> Attempt:
    """Mask files, imported with their image."""
    originals = [path.read_bytes() for path in write_masks(root)]

    def attempt(directory: Path, chosen: Random) -> End:
        name = Path(chosen.choice(NAMES)).stem
        for folder in ("images", "masks"):
            (directory / folder).mkdir()
        (directory / "images" / f"{name}.jpg").write_bytes(encode_jpeg(picture(0)))
        (directory / "masks" / f"{name}.png").write_bytes(mutate(chosen.choice(originals), originals, chosen))
        return imported(directory, "--images", str(directory / "images"), "--masks", str(directory / "masks"))

    return attempt


def annotations(root: Path) -> Attempt:
    """The files of each importer's layout, one of them mutated."""
    layouts = write_layouts(root)

    def attempt(directory: Path, chosen: Random) -> End:
        name = chosen.choice(sorted(layouts))
        copied = Path(shutil.copytree(layouts[name], directory / "in"))
        files = sorted(path for path in copied.rglob("*") if path.is_file())
        described = [path for path in files if path.suffix not in (".jpg", ".png")] or files
        others = [path.read_bytes() for path in files]
        mutate_file(chosen.choice(described if chosen.random() < 0.8 else files), others, chosen)
        annotated = next(copied.glob("*.zip"), copied)
        options = ["--skip-broken"] if chosen.random() < 0.5 else []
        return imported(directory, "--format", name.removesuffix(" zip"), "--annotations", str(annotated), *options)

    return attempt


def versions(root: Path) -> Attempt:
    """A version's file: bytes, metadata, or a column of another type or with other values; then it is read."""
    original = commit_rows(root)
    data, table = original.path.read_bytes(), pq.read_table(original.path)
    metadata = json.loads(table.schema.metadata[METADATA_KEY])

    def attempt(directory: Path, chosen: Random) -> End:
        path = directory / "manifests/v1.parquet"
        path.parent.mkdir()
        (directory / "data").symlink_to(original.data_root)
        way = chosen.choice(("bytes", "metadata", "column"))
        if way == "bytes":
            path.write_bytes(mutate(data, [data], chosen))
        else:
            changed = mutate_column(table, chosen) if way == "column" else table
            stamp = mutate_json(metadata, chosen) if way == "metadata" else json.dumps(metadata)
            pq.write_table(changed.replace_schema_metadata({METADATA_KEY: stamp}), path)
        commands = (
            ["verify", "1"],
            ["stats", "1"],
            ["show", "1"],
            ["log"],
            ["export", "coco", str(directory / "out"), "1"],
            ["gc"],
            ["publish"],
            ["diff", "1", "1"],
        )
        return commands_end(directory, chosen.sample(commands, 2))

    return attempt


def descriptions(root: Path) -> Attempt:
    """ONNX networks and the JSON that describes them: opened and run on an image."""
    path = root / "network.onnx"
    data, described = write_network(path), json.loads(path.with_suffix(".json").read_text())
    rgb = picture(0)

    def attempt(directory: Path, chosen: Random) -> End:
        network, beside = directory / "network.onnx", directory / "network.json"
        is_json = chosen.random() < 0.5
        network.write_bytes(data if is_json else mutate(data, [data], chosen))
        beside.write_text(mutate_json(described, chosen) if is_json else json.dumps(described))
        try:
            prob = OnnxSegmenter(network, threads=1).person_prob(rgb)
        except UserError as error:
            return refused(error)
        assert prob.shape == rgb.shape[:2]
        assert 0 <= prob.min() <= prob.max() <= 1
        return "sample"

    return attempt


def checkpoints(root: Path) -> Attempt:
    """Checkpoints: tensors, and the header that describes their network; opened and run on an image."""
    import torch
    from safetensors.torch import save

    from trainer.data.preprocessing import imagenet
    from trainer.inference.predictors import open_predictor
    from trainer.models import create_model
    from trainer.weights.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint

    info = CheckpointInfo(
        model="sinet",
        preprocessing=imagenet(64),
        epoch=1,
        loss=0.5,
        metrics=None,
        manifest_version=1,
        manifest_digest="",
    )
    path = root / "best.safetensors"
    save_checkpoint(path, create_model("sinet"), info)
    data, weights = path.read_bytes(), load_checkpoint(path).model.state_dict()
    header = json.loads(path.with_suffix(".json").read_text())

    def attempt(directory: Path, chosen: Random) -> End:
        copied = directory / "best.safetensors"
        if chosen.random() < 0.5:
            copied.write_bytes(mutate(data, [data], chosen))
        else:
            described = {"kind": "checkpoint", "format_version": 1, **header}
            copied.write_bytes(save(weights, metadata={"maskfoundry": mutate_json(described, chosen)}))
        try:
            prob = open_predictor(copied, torch.device("cpu")).person_prob(picture(0))
        except UserError as error:
            return refused(error)
        assert prob.shape == (HEIGHT, WIDTH)
        return "sample"

    return attempt


def teachers(root: Path) -> Attempt:
    """A teacher's config.json beside its weights."""
    import segmentation_models_pytorch as smp

    from pipeline.teachers.smp_weights import load_smp

    smp.Unet("mobilenet_v2", encoder_weights=None).save_pretrained(str(root))
    config, weights = json.loads((root / "config.json").read_text()), root / "model.safetensors"
    data = weights.read_bytes()

    def attempt(directory: Path, chosen: Random) -> End:
        is_json = chosen.random() < 0.9
        (directory / "config.json").write_text(mutate_json(config, chosen) if is_json else json.dumps(config))
        if is_json:
            (directory / "model.safetensors").symlink_to(weights)
        else:
            (directory / "model.safetensors").write_bytes(mutate(data, [data], chosen))
        try:
            load_smp(directory).network()
        except UserError as error:
            return refused(error)
        return "sample"

    return attempt


KINDS: dict[str, Prepare] = {
    "images": images,
    "masks": masks,
    "annotations": annotations,
    "versions": versions,
    "onnx": descriptions,
    "checkpoints": checkpoints,
    "teachers": teachers,
}


# How a command ends


def imported(directory: Path, *options: str) -> End:
    """Import into a new dataset; how the command ends."""
    where = ["--source", "web", "--manifests", str(directory / "manifests"), "--data", str(directory / "data")]
    return end_of(["import", *options, *where])


def commands_end(directory: Path, commands: Sequence[Sequence[str]]) -> End:
    ends = [end_of([*words, "--manifests", str(directory / "manifests")]) for words in commands]
    return "refused" if "refused" in ends else "sample"


def end_of(words: Sequence[str]) -> End:
    """Run a command; AssertionError unless it succeeds or prints one error line."""
    ending = ended(lambda: manifests(words))
    error = [line for line in ending.error.splitlines() if line.startswith("error: ")]
    assert ending.status in (0, 1), f"exit status {ending.status}"
    assert len(error) == ending.status, f"expected one line, found {ending.error[:500]!r}"
    return "refused" if ending.status else "sample"


def refused(error: UserError) -> End:
    """Check that the error has a text; AssertionError without one."""
    assert str(error).strip()
    return "refused"


def check_pixels(rgb: Pixels) -> None:
    assert rgb.dtype == np.uint8
    assert rgb.ndim == 3
    assert rgb.shape[2] == 3
    assert min(rgb.shape[:2]) >= MIN_SIDE_PX
    assert rgb.shape[0] * rgb.shape[1] <= MAX_MEGAPIXELS * 1_000_000


def mutate_column(table: pa.Table, chosen: Random) -> pa.Table:
    """The table without a column, or with one that is null, of another type, or of hostile values."""
    place = chosen.randrange(table.num_columns)
    name, column = table.column_names[place], table.column(place)
    rows = table.num_rows
    ways: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.nulls(rows, column.type),
        lambda: pa.array([chosen.randrange(-(2**31), 2**31) for _ in range(rows)], pa.int64()),
        lambda: pa.array([chosen.choice((float("nan"), float("inf"), -1.0, 1e30)) for _ in range(rows)]),
        lambda: pa.array([chosen.choice(("", "../../x", "\0", "x" * 999, "ä")) for _ in range(rows)]),
        lambda: pa.array([b"\xff\xfe"] * rows),
        lambda: pa.array([["a"], []] * (rows // 2) + [[]] * (rows % 2)),
    )
    if chosen.random() < 0.2:
        return table.remove_column(place)
    return table.set_column(place, name, chosen.choice(ways)())


# The processes


def read_all(kinds: Sequence[str], files: int, seed: int, only: int | None) -> bool:
    """Read `files` of each kind, or only one, and print each case and the ends; return whether nothing failed."""
    warnings.simplefilter("ignore")  # the libraries' own, on damaged bytes
    is_well = True
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as directory:
        attempts = {name: KINDS[name](made(Path(directory, name))) for name in kinds}
        for name, attempt in attempts.items():
            limit_memory()
            here, failures, ends = Path(directory, "case"), 0, Counter[str]()
            for number in range(files) if only is None else [only]:
                print(f"begin {name}:{number}", flush=True)
                here.mkdir()
                faulthandler.dump_traceback_later(CASE_SECONDS, exit=True)
                try:
                    ends[attempt(here, Random(f"{seed} {name} {number}"))] += 1
                except BaseException:
                    failures += 1
                    print(f"failed {name}:{number}\n{traceback.format_exc(limit=-8)}", file=sys.stderr)
                faulthandler.cancel_dump_traceback_later()
                shutil.rmtree(here)
                if failures == MOST_FAILURES:
                    break
            counts = ", ".join(f"{count:,} {end}" for end, count in sorted(ends.items()))
            print(f"{name}: {ends.total():,} files ({counts}), {failures} failures", flush=True)
            is_well = is_well and not failures
    return is_well


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def limit_memory() -> None:
    """Let the process's memory grow by MEMORY_BYTES from here, where the system reports its size."""
    status = Path("/proc/self/statm")
    if status.is_file():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))


def lines_of(child: subprocess.Popen[str]) -> Iterator[str]:
    """The child's lines; SystemExit, with its last case, when it fails."""
    case = "the start"
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("begin "):
            case = line.split()[1]
        else:
            yield line
    if child.wait():
        sys.exit(f"failed: the process ended with {child.returncode} (negative: a signal); its last case is {case}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=500, help="in all")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", help="KIND:NUMBER, to repeat one")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    kinds = [options.case.partition(":")[0]] if options.case else options.kinds.split(",")
    if options.child:
        only = int(options.case.partition(":")[2]) if options.case else None
        sys.exit(0 if read_all(kinds, -(-options.files // len(kinds)), options.seed, only) else 1)
    begin = time.monotonic()
    command = [sys.executable, *sys.argv, "--child"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in lines_of(child):
            print(line, end="", flush=True)
    print(f"{time.monotonic() - begin:.0f} s, seed {options.seed}")


if __name__ == "__main__":
    main()
