"""`python -m trainer.web_demo`: a static page that runs the network in the browser.

Its directory holds the page, the network as ONNX, ONNX Runtime Web and an example image: all that the page ever
requests, so it works offline and no image leaves the browser.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command
from trainer.web_demo.onnxruntime_web import VERSION, registry_in_use
from trainer.weights.checkpoint_files import STARTER, checkpoint_path


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.web_demo.site import write_site  # after parsing: torch takes seconds to load

    write_site(options.checkpoint, options.output, package=options.onnxruntime_web, registry=options.registry)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.web_demo", description=__doc__, example="--checkpoint runs/first --output site"
    )
    networks = f"a checkpoint, a run's directory, an .onnx of trainer.export, or {STARTER}"
    parser.add_argument("--checkpoint", type=checkpoint_path, required=True, metavar="PATH", help=networks)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory of the page")
    parser.add_argument(
        "--onnxruntime-web", type=Path, metavar="PATH",
        help=f"npm's package onnxruntime-web {VERSION}, a .tgz or a directory (default: the cache, else fetched)",
    )  # fmt: skip
    parser.add_argument(
        "--registry", default=registry_in_use(), metavar="URL",
        help="npm registry to fetch it from (default: the one npm is set to: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
