"""`python -m manifests forget`."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from manifests.cli.arguments import add_database_url
from manifests.cli.lineage_log import lineage_log
from manifests.decisions.activity import ActivityLog, host_actor
from manifests.errors import UserError
from manifests.files.storage import require_local
from manifests.store.manifest import ManifestStore
from manifests.upkeep.forget import forget
from manifests.upkeep.forget_plan import ForgetPlan, find_forgotten
from manifests.upkeep.garbage import count_and_size

SAMPLES_PRINTED = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --source-uri, --sample-id, --runs, --plan, --yes and --database-url."""
    parser.add_argument(
        "--source-uri", nargs="+", default=[], metavar="URI", help="source images, with all crops of them"
    )
    parser.add_argument("--sample-id", nargs="+", default=[], metavar="ID", help="samples, with all of the same image")
    parser.add_argument(
        "--runs", nargs="+", type=Path, default=[], metavar="DIR", help="list the checkpoints below it fitted on them"
    )
    parser.add_argument("--plan", action="store_true", help="print what is deleted and what stays; delete nothing")
    parser.add_argument("--yes", action="store_true", help="delete without a question")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Delete the pixels of source images or samples, and write a version without them; ask before."""
    if not options.source_uri and not options.sample_id:
        raise UserError("expected --source-uri or --sample-id, found neither")
    require_local(options.manifests, "forget")
    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    require_local(data_root, "forget")
    missing = [str(directory) for directory in options.runs if not directory.is_dir()]
    if missing:
        raise UserError(f"expected directories of runs, found none at {', '.join(missing)}; check --runs")
    with lineage_log(store, options.database_url, data_root, need="it names repaired and damaged masks") as log:
        plan = find_forgotten(
            store, data_root, uris=options.source_uri, samples=options.sample_id, log=log, runs=options.runs
        )
    _print_plan(plan)
    if options.plan:
        print("nothing was deleted; without --plan it is, after a question")
        return
    if not options.yes:
        _ask()
    manifest, deleted = forget(store, data_root, plan)
    with lineage_log(store, options.database_url, data_root, need=None) as log:
        if log:
            detail = f"{len(plan.samples)} sample(s)" + (f", v{manifest.version}" if manifest else "")
            ActivityLog(log).record_done(host_actor(), "forget", detail)
    print(f"deleted {count_and_size(deleted)}")
    if len(deleted) < len(plan.blobs):
        raise UserError(
            f"expected to delete {len(plan.blobs)} blobs, found that {len(plan.blobs) - len(deleted)} were stored "
            "again meanwhile; wait for the import or run that stores them, then run it again"
        )
    print(manifest.path if manifest else store.open().path)


def _print_plan(plan: ForgetPlan) -> None:
    _print_samples(f"{len(plan.samples):,} sample(s) to forget", plan.samples)
    for holder in plan.holders:
        print(f"{holder.path} holds {holder.samples:,} of them, {holder.accepted:,} accepted")
    print(f"{count_and_size(plan.blobs)} to delete, everywhere")
    if plan.shared:
        print(f"{plan.shared:,} blob(s) stay: other samples have the same")
    for path in plan.derived:
        print(f"{path} to delete: it holds pixels of many samples and is made again on demand")
    for path in plan.fitted:
        print(f"{path} was fitted on them and stays")
    if plan.look_alikes:
        _print_samples(f"{len(plan.look_alikes):,} look-alike(s) stay; look at them", plan.look_alikes)
    print("the source images, backups, exports and copies in other datasets stay where they are")


def _print_samples(title: str, uris: Mapping[str, str]) -> None:
    print(title)
    for sample_id, uri in sorted(uris.items())[:SAMPLES_PRINTED]:
        print(f"  {sample_id}  {ascii(uri)[1:-1]}")
    if len(uris) > SAMPLES_PRINTED:
        print(f"  and {len(uris) - SAMPLES_PRINTED:,} more")


def _ask() -> None:
    """Ask on the terminal; UserError unless the answer is yes."""
    if not sys.stdin.isatty():
        raise UserError("expected a terminal to ask on, found none; pass --yes to delete, or --plan to look only")
    if input("delete them for good? [yes/no] ").strip().lower() != "yes":
        raise UserError("expected yes, found another answer; nothing was deleted")
