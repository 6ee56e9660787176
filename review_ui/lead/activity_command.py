"""`python -m review_ui activity`: list the activity log, or end the retention of its older rows."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from manifests.cli.arguments import CommandParser
from manifests.cli.converters import positive
from manifests.decisions.activity import ActivityLog, host_actor
from manifests.decisions.log import existing_log
from manifests.errors import UserError
from manifests.files.storage import place
from manifests.store.manifest import ManifestStore

LISTED = 50


def activity_lines(arguments: Sequence[str]) -> Iterator[str]:
    """Run the command; yield the lines to print, tab-separated: time (UTC), user, address, event, about."""
    options = _parser().parse_args(arguments)
    data_root = options.data or ManifestStore(options.manifests).open().data_root
    log = existing_log(options.database_url, data_root)
    if log is None:
        raise UserError(f"expected a decision log under {data_root}, found none; check --data or --database-url")
    with closing(log):
        activity = ActivityLog(log)
        if options.delete_before:
            yield f"deleted {activity.delete_before(options.delete_before, host_actor()):,} row(s)"
            return
        for entry in reversed(activity.newest(options.count)):
            columns = (f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.address, entry.event, entry.detail)
            yield "\t".join(columns)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-01-31, found {ascii(text)[:60]}") from error


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m review_ui activity",
        description="List who signed in, published, accepted, downloaded and changed users, oldest first.",
        example="--count 20",
    )
    parser.add_argument(
        "--manifests", type=place, default=Path("manifests"), metavar="DIR", help="directory of versions, or URL"
    )
    parser.add_argument("--data", type=place, metavar="DIR", help="data root (default: the one the manifest names)")
    parser.add_argument(
        "--database-url", metavar="URL", help="decision log (default: decisions.sqlite3 in the data root)"
    )
    parser.add_argument("--count", type=positive, default=LISTED, metavar="N", help=f"last rows (default: {LISTED})")
    parser.add_argument(
        "--delete-before", type=_day, metavar="YYYY-MM-DD", help="delete the rows before that day (UTC), and record it"
    )
    return parser
