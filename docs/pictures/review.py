"""`python docs/pictures/review.py --output docs/images`: the pictures of docs/review.md, taken in a real Chromium.

Cuts the portrait that ships with scikit-image (Eileen Collins, NASA, public domain) into samples, labels them with the
starter teacher, spoils some masks on purpose, opens the review page on them and photographs each view, dark and light.
"""

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow as pa
from browser import DESKTOP, PHONE, TABLET, chromium, open_page, output_directory, run, served
from playwright.sync_api import Browser, Page, ViewportSize
from skimage import data

from manifests.cli.arguments import run_command
from manifests.files.blobs import BlobStore
from manifests.pixels.image_files import save_image
from manifests.pixels.masks import encode_mask
from manifests.samples.pair import read_mask
from manifests.store.manifest import ManifestStore
from review_ui.quality.mask_corruption import DAMAGES, damaged_copy

SAMPLES = 20
SPOILT_EVERY = 3
SEED = 7


def main(arguments: Sequence[str]) -> None:
    output = output_directory(arguments, __doc__)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        root = Path(directory)
        _make_dataset(root)
        with _served(root) as url:
            for scheme in ("dark", "light"):
                _desktop(browser, url, scheme, output)
                _upright(browser, url, scheme, output, "tablet", TABLET)
                _upright(browser, url, scheme, output, "phone", PHONE)
            _gradio(browser, url, output)
        _add_second_masks(root)
        with _served(root) as url:
            for scheme in ("dark", "light"):
                _pair(browser, url, scheme, output)
    print(output)


def _make_dataset(root: Path) -> None:
    """Pending samples under `root`, every third with a spoilt mask."""
    rng = np.random.default_rng(SEED)
    rgb = data.astronaut()
    for number in range(SAMPLES):
        left, top = (int(value) for value in rng.integers(0, 60, 2))
        width, height = (int(value) for value in rng.integers(400, 450, 2))
        crop = rgb[top : top + height, left : left + width]
        save_image(np.ascontiguousarray(crop[:, ::-1] if number % 2 else crop), root / f"photos/IMG_{number:04}.png")
    run("pipeline.generate", "--images", root / "photos", "--manifests", root / "manifests")
    store, blobs = ManifestStore(root / "manifests"), BlobStore(root / "data")

    def spoil(table: pa.Table | None, _version: int) -> pa.Table:
        assert table is not None
        rows = table.to_pylist()
        for number, row in enumerate(rows):
            kind = list(DAMAGES)[number % len(DAMAGES)]
            spoilt = damaged_copy(read_mask(blobs, row), kind, rng) if number % SPOILT_EVERY == 0 else None
            if spoilt is not None:
                blob = blobs.put(encode_mask(spoilt), ".png")
                row |= {"mask": blob.path, "mask_sha256": blob.sha256}
        return pa.Table.from_pylist(rows, schema=table.schema)

    store.update(spoil, operation="spoil", parameters={}, data_root=root / "data")


def _add_second_masks(root: Path) -> None:
    teacher = ("--teacher", "grabcut", "--keep-both")
    run("pipeline.generate", "--relabel", "pending", *teacher, "--manifests", root / "manifests")


def _served(root: Path) -> AbstractContextManager[str]:
    return served("review_ui", "--manifests", root / "manifests", "--port", 0, "--no-browser")


def _open(browser: Browser, url: str, scheme: str, size: ViewportSize) -> Page:
    page = open_page(browser, url, size=size, dark=scheme == "dark")
    _wait(page)
    return page


def _wait(page: Page) -> None:
    page.wait_for_selector("#sample[data-painted=true]", timeout=60_000)
    page.wait_for_timeout(400)


def _desktop(browser: Browser, url: str, scheme: str, output: Path) -> None:
    page = _open(browser, url, scheme, DESKTOP)

    def photograph(name: str) -> None:
        page.mouse.move(4, 715)
        page.wait_for_timeout(300)
        page.screenshot(path=output / f"review-{name}-{scheme}.png")

    for key in "aaxaaf":
        page.keyboard.press(key)
        _wait(page)
    for view in ("side", "overlay", "contour", "checker", "contrast"):
        photograph(view)
        page.keyboard.press("v")
    page.keyboard.press("x")
    _wait(page)
    photograph("reason")
    page.keyboard.press("Backspace")
    _wait(page)
    page.keyboard.press("z")
    photograph("zoom")
    page.keyboard.press("z")
    page.keyboard.press("i")
    photograph("inset")
    page.keyboard.press("i")
    page.keyboard.press("?")
    photograph("help")
    page.keyboard.press("?")
    page.keyboard.press("/")
    page.wait_for_selector("#filters label")
    photograph("filter")
    page.keyboard.press("Escape")
    _wait(page)
    _look_alikes(page)
    photograph("alike")
    page.keyboard.press("Escape")
    _wait(page)
    _repair(page)
    page.screenshot(path=output / f"review-repair-{scheme}.png")
    page.keyboard.press("Escape")
    page.wait_for_timeout(6500)  # the message about the strokes goes by itself
    page.keyboard.press("g")
    page.wait_for_selector(".grid[data-painted=true]")
    page.locator(".grid button").nth(3).click()
    photograph("grid")
    page.keyboard.press("g")
    _wait(page)
    page.click("[data-queue=second_look]")
    _wait(page)
    photograph("second-look")
    page.click("[data-queue=work]")
    _wait(page)
    for _ in range(6):  # as it was before
        page.keyboard.press("Backspace")
        _wait(page)
    page.context.close()


def _look_alikes(page: Page) -> None:
    """Ask for them, and wait until all images are compared."""
    page.keyboard.press("l")
    page.locator(".chips .note", has_not_text="compared").wait_for(timeout=120_000)
    page.wait_for_selector(".grid[data-painted=true]")
    page.wait_for_timeout(1000)


def _repair(page: Page) -> None:
    """Open the editor and draw a smart stroke on the shoulder."""
    page.keyboard.press("e")
    page.wait_for_selector(".editor:not([hidden])")
    page.wait_for_timeout(300)
    page.keyboard.press("s")
    box = page.locator(".editor").bounding_box()
    assert box is not None
    x, y = box["x"] + 0.42 * box["width"], box["y"] + 0.8 * box["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=6)
    page.mouse.up()
    page.wait_for_selector("#fix:enabled")
    page.wait_for_timeout(800)


def _upright(browser: Browser, url: str, scheme: str, output: Path, name: str, size: ViewportSize) -> None:
    page = _open(browser, url, scheme, size)
    page.screenshot(path=output / f"review-{name}-{scheme}.png")
    page.context.close()


def _pair(browser: Browser, url: str, scheme: str, output: Path) -> None:
    """Two masks of a sample, and only where they differ."""
    page = _open(browser, url, scheme, DESKTOP)
    for _ in range(3):
        page.keyboard.press(" ")
        _wait(page)
    page.screenshot(path=output / f"review-pair-{scheme}.png")
    page.keyboard.press("c")
    page.wait_for_timeout(300)
    page.screenshot(path=output / f"review-difference-{scheme}.png")
    page.context.close()


def _gradio(browser: Browser, url: str, output: Path) -> None:
    page = _open(browser, f"{url}/app/", "light", DESKTOP)
    page.screenshot(path=output / "review-gradio.png")
    page.context.close()


if __name__ == "__main__":
    run_command(main)
