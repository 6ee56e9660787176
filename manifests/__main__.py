"""`python -m manifests`: look at versions, compare, check and select them, publish reviews, import ground truth."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from manifests.files.storage import place

COMMANDS = {  # name -> its module in manifests.cli, loaded when the command is named, its summary, an example
    "log": ("log", "List every version, newest first, with its operation and row counts; then the selections.", ""),
    "show": ("show", "A version's metadata and first rows, or a contact sheet of its samples.", "v3 --sheet masks.png"),
    "stats": (
        "stats",
        "Tables of a version: by source, split and status, sizes, person share, seconds per decision.",
        "--report report.html",
    ),
    "diff": (
        "diff",
        "Changes between two versions: rows added, removed, re-decided, re-labelled.",
        "v2 v3 --sheet changes.png",
    ),
    "verify": (
        "verify",
        "Check the schema, every blob's digest and size, and that no near-duplicates cross splits.",
        "v3",
    ),
    "gc": ("gc", "Count blobs that no version, finished shard or decision names; --delete deletes them.", "--delete"),
    "forget": (
        "forget",
        "Delete the pixels of source images or samples for good, and keep them from coming back.",
        "--source-uri IMG_0412.jpg --plan",
    ),
    "select": (
        "select",
        "Write the accepted rows that a policy selects, as a version under selections/.",
        "policy.toml v3",
    ),
    "accept": (
        "accept",
        "Accept, without a look, the part of the queue whose share of wrong masks an audit bounds.",
        "--max-error 1% --plan",
    ),
    "decide": (
        "decide",
        "Read verdicts given in another tool, such as FiftyOne's tags, into the decision log.",
        "fiftyone exported --reviewer alice",
    ),
    "publish": (
        "publish",
        "Fold the decision log into the latest version and write the next one.",
        "--votes 2 --conflicts majority",
    ),
    "import": (
        "importing",
        "Add trusted image and mask pairs (same stem; COCO, CVAT, ...) as accepted rows.",
        "--images photographs --masks masks --source studio",
    ),
    "export": (
        "exporting",
        "Write a version's accepted rows for another tool: COCO, CVAT, Hugging Face, ...",
        "coco exported/coco v3",
    ),
    "restore": ("restore", "Write a new version whose rows are those of an older one.", "v2"),
    "doctor": (
        "doctor",
        "Check this machine: Python, packages, disk, write access, SQLite, cores, browser, the page's port.",
        "--port 7860",
    ),
    "merge": (
        "merge",
        "Merge the rows of another lineage, blobs included, into the next version.",
        "../other/manifests --prefer newest",
    ),
}


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    options.run(options)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options of the command that `arguments` begin with; its function is `run`."""
    parser = CommandParser("python -m manifests", description=__doc__, example="show v3")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module_name, summary, example) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary, example=example)
        if name in arguments[:1]:
            module = import_module(f"manifests.cli.{module_name}")
            command.add_argument(
                "--manifests",
                type=place,
                default=Path("manifests"),
                metavar="DIR",
                help="directory of the versions, or URL (default: manifests)",
            )
            command.add_argument("--data", type=place, help="data root (default: the one that the manifest records)")
            module.add_options(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
