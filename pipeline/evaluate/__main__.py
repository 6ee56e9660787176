"""`python -m pipeline.evaluate`: the arguments."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.store.training_rows import SPLITS
from pipeline.doubt import BAD_IOU
from pipeline.teachers.options import add_teacher_options, teacher_options


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    from pipeline.evaluate.table import print_table  # loads torch and sklearn

    print_table(
        options.manifest,
        options.teacher,
        teacher_options(options),
        second_opinion=options.second_opinion,
        data=options.data,
        split=options.split,
        limit=options.limit,
        with_json=options.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m pipeline.evaluate",
        description=f"Measure teachers on a manifest's accepted rows; bad: the share of masks with a person IoU below "
        f"{BAD_IOU}; doubt AUC: area under the ROC curve of doubt for them.",
        example="--manifest manifests/v3.parquet --teacher starter grabcut",
    )
    parser.add_argument("--manifest", required=True, help="a version's Parquet file")
    parser.add_argument("--teacher", required=True, nargs="+", help="as in pipeline.generate; several allowed")
    parser.add_argument(
        "--second-opinion", metavar="NETWORK", help="specified like a teacher: report doubt with its second opinion"
    )
    add_teacher_options(parser)
    parser.add_argument("--data", type=Path, help="data root (default: the manifest's)")
    parser.add_argument("--split", choices=SPLITS, default="all", help="which rows (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first N rows")
    parser.add_argument("--json", action="store_true", help="a JSON object after each line")
    return parser


if __name__ == "__main__":
    run_command(main)
