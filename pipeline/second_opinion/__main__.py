"""`python -m pipeline.second_opinion`: the arguments."""

import argparse
from collections.abc import Sequence

from manifests.cli.arguments import CommandParser, run_command
from pipeline.labelling.destination import Destination
from pipeline.teachers.options import add_teacher_options, teacher_options


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    from pipeline.second_opinion.run import ask_and_commit  # loads torch

    ask_and_commit(Destination(options.manifests, options.data), options.teacher, teacher_options(options))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m pipeline.second_opinion",
        description="Compare the masks that wait for review with another network's, such as the student's: those that "
        "differ come first in the queue of the next version.",
        example="--teacher onnx:exported/student.onnx",
    )
    parser.add_argument("--teacher", required=True, help="the other network, as in pipeline.generate")
    add_teacher_options(parser)
    parser.add_argument("--manifests", default="manifests", help="directory of the versions (default: %(default)s)")
    parser.add_argument("--data", help="data root (default: the one that the versions record)")
    return parser


if __name__ == "__main__":
    run_command(main)
