"""`python -m pipeline.generate`: label images and write the next manifest version, in this process.

With Prefect's setting PREFECT_API_URL the run is a flow run on that server's pages.
With --relabel it makes new masks for samples of the latest version.
"""

import argparse
from collections.abc import Sequence
from typing import Any, get_args

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import number
from manifests.errors import UserError
from pipeline.labelling.relabel import RelabelStatus
from pipeline.run.runners import DEFAULT_SHARD_SIZE, DEFAULT_WORKERS, RUNNERS, SHARD_SIZE_LIMIT
from pipeline.teachers import DEFAULT_TEACHER, TEACHERS
from pipeline.teachers.options import TeacherOptions, add_teacher_options, teacher_options

# Options about source images; samples already carry them.
SOURCE_IMAGE_OPTIONS = (
    "masks", "source", "license", "attribution", "person_label", "grey_levels", "allow_private_addresses",
    "commit_parts",
)  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    options = vars(_parse(arguments))
    _check_text(options)
    from pipeline.generate.run import generate, relabel  # loads the readers of sources

    status, keep_both = options.pop("relabel"), options.pop("keep_both")
    parameters = {name: value for name, value in options.items() if name not in TeacherOptions.__slots__}
    parameters["options"] = teacher_options(argparse.Namespace(**options))
    if status:
        others = {name: value for name, value in parameters.items() if name not in ("images", *SOURCE_IMAGE_OPTIONS)}
        relabel({"status": status, "keep_both": keep_both, **others})
    else:
        generate(parameters)


def _check_text(parameters: dict[str, Any]) -> None:
    """UserError for a path that is not UTF-8: Prefect and the manifest keep the parameters as text."""
    for name, value in parameters.items():
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            raise UserError(f"expected --{name} in UTF-8, found {value!a}; rename it, or give a link to it") from error


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.relabel:
        values = ((name, getattr(options, name)) for name in SOURCE_IMAGE_OPTIONS)
        refused = [f"--{name.replace('_', '-')}" for name, value in values if value is not None and value is not False]
        if refused:
            parser.error(f"argument --relabel: not allowed with {', '.join(refused)}")
        if options.teacher is None:
            parser.error("argument --relabel: expected the --teacher that makes the new masks, found none")
    elif options.teacher is None:
        options.teacher = DEFAULT_TEACHER
    if options.commit_parts and options.runner != "thread":
        parser.error(f"argument --commit-parts: expected --runner thread with it, found {options.runner}")
    if options.keep_both and options.relabel != "pending":
        found = f"--relabel {options.relabel}" if options.relabel else "--images"
        parser.error(f"argument --keep-both: expected --relabel pending with it, found {found}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m pipeline.generate", description=__doc__, example='--images photographs --license "CC BY 4.0"'
    )
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs.add_argument("--images", help="directory, glob or file; URL, tar or list of URLs")
    inputs.add_argument("--relabel", choices=get_args(RelabelStatus), help="new masks, by --teacher, for the latest "
        "version's samples of this status; edited: masks that reviewers repaired")  # fmt: skip
    add = parser.add_argument
    add("--keep-both", action="store_true", help="with --relabel pending: keep the samples' masks and add the new ones "
        "beside them, for reviewers to choose from")  # fmt: skip
    add("--masks", help="directory of ground-truth masks with the same stems: crop instead of label")
    add("--teacher", help=f"{', '.join(TEACHERS)}, a directory or file with weights, onnx:FILE, hub:OWNER/NAME, or "
        f"several with + between (default, with --images: {DEFAULT_TEACHER})")  # fmt: skip
    add_teacher_options(parser)
    add("--source", help="name of the dataset (default: the directory's name)")
    add("--license", help="as stated by the source")
    add("--attribution", help="as stated by the source")
    add("--person-label", type=int, help="the value that means person, in label masks")
    add("--grey-levels", action="store_true", help="the masks hold probabilities, 0 to 255")
    shard_size = number(int, 1, SHARD_SIZE_LIMIT, f"1 to {SHARD_SIZE_LIMIT}")
    shard_size_help = "images labelled together (default: %(default)s)"
    add("--shard-size", type=shard_size, default=DEFAULT_SHARD_SIZE, help=shard_size_help)
    add("--manifests", default="manifests", help="directory of the versions, or URL (default: %(default)s)")
    add("--data", help="data root, or URL (default: data beside the manifests)")
    add("--commit-parts", action="store_true", help="commit what is labelled as versions meanwhile, at growing "
        "intervals, for reviewers to begin with")  # fmt: skip
    add("--runner", choices=RUNNERS, default="thread", help="where shards are labelled (default: %(default)s)")
    add("--address", help="of a Dask scheduler or Ray cluster (default: start one on this machine)")
    add("--workers", type=int, default=DEFAULT_WORKERS, help="processes of such a cluster (default: %(default)s)")
    add("--allow-private-addresses", action="store_true", help="fetch URLs of an intranet too")
    return parser


if __name__ == "__main__":
    run_command(main)
