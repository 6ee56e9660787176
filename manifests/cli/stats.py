"""`python -m manifests stats V`."""

import argparse
from pathlib import Path

from manifests.cli.arguments import add_version, version_of
from manifests.cli.converters import not_negative
from manifests.report.limits import PORTRAITS_DRAWN


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add V, --report and --portraits."""
    add_version(parser)
    parser.add_argument("--report", type=Path, metavar="FILE", help="also write a report: FILE.html or FILE.png")
    parser.add_argument(
        "--portraits", type=not_negative, default=PORTRAITS_DRAWN, metavar="N",
        help=f"samples that it draws for each status (default: {PORTRAITS_DRAWN}; 0: no face)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Print a version's tables, and write its report."""
    from manifests.upkeep.stats import Statistics, describe

    if options.report:
        from manifests.report.write import check_suffix, write_report

        check_suffix(options.report)
    statistics = Statistics(version_of(options))
    print(describe(statistics))
    if options.report:
        write_report(statistics, options.report, portraits_drawn=options.portraits)
        print(options.report)
