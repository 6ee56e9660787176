"""The gallery: filters by hand, statuses of now, and the page in a real browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, on_screen, open_page, saved, until
from small_lineages import Lineage, mask

from manifests.decisions.decision import FLAG, Decision
from manifests.decisions.policy import Policy
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api
from review_ui.web.gallery.cards import PAGE_SIZE, GalleryPage, gallery_page
from review_ui.web.gallery.filters import GalleryFilter

Show = Callable[..., GalleryPage]


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """Six samples: 1 and 2 accepted, 3 rejected, published; 4 flagged, 5 rejected since; 6 pending."""
    made = Lineage(tmp_path)
    made.generate(1, 2, 3, 4, 5, 6)
    made.edit({seed: {"doubt": seed / 10} for seed in (1, 2, 3, 4, 5)})
    made.judge({1: "accept", 2: "accept", 3: "reject"})
    made.publish()
    made.judge({5: "reject"}, reviewer="bob", minutes=5)
    log, row = made.log(), made.row(4)
    flag = log.standing()[0].decided_at
    log.append([Decision("flag", row["sample_id"], row["mask_sha256"], "skip", "ann", flag, reason=FLAG)])
    log.close()
    return made


@pytest.fixture
def show(lineage: Lineage) -> Show:
    """The gallery's page under some filters."""

    def show(**filters: object) -> GalleryPage:
        log = lineage.log()
        page = gallery_page(lineage.store.open(), log.standing(), Policy(), GalleryFilter(**filters))
        log.close()
        return page

    return show


def seeds(page: GalleryPage) -> list[int]:
    return [int(card.source_uri.removeprefix("/").removesuffix(".jpg")) for card in page.cards]


def test_statuses_are_those_of_now(show):
    assert sorted(seeds(show())) == [1, 2, 3, 5]
    assert seeds(show())[0] == 5  # the newest
    assert sorted(seeds(show(status="rejected"))) == [3, 5]
    assert sorted(seeds(show(status="pending"))) == [4, 6]
    assert seeds(show(status="flagged")) == [4]
    assert show(status="conflict").cards == []


def test_masks_are_filtered_by_reviewer_and_doubt_and_ordered_by_doubt(show):
    assert seeds(show(reviewer="bob")) == [5]
    assert sorted(seeds(show(min_doubt=0.15, max_doubt=0.35))) == [2, 3]
    assert seeds(show(order="doubtful")) == [5, 3, 2, 1]
    assert seeds(show(order="sure")) == [1, 2, 3, 5]
    assert seeds(show(status="pending", order="doubtful")) == [4, 6]  # without a doubt last
    assert show(source="elsewhere").total == 0
    assert show(source="web", teacher="toy@0123456789ab").total == 4


def test_the_choices_are_the_values_that_occur(show):
    choices = show().choices
    assert (choices["source"], choices["reviewer"], choices["origin"]) == (["web"], ["ann", "bob"], ["teacher"])


def test_a_repaired_mask_is_shown_before_and_after_publishing(lineage, show):
    repaired = mask(255)
    repaired[:10] = 255
    lineage.judge({6: "accept"}, repaired=repaired, minutes=9)
    (before,) = (card for card in show().cards if card.source_uri == "/6.jpg")
    lineage.publish()
    (after,) = (card for card in show().cards if card.source_uri == "/6.jpg")
    assert before.is_repaired
    assert after.is_repaired
    assert before.mask_sha256 == after.mask_sha256 == lineage.row(6)["mask_sha256"]


def test_pages_follow_each_other(tmp_path):
    made = Lineage(tmp_path)
    made.generate(*range(PAGE_SIZE + 3))
    pages = [
        gallery_page(made.store.open(), [], Policy(), GalleryFilter(status="pending", page=number))
        for number in (1, 2, 3)
    ]
    assert [len(page.cards) for page in pages] == [PAGE_SIZE, 3, 0]
    assert {page.pages for page in pages} == {2}
    assert sorted(seeds(pages[0]) + seeds(pages[1])) == list(range(PAGE_SIZE + 3))


@pytest.mark.parametrize(
    "query",
    [{"status": "gone"}, {"min_doubt": "2"}, {"max_doubt": "x"}, {"min_doubt": "nan"}, {"order": "?"}, {"page": "0"}],
)
def test_a_filter_that_makes_no_sense_is_refused_in_one_line(query):
    with pytest.raises(UserError, match="expected") as error:
        GalleryFilter.of(query)
    assert "\n" not in str(error.value)


def test_an_address_gives_its_filter_back():
    wanted = GalleryFilter("rejected", "a&b", reason="hair", min_doubt=0.25, order="sure", page=3)
    query = dict(pair.split("=") for pair in wanted.address().replace("%26", "&").split("&") if "=" in pair)
    assert query["status"] == "rejected"
    assert "page=4" in wanted.address(page=4)


def test_names_that_are_code_are_shown_as_text(lineage):
    code = "<img src=x onerror=alert(1)>"
    lineage.edit({1: {"source": code, "source_uri": f"/{code}"}})
    log = lineage.log()
    session = ReviewSession(lineage.store.open(), lineage.store, log)
    answer = TestClient(create_api(session, BlobStore(lineage.root / "data"))).get("/masks")
    log.close()
    assert answer.status_code == 200
    assert "<img src=x" not in answer.text


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("gallery")
    commit_pending(root, portraits, (0.9, 0.8, 0.7, 0.6))
    server = Server(root)
    yield server
    server.stop()
    shutil.rmtree(root)


def test_a_mask_is_found_in_the_gallery_opened_by_its_address_and_judged_anew(page: Page, server: Server):
    first = open_page(page, server)
    act(page, "x")
    page.keyboard.press("5")
    second = on_screen(page)
    third = act(page, "a")
    saved(page)
    page.click("#gallery-link")
    expect(page.locator("#gallery li")).to_have_count(2)
    page.select_option("[name=status]", "rejected")
    page.select_option("[name=reason]", "hair")
    page.click("form button")
    expect(page).to_have_url(re.compile("reason=hair"))
    card = page.locator("#gallery li a")
    expect(card).to_have_count(1)
    assert (card.get_attribute("href") or "").endswith(first)
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    card.click()
    expect(page.locator("#sample")).to_have_attribute("data-sample-id", first)
    expect(page.locator(".caption")).to_contain_text("local: reject (hair)")
    assert act(page, "a") == third
    saved(page)
    page.goto(f"{server.url}/masks?status=accepted")
    shown = page.locator("#gallery li a").evaluate_all("links => links.map((link) => link.href.slice(-32))")
    assert set(shown) == {first, second}


def test_the_gallery_shows_the_person_out_of_the_dimmed_picture(page: Page, server: Server):
    open_page(page, server)
    act(page, "a")
    saved(page)
    page.goto(f"{server.url}/masks")
    until(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    page.wait_for_timeout(300)
    picture = np.frombuffer(page.locator(".picture").first.screenshot(type="png"), np.uint8)
    assert len(picture) > 5_000
    style = page.locator(".person").first.evaluate("image => getComputedStyle(image).maskImage")
    assert "/media/" in style


def test_an_unknown_sample_in_the_address_is_a_message_and_the_queue_goes_on(page: Page, server: Server):
    page.goto(f"{server.url}/?sample={'0' * 32}")
    expect(page.locator("#message")).to_contain_text("Not opened: expected a sample under review in v1")
    on_screen(page)
