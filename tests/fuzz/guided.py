"""Fuzz one reader, guided by the branches that its inputs reach (atheris, libFuzzer), from real files.

    PYTHONPATH=.:tests/support:.fuzz python tests/fuzz/guided.py rle --seconds 600

An input that ends in anything but a value or the reader's documented error stops it: libFuzzer prints the traceback and
the path of the input. Skips, in one line, where atheris isn't installed (`make fuzz` installs it).
"""

import argparse
import asyncio
import importlib.util
import json
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np

if importlib.util.find_spec("atheris") is None:
    print("skipped: atheris isn't installed here; make fuzz installs it where it has a wheel for this Python")
    sys.exit(0)

import atheris

with atheris.instrument_imports(include=["manifests", "review_ui"], enable_loader_override=False):
    from original_files import write_masks
    from small_lineages import Lineage

    from manifests.errors import UserError
    from manifests.pixels.brush_rle import decode_brush, encode_brush
    from manifests.pixels.mask_values import mask_values
    from manifests.pixels.masks import decode_mask
    from manifests.pixels.rle import compress_counts, decode_rle, decompress_counts, encode_rle
    from manifests.store.manifest import Manifest
    from manifests.upkeep.verify import verify
    from review_ui.queue.session import ReviewSession
    from review_ui.web.api import create_api

Read = Callable[[bytes], None]
Target = Callable[[Path, Path], Read]  # a directory of its own, and one for the first inputs -> the reader

HEIGHT, WIDTH = 24, 16  # of masks in run lengths
MEMORY_MB = 4096  # of the process: the API's libraries take one of these
INPUT_SECONDS = 60
INPUT_BYTES = 1 << 16
ROUTES = ("decisions", "undo", "release", "refine", "publish", "visit")


def manifests(root: Path, inputs: Path) -> Read:
    """A version's file: opened, read and verified."""
    lineage = Lineage(root)
    lineage.generate(0, 1)
    inputs.joinpath("v1").write_bytes(lineage.store.path(1).read_bytes())
    path = lineage.store.path(2)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(UserError):
            version = Manifest.open(path)
            verify(version)
            version.read()

    return read


def rle(root: Path, inputs: Path) -> Read:
    """COCO's and Label Studio's run lengths; each mask is written and read again."""
    person = np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.5
    inputs.joinpath("coco").write_bytes(compress_counts(encode_rle(person)).encode())
    inputs.joinpath("brush").write_bytes(encode_brush(person))

    def read(data: bytes) -> None:
        with suppress(ValueError):
            counts = decompress_counts(data.decode("latin-1"))
            assert np.array_equal(decompress_counts(compress_counts(counts)), counts)
            mask = decode_rle(counts, HEIGHT, WIDTH)
            assert np.array_equal(decode_rle(encode_rle(mask), HEIGHT, WIDTH), mask)
        with suppress(ValueError):
            mask = decode_brush(data, HEIGHT, WIDTH)
            assert np.array_equal(decode_brush(encode_brush(mask), HEIGHT, WIDTH), mask)

    return read


def masks(root: Path, inputs: Path) -> Read:
    """Mask files, by the reader of third-party masks and by the codec of stored ones."""
    for path in write_masks(root):
        inputs.joinpath(path.name).write_bytes(path.read_bytes())

    def read(data: bytes) -> None:
        with suppress(UserError):
            assert mask_values(data, "it").dtype == np.uint8
        with suppress(UserError):
            assert decode_mask(data).ndim == 2

    return read


def api(root: Path, inputs: Path) -> Read:
    """JSON sent to the review API, through the app in this process; the first byte chooses the route."""
    lineage = Lineage(root)
    lineage.generate(*range(4))
    session = ReviewSession(lineage.store.open(), lineage.store, lineage.log())
    app = create_api(session, lineage.blobs)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
    loop = asyncio.new_event_loop()
    [first, *_] = loop.run_until_complete(client.get("/api/next")).json()["samples"]
    named = {name: first[name] for name in ("sample_id", "mask_sha256")}
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "reject", "reason": "hair", "decision_ms": 9, **named}
    bodies = {
        "decisions": {"decisions": [decision]},
        "undo": {"decision_id": decision["decision_id"], "tab": ""},
        "release": {"tab": "a"},
        "refine": {**named, "points": [], "mask": "", "undo": 0},
        "publish": {"votes": 1, "conflicts": "keep"},
        "visit": {"sample_id": first["sample_id"], "tab": ""},
    }
    for number, name in enumerate(ROUTES):
        inputs.joinpath(name).write_bytes(bytes([number]) + json.dumps(bodies[name]).encode())

    def read(data: bytes) -> None:
        route = ROUTES[data[0] % len(ROUTES)] if data else ROUTES[0]
        sent = client.post(f"/api/{route}", content=data[1:], headers={"content-type": "application/json"})
        answer = loop.run_until_complete(sent)
        assert answer.status_code < 500, answer.text

    return read


TARGETS: dict[str, Target] = {"manifests": manifests, "rle": rle, "masks": masks, "api": api}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root, inputs = Path(directory, "root"), Path(directory, "inputs")
        for each in (root, inputs):
            each.mkdir()
        read = TARGETS[options.target](root, inputs)
        limits = [f"-max_total_time={options.seconds}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={INPUT_SECONDS}"]
        quiet = ["-verbosity=0", "-print_final_stats=1", f"-max_len={INPUT_BYTES}", f"-artifact_prefix={Path.cwd()}/"]
        atheris.Setup([sys.argv[0], *limits, *quiet, str(inputs)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
