"""The directory of the web demo, which any static server can serve: the network runs in the browser.

It holds the page (static/), the network as ONNX, ONNX Runtime Web and an example image: all that the page ever
requests, so it works offline and no image leaves the browser.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from skimage import data

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.pixels.images import encode_jpeg
from trainer.web_demo.network import WebNetwork, web_network
from trainer.web_demo.onnxruntime_web import runtime_files

PAGE = Path(__file__).parent / "static"
RUNTIME = "onnxruntime"  # its directory in the page's
DESCRIPTION = "model.json"  # the page reads it first; a directory with it was built here
NETWORK = "network.onnx"


def write_site(checkpoint: Path, output: Path, *, package: Path | None, registry: str) -> None:
    """Write the page of a checkpoint into `output`; ONNX Runtime Web comes from `package` or else the registry."""
    _check_output(output)
    network = web_network(checkpoint)
    files = site(network, runtime_files(package, registry))
    for name, content in files.items():
        write_replace(output / name, content)
    for name, content in sorted(files.items()):
        print(f"{len(content):>12,} {name}")
    print(f"{sum(map(len, files.values())):>12,} bytes in {len(files)} files; to see it: ", end="")
    print(f"python -m http.server --bind 127.0.0.1 --directory {output}")
    print(output)


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
        # .js, since all servers know that type, and browsers refuse a module of an unknown one
        **{f"{RUNTIME}/{name.replace('.mjs', '.js')}": content for name, content in runtime.items()},
    }


def _check_output(output: Path) -> None:
    """A page built before is replaced; other files are left alone."""
    if output.is_dir() and any(output.iterdir()) and not (output / DESCRIPTION).is_file():
        raise UserError(
            f"expected a new directory, or one that this command built, at {output}, found other files in it"
        )
