"""Repairing masks on the review page in a real browser: keys and mouse, touch, undo, reload, two tabs, kill -9."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from portrait_datasets import commit_pending
from review_browser import (
    HOSTS,
    Server,
    act,
    new_page,
    on_screen,
    open_editor,
    open_page,
    place_of,
    saved,
    served_copy,
    until,
)

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.samples.pair import read_mask
from manifests.samples.sample import Row
from manifests.store.manifest import ManifestStore

DOUBTS = (0.95, 0.85, 0.75)
HOLE = (slice(205, 225), slice(110, 130))  # rows and columns of faults planted in each mask
ISLAND = (slice(8, 28), slice(8, 28))
TOUCH = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

LEVELS = """async ([url, width, height]) => {
  const { levelsOf } = await import("/viewer/picture/levels.js");
  return [...await levelsOf(await (await fetch(url)).blob(), { width, height })];
}"""


@pytest.fixture(scope="module")
def three_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with three real portraits waiting, a hole and an island in each mask; to be copied."""
    root = tmp_path_factory.mktemp("three")
    commit_pending(root, portraits, DOUBTS)
    store, blobs = ManifestStore(root / "manifests"), BlobStore(root / "data")

    def damage(table, _version):
        rows = table.to_pylist()
        for row in rows:
            mask = np.where(read_mask(blobs, row) >= 128, 255, 0).astype(np.uint8)
            mask[120:, 60:180] = 255
            mask[:60] = 0
            mask[HOLE] = 0
            mask[ISLAND] = 255
            blob = blobs.put(encode_mask(mask), ".png")
            row |= {"mask": blob.path, "mask_sha256": blob.sha256}
        return type(table).from_pylist(rows, schema=table.schema)

    store.update(damage, operation="relabel", parameters={}, data_root=root / "data")
    return root


@pytest.fixture
def server(tmp_path: Path, three_waiting: Path) -> Iterator[Server]:
    yield from served_copy(three_waiting, tmp_path)


def row_of(root: Path, sample_id: str) -> Row:
    rows = ManifestStore(root / "manifests").open().read().to_pylist()
    return next(row for row in rows if row["sample_id"] == sample_id)


def mask_of(root: Path, sample_id: str) -> np.ndarray:
    return read_mask(BlobStore(root / "data"), row_of(root, sample_id))


def edited_mask(root: Path) -> np.ndarray:
    """The mask of the one accept in the decision log."""
    log = DecisionLog(sqlite_url(root / "data"))
    (decision,) = (each for each in log.standing() if each.verdict == "accept")
    log.close()
    blob = BlobStore(root / "data").find(str(decision.edited_mask_sha256))
    assert blob is not None
    return decode_mask(blob.read_bytes())


def publish(page: Page) -> None:
    """Publish in the middle of the queue."""
    page.click("#publish")
    page.click("#publish-part [value=publish]")
    expect(page.locator("#message")).to_contain_text("Published")


def draw(page: Page, *points: tuple[float, float]) -> None:
    """A stroke of the mouse through pixels of the mask."""
    page.mouse.move(*place_of(page, *points[0]))
    page.mouse.down()
    for point in points:
        page.mouse.move(*place_of(page, *point), steps=4)
    page.mouse.up()


def mend(page: Page) -> None:
    """Erase the island, paint over the hole."""
    page.keyboard.press("e")
    for row in (12, 18, 24):
        draw(page, (8, row), (30, row))
    page.keyboard.press("b")
    for row in (207, 213, 219, 224):
        draw(page, (108, row), (132, row))


def mend_and_accept(page: Page, sample_id: str) -> None:
    """Mend the mask on stage and accept it; another sample follows."""
    open_editor(page)
    mend(page)
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)


def is_mended(mask: np.ndarray) -> bool:
    return bool((mask[HOLE] == 255).all() and (mask[ISLAND] == 0).all())


@pytest.mark.parametrize("host", HOSTS)
def test_a_mask_is_mended_by_keys_and_mouse_and_published_as_painted(page: Page, server: Server, host: str):
    sample_id = open_page(page, server, host)
    before = row_of(server.root, sample_id)
    mend_and_accept(page, sample_id)
    on_screen(page)
    saved(page)
    publish(page)
    row, mask = row_of(server.root, sample_id), mask_of(server.root, sample_id)
    assert (row["origin"], row["status"], row["edited_from"]) == ("edited", "accepted", before["mask_sha256"])
    assert is_mended(mask)
    untouched = np.ones(mask.shape, bool)
    untouched[:40, :45] = untouched[190:240, 90:150] = False
    assert (mask[untouched] == read_mask(BlobStore(server.root / "data"), before)[untouched]).all()


@pytest.mark.slow
def test_keys_keep_the_largest_piece_and_fill_holes(page: Page, server: Server):
    sample_id = open_page(page, server)
    open_editor(page)
    for key in ("l", "o"):
        page.keyboard.press(key)
        expect(page.locator("#fix")).to_be_enabled()
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    publish(page)
    assert is_mended(mask_of(server.root, sample_id))


def test_a_smart_stroke_is_one_change_that_can_be_undone(page: Page, server: Server):
    open_page(page, server)
    open_editor(page)
    page.keyboard.press("s")
    draw(page, (112, 215), (128, 215))
    expect(page.locator("#undo-stroke")).to_be_enabled()
    expect(page.locator("#fix")).to_be_enabled()
    until(page, "performance.getEntriesByName('stroke-to-paint').length === 1")
    page.keyboard.press("Control+z")
    expect(page.locator("#undo-stroke")).to_be_disabled()
    page.keyboard.press("Control+Shift+z")
    expect(page.locator("#redo-stroke")).to_be_disabled()


