"""`python -m trainer.web_demo`: a directory that any static server can serve, and the network runs in the browser.

It holds the page (trainer/web), the network as ONNX, ONNX Runtime Web and an example picture: all that the page ever
asks for, so it works without a network and no picture leaves the browser.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from skimage import data

from manifests.atomic import write_replace
from manifests.command import run_command
from manifests.errors import UserError
from manifests.images import encode_jpeg
from trainer.checkpoint import STARTER, checkpoint_path
from trainer.onnxruntime_web import VERSION, registry_in_use, runtime_files

PAGE = Path(__file__).parent / "web"
RUNTIME = "onnxruntime"  # where in the directory it lies
DESCRIPTION = "model.json"  # what the page reads first; a directory that has one was built here
NETWORK = "network.onnx"


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    _check_output(options.output)
    network = network_bytes(options.checkpoint)
    runtime = runtime_files(options.onnxruntime_web, options.registry)
    files = site(network, describe(network, options.checkpoint), runtime)
    for name, content in files.items():
        write_replace(options.output / name, content)
    for name, content in sorted(files.items()):
        print(f"{len(content):>12,} {name}")
    print(f"{sum(map(len, files.values())):>12,} bytes in {len(files)} files; to see it: ", end="")
    print(f"python -m http.server --bind 127.0.0.1 --directory {options.output}")
    print(options.output)


def site(network: bytes, description: Mapping[str, Any], runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path in the directory -> bytes."""
    page = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}
    return page | {
        DESCRIPTION: (json.dumps(description, indent=2) + "\n").encode(),
        NETWORK: network,
        "example.jpg": encode_jpeg(data.astronaut()),
        # .js, since servers know that type for certain, and browsers refuse a module of an unknown one
        **{f"{RUNTIME}/{name.replace('.mjs', '.js')}": content for name, content in runtime.items()},
    }


def network_bytes(checkpoint: Path) -> bytes:
    """The checkpoint as ONNX; an exported file as it is."""
    if checkpoint.suffix != ".onnx":
        raise UserError("TODO")
    if not checkpoint.is_file():
        raise UserError(f"expected an ONNX file at {checkpoint}, found none")
    return checkpoint.read_bytes()


def describe(network: bytes, checkpoint: Path) -> dict[str, Any]:
    """What the page wants to know of an exported network; UserError when it is no such network."""
    try:
        graph = onnx.load_from_string(network).graph
    except Exception as error:  # protobuf's errors share no base with anything
        raise UserError(f"expected an ONNX file at {checkpoint}, found another or a damaged one") from error
    taken, given = _first(graph.input), _first(graph.output)
    if taken[:2] != ("image", onnx.TensorProto.UINT8) or given[:2] != ("person_prob", onnx.TensorProto.FLOAT):
        raise UserError(
            f"expected a network from trainer.export in {checkpoint}, which takes uint8 `image` and gives float32 "
            f"`person_prob`, found one that takes `{taken[0]}` and gives `{given[0]}`; export its checkpoint again"
        )
    _, _, height, width = taken[2]
    if not height or not width:
        raise UserError(f"expected a network of a fixed size in {checkpoint}, found one of any size; export it with one")
    name = checkpoint.parent.name if checkpoint.stem in ("best", "last") else checkpoint.stem
    return {"name": name, "file": NETWORK, "size_bytes": len(network), "width": width, "height": height}


def _first(values: Sequence[onnx.ValueInfoProto]) -> tuple[str, int, list[int]]:
    """Name, element type and shape of the first one; 0 for a side that isn't fixed."""
    tensor = values[0].type.tensor_type
    return values[0].name, tensor.elem_type, [side.dim_value for side in tensor.shape.dim]


def _check_output(output: Path) -> None:
    """A page built before is replaced; other files are left alone."""
    if output.is_dir() and any(output.iterdir()) and not (output / DESCRIPTION).is_file():
        raise UserError(f"expected a new directory, or one that this command built, at {output}, found other files in it")


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
