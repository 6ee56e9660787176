"""`python -m manifests`: look at versions, check them, publish reviews, import ground truth."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from manifests.blobs import BlobStore
from manifests.command import positive, run_command
from manifests.decisions import CONFLICTS, DecisionLog, Policy, sqlite_url
from manifests.errors import UserError
from manifests.ground_truth import import_ground_truth
from manifests.images import decode_image
from manifests.masks import decode_mask
from manifests.publish import publish
from manifests.sheet import contact_sheet
from manifests.stats import describe
from manifests.store import Manifest, ManifestStore
from manifests.verify import verify

PROBLEMS_PRINTED = 20


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    options.run(options)


def log(options: argparse.Namespace) -> None:
    """Every version, newest first: what it is and how many rows it has."""
    history = ManifestStore(options.manifests).history()
    if not history:
        raise UserError(f"expected versions in {options.manifests}, found none; make one with pipeline.generate")
    for manifest in reversed(history):
        counts = ", ".join(f"{count} {word}" for word, count in manifest.counts.items())
        print(f"v{manifest.version}  {manifest.created_at:%Y-%m-%d %H:%M} UTC  {manifest.operation:<10} {counts}")


def show(options: argparse.Namespace) -> None:
    """One version: its metadata and its first rows, or a contact sheet of its samples."""
    manifest = _open(options)
    if options.sheet:
        _write_sheet(manifest, options)
        return
    print(f"{manifest.path}: version {manifest.version}, parent {manifest.parent or 'none'}, {manifest.operation}")
    print(f"made      {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC by version {manifest.code_version}")
    print(f"data root {manifest.data_root}")
    print(f"digest    {manifest.digest}")
    for name, value in manifest.parameters.items():
        print(f"  {name} = {value}")
    columns = ["sample_id", "source", "origin", "width", "height", "doubt", "split", "status", "source_uri"]
    with pd.option_context("display.width", 200, "display.max_columns", None, "display.max_colwidth", 60):
        print(manifest.read(columns).slice(0, options.limit).to_pandas().to_string(index=False))


def stats(options: argparse.Namespace) -> None:
    """Tables of a version: by source, split and status, sizes, person share, reasons, seconds per decision."""
    print(describe(_open(options)))


def verify_version(options: argparse.Namespace) -> None:
    """Check the schema, every blob's digest and size, and that no near-duplicates cross splits."""
    manifest = _open(options)
    problems = verify(manifest)
    for problem in problems[:PROBLEMS_PRINTED]:
        print(problem)
    if problems:
        raise UserError(f"expected {manifest.path} to be sound, found {len(problems)} problem(s), listed above")
    print(f"{manifest.path}: {manifest.counts['rows']} rows, every blob present and unaltered")


def publish_reviews(options: argparse.Namespace) -> None:
    """Fold the decision log into the latest version and write the next one."""
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    log = DecisionLog(options.database_url or sqlite_url(data_root))
    print(publish(store, log, Policy(options.votes, options.conflicts)).path)


def import_pairs(options: argparse.Namespace) -> None:
    """Take trusted image and mask pairs (same stem) into the dataset, as accepted rows."""
    store = ManifestStore(options.manifests)
    done = import_ground_truth(
        store,
        images=options.images,
        masks=options.masks,
        source=options.source,
        data_root=options.data or store.data_root(),  # a version has one data root for all its rows
        license=options.license,
        attribution=options.attribution,
        person_label=options.person_label,
        limit=options.limit,
    )
    for problem in done.skipped:
        print(f"skipped {problem}", file=sys.stderr)
    print(
        f"masks: {done.encoding}; {done.rows_added} samples added, {done.duplicates} in the dataset already, "
        f"{len(done.skipped)} unusable pairs skipped"
    )
    print(done.manifest.path)


def _open(options: argparse.Namespace) -> Manifest:
    """`V` is a number, `v3`, or the path of a Parquet file; the latest version when it is left out."""
    given = options.version
    if given is not None and (given.endswith(".parquet") or "/" in given):
        return Manifest.open(given, data_root=options.data)
    digits = (given or "").removeprefix("v")
    if given is not None and not digits.isdecimal():
        raise UserError(f"expected a version such as 3, v3 or a path, found {given!r}")
    store = ManifestStore(options.manifests)
    return Manifest.open(store.open(int(digits) if digits else None).path, data_root=options.data)


def _write_sheet(manifest: Manifest, options: argparse.Namespace) -> None:
    blobs = BlobStore(manifest.data_root)
    table = manifest.read(["image", "image_sha256", "mask", "mask_sha256"])
    step = max(1, table.num_rows // options.limit)
    rows = table.take(list(range(0, table.num_rows, step))).slice(0, options.limit).to_pylist()
    samples = [
        (
            decode_image(blobs.read(row["image"], row["image_sha256"])),
            decode_mask(blobs.read(row["mask"], row["mask_sha256"])),
        )
        for row in rows
    ]
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    try:
        Image.fromarray(contact_sheet(samples)).save(options.sheet)
    except ValueError as error:  # Pillow knows no format of that suffix
        raise UserError(f"expected a picture's name such as sheet.png, found {options.sheet}") from error
    print(options.sheet)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m manifests", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--manifests", type=Path, default=Path("manifests"), help="directory of the versions")
    where.add_argument("--data", type=Path, help="data root, by default the one the manifest records")

    def add(name: str, run: object, *, takes_version: bool = False) -> argparse.ArgumentParser:
        summary = (run.__doc__ or "").splitlines()[0]
        command = commands.add_parser(name, parents=[where], help=summary, description=summary)
        command.set_defaults(run=run)
        if takes_version:
            command.add_argument("version", nargs="?", metavar="V", help="3, v3 or a path; default: the latest")
        return command

    add("log", log)
    showing = add("show", show, takes_version=True)
    showing.add_argument("--limit", type=positive, default=10, help="rows, or samples on the sheet")
    showing.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw samples and masks instead")
    add("stats", stats, takes_version=True)
    add("verify", verify_version, takes_version=True)
    publishing = add("publish", publish_reviews)
    publishing.add_argument("--database-url", help="decision log; default: SQLite under the data root")
    publishing.add_argument(
        "--votes", type=positive, default=1, help="reviewers who must have judged a mask (default: 1)"
    )
    publishing.add_argument(
        "--conflicts", choices=CONFLICTS, default="keep", help="what becomes of masks they disagree on (default: keep)"
    )
    importing = add("import", import_pairs)
    importing.add_argument("--images", type=Path, required=True, help="directory, glob or file")
    importing.add_argument("--masks", type=Path, required=True, help="directory, glob or file; same stems")
    importing.add_argument("--source", required=True, help="name of the dataset")
    importing.add_argument("--license", help="as stated by the source")
    importing.add_argument("--attribution", help="as stated by the source")
    importing.add_argument("--person-label", type=int, help="the value that means person, in label maps")
    importing.add_argument("--limit", type=positive, help="take only the first N pairs")
    return parser


if __name__ == "__main__":
    run_command(main)
