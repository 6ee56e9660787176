"""Two masks of one sample on the review page in a real browser: keys, touch, difference, repair, undo, reload."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, handed_out, new_page, on_screen, open_page, saved, served_copy
from two_masks import add_rivals, moved

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import decode_mask

DOUBTS = (0.9, 0.8, 0.1, 0.3, 0.5)
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

# Shares of the stage's first canvas in the two colours of the difference, of a canvas that shows the photograph else.
SHARES = """() => {
  const canvas = document.querySelector("mask-review").shadowRoot.querySelector("#sample .overlay");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [orange, blue] = [0, 0];
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] - data[i + 2] > 90) orange++;
    if (data[i + 2] - data[i] > 70) blue++;
  }
  return [orange, blue].map((count) => count / (data.length / 4));
}"""


@pytest.fixture(scope="module")
def five_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with five real portraits waiting, three of them with two masks; to be copied."""
    root = tmp_path_factory.mktemp("five")
    commit_pending(root, portraits, DOUBTS)
    add_rivals(root, [0, 0, 8, 20, 14])
    return root


@pytest.fixture
def server(tmp_path: Path, five_waiting: Path) -> Iterator[Server]:
    yield from served_copy(five_waiting, tmp_path)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser)


def decisions(root: Path) -> list[Decision]:
    log = DecisionLog(sqlite_url(root / "data"))
    standing = log.standing()
    log.close()
    return standing


def sides(sample: dict[str, Any]) -> dict[str, str]:
    """The digests of A and B."""
    return dict(zip("AB", sorted((sample["mask_sha256"], sample["rival_mask_sha256"])), strict=True))


def test_one_key_takes_either_mask(page: Page, server: Server) -> None:
    first, second, third = handed_out(page, server)[:3]
    assert on_screen(page) == first["sample_id"]
    expect(page.locator("#about")).to_contain_text(f"2 masks, IoU {first['rival_iou']:.2f}")
    act(page, "a")
    act(page, "b")
    act(page, "#accept-b")
    saved(page)
    chosen = [decision.chosen_mask_sha256 for decision in decisions(server.root)]
    assert chosen == [sides(first)["A"], sides(second)["B"], sides(third)["B"]]


def test_single_masks_follow_with_one_accept(page: Page, server: Server) -> None:
    open_page(page, server)
    for _ in range(3):
        act(page, "x")
    expect(page.locator("#accept-b")).to_be_hidden()
    expect(page.locator("#accept")).to_have_text("✓ Accept a")
    page.keyboard.press("b")  # means nothing here
    act(page, "a")
    saved(page)
    *pairs, single = decisions(server.root)
    assert [(decision.verdict, decision.chosen_mask_sha256) for decision in pairs] == [("reject", None)] * 3
    assert (single.verdict, single.rival_mask_sha256, single.chosen_mask_sha256) == ("accept", None, None)


def test_the_difference_shows_what_one_mask_has_and_the_other_has_not(page: Page, server: Server) -> None:
    open_page(page, server)
    expect(page.locator("#sample .cutout")).to_be_visible()
    page.keyboard.press("c")
    expect(page.locator("#sample .cutout")).to_be_hidden()
    orange, blue = page.evaluate(SHARES)
    assert min(orange, blue) > 0.01  # a mask that is moved lacks a strip, and has another
    page.click("#differ")
    expect(page.locator("#sample .cutout")).to_be_visible()


def test_a_past_choice_can_be_changed_and_undone(page: Page, server: Server) -> None:
    (first, *_) = handed_out(page, server)
    on_screen(page)
    act(page, "a")
    saved(page)
    page.reload()
    on_screen(page)
    page.click(f".strip [data-sample-id='{first['sample_id']}']")
    expect(page.locator(".caption")).to_contain_text("You accepted A")
    on_screen(page)
    act(page, "b")
    saved(page)
    assert decisions(server.root)[-1].chosen_mask_sha256 == sides(first)["B"]
    act(page, "Backspace")
    saved(page)
    assert on_screen(page) == first["sample_id"]
    assert decisions(server.root) == []


