"""`python -m manifests publish`."""

import argparse
from contextlib import closing

from manifests.cli.arguments import add_database_url
from manifests.cli.converters import positive
from manifests.decisions.policy import CONFLICTS, Policy
from manifests.store.manifest import ManifestStore


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --database-url, --votes and --conflicts."""
    add_database_url(parser)
    parser.add_argument("--votes", type=positive, default=1, help="reviewers who must have judged a mask (default: 1)")
    parser.add_argument(
        "--conflicts", choices=CONFLICTS, default="keep", help="status of masks they disagree on (default: keep)"
    )


def run(options: argparse.Namespace) -> None:
    """Fold the decision log into the latest version and write the next one."""
    from manifests.decisions.log import DecisionLog, sqlite_url
    from manifests.decisions.publish import publish

    store = ManifestStore(options.manifests)
    data_root = options.data or store.open().data_root
    with closing(DecisionLog(options.database_url or sqlite_url(data_root))) as log:
        print(publish(store, log, Policy(options.votes, options.conflicts)).path)