@pytest.mark.slow
def test_strokes_are_undone_and_redone_and_an_unchanged_mask_is_a_plain_accept(page: Page, server: Server):
    sample_id = open_page(page, server)
    open_editor(page)
    draw(page, (20, 40), (60, 40))
    for key, undo, redo in (("Backspace", False, True), ("y", True, False), ("u", False, True)):
        page.keyboard.press(key)
        expect(page.locator("#undo-stroke")).to_be_enabled(enabled=undo)
        expect(page.locator("#redo-stroke")).to_be_enabled(enabled=redo)
    page.keyboard.press("a")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    publish(page)
    assert row_of(server.root, sample_id)["origin"] == "face_crop"


@pytest.mark.slow
def test_escape_leaves_and_the_strokes_are_there_again(page: Page, server: Server):
    sample_id = open_page(page, server)
    open_editor(page)
    mend(page)
    page.keyboard.press("Escape")
    expect(page.locator(".editor")).to_be_hidden()
    expect(page.locator("#message")).to_contain_text("strokes are kept")
    assert on_screen(page) == sample_id
    open_editor(page, "#repair")
    page.click("#fix")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    publish(page)
    assert is_mended(mask_of(server.root, sample_id))


@pytest.mark.slow
def test_an_undo_brings_the_first_mask_back_also_after_publishing(page: Page, server: Server):
    sample_id = open_page(page, server)
    before = row_of(server.root, sample_id)
    mend_and_accept(page, sample_id)
    assert act(page, "Backspace") == sample_id
    assert act(page, "x") != sample_id
    saved(page)
    publish(page)
    row = row_of(server.root, sample_id)
    assert (row["status"], row["origin"], row["mask_sha256"]) == ("rejected", "face_crop", before["mask_sha256"])


@pytest.mark.slow
def test_after_a_reload_the_strip_shows_the_repaired_mask_and_brings_it_back(page: Page, server: Server):
    sample_id = open_page(page, server)
    mend_and_accept(page, sample_id)
    saved(page)
    with page.expect_response(lambda response: "/api/history" in response.url) as history:
        page.reload()
    entry = history.value.json()["decisions"][0]
    levels = page.evaluate(LEVELS, [entry["edited_mask_url"], 240, 320])
    assert is_mended(np.array(levels, np.uint8).reshape(320, 240))
    page.click(f".strip button[data-sample-id='{sample_id}']")
    expect(page.locator("#sample")).to_have_attribute("data-sample-id", sample_id)
    expect(page.locator(".caption")).to_contain_text("You accepted")


@pytest.mark.slow
def test_a_repair_survives_a_server_killed_while_it_is_sent(page: Page, tmp_path: Path, server: Server):
    sample_id = open_page(page, server)
    open_editor(page)
    mend(page)
    server.stop(signal.SIGKILL)
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    expect(page.locator("#unsaved")).to_have_text("1 unsaved")
    again = Server(tmp_path, server.port)
    try:
        saved(page)
        assert is_mended(edited_mask(tmp_path))
    finally:
        again.stop()


@pytest.mark.slow
def test_a_refused_repair_keeps_its_strokes(page: Page, server: Server):
    sample_id = open_page(page, server)
    open_editor(page)
    mend(page)

    def refuse(route):
        batch = route.request.post_data_json["decisions"]
        refused = [{"decision_id": each["decision_id"], "error": "expected another mask"} for each in batch]
        route.fulfill(json={"stored": [], "refused": refused})

    page.route("**/api/decisions", refuse)
    page.keyboard.press("Enter")
    expect(page.locator("#refused summary")).to_have_text("1 not stored")
    page.unroute("**/api/decisions")
    while on_screen(page) != sample_id:
        act(page, "Space")
    open_editor(page)
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    assert is_mended(edited_mask(server.root))


@pytest.mark.slow
def test_a_second_tab_never_shows_the_mask_under_repair_in_the_first(page: Page, browser: Browser, server: Server):
    sample_id = open_page(page, server)  # the tab holds all three
    open_editor(page)
    for other in new_page(browser):
        other.goto(server.url)
        expect(other.locator(".notice")).to_contain_text("on other screens")
    mend(page)
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(page)
    assert is_mended(edited_mask(server.root))


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser, **TOUCH)


def swipe_stroke(phone: Page, touch: Callable[..., None], *points: tuple[float, float]) -> None:
    begin, *rest = (place_of(phone, *point) for point in points)
    touch("touchStart", [begin])
    for point in rest:
        touch("touchMove", [point])
    touch("touchEnd", [])


@pytest.mark.slow
def test_a_mask_is_mended_by_touch_and_two_fingers_zoom(phone: Page, server: Server):
    sample_id = open_page(phone, server)
    session = phone.context.new_cdp_session(phone)

    def touch(kind: str, points: list[tuple[float, float]]) -> None:
        places = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    open_editor(phone, "#repair")
    phone.click("#eraser")
    for row in (10, 18, 26):
        swipe_stroke(phone, touch, (6, row), (18, row), (32, row))
    phone.click("#brush")
    for row in (206, 212, 218, 225):
        swipe_stroke(phone, touch, (106, row), (120, row), (134, row))
    left, right = place_of(phone, 100, 160), place_of(phone, 140, 160)
    touch("touchStart", [left])
    touch("touchStart", [left, right])
    touch("touchMove", [(left[0] - 40, left[1]), (right[0] + 40, right[1])])
    touch("touchEnd", [])
    expect(phone.locator("#undo-stroke")).to_be_enabled()
    phone.click("#fix")
    expect(phone.locator("#sample")).not_to_have_attribute("data-sample-id", sample_id)
    saved(phone)
    assert is_mended(edited_mask(server.root))
