"""`python -m pipeline.fit_doubt`: the arguments."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from pipeline.fit_doubt.looks_saved import FALSE_ACCEPTS
from pipeline.teachers.options import add_teacher_options, teacher_options

PLOT = "doubt.png"


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    from pipeline.fit_doubt.run import fit_and_report  # loads torch, sklearn and matplotlib

    fit_and_report(
        options.manifest,
        options.teacher,
        teacher_options(options),
        measured_on=options.on,
        second_opinion=options.second_opinion,
        limit=options.limit,
        plot_path=options.output / PLOT,
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m pipeline.fit_doubt",
        description="Fit the numbers of doubt on trusted masks: print them, and how good they are on images that "
        f"they were not fitted on. Looks saved: the share of masks that need no look if {FALSE_ACCEPTS:.0%} of those "
        "may be bad.",
        example="--manifest manifests/v3.parquet --teacher starter",
    )
    parser.add_argument("--manifest", type=Path, required=True, help="fit on its train split")
    parser.add_argument(
        "--on", type=Path, metavar="MANIFEST", help="measure on its rows (default: the test split of --manifest)"
    )
    parser.add_argument("--teacher", required=True, nargs="+", help="as in pipeline.generate; several allowed")
    parser.add_argument(
        "--second-opinion", metavar="NETWORK", help="specified like a teacher: fit and measure its gain, too"
    )
    add_teacher_options(parser)
    parser.add_argument("--limit", type=int, help="only the first N rows of each")
    parser.add_argument(
        "--output", type=Path, default=Path("doubt"), help=f"directory for {PLOT} (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
