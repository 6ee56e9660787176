"""`python -m manifests decide FORMAT PATH`."""

import argparse
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from manifests.cli.arguments import add_database_url
from manifests.errors import lines_on
from manifests.imports.fiftyone_tags import VerdictTags, read_fiftyone_tags
from manifests.store.manifest import ManifestStore

READERS = {"fiftyone": read_fiftyone_tags}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add FORMAT, PATH, --reviewer, --accept-tag, --reject-tag and --database-url."""
    parser.add_argument("format", choices=tuple(READERS), metavar="FORMAT", help=", ".join(READERS))
    parser.add_argument("path", type=Path, metavar="PATH", help="the directory that the tool exported")
    parser.add_argument("--reviewer", required=True, help="the person who set the tags")
    parser.add_argument("--accept-tag", default="accept", metavar="TAG", help="tag (default: %(default)s)")
    parser.add_argument("--reject-tag", default="reject", metavar="TAG", help="tag (default: %(default)s)")
    add_database_url(parser)


def run(options: argparse.Namespace) -> None:
    """Store another tool's verdicts in the decision log; those left out go to standard error."""
    from manifests.decisions.log import DecisionLog, sqlite_url
    from manifests.decisions.tagged import take_tagged

    masks = READERS[options.format](options.path, VerdictTags(options.accept_tag, options.reject_tag))
    latest = ManifestStore(options.manifests).open()
    data_root = options.data or latest.data_root
    with closing(DecisionLog(options.database_url or sqlite_url(data_root))) as log:
        taken = take_tagged(latest, log, masks, reviewer=options.reviewer, now=datetime.now(UTC))
    for line in lines_on(taken.left_out):
        print(f"left out {line}", file=sys.stderr)
    accepts = sum(decision.verdict == "accept" for decision in taken.stored)
    print(
        f"{accepts} accepts and {len(taken.stored) - accepts} rejects stored for {options.reviewer}, "
        f"{taken.known} known; python -m manifests publish writes them into the next version"
    )
