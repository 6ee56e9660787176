"""Waiting times on the page, in a real Chromium driven by playwright."""

import math
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
VIEWPORT: ViewportSize = {"width": 1280, "height": 720}
PACE_MS = 80  # between keys: 300 decisions take less than 30 s
PAUSE_MS = 200  # between clicks on the plain page, which drops faster ones
_HALF_BUSY = """import time
while True:
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        pass
    time.sleep(0.01)
"""

# Presses keys as fast as the page lets it, but no faster than the pace, and notes each sample and how long the next
# one took to be painted. In the page, since each order from outside would take longer than what is measured.
_PRESS = """async ({decisions, pace}) => {
  const viewer = document.querySelector("mask-review").shadowRoot;
  const sample = viewer.querySelector("#sample");
  const frame = () => new Promise(requestAnimationFrame);
  const seen = [];
  performance.clearMeasures();
  const started = performance.now();
  while (seen.length < decisions) {
    while (sample.dataset.painted !== "true") await frame();
    seen.push(sample.dataset.sampleId);
    const key = seen.length % 3 ? "a" : "x";
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    await new Promise((resolve) => setTimeout(resolve, pace));
  }
  while (sample.dataset.painted !== "true") await frame();
  const seconds = (performance.now() - started) / 1000;
  while (!viewer.querySelector("#unsaved").hidden) await frame();
  return {seconds, seen, painted: performance.getEntriesByName("key-to-paint").map((entry) => entry.duration)};
}"""

# The same of the plain page: clicks, and waits until another image is painted.
_CLICK = """async ({clicks, pace}) => {
  const took = [];
  const frame = () => new Promise(requestAnimationFrame);
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => {
    const {port1, port2} = new MessageChannel();
    port1.onmessage = () => (port1.close(), resolve());
    port2.postMessage(null);
  }));
  const shown = () => { const i = document.querySelector("#picture img"); return i?.complete && i.src; };
  for (let at = 0; at < clicks; at++) {
    const before = shown();
    const started = performance.now();
    document.querySelector("#accept").click();
    while (!shown() || shown() === before) await frame();
    await painted();
    took.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, pace));
  }
  return took;
}"""


# Waits for one more stroke; Playwright's own wait would be evaluated as text, which the page's policy forbids.
_STROKE_PAINTED = """async (before) => {
  while (performance.getEntriesByName("stroke-to-paint").length <= before) await new Promise(requestAnimationFrame);
}"""


@dataclass(frozen=True)
class Pressed:
    """`sample_ids` in the order of the keys; `painted_ms` per key."""

    seconds: float
    sample_ids: list[str]
    painted_ms: list[float]


@contextmanager
def open_browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        raise UserError("expected a Chromium on PATH, found none; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def first_sample(browser: Browser, address: str) -> Page:
    """A page on which the first sample has been painted."""
    page = browser.new_page(viewport=VIEWPORT)
    page.goto(address)
    page.wait_for_selector('#sample[data-painted="true"]', timeout=120_000)
    return page


def press_keys(page: Page, decisions: int) -> Pressed:
    """Decide on the review page."""
    measured = page.evaluate(_PRESS, {"decisions": decisions, "pace": PACE_MS})
    return Pressed(measured["seconds"], measured["seen"], measured["painted"])


def smart_strokes(page: Page, strokes: int) -> list[float]:
    """Milliseconds from the end of each smart stroke to the painted answer, in the editor, along the mask's edge."""
    page.keyboard.press("e")
    page.wait_for_selector(".editor:not([hidden])")
    page.keyboard.press("s")
    box = page.locator(".editor").bounding_box()
    assert box is not None, "the editor has a place on the page"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for number in range(strokes):
        page.keyboard.press("be"[number % 2])  # to the person, to the background
        turn = 2 * math.pi * number / strokes
        across = 0.25 * box["height"]
        page.mouse.move(x + across * math.cos(turn), y + across * math.sin(turn))
        page.mouse.down()
        page.mouse.move(x + across * math.cos(turn + 0.2), y + across * math.sin(turn + 0.2), steps=6)
        page.mouse.up()
        page.evaluate(_STROKE_PAINTED, number)
    took: list[float] = page.evaluate("performance.getEntriesByName('stroke-to-paint').map((entry) => entry.duration)")
    return took


def click(page: Page, clicks: int) -> list[float]:
    """Milliseconds from each click on the plain page to the next image."""
    took: list[float] = page.evaluate(_CLICK, {"clicks": clicks, "pace": PAUSE_MS})
    return took


@contextmanager
def plain_gradio(browser: Browser, store: ManifestStore, most: int) -> Iterator[Page]:
    """A page as Gradio's guide would build it, on at most so many images, opened."""
    import gradio as gr

    manifest = store.open()
    blobs = BlobStore(manifest.data_root)
    paths = [str(blobs.path(name)) for name in manifest.read(["image"])["image"].slice(0, most + 1).to_pylist()]
    with gr.Blocks(analytics_enabled=False) as blocks:
        state = gr.State(0)
        picture = gr.Image(paths[0], type="filepath", elem_id="picture")
        gr.Button("Accept", elem_id="accept").click(
            lambda at: (at + 1, paths[(at + 1) % len(paths)]), state, [state, picture]
        )
    _, address, _ = blocks.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, allowed_paths=[str(manifest.data_root)]
    )
    try:
        page = browser.new_page(viewport=VIEWPORT)
        page.goto(address)
        page.wait_for_selector("#picture img", timeout=60_000)
        yield page
    finally:
        blocks.close()


@contextmanager
def half_busy(cores: int) -> Iterator[None]:
    """Other work on the machine: each of so many cores is busy half of the time."""
    processes = [subprocess.Popen([sys.executable, "-c", _HALF_BUSY]) for _ in range(cores)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
