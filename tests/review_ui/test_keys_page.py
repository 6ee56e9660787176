"""Keys of the reviewer's choice, on the review page in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from portrait_datasets import commit_pending
from review_browser import HOSTS, Server, act, new_page, on_screen, open_page, saved, served_copy

DOUBTS = (0.9, 0.8, 0.7, 0.6, 0.5)
KEEP = "(keys) => localStorage.setItem('review-settings', JSON.stringify({ keys }))"


@pytest.fixture(scope="module")
def five_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with five real portraits waiting, to be copied."""
    root = tmp_path_factory.mktemp("five")
    commit_pending(root, portraits, DOUBTS)
    return root


@pytest.fixture
def server(tmp_path: Path, five_waiting: Path) -> Iterator[Server]:
    yield from served_copy(five_waiting, tmp_path)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    yield from new_page(browser)


def change_key(page: Page, action: str, key: str) -> None:
    """Press the first key of an action in the help dialog, which is changing keys, and then another one."""
    page.locator(f"#keys [data-key={action}] button").first.click()
    page.keyboard.press(key)


def begin_changing(page: Page) -> None:
    page.keyboard.press("?")
    page.click("[data-action=change-keys]")


def message(page: Page) -> Locator:
    return page.locator("#keys .key-message")


@pytest.mark.parametrize("host", HOSTS)
def test_accept_gets_another_key_that_stays_after_a_reload(page: Page, server: Server, host: str) -> None:
    sample = open_page(page, server, host)
    begin_changing(page)
    page.locator("#keys [data-key=accept] button").first.click()
    expect(message(page)).to_have_text("“accept”: press a key; escape keeps a.")
    page.keyboard.press("k")
    expect(message(page)).to_have_text("“accept” has the key k.")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator("#accept kbd")).to_have_text("k")
    page.reload()
    assert on_screen(page) == sample
    expect(page.locator("#accept kbd")).to_have_text("k")
    page.keyboard.press("a")
    page.wait_for_timeout(200)
    assert on_screen(page) == sample
    act(page, "k")
    saved(page)
    assert server.decided() == [(sample, "accept", None)]
    page.keyboard.press("?")
    expect(page.locator("#keys dt [data-key=accept]").first).to_have_text("k")
    expect(page.locator("#keys dt button")).to_have_count(0)


def test_a_key_in_use_is_refused_and_names_its_action(page: Page, server: Server) -> None:
    open_page(page, server)
    begin_changing(page)
    change_key(page, "accept", "x")
    expect(message(page)).to_have_text("x is the key of “reject”; press another, or change that one first.")
    page.keyboard.press("l")  # look-alikes on stage, largest piece in repair
    expect(message(page)).to_contain_text("l is the key of “look-alikes”")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_visible()  # escape kept the key, and nothing else
    change_key(page, "accept", "Shift+K")
    change_key(page, "reject", "a")
    expect(page.locator("#accept kbd")).to_have_text("k")
    expect(page.locator("#reject kbd")).to_have_text("a")


@pytest.mark.parametrize("key", ["3", "Tab", "ArrowLeft", "Enter", "F5"])
def test_keys_that_mean_the_same_for_everyone_cannot_be_chosen(page: Page, server: Server, key: str) -> None:
    open_page(page, server)
    begin_changing(page)
    change_key(page, "reject", key)
    expect(message(page)).to_have_text(
        f"{key} can't be a shortcut; press a letter, a sign, space, backspace or delete."
    )
    page.keyboard.press("Delete")
    expect(page.locator("#reject kbd")).to_have_text("del")


def test_the_same_key_serves_on_stage_and_in_repair(page: Page, server: Server) -> None:
    open_page(page, server)
    begin_changing(page)
    change_key(page, "smart", "x")
    change_key(page, "accept", "k")
    change_key(page, "hide", "j")
    page.keyboard.press("?")
    page.keyboard.press("e")
    expect(page.locator("#fix")).to_be_enabled()
    expect(page.locator("#smart kbd")).to_have_text("x")
    page.keyboard.press("s")
    expect(page.locator("#smart")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("x")
    expect(page.locator("#smart")).to_have_attribute("aria-pressed", "true")
    act(page, "k")
    act(page, "x")
    saved(page)
    assert [verdict for _, verdict, _ in server.decided()] == ["reject", "accept"]


def test_defaults_bring_all_keys_back(page: Page, server: Server) -> None:
    open_page(page, server)
    begin_changing(page)
    change_key(page, "accept", "k")
    change_key(page, "zoom", "w")
    page.click("[data-action=default-keys]")
    expect(message(page)).to_have_text("All keys are the defaults.")
    page.keyboard.press("?")
    expect(page.locator("#accept kbd")).to_have_text("a")
    expect(page.locator("#zoom kbd")).to_have_text("z")
    act(page, "a")
    assert json.loads(page.evaluate("localStorage.getItem('review-settings')"))["keys"] == {}


@pytest.mark.parametrize(
    "keys",
    [
        {"accept": "k", "unknown": "w"},
        {"accept": "k", "reject": "Enter"},
        {"accept": "k", "reject": "k"},
        {"accept": "x"},
        {"accept": "K"},
        {"help": "w"},
        {"accept": 7},
        ["k"],
        None,
    ],
)
def test_a_stored_map_that_makes_no_sense_is_ignored(page: Page, server: Server, keys: object) -> None:
    open_page(page, server)
    page.evaluate(KEEP, keys)
    page.reload()
    on_screen(page)
    expect(page.locator("#accept kbd")).to_have_text("a")
    act(page, "a")


def test_switching_shortcuts_off_switches_chosen_keys_off(page: Page, server: Server) -> None:
    sample = open_page(page, server)
    page.evaluate(KEEP, {"accept": "k"})
    page.reload()
    on_screen(page)
    page.uncheck("#shortcuts")
    page.evaluate("document.querySelector('mask-review').shadowRoot.activeElement?.blur()")
    page.keyboard.press("k")
    page.wait_for_timeout(200)
    assert on_screen(page) == sample
    page.check("#shortcuts")
    act(page, "k")
