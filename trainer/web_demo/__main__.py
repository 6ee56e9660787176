"""`python -m trainer.web_demo`: a directory that any static server can serve, and the network runs in the browser.

It holds the page (trainer/web), the network as ONNX, ONNX Runtime Web and an example picture: all that the page ever
asks for, so it works without a network and no picture leaves the browser.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from skimage import data

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.images import encode_jpeg
from trainer.web_demo.network import WebNetwork, web_network
from trainer.web_demo.onnxruntime_web import VERSION, registry_in_use, runtime_files
from trainer.weights.checkpoint import STARTER, checkpoint_path

PAGE = Path(__file__).parent / "static"
RUNTIME = "onnxruntime"  # where in the directory it lies
DESCRIPTION = "model.json"  # what the page reads first; a directory that has one was built here
NETWORK = "network.onnx"


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    _check_output(options.output)
    network = web_network(options.checkpoint)
    files = site(network, runtime_files(options.onnxruntime_web, options.registry))
    for name, content in files.items():
        write_replace(options.output / name, content)
    for name, content in sorted(files.items()):
        print(f"{len(content):>12,} {name}")
    print(f"{sum(map(len, files.values())):>12,} bytes in {len(files)} files; to see it: ", end="")
    print(f"python -m http.server --bind 127.0.0.1 --directory {options.output}")
    print(options.output)


def site(network: WebNetwork, runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path in the directory -> bytes."""
    description = {
        "name": network.name,
        "file": NETWORK,
        "size_bytes": len(network.content),
        "width": network.width,
        "height": network.height,
    }
    page = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    return page | {
        DESCRIPTION: (json.dumps(description, indent=2) + "\n").encode(),
        NETWORK: network.content,
        "example.jpg": encode_jpeg(data.astronaut()),
        # .js, since servers know that type for certain, and browsers refuse a module of an unknown one
        **{f"{RUNTIME}/{name.replace('.mjs', '.js')}": content for name, content in runtime.items()},
    }


def _check_output(output: Path) -> None:
    """A page built before is replaced; other files are left alone."""
    if output.is_dir() and any(output.iterdir()) and not (output / DESCRIPTION).is_file():
        raise UserError(
            f"expected a new directory, or one that this command built, at {output}, found other files in it"
        )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.web_demo", description=__doc__)
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
