"""`python -m pipeline.generate`: label pictures and write the next manifest version; the Prefect flow, in process."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import httpx

from manifests.command import run_command
from manifests.errors import UserError
from pipeline.commit import Generated, open_destination
from pipeline.runners import DEFAULT_WORKERS, RUNNERS
from pipeline.shards import DEFAULT_SHARD_SIZE, SHARD_SIZE_LIMIT
from pipeline.sources import find_pictures
from pipeline.teachers import DEFAULT_TEACHER, TEACHERS, TeacherOptions, load_teacher
from pipeline.teachers.options import add_teacher_options, teacher_options

# What Prefect's client says, in a RuntimeError like any other, when there is no server to talk to.
_NO_SERVER = ("Failed to reach API", "Timed out while attempting to connect to ephemeral Prefect API server")


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    _check_text(vars(options))  # what is wrong shows before Prefect has started
    find_pictures(options.images, options.masks)
    open_destination(options.manifests, options.data)
    look = teacher_options(options)
    if options.masks:
        print(f"cropping with {options.masks}", file=sys.stderr)
    else:
        print(f"labelling with {load_teacher(options.teacher, look).name}", file=sys.stderr)
    of_flow = {name: value for name, value in vars(options).items() if name not in TeacherOptions.__slots__}
    generated = _run_flow(of_flow | {"options": look})
    print(generated)
    print(generated.manifest)


def _run_flow(parameters: dict[str, Any]) -> Generated:
    """The flow in this process; UserError when Prefect's server can't be reached."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # failures are told in one line, by run_command
    from pipeline.flows import generate_pseudo_labels

    try:
        return generate_pseudo_labels(**parameters)
    except (RuntimeError, httpx.TransportError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith(_NO_SERVER):
            raise
        raise UserError(
            f"expected a Prefect server, found: {error}; start the one that PREFECT_API_URL names, or unset it and "
            "see that PREFECT_HOME (~/.prefect) is writable"
        ) from error


def _check_text(parameters: dict[str, Any]) -> None:
    """UserError for a path that is no UTF-8: Prefect and the manifest keep the parameters as text."""
    for name, value in parameters.items():
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            raise UserError(f"expected --{name} in UTF-8, found {value!a}; rename it, or give a link to it") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.generate", description=__doc__)
    parser.add_argument("--images", required=True, help="directory, glob or file; URL, tar or list of URLs")
    parser.add_argument("--masks", help="directory of ground-truth masks with the same stems: crop instead of label")
    parser.add_argument(
        "--teacher",
        default=DEFAULT_TEACHER,
        help=f"{', '.join(TEACHERS)}, a directory or file with weights, onnx:FILE, hub:OWNER/NAME, or several "
        "with + between; default: %(default)s",
    )
    add_teacher_options(parser)
    parser.add_argument("--source", help="name of the dataset; default: the directory's name")
    parser.add_argument("--license", help="as stated by the source")
    parser.add_argument("--attribution", help="as stated by the source")
    parser.add_argument("--person-label", type=int, help="the value that means person, in label masks")
    parser.add_argument(
        "--shard-size",
        type=_shard_size,
        default=DEFAULT_SHARD_SIZE,
        help="pictures labelled together; default: %(default)s",
    )
    parser.add_argument("--manifests", default="manifests", help="directory of the versions; default: %(default)s")
    parser.add_argument("--data", help="data root; default: the directory data beside the manifests")
    parser.add_argument(
        "--runner", choices=RUNNERS, default="thread", help="where shards are labelled; default: %(default)s"
    )
    parser.add_argument("--address", help="of a Dask scheduler or Ray cluster; default: one is started on this machine")
    parser.add_argument(
        "--workers", type=int, default=DEFAULT_WORKERS, help="processes of such a cluster; default: %(default)s"
    )
    parser.add_argument("--allow-private-addresses", action="store_true", help="fetch URLs of an intranet too")
    return parser


def _shard_size(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= SHARD_SIZE_LIMIT:
        raise argparse.ArgumentTypeError(f"expected 1 to {SHARD_SIZE_LIMIT}, found {text}")
    return int(text)


if __name__ == "__main__":
    run_command(main)
