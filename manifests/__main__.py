"""`python -m manifests`: look at versions, compare, check and select them, publish reviews, import ground truth."""

import argparse
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from manifests.cli.arguments import not_negative, positive, run_command
from manifests.cli.exporting import add_export
from manifests.cli.importing import add_import_formats, import_format
from manifests.cli.lineages import add_merge, add_restore
from manifests.decisions.log import DecisionLog, existing_log, sqlite_url
from manifests.decisions.policy import CONFLICTS, Policy
from manifests.decisions.publish import publish
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.files.storage import is_remote, place, require_local
from manifests.pixels.contact_sheet import contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.report import PORTRAITS_DRAWN, check_suffix, write_report
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.version_spec import open_version
from manifests.upkeep.garbage import Garbage, count_and_size, delete_garbage, find_garbage
from manifests.upkeep.stats import Statistics, describe
from manifests.upkeep.verify import verify
from manifests.versions.diff import diff, draw_changes
from manifests.versions.selection import SELECTIONS, SelectionPolicy, absent_names, commit_selection

PROBLEMS_PRINTED = 20


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    options.run(options)


def log(options: argparse.Namespace) -> None:
    """Every version, newest first: what it is and how many rows it has; then the selections, line by line."""
    history = ManifestStore(options.manifests).history()
    if not history:
        raise UserError(f"expected versions in {options.manifests}, found none; make one with pipeline.generate")
    for manifest in reversed(history):
        print(f"v{manifest.version}  {_summary(manifest)}")
    selections = options.manifests / SELECTIONS
    lines = [entry for entry in selections.iterdir() if entry.is_dir()] if selections.is_dir() else []
    for line in sorted(lines, key=lambda line: line.name):
        for manifest in reversed(ManifestStore(line).history()):
            base = f" of {manifest.parameters['base']}" if "base" in manifest.parameters else ""
            print(f"{SELECTIONS}/{line.name}/v{manifest.version}  {_summary(manifest)}{base}")


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
    if options.report:
        check_suffix(options.report)
    numbers = Statistics(_open(options))
    print(describe(numbers))
    if options.report:
        write_report(numbers, options.report, portraits_drawn=options.portraits)
        print(options.report)


def diff_versions(options: argparse.Namespace) -> None:
    """What became of the rows between two versions: added, removed, re-decided, re-labelled."""
    where = {"manifests": options.manifests, "data_root": options.data}
    old, new = (open_version(given, **where) for given in (options.old, options.new))
    changes = diff(old, new)
    print(changes)
    if options.sheet:
        _save_picture(draw_changes(changes, old, new, limit=options.limit), options.sheet)


def verify_version(options: argparse.Namespace) -> None:
    """Check the schema, every blob's digest and size, and that no near-duplicates cross splits."""
    manifest = _open(options)
    problems = verify(manifest, decode=options.decode)
    if manifest.path.parent.resolve() == options.manifests.resolve():  # of other versions the siblings aren't known
        _tell_orphans(options.manifests, manifest.data_root)
    for problem in problems[:PROBLEMS_PRINTED]:
        print(problem)
    if problems:
        raise UserError(f"expected {manifest.path} to be sound, found {len(problems)} problem(s), listed above")
    print(f"{manifest.path}: {manifest.counts['rows']} rows, every blob present and unaltered")


def collect_garbage(options: argparse.Namespace) -> None:
    """Blobs that no version, no finished shard and no decision names: count and bytes; --delete deletes them."""
    require_local(options.manifests, "gc")
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    require_local(data_root, "gc")
    log = existing_log(options.database_url, data_root)
    if options.delete and log is None and any(manifest.operation == "review" for manifest in store.history()):
        raise UserError(
            f"expected the decision log {sqlite_url(data_root)}, found none, though reviews were published: masks that "
            "measure reviewers are named there alone; pass --database-url"
        )
    garbage = _find_garbage(options.manifests, data_root, log)
    print(f"{data_root}: {garbage}")
    if options.delete:
        print(f"deleted {count_and_size(delete_garbage(garbage))}")
    elif garbage.deletable:
        print("nothing was deleted; --delete does it")


def select_rows(options: argparse.Namespace) -> None:
    """Write the accepted rows that a policy takes, as a version under selections/."""
    policy = SelectionPolicy.read(options.policy)
    base = _open(options)
    for line in absent_names(base, policy):
        print(f"warning: {options.policy}: {line}", file=sys.stderr)
    made = commit_selection(ManifestStore(options.manifests), base, policy, name=options.policy.stem)
    print(f"{base.path}: {made.counts['rows']:,} of {made.parameters['accepted']:,} accepted rows selected")
    for key, count in made.parameters["left_out"].items():
        print(f"  {key} = {policy.given[key]} leaves out {count:,}")
    print(made.path)


def publish_reviews(options: argparse.Namespace) -> None:
    """Fold the decision log into the latest version and write the next one."""
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    log = DecisionLog(options.database_url or sqlite_url(data_root))
    print(publish(store, log, Policy(options.votes, options.conflicts)).path)


