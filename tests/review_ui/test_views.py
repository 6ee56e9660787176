"""Ways to look and to decide on the review page: views, zoom, inset, grid, strip, swipe, keyboard alone."""

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import patient_http
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, handed_out, new_page, on_screen, open_page, saved

WAITING = 120
HELD_READY = 16  # samples; the AHEAD of screen.js
VIEWS = ["side", "overlay", "contour", "checker", "contrast"]
UNCHANGED = 8  # mean difference between two scalings of one photograph, out of 255
OVERLAY_PIXELS = "document.querySelector('mask-review').shadowRoot.querySelector('.overlay').toDataURL()"


@pytest.fixture
def tablet(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser, viewport={"width": 820, "height": 1180}, has_touch=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    """One server for all tests here: none minds what was decided before it."""
    root = tmp_path_factory.mktemp("views")
    commit_pending(root, portraits, [1 - index / WAITING for index in range(WAITING)])
    server = Server(root)
    yield server
    server.stop()


def choose(page: Page, view: str) -> None:
    page.click(f"[data-view={view}]")
    expect(page.locator(f"[data-view={view}]")).to_have_attribute("aria-pressed", "true")


def wait_until_prepared(page: Page, requests: list[str]) -> None:
    """Until pictures and masks of all samples that the page holds ready have been asked for."""
    deadline = time.monotonic() + 60
    while sum("/media/" in url for url in requests) < 2 * HELD_READY and time.monotonic() < deadline:
        page.wait_for_timeout(50)


def picture(page: Page) -> str:
    return page.evaluate(OVERLAY_PIXELS)


def test_the_key_v_goes_through_five_views_without_a_request_and_the_choice_is_kept(page, server):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    open_page(page, server)
    wait_until_prepared(page, requests)
    requests.clear()
    seen = []
    for view in VIEWS:
        expect(page.locator(f"[data-view={view}]")).to_have_attribute("aria-pressed", "true")
        seen.append(picture(page))
        page.keyboard.press("v")
    assert len(set(seen)) == 5
    assert picture(page) == seen[0]
    page.keyboard.press("Shift+V")
    assert picture(page) == seen[4]
    assert requests == []
    page.reload()
    on_screen(page)
    expect(page.locator("[data-view=contrast]")).to_have_attribute("aria-pressed", "true")


# Mean difference (0..255) between canvas and photograph: inside the mask, outside of it, and along its edge.
COMPARE_WITH_PHOTOGRAPH = """
async ([imageUrl, maskUrl]) => {
  const overlay = document.querySelector('mask-review').shadowRoot.querySelector(".overlay");
  const pixels = (source) => {
    const context = new OffscreenCanvas(60, 80).getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, 60, 80);
    return context.getImageData(0, 0, 60, 80).data;
  };
  const load = async (url) => createImageBitmap(await (await fetch(url)).blob());
  const sources = [overlay, await load(imageUrl), await load(maskUrl)];
  const [shown, photo, mask] = sources.map(pixels);
  const sums = { person: [0, 0], background: [0, 0], edge: [0, 0] };
  for (let i = 0; i < mask.length; i += 4) {
    const around = [-4, 0, 4, -240, 240, -8, 8, -480, 480].map((step) => mask[i + step]);
    const whole = [["person", 255], ["background", 0]].find(([, level]) => around.every((found) => found === level));
    const side = whole ? whole[0] : "edge";
    for (const channel of [0, 1, 2]) sums[side][0] += Math.abs(shown[i + channel] - photo[i + channel]);
    sums[side][1] += 3;
  }
  return Object.fromEntries(Object.entries(sums).map(([side, [sum, count]]) => [side, sum / count]));
}
"""


def test_each_view_shows_the_mask_in_its_own_way(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    changed = {}
    for view in VIEWS:
        choose(page, view)
        changed[view] = page.evaluate(COMPARE_WITH_PHOTOGRAPH, [sample["image_url"], sample["mask_url"]])
    page.keyboard.down("h")
    bare = page.evaluate(COMPARE_WITH_PHOTOGRAPH, [sample["image_url"], sample["mask_url"]])
    assert all(difference["person"] < UNCHANGED for difference in changed.values())
    assert changed["contour"]["background"] < UNCHANGED
    assert all(changed[view]["background"] > 25 for view in VIEWS if view != "contour")
    assert changed["contour"]["edge"] > 1.25 * bare["edge"]
    assert changed["contour"]["background"] < 1.25 * bare["background"]


def test_the_brackets_change_the_tint_and_the_choice_is_kept(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    choose(page, "overlay")
    strength = []
    for key in ("[", "]", "]"):
        page.keyboard.press(key)
        found = page.evaluate(COMPARE_WITH_PHOTOGRAPH, [sample["image_url"], sample["mask_url"]])
        strength.append(found["background"])
    assert strength == sorted(strength)
    assert strength[0] < strength[2] - 5
    expect(page.locator("#opacity")).to_have_text("75 %")
    page.reload()
    on_screen(page)
    expect(page.locator("#opacity")).to_have_text("75 %")


def test_holding_h_hides_the_mask_until_it_is_let_go(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    before = picture(page)
    page.keyboard.down("h")
    found = page.evaluate(COMPARE_WITH_PHOTOGRAPH, [sample["image_url"], sample["mask_url"]])
    assert max(found.values()) < UNCHANGED
    page.keyboard.up("h")
    assert picture(page) == before
    page.hover("#hide")
    page.mouse.down()
    assert picture(page) != before
    page.mouse.up()
    assert picture(page) == before


def aim(page: Page) -> tuple[float, float]:
    x, y = page.locator("#sample").get_attribute("data-aim").split(",")
    return float(x), float(y)


def levels(server: Server, sample: dict) -> np.ndarray:
    """The mask, uint8 (H, W)."""
    answer = patient_http.get(server.url + sample["mask_url"]).raise_for_status()
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def test_the_zoom_follows_the_edge_with_keys_and_goes_anywhere_with_the_pointer(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    choose(page, "overlay")
    whole = picture(page)
    mask = levels(server, sample) >= 128
    page.keyboard.press("z")
    places = [aim(page)]
    for _ in range(12):
        page.keyboard.press("ArrowRight")
        places.append(aim(page))
    assert len(set(places)) > 6
    for x, y in places:
        near = mask[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3]
        assert near.any()
        assert not near.all()
    page.keyboard.press("ArrowLeft")
    assert aim(page) == places[-2]
    before = aim(page)
    box = page.locator(".overlay").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 60)
    page.mouse.move(x - 50, y - 90)
    page.mouse.up()
    assert aim(page) != before
    page.keyboard.press("z")
    assert picture(page) == whole
    page.keyboard.press("ArrowRight")
    assert picture(page) == whole


def test_the_wheel_and_a_double_click_zoom_where_the_pointer_is(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    choose(page, "overlay")
    whole, box = picture(page), page.locator(".overlay").bounding_box()
    scale = box["width"] / sample["width"]
    x, y = 0.3 * sample["width"], 0.25 * sample["height"]  # of the picture, in its pixels
    page.mouse.move(box["x"] + x * scale, box["y"] + y * scale)
    for _ in range(8):
        page.mouse.wheel(0, -200)
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    aim_x, aim_y = aim(page)
    assert abs(aim_x - x) < 0.35 * sample["width"]
    assert abs(aim_y - y) < 0.35 * sample["height"]
    for _ in range(10):
        page.mouse.wheel(0, 300)
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")
    assert picture(page) == whole
    page.mouse.dblclick(box["x"] + x * scale, box["y"] + y * scale)
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.mouse.dblclick(box["x"] + x * scale, box["y"] + y * scale)
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")


def test_panes_keep_their_places_from_sample_to_sample(page, server):
    open_page(page, server)
    inner_edges = set()
    for _ in range(4):
        left, right = (page.locator(selector).bounding_box() for selector in (".overlay", ".cutout"))
        inner_edges.add((round(left["x"] + left["width"]), round(right["x"])))
        act(page, "Space")
    assert len(inner_edges) == 1


def test_one_line_says_which_file_it_is_how_large_and_how_doubtful(page, server):
    sample = handed_out(page, server)[0]
    on_screen(page)
    size = f"{sample['width']} × {sample['height']}"
    expect(page.locator("#about")).to_contain_text(f"{sample['name']} · {size} · doubt {sample['doubt']:.2f}")


SHAPES = """
async () => {
  const { shapeOf } = await import("/viewer/picture/shape.js");
  const [width, height] = [200, 300];
  const levels = new Uint8Array(width * height);
  const fill = (left, top, right, bottom, level) => {
    for (let y = top; y < bottom; y++) levels.fill(level, y * width + left, y * width + right);
  };
  const found = [shapeOf(levels, width, height)];
  fill(20, 100, 180, 300, 255);
  found.push(shapeOf(levels, width, height));
  fill(60, 150, 80, 170, 0);
  fill(100, 150, 120, 170, 100);
  fill(5, 5, 30, 30, 128);
  fill(150, 20, 152, 22, 255);
  found.push(shapeOf(levels, width, height));
  return found.map(({ pieces, holes }) => [pieces, holes]);
}
"""


def test_pieces_and_holes_are_counted_without_specks(page, server):
    open_page(page, server)
    assert page.evaluate(SHAPES) == [[0, 0], [1, 0], [2, 2]]


def test_the_reasons_show_the_mask_that_they_are_about(page, server):
    open_page(page, server)
    expect(page.locator(".reasons")).to_be_hidden()
    act(page, "x")
    expect(page.locator(".why canvas")).to_be_visible()
    expect(page.locator("#about")).to_be_hidden()
    page.keyboard.press("5")
    expect(page.locator("[data-reason=hair]")).to_have_attribute("aria-pressed", "true")
    act(page, "a")
    expect(page.locator(".reasons")).to_be_hidden()
    expect(page.locator("#about")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize(("key", "reason"), [("5", "hair"), ("Enter", None), ("x", None)])
def test_a_reject_waits_for_its_reason_where_that_is_wished(page, server, key, reason):
    sample = open_page(page, server)
    page.check("#ask")
    page.evaluate("document.querySelector('mask-review').shadowRoot.activeElement?.blur()")
    page.keyboard.press("x")
    expect(page.locator(".reasons")).to_be_visible()
    assert on_screen(page) == sample
    page.keyboard.press("Escape")
    expect(page.locator(".reasons")).to_be_hidden()
    page.keyboard.press("x")
    act(page, key)
    expect(page.locator(".reasons")).to_be_hidden()
    saved(page)
    assert server.decided()[0] == (sample, "reject", reason)


def test_no_verdict_counts_where_the_mask_can_not_be_seen(page, server):
    open_page(page, server)
    page.set_viewport_size({"width": 700, "height": 150})
    before = server.decided()
    page.keyboard.press("a")
    expect(page.locator("#message")).to_contain_text("too small to judge a mask in")
    assert server.decided() == before


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (820, 1180)])
def test_nothing_is_cut_off_and_a_picture_shows_on_phones_and_tablets(browser, server, width, height):
    for phone in new_page(browser, viewport={"width": width, "height": height}, has_touch=True, is_mobile=True):
        open_page(phone, server)
        box = phone.locator(".overlay").bounding_box()
        assert min(box["width"], box["height"]) >= 150
        for name in ("accept", "reject", "undo", "skip", "flag", "repair", "help"):
            button = phone.locator(f"#{name}").bounding_box()
            assert button["x"] >= 0
            assert button["y"] >= 0
            assert button["x"] + button["width"] <= width
            assert button["y"] + button["height"] <= height
        assert phone.evaluate("document.documentElement.scrollWidth") <= width


def soften(mask: np.ndarray, x: int, y: int, radius: int) -> np.ndarray:
    """The mask, unsure (p = 0.5 +- 0.1) in a square around (x, y)."""
    soft = mask.copy()
    part = soft[y - radius : y + radius, x - radius : x + radius]
    soft[y - radius : y + radius, x - radius : x + radius] = np.where(part >= 128, 150, 105)
    return soft


@pytest.mark.slow
def test_the_inset_shows_the_least_certain_stretch_of_the_edge(page, server):
    sample = handed_out(page, server)[0]
    while True:
        mask = levels(server, sample)
        rows, columns = np.nonzero((mask[60:-60, 41:-40] >= 128) & (mask[60:-60, 40:-41] < 128))
        if len(rows):
            break
        on_screen(page)
        act(page, " ")
        sample = handed_out(page, server)[0]
    x, y = int(columns[len(columns) // 3]) + 41, int(rows[len(rows) // 3]) + 60  # somewhere on the edge
    png = io.BytesIO()
    Image.fromarray(soften(mask, x, y, 12)).save(png, "PNG")
    page.route(f"**{sample['mask_url']}", lambda route: route.fulfill(body=png.getvalue(), content_type="image/png"))
    page.reload()
    assert on_screen(page) == sample["sample_id"]
    page.keyboard.press("i")
    inset = page.locator(".inset")
    expect(inset).to_be_visible()
    expect(inset).to_have_attribute("data-kind", "uncertain")
    found_x, found_y = map(int, inset.get_attribute("data-place").split(","))
    assert abs(found_x - x) <= 16
    assert abs(found_y - y) <= 16
    act(page, " ")
    expect(inset).to_have_attribute("data-kind", "bend")  # a mask of 0 and 255 alone
    expect(inset.locator("figcaption")).to_contain_text("a hard mask has no doubts")
    page.keyboard.press("i")
    expect(inset).to_be_hidden()


def grid_painted(page: Page) -> list[str]:
    """The samples of the page of the grid, all painted."""
    expect(page.locator(".grid")).to_have_attribute("data-painted", "true", timeout=20_000)
    return page.locator(".grid button:visible").evaluate_all("cells => cells.map((cell) => cell.dataset.sampleId)")


def test_a_page_of_the_grid_is_confirmed_and_undone_as_one(page, server):
    batches = []
    page.on(
        "request",
        lambda request: batches.append(request.post_data_json) if request.url.endswith("/api/decisions") else None,
    )
    open_page(page, server)
    before = server.decided()
    page.keyboard.press("g")
    first = grid_painted(page)
    assert len(first) == 10
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")  # the seventh
    page.locator(".grid button").nth(2).click()
    page.locator(".grid button").nth(3).click()
    page.locator(".grid button").nth(3).click()  # marked and unmarked
    expect(page.locator("#confirm")).to_contain_text("accept 8, reject 2")
    page.keyboard.press("Enter")
    expect(page.locator(".grid button").first).not_to_have_attribute("data-sample-id", first[0])
    second = grid_painted(page)
    assert not set(first) & set(second)
    saved(page)
    decisions = [decision for batch in batches for decision in batch["decisions"]]
    assert [(decision["sample_id"], decision["verdict"]) for decision in decisions] == [
        (sample, "reject" if index in (2, 6) else "accept") for index, sample in enumerate(first)
    ]
    assert {decision["mode"] for decision in decisions} == {"grid"}
    assert len({decision["decision_ms"] for decision in decisions}) == 1
    assert sorted(entry[0] for entry in server.decided()[:10]) == sorted(first)

    page.reload()
    assert grid_painted(page) == second
    page.keyboard.press("Backspace")
    assert grid_painted(page) == first
    saved(page)
    assert server.decided() == before


@pytest.mark.slow
def test_a_page_of_the_grid_is_not_confirmed_before_all_its_pictures_are_painted(page, server):
    last = handed_out(page, server)[9]
    on_screen(page)
    before = server.decided()
    held: list[Route] = []
    page.goto("about:blank")  # else a picture that the page before still asks for may be the one that is held
    page.route(f"**{last['image_url']}", lambda route: held.append(route))
    with page.expect_request(f"**{last['image_url']}"):
        open_page(page, server)
    page.keyboard.press("g")
    expect(page.locator(".grid canvas:visible")).to_have_count(9)
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_disabled()
    held[0].fulfill(status=404)
    grid_painted(page)
    expect(page.locator(".grid button").nth(9)).to_contain_text("is missing on the server")
    expect(page.locator("#confirm")).to_be_enabled()
    assert server.decided() == before


@pytest.mark.slow
def test_a_past_decision_is_picked_from_the_strip_and_changed(page, server):
    first = open_page(page, server)
    second = act(page, "a")
    third = act(page, "x")
    saved(page)
    before = server.decided()
    strip = page.locator(".strip button")
    expect(strip.nth(0)).to_have_attribute("data-sample-id", second)
    expect(strip.nth(1)).to_have_attribute("aria-label", "accepted; change it")
    strip.nth(1).click()
    assert on_screen(page) == first
    expect(page.locator(".caption")).to_contain_text("You accepted")
    page.keyboard.press("Escape")
    assert on_screen(page) == third
    strip.nth(1).click()
    assert on_screen(page) == first
    assert act(page, "x") == third
    page.keyboard.press("5")
    expect(strip.nth(0)).to_have_attribute("aria-label", "rejected: hair; change it")
    saved(page)
    assert server.decided() == [(first, "reject", "hair"), (second, "reject", None), *before[2:]]
    assert act(page, "Backspace") == first
    saved(page)
    assert server.decided() == before[:1] + before[2:]


def test_a_picked_decision_becomes_a_skip_and_waits_again(page, server):
    first = open_page(page, server)
    act(page, "a")
    page.locator(".strip button").first.click()
    expect(page.locator("#sample")).to_have_attribute("data-sample-id", first)
    act(page, "f")
    saved(page)
    assert server.decided()[0] == (first, "skip", "flag")
    expect(page.locator(".strip button").first).to_have_attribute("aria-label", "flagged for the lead; change it")


def swipe(page: Page, dx: int, dy: int) -> None:
    """A finger's way across the picture."""
    touch = page.context.new_cdp_session(page)
    box = page.locator(".scene").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.3, 0.7, 1.0):
        point = {"x": x + part * dx, "y": y + part * dy}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_swipes_accept_reject_and_skip(tablet, server):
    samples = [open_page(tablet, server)]
    for dx, dy in ((200, 20), (-200, -10), (10, -200)):
        swipe(tablet, dx, dy)
        expect(tablet.locator("#sample")).not_to_have_attribute("data-sample-id", samples[-1])
        samples.append(on_screen(tablet))
    swipe(tablet, 30, 0)  # too short
    swipe(tablet, 0, 200)  # down means nothing
    saved(tablet)
    assert on_screen(tablet) == samples[3]
    assert server.decided()[:3] == [
        (samples[2], "skip", None),
        (samples[1], "reject", None),
        (samples[0], "accept", None),
    ]


@pytest.mark.slow
def test_shortcuts_can_be_switched_off_and_stay_off(page, server):
    sample = open_page(page, server)
    page.uncheck("#shortcuts")
    page.evaluate("document.querySelector('mask-review').shadowRoot.activeElement?.blur()")
    before = picture(page)
    for key in ("a", "x", "v", "Backspace", " ", "f", "?", "g"):
        page.keyboard.press(key)
    page.reload()
    assert on_screen(page) == sample
    expect(page.locator("#shortcuts")).not_to_be_checked()
    assert picture(page) == before
    page.keyboard.press("a")
    assert on_screen(page) == sample
    page.check("#shortcuts")
    assert act(page, "a") != sample


# [what has the focus, how that is seen]
FOCUSED = """
((focused) => [
  focused.tagName === "BODY" ? focused.tagName : focused.id || focused.ariaLabel || focused.textContent.trim(),
  getComputedStyle(focused).outlineStyle,
])(document.querySelector("mask-review").shadowRoot.activeElement ?? document.activeElement)
"""


@pytest.mark.slow
def test_the_page_can_be_walked_with_the_keyboard_alone(page, server):
    sample = open_page(page, server)
    act(page, "a")
    outlines = {}
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(FOCUSED)
        outlines[name] = outline
    outlines.pop("BODY", None)  # between the last element and the first
    wanted = {"publish", "help", "accepted; change it", "fainter", "hide", "zoom", "inset", "grid", "shortcuts"}
    assert wanted | {"undo", "reject", "accept", "skip", "flag"} <= outlines.keys()
    assert set(outlines.values()) == {"solid"}
    page.focus(".strip button")
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).to_have_attribute("data-sample-id", sample)
    on_screen(page)
    page.focus("#reject")
    page.keyboard.press("Enter")
    expect(page.locator("#sample")).not_to_have_attribute("data-sample-id", sample)
    page.focus("#zoom")
    page.keyboard.press("Enter")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")
    saved(page)
    assert server.decided()[0] == (sample, "reject", None)


# [what happened, at which second, seconds counted so far]
CLOCK = """
async () => {
  const { LookingTime } = await import("/viewer/show/clock.js");
  const clock = new LookingTime();
  const steps = [
    ["start", 100], ["read", 102], ["input", 104], ["read", 110], ["read", 500], ["input", 600], ["read", 601],
    ["hide", 603], ["read", 700], ["unhide", 800], ["read", 804], ["start", 900], ["read", 901],
  ];
  return steps.map(([what, second]) => clock[what](1000 * second)).filter((found) => found !== undefined);
}
"""


def test_idle_time_and_time_out_of_sight_are_not_spent_looking(page, server):
    open_page(page, server)
    assert page.evaluate(CLOCK) == [2000, 10_000, 19_000, 20_000, 22_000, 26_000, 1000]


def test_a_long_pause_before_a_key_counts_as_fifteen_seconds(page, server):
    batches = []
    page.on(
        "request",
        lambda request: batches.append(request.post_data_json) if request.url.endswith("/api/decisions") else None,
    )
    page.clock.install()
    open_page(page, server)
    page.clock.fast_forward("10:00")
    act(page, "a")
    saved(page)
    assert 15_000 <= batches[0]["decisions"][0]["decision_ms"] < 20_000


def test_every_decision_leaves_a_measure_from_key_to_paint(page, server):
    open_page(page, server)
    for key in ("a", "x", " "):
        act(page, key)
    measured = page.evaluate("performance.getEntriesByName('key-to-paint').map((entry) => entry.duration)")
    assert len(measured) == 3
    assert all(0 < duration < 5000 for duration in measured)
