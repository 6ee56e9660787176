"""`python -m manifests`: look at versions, compare, check and select them, publish reviews, import ground truth."""

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.files.storage import place

COMMANDS = {  # name -> its module in manifests.cli, loaded when the command is named, and its summary
    "log": ("log", "List every version, newest first, with its operation and row counts; then the selections."),
    "show": ("show", "A version's metadata and first rows, or a contact sheet of its samples."),
    "stats": ("stats", "Tables of a version: by source, split and status, sizes, person share, seconds per decision."),
    "diff": ("diff", "Changes between two versions: rows added, removed, re-decided, re-labelled."),
    "verify": ("verify", "Check the schema, every blob's digest and size, and that no near-duplicates cross splits."),
    "gc": ("gc", "Count blobs that no version, finished shard or decision names; --delete deletes them."),
    "forget": ("forget", "Delete the pixels of source images or samples for good, and keep them from coming back."),
    "select": ("select", "Write the accepted rows that a policy selects, as a version under selections/."),
    "accept": (
        "accept",
        "Accept, without a look, the part of the queue whose share of wrong masks an audit bounds.",
    ),
    "decide": ("decide", "Read verdicts given in another tool, such as FiftyOne's tags, into the decision log."),
    "publish": ("publish", "Fold the decision log into the latest version and write the next one."),
    "import": ("importing", "Add trusted image and mask pairs (same stem; COCO, CVAT, ...) as accepted rows."),
    "export": ("exporting", "Write a version's accepted rows for another tool: COCO, CVAT, Hugging Face, ..."),
    "restore": ("restore", "Write a new version whose rows are those of an older one."),
    "doctor": (
        "doctor",
        "Check this machine: Python, packages, disk, write access, SQLite, cores, browser, the page's port.",
    ),
    "merge": ("merge", "Merge the rows of another lineage, blobs included, into the next version."),
}


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    options.run(options)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the options of the command that `arguments` begin with; its function is `run`."""
    parser = argparse.ArgumentParser(prog="python -m manifests", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (module_name, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in arguments[:1]:
            module = import_module(f"manifests.cli.{module_name}")
            command.add_argument(
                "--manifests", type=place, default=Path("manifests"), help="directory of the versions, or URL"
            )
            command.add_argument("--data", type=place, help="data root (default: the one that the manifest records)")
            module.add_options(command)
            command.set_defaults(run=module.run)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
