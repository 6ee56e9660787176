"""`python -m pipeline.generate`: label pictures and write the next manifest version; the Prefect flow, in process."""

import argparse
import os
import sys
from collections.abc import Sequence

from manifests.command import run_command
from pipeline.sources import find_pictures
from pipeline.teachers import DEFAULT_TEACHER, TEACHERS, load_teacher

SHARD_SIZE_LIMIT = 1024  # pictures; more would lose too much work to a crash


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    find_pictures(options.images, options.masks)  # a wrong path or teacher shows before Prefect has started
    load_teacher(options.teacher)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # failures are told in one line, by run_command
    from pipeline.flows import generate_pseudo_labels

    print(f"labelling with {load_teacher(options.teacher).name}", file=sys.stderr)
    generated = generate_pseudo_labels(**vars(options))
    print(generated)
    print(generated.manifest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.generate", description=__doc__)
    parser.add_argument("--images", required=True, help="directory, glob or file")
    parser.add_argument("--masks", help="directory of ground-truth masks with the same stems: crop instead of label")
    parser.add_argument(
        "--teacher",
        default=DEFAULT_TEACHER,
        help=f"{', '.join(TEACHERS)}, or a path with weights; default: %(default)s",
    )
    parser.add_argument("--source", help="name of the dataset; default: the directory's name")
    parser.add_argument("--license", help="as stated by the source")
    parser.add_argument("--attribution", help="as stated by the source")
    parser.add_argument("--person-label", type=int, help="the value that means person, in label masks")
    parser.add_argument(
        "--shard-size", type=_shard_size, default=512, help="pictures labelled together; default: %(default)s"
    )
    parser.add_argument("--manifests", default="manifests", help="directory of the versions; default: %(default)s")
    parser.add_argument("--data", help="data root; default: the directory data beside the manifests")
    return parser


def _shard_size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= SHARD_SIZE_LIMIT:
        raise argparse.ArgumentTypeError(f"expected 1 to {SHARD_SIZE_LIMIT}, found {text}")
    return size


if __name__ == "__main__":
    run_command(main)
