"""`python -m pipeline.generate`: label pictures and write the next manifest version; the Prefect flow, in process.

With --relabel it makes new masks for samples that the latest version holds already.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal, get_args

import httpx

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from pipeline.labelling.commit import Generated
from pipeline.labelling.destination import Destination
from pipeline.labelling.relabel import Relabelled, RelabelStatus, find_samples
from pipeline.run.runners import DEFAULT_SHARD_SIZE, DEFAULT_WORKERS, RUNNERS, SHARD_SIZE_LIMIT
from pipeline.sources import find_pictures
from pipeline.teachers import DEFAULT_TEACHER, TEACHERS, TeacherOptions, load_teacher
from pipeline.teachers.options import add_teacher_options, teacher_options

# What Prefect's client says, in a RuntimeError like any other, when there is no server to talk to.
_NO_SERVER = ("Failed to reach API", "Timed out while attempting to connect to ephemeral Prefect API server")

# What is said of pictures; a sample in the dataset has it said already.
_OF_PICTURES = ("masks", "source", "license", "attribution", "person_label", "allow_private_addresses")


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    _check_text(vars(options))  # what is wrong shows before Prefect has started
    if options.relabel:
        _relabel(options)
    else:
        _generate(options)


def _generate(options: argparse.Namespace) -> None:
    find_pictures(options.images, options.masks)
    Destination(options.manifests, options.data).open()
    look = teacher_options(options)
    if options.masks:
        print(f"cropping with {options.masks}", file=sys.stderr)
    else:
        print(f"labelling with {load_teacher(options.teacher, look).name}", file=sys.stderr)
    left_out = (*TeacherOptions.__slots__, "relabel")
    of_flow = {name: value for name, value in vars(options).items() if name not in left_out}
    generated: Generated = _run_flow("generate_pseudo_labels", of_flow | {"options": look})
    print(generated)
    print(generated.manifest)


def _relabel(options: argparse.Namespace) -> None:
    store, data_root = Destination(options.manifests, options.data).open()
    samples = find_samples(store.open(), options.relabel, data_root)
    look = teacher_options(options)
    name = load_teacher(options.teacher, look).name
    print(f"relabelling {len(samples)} {options.relabel} sample(s) with {name}", file=sys.stderr)
    left_out = (*TeacherOptions.__slots__, *_OF_PICTURES, "images", "relabel")
    of_flow = {name: value for name, value in vars(options).items() if name not in left_out}
    relabelled: Relabelled = _run_flow("relabel_samples", of_flow | {"status": options.relabel, "options": look})
    if relabelled.complaint:
        print(relabelled.complaint, file=sys.stderr)
    if relabelled.manifest is None:
        raise UserError(f"expected new masks by {name}, found {relabelled}; take another --teacher")
    print(relabelled)
    print(relabelled.manifest)


def _run_flow(name: Literal["generate_pseudo_labels", "relabel_samples"], parameters: dict[str, Any]) -> Any:
    """The flow in this process; UserError when Prefect's server can't be reached."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # failures are told in one line, by run_command
    from pipeline import flows

    try:
        return getattr(flows, name)(**parameters)
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


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.relabel:
        values = ((name, getattr(options, name)) for name in _OF_PICTURES)
        given = [f"--{name.replace('_', '-')}" for name, value in values if value is not None and value is not False]
        if given:
            parser.error(f"argument --relabel: not allowed with {', '.join(given)}")
        if options.teacher is None:
            parser.error("argument --relabel: expected the --teacher that makes the new masks, found none")
    elif options.teacher is None:
        options.teacher = DEFAULT_TEACHER
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.generate", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--images", help="directory, glob or file; URL, tar or list of URLs")
    what.add_argument(
        "--relabel",
        choices=get_args(RelabelStatus),
        help="new masks, by --teacher, for the latest version's samples of this status",
    )
    parser.add_argument("--masks", help="directory of ground-truth masks with the same stems: crop instead of label")
    parser.add_argument(
        "--teacher",
        help=f"{', '.join(TEACHERS)}, a directory or file with weights, onnx:FILE, hub:OWNER/NAME, or several "
        f"with + between; default, with --images: {DEFAULT_TEACHER}",
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