def import_pairs(options: argparse.Namespace) -> None:
    """Take trusted image and mask pairs (same stem; COCO, CVAT, VOC, ...) into the dataset, as accepted rows."""
    done = import_format(ManifestStore(options.manifests), options)
    for problem in done.skipped:
        print(f"skipped {problem}", file=sys.stderr)
    for note in done.notes:
        print(f"note: {note}", file=sys.stderr)
    print(
        f"masks: {done.encoding}; {done.rows_added} samples added, {done.duplicates} in the dataset already, "
        f"{len(done.skipped)} unusable pairs skipped"
    )
    print(done.manifest.path)


def _open(options: argparse.Namespace) -> Manifest:
    return open_version(options.version, manifests=options.manifests, data_root=options.data)


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
    _save_picture(contact_sheet(samples), options.sheet)


def _save_picture(rgb: Pixels, path: Path) -> None:
    """Write RGB (H, W, 3) in the format of the suffix, whole or not at all; prints the path."""
    format_name = Image.registered_extensions().get(path.suffix.lower())
    if format_name not in Image.SAVE:
        raise UserError(f"expected a picture's name such as sheet.png, found {path}")
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_name)
    write_replace(path, buffer.getvalue())
    print(path)


def _summary(manifest: Manifest) -> str:
    counts = ", ".join(f"{count} {word}" for word, count in manifest.counts.items())
    return f"{manifest.created_at:%Y-%m-%d %H:%M} UTC  {manifest.operation:<10} {counts}"


def _find_garbage(manifests: Path, data_root: Path, log: DecisionLog | None) -> Garbage:
    try:
        return find_garbage(manifests, data_root, log=log, now=time.time())
    finally:
        if log is not None:
            log.close()


def _tell_orphans(manifests: Path, data_root: Path) -> None:
    """Information, no problem: a version is sound whatever else lies beside its blobs. Of directories alone."""
    if is_remote(manifests) or is_remote(data_root):
        return
    try:
        garbage = _find_garbage(manifests, data_root, existing_log(None, data_root))
    except UserError:  # the version's own problems are told; whatever else is wrong there is for `gc` to tell
        return
    if garbage.deletable or garbage.young:
        print(f"orphan blobs: {garbage}; see python -m manifests gc")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m manifests", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--manifests", type=place, default=Path("manifests"), help="directory of the versions, or URL")
    where.add_argument("--data", type=place, help="data root, by default the one the manifest records")

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
    counting = add("stats", stats, takes_version=True)
    counting.add_argument("--report", type=Path, metavar="FILE", help="also write a report: FILE.html or FILE.png")
    counting.add_argument(
        "--portraits", type=not_negative, default=PORTRAITS_DRAWN, metavar="N",
        help=f"drawn in it of each status (default: {PORTRAITS_DRAWN}; 0: no face at all)",
    )  # fmt: skip
    comparing = add("diff", diff_versions)
    comparing.add_argument("old", metavar="A", help="3, v3 or a path")
    comparing.add_argument("new", metavar="B", help="likewise")
    comparing.add_argument("--sheet", type=Path, metavar="FILE.png", help="draw changed samples, old and new mask")
    comparing.add_argument("--limit", type=positive, default=24, help="samples on the sheet (default: 24)")
    verifying = add("verify", verify_version, takes_version=True)
    verifying.add_argument("--decode", action="store_true", help="also decode the pixels of every blob")
    collecting = add("gc", collect_garbage)
    collecting.add_argument("--delete", action="store_true", help="delete them (default: only say what would be)")
    collecting.add_argument("--database-url", help="decision log; default: SQLite under the data root")
    selecting = add("select", select_rows)
    selecting.add_argument("policy", type=Path, metavar="POLICY.toml", help="which accepted rows to take")
    selecting.add_argument("version", nargs="?", metavar="V", help="3, v3 or a path; default: the latest")
    publishing = add("publish", publish_reviews)
    publishing.add_argument("--database-url", help="decision log; default: SQLite under the data root")
    publishing.add_argument(
        "--votes", type=positive, default=1, help="reviewers who must have judged a mask (default: 1)"
    )
    publishing.add_argument(
        "--conflicts", choices=CONFLICTS, default="keep", help="what becomes of masks they disagree on (default: keep)"
    )
    importing = add("import", import_pairs)
    importing.add_argument("--images", type=Path, help="directory, glob or file")
    importing.add_argument("--masks", type=Path, help="directory, glob or file; same stems")
    importing.add_argument("--source", required=True, help="name of the dataset")
    importing.add_argument("--license", help="as stated by the source")
    importing.add_argument("--attribution", help="as stated by the source")
    importing.add_argument("--person-label", type=int, help="the value that means person, in label maps")
    importing.add_argument("--limit", type=positive, help="take only the first N pairs")
    add_import_formats(importing)
    add_export(add)
    add_restore(add)
    add_merge(add)
    return parser


if __name__ == "__main__":
    run_command(main)