def test_a_repair_asks_which_mask_it_begins_with(page: Page, server: Server) -> None:
    (first, *_) = handed_out(page, server)
    on_screen(page)
    page.keyboard.press("e")
    expect(page.locator("#message")).to_contain_text("Repair which mask: A or B?")
    page.keyboard.press("Escape")
    expect(page.locator("#message")).to_be_hidden()
    page.keyboard.press("e")
    page.keyboard.press("b")
    expect(page.locator("#fix")).to_be_enabled()
    box = page.locator(".editor").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2 - 90, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 90, box["y"] + 60, steps=4)
    page.mouse.up()
    act(page, "Enter")
    saved(page)
    (decision,) = decisions(server.root)
    assert decision.chosen_mask_sha256 == sides(first)["B"]
    blobs = BlobStore(server.root / "data")
    begun, repaired = (
        decode_mask(blobs.find(str(digest)).read_bytes()) >= 128  # type: ignore[union-attr]
        for digest in (decision.chosen_mask_sha256, decision.edited_mask_sha256)
    )
    added = repaired & ~begun
    assert added.any()
    assert np.flatnonzero(added.any(axis=1)).max() < 80  # the stroke, and nothing else
    assert not (begun & ~repaired).any()


def test_a_repair_without_a_stroke_takes_the_mask_as_it_is(page: Page, server: Server) -> None:
    (first, *_) = handed_out(page, server)
    on_screen(page)
    page.keyboard.press("e")
    page.click("#accept-b")
    expect(page.locator("#fix")).to_be_enabled()
    act(page, "#fix")
    saved(page)
    (decision,) = decisions(server.root)
    assert (decision.edited_mask_sha256, decision.chosen_mask_sha256) == (None, sides(first)["B"])


def test_pairs_come_before_the_grid_one_at_a_time(page: Page, server: Server) -> None:
    open_page(page, server)
    page.keyboard.press("g")
    for _ in range(2):
        expect(page.locator("#accept-b")).to_be_visible()
        act(page, "a")
    page.keyboard.press("b")
    expect(page.locator(".grid")).to_be_visible()
    expect(page.locator(".grid")).to_have_attribute("data-painted", "true")
    page.keyboard.press("Enter")
    expect(page.locator(".notice h2")).to_have_text("All reviewed")
    saved(page)
    assert [decision.mode for decision in decisions(server.root)] == ["single"] * 3 + ["grid"] * 2
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    expect(page.locator("#accept-b")).to_be_visible()


def test_a_phone_has_a_button_for_each_mask(browser: Browser, server: Server) -> None:
    for page in new_page(browser, **PHONE):
        (first, *_) = handed_out(page, server)
        on_screen(page)
        for name in ("#reject", "#accept", "#accept-b", "#skip"):
            box = page.locator(name).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
            assert box["height"] >= 44
        page.tap("#accept-b")
        expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", first["sample_id"])
        saved(page)
        (decision,) = decisions(server.root)
        assert decision.chosen_mask_sha256 == sides(first)["B"]


def test_a_swipe_to_accept_asks_for_a_mask(browser: Browser, server: Server) -> None:
    for page in new_page(browser, **PHONE):
        before = open_page(page, server)
        box = page.locator(".scene").bounding_box()
        assert box is not None
        x, y = box["x"] + 60, box["y"] + box["height"] / 2
        page.evaluate(
            """([x, y]) => {
              const scene = document.querySelector("mask-review").shadowRoot.querySelector(".scene");
              const send = (type, dx) => scene.dispatchEvent(new PointerEvent(type, {
                pointerId: 7, isPrimary: true, pointerType: "touch", clientX: x + dx, clientY: y, bubbles: true,
              }));
              send("pointerdown", 0); send("pointermove", 120); send("pointerup", 160);
            }""",
            [x, y],
        )
        expect(page.locator("#message")).to_contain_text("Two masks: accept A or B.")
        assert on_screen(page) == before


def test_the_masks_on_screen_are_those_of_the_server(page: Page, server: Server) -> None:
    (first, *_) = handed_out(page, server)
    blobs = BlobStore(server.root / "data")
    mask, rival = (
        decode_mask(blobs.find(first[name]).read_bytes())  # type: ignore[union-attr]
        for name in ("mask_sha256", "rival_mask_sha256")
    )
    assert (rival == moved(mask, 20)).all()
    assert first["rival_url"].endswith(first["rival_mask_sha256"])
