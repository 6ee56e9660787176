"""The editor's tool Point in a real browser, with a small segmenter whose object is a disc around the click."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from point_segmenters import write_efficient_sam_pair
from portrait_datasets import commit_pending
from review_browser import HOSTS, Server, new_page, on_screen, open_editor, open_page, place_of, saved

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.store.manifest import ManifestStore

WIDTH, HEIGHT = 240, 320
PERSON = (slice(160, 320), slice(60, 180))  # the mask of every sample
WANTED = (40, 60)  # where nothing of the person is
UNWANTED = (120, 240)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with two real portraits waiting, a rectangle as the mask of each, and a segmenter; to be copied."""
    root = tmp_path_factory.mktemp("waiting")
    commit_pending(root, portraits, (0.9, 0.8))
    store, blobs = ManifestStore(root / "manifests"), BlobStore(root / "data")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[PERSON] = 255
    blob = blobs.put(encode_mask(mask), ".png")

    def replace(table, _version):
        rows = [row | {"mask": blob.path, "mask_sha256": blob.sha256} for row in table.to_pylist()]
        return type(table).from_pylist(rows, schema=table.schema)

    store.update(replace, operation="relabel", parameters={}, data_root=root / "data")
    write_efficient_sam_pair(root / "segmenter", factors=[40.0])
    return root


@pytest.fixture
def root(tmp_path: Path, waiting: Path) -> Path:
    shutil.copytree(waiting, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root, 0, "--segmenter", str(root / "segmenter"))
    yield server
    server.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser)


def click_at(page: Page, x: float, y: float) -> None:
    """Click on a pixel of the mask, while the whole image is shown, and wait for the answer."""
    with page.expect_response(lambda response: "/api/refine" in response.url):
        page.mouse.click(*place_of(page, x, y))
    expect(page.locator("#fix")).to_be_enabled()


def edited_mask(root: Path) -> np.ndarray:
    """The mask of the one accept in the decision log."""
    log = DecisionLog(sqlite_url(root / "data"))
    (decision,) = (each for each in log.standing() if each.verdict == "accept")
    log.close()
    return decode_mask(BlobStore(root / "data").find(str(decision.edited_mask_sha256)).read_bytes())


@pytest.mark.parametrize("host", HOSTS)
def test_a_click_adds_the_object_with_the_brush_and_takes_it_away_with_the_eraser(page, server, host):
    sample_id = open_page(page, server, host)
    open_editor(page)
    page.keyboard.press("p")
    expect(page.locator("#point")).to_have_attribute("aria-pressed", "true")
    click_at(page, *WANTED)
    page.keyboard.press("e")
    click_at(page, *UNWANTED)
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    mask = edited_mask(server.root)
    before = np.zeros_like(mask)
    before[PERSON] = 255
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    added, taken = mask > before, mask < before
    for changed, (x, y) in ((added, WANTED), (taken, UNWANTED)):
        distance = np.hypot(columns - x, rows - y)
        assert changed[distance < 5].all()
        assert not changed[distance > 60].any()


def test_a_click_is_one_change_that_can_be_undone_and_redone(page: Page, server: Server):
    open_page(page, server)
    open_editor(page)
    page.click("#point")
    click_at(page, *WANTED)
    for key, undo, redo in (("Control+z", False, True), ("y", True, False)):
        expect(page.locator("#undo-stroke")).to_be_enabled(enabled=not undo)
        page.keyboard.press(key)
        expect(page.locator("#undo-stroke")).to_be_enabled(enabled=undo)
        expect(page.locator("#redo-stroke")).to_be_enabled(enabled=redo)


def test_a_click_that_fails_says_why_and_leaves_the_strokes(page: Page, server: Server):
    open_page(page, server)
    open_editor(page)
    page.keyboard.press("p")
    click_at(page, *WANTED)
    error = "expected an object at the point, found none there; click elsewhere, or draw it"
    page.route("**/api/refine", lambda route: route.fulfill(status=409, json={"error": error}))
    click_at(page, *UNWANTED)
    expect(page.locator("#message")).to_contain_text(f"Not refined: {error}")
    expect(page.locator("#undo-stroke")).to_be_enabled()


def test_point_and_smart_strokes_exclude_each_other(page: Page, server: Server):
    open_page(page, server)
    open_editor(page)
    for key, point, smart in (
        ("p", "true", "false"),
        ("s", "false", "true"),
        ("p", "true", "false"),
        ("p", "false", "false"),
    ):
        page.keyboard.press(key)
        expect(page.locator("#point")).to_have_attribute("aria-pressed", point)
        expect(page.locator("#smart")).to_have_attribute("aria-pressed", smart)


def test_without_a_segmenter_there_is_no_such_tool(page: Page, root: Path):
    server = Server(root)
    try:
        open_page(page, server)
        open_editor(page)
        expect(page.locator("#smart")).to_be_visible()
        expect(page.locator("#point")).to_be_hidden()
        page.keyboard.press("p")
        expect(page.locator("#point")).to_have_attribute("aria-pressed", "false")
        page.keyboard.press("?")
        expect(page.locator("#keys [data-key=point]")).to_be_hidden()
    finally:
        server.stop()


def test_a_click_beside_the_image_asks_for_nothing(page: Page, server: Server):
    open_page(page, server)
    open_editor(page)
    page.keyboard.press("p")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/api/refine" in request.url else None)
    box = page.locator(".editor").bounding_box()
    page.mouse.click(box["x"] + 3, box["y"] + 3)
    click_at(page, *WANTED)
    assert len(asked) == 1
    on_screen(page)
