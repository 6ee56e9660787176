"""Filters, orders and look-alikes on the review page, in a real Chromium."""

import time
from collections.abc import Iterator
from pathlib import Path

import patient_http
import pytest
from playwright.sync_api import Browser, Page, expect
from review_browser import Server, act, new_page, on_screen, open_page, saved, served_copy
from two_sources import commit_two_sources

EMBED_SECONDS = 60


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    root = tmp_path_factory.mktemp("filter_page")
    commit_two_sources(root, portraits)
    return root


@pytest.fixture
def server(tmp_path: Path, dataset: Path) -> Iterator[Server]:
    yield from served_copy(dataset, tmp_path)


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser, viewport={"width": 390, "height": 844}, has_touch=True)


def doubts(server: Server, query: str) -> list[float | None]:
    samples = patient_http.get(f"{server.url}/api/next?n=100&tab=other&{query}").json()["samples"]
    return [sample["doubt"] for sample in samples]


def embed_all(server: Server) -> None:
    """Wait until every image is embedded."""
    until = time.monotonic() + EMBED_SECONDS
    while time.monotonic() < until:
        answer = patient_http.get(f"{server.url}/api/next?n=1&tab=embed&order=diversity").json()
        patient_http.post(f"{server.url}/api/release", json={"tab": "embed"})
        if answer["embedding"]["done"] == answer["embedding"]["total"]:
            return
        time.sleep(0.1)
    raise AssertionError(answer["embedding"])


def chips(page: Page) -> list[str]:
    return [text.rstrip("✕").strip() for text in page.locator(".chip").all_inner_texts()]


def note(page: Page, text: str) -> None:
    expect(page.locator(".chips .note")).to_contain_text(text)


def test_the_panel_filters_and_the_address_keeps_the_filter(page, server):
    first = open_page(page, server)
    page.keyboard.press("/")
    expect(page.locator("#filters")).to_be_visible()
    page.get_by_label("studio").check()
    page.get_by_label("from", exact=True).fill("0.45")
    page.keyboard.press("Enter")
    expect(page.locator("#filters")).to_be_hidden()
    note(page, "2 of 2 left")
    assert chips(page) == ["source: studio", "doubt 0.45 to 1"]
    assert page.url.endswith("/?source=studio&doubt=0.45-1")
    filtered = on_screen(page)
    assert filtered != first
    page.reload()
    assert on_screen(page) == filtered
    page.get_by_label("Without source: studio").click()
    note(page, "5 of 5 left")
    page.get_by_label("Without doubt 0.45 to 1").click()
    expect(page.locator(".chips")).to_be_hidden()
    assert page.url.endswith("/")
    assert on_screen(page) == first
    page.keyboard.press("/")
    page.get_by_label("studio").check()
    page.keyboard.press("Enter")
    note(page, "3 of 3 left")


def test_an_empty_filtered_queue_offers_to_clear_the_filter(page, server):
    page.goto(f"{server.url}/?source=studio")
    for _ in range(2):
        act(page, "a")
    on_screen(page)
    page.keyboard.press("a")
    expect(page.locator(".notice h2")).to_have_text("Nothing left with this filter")
    expect(page.locator(".notice p")).to_have_text("All 3 masks that pass this filter are decided.")
    page.get_by_role("button", name="Clear the filter").click()
    on_screen(page)
    saved(page)
    assert len(server.decided()) == 3


def test_a_filter_that_fits_nothing_is_explained(page, server):
    page.goto(f"{server.url}/?source=mars")
    expect(page.locator(".notice h2")).to_have_text("This filter fits nothing here")
    expect(page.locator(".notice p")).to_contain_text("found 'mars'")
    page.get_by_role("button", name="Clear the filter").click()
    on_screen(page)


def test_look_alikes_are_decided_as_a_page_and_escape_goes_back(page, server):
    embed_all(server)
    open_page(page, server)
    act(page, "a")
    third = act(page, "a")
    saved(page)
    page.keyboard.press("l")
    cells = page.locator(".grid button:visible")
    expect(page.locator(".grid")).to_have_attribute("data-painted", "true")
    assert cells.first.get_attribute("data-sample-id") == third
    assert chips(page) == ["looks like the first one"]
    page.keyboard.press("Escape")
    assert on_screen(page) == third
    expect(page.locator(".chips")).to_be_hidden()
    page.keyboard.press("l")
    expect(cells.first).to_be_visible()
    expect(page.locator("#confirm")).to_be_enabled()
    count = cells.count()
    assert 2 <= count < 6
    page.keyboard.press("Enter")
    expect(page.locator(".notice h2")).to_have_text("All look-alikes are decided")
    page.keyboard.press("Escape")
    assert on_screen(page) not in ("", third)
    saved(page)
    decided = server.decided()
    assert len(decided) == 2 + count
    assert third in [sample_id for sample_id, _, _ in decided]


def test_look_alikes_appear_while_images_are_compared(page, server):
    open_page(page, server)
    page.keyboard.press("l")
    expect(page.locator(".grid button:visible").first).to_be_visible()
    expect(page.locator(".chips .note")).not_to_contain_text("compared", timeout=60_000)


def test_diversity_shows_all_with_different_images_first(page, server):
    embed_all(server)
    page.goto(f"{server.url}/?order=diversity")
    on_screen(page)
    assert chips(page) == ["most different first"]
    note(page, "8 of 8 left")


def test_the_filter_is_in_reach_on_a_phone(phone, server):
    open_page(phone, server)
    phone.locator("#filter").tap()
    phone.get_by_label("web").check()
    phone.get_by_role("button", name="Show these").tap()
    note(phone, "5 of 5 left")
    on_screen(phone)
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
