"""`python docs/pictures/products.py --output docs/images`: what the starter makes of a portrait, and the demo pages.

The portrait is the one that comes with scikit-image: Eileen Collins, by NASA, in the public domain.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
from browser import PHONE, chromium, open_page, output_directory, run, served
from PIL import Image
from playwright.sync_api import Browser, ViewportSize
from skimage import data

from manifests.cli.arguments import run_command
from manifests.pixels.image_files import save_image
from manifests.pixels.images import decode_image

SIDE_PX = 360
WIDE: ViewportSize = {"width": 1280, "height": 800}


def main(arguments: Sequence[str]) -> None:
    output = output_directory(arguments, __doc__)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        root = Path(directory)
        _predict(root, output)
        _side_by_side(browser, root, output)
        _web_demo(browser, root, output)
    print(output)


def _predict(root: Path, output: Path) -> None:
    """Portrait, person on a chequered board, blurred background, SIDE_PX each."""
    save_image(data.astronaut(), root / "in/portrait.png")
    written = ("--write", "side-by-side", "blur")
    run("trainer.predict", "--checkpoint", "starter", "--input", root / "in", "--output", root / "out", *written)
    images = [decode_image(file.read_bytes()) for file in sorted((root / "out").iterdir(), reverse=True)]
    row = Image.fromarray(np.concatenate(images, axis=1))
    row.resize((3 * SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS).save(output / "predict-astronaut.jpg", quality=90)


def _side_by_side(browser: Browser, root: Path, output: Path) -> None:
    run("trainer.export", "--checkpoint", "starter", "--to", "onnx", "--output", root / "exported")
    networks = ("starter", "exported/starter.onnx")
    with served("trainer.demo", "--checkpoint", *networks, "--port", 0, cwd=root) as url:
        page = open_page(browser, url)
        page.click("#example", timeout=60_000)
        page.locator("#results img").last.wait_for(timeout=60_000)
        page.wait_for_timeout(1000)
        page.screenshot(path=output / "demo-side-by-side.png", full_page=True)


def _web_demo(browser: Browser, root: Path, output: Path) -> None:
    """The page that runs in the browser; ONNX Runtime Web is fetched from npm where it isn't kept."""
    run("trainer.web_demo", "--checkpoint", "starter", "--output", root / "site")
    with _files_served(root / "site") as url:
        for name, view, size, dark in (("light", "blur", WIDE, False), ("phone-dark", "cutout", PHONE, True)):
            page = open_page(browser, url, size=size, dark=dark)
            page.click("#example:enabled", timeout=60_000)
            page.wait_for_selector("#stage[data-state=done]", timeout=60_000)
            page.check(f"input[value={view}]")
            page.wait_for_timeout(1000)
            page.screenshot(path=output / f"web-demo-{name}.png", full_page=dark)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@contextmanager
def _files_served(directory: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    run_command(main)
