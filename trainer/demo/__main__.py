"""`python -m trainer.demo`: a page that compares several networks' masks of an image, side by side."""

import argparse
from collections.abc import Sequence

from manifests.cli.arguments import CommandParser, run_command
from manifests.web.address import port
from trainer.weights.checkpoint_files import STARTER, STARTER_PATH, checkpoint_path


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.demo.server import serve_demo  # after parsing: torch takes seconds to load

    serve_demo(options.checkpoint, options.host, options.port, options.device)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser("python -m trainer.demo", description=__doc__, example="--checkpoint starter runs/first")
    networks = f"checkpoints, runs' directories, ONNX files, or {STARTER} (default: {STARTER})"
    parser.add_argument(
        "--checkpoint", type=checkpoint_path, nargs="+", default=[STARTER_PATH], metavar="PATH", help=networks
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port, default=7861, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
