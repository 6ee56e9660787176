"""Several reasons and a note on one decision: API, counts, filters, log, page."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import patient_http
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, on_screen, open_page, saved

from manifests.decisions.decision import reasons_of
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.policy import Policy
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from manifests.upkeep.stats import Statistics, reasons_given
from manifests.versions.selection import any_among
from review_ui.quality.counts import tally
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api
from review_ui.web.gallery.cards import gallery_page
from review_ui.web.gallery.filters import GalleryFilter

BOTH = "hair; held object"


@pytest.fixture
def session(tmp_path: Path, portraits: Path) -> Iterator[ReviewSession]:
    store = commit_pending(tmp_path, portraits, [0.9, 0.8, 0.7])
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    yield ReviewSession(store.open(), ManifestStore(tmp_path / "manifests"), log)
    log.close()


@pytest.fixture
def client(session: ReviewSession) -> Iterator[TestClient]:
    with TestClient(create_api(session, BlobStore(session.manifest.data_root)), base_url="http://127.0.0.1") as client:
        yield client


def decide(client: TestClient, sample: dict[str, Any], verdict: str, **more: Any) -> dict[str, Any]:
    decision = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    decision |= {"decision_id": str(uuid.uuid4()), "verdict": verdict, **more}
    return client.post("/api/decisions", json={"decisions": [decision]}).json()


def test_each_of_several_reasons_counts_and_is_found(client: TestClient, session: ReviewSession) -> None:
    first, second, third = client.get("/api/next").json()["samples"]
    decide(client, first, "reject", reason=BOTH)
    decide(client, second, "reject", reason="hair")
    decide(client, third, "accept")
    assert tally(session.manifest, session.decisions(), Policy()).reasons == {
        "portraits": {"hair": 2, "held object": 1}
    }
    page = gallery_page(session.manifest, session.decisions(), Policy(), GalleryFilter(reason="held object"))
    assert [card.sample_id for card in page.cards] == [first["sample_id"]]
    assert page.choices["reason"] == ["hair", "held object"]

    published = session.publisher.publish()
    given = reasons_given(Statistics(published))
    assert dict(zip(given["reason"], given["rows"], strict=True)) == {"hair": 2, "held object": 1}
    outvoted = pa.table({"reason": pa.chunked_array([[BOTH, "hair", None]])})
    assert any_among(outvoted["reason"], ("held object", "other")).to_pylist() == [True, False, False]


def test_a_note_is_kept_shown_and_downloaded(client: TestClient, session: ReviewSession) -> None:
    sample = client.get("/api/next").json()["samples"][0]
    decide(client, sample, "skip", reason="flag", note="is the bag hers?")
    assert client.get("/api/history").json()["decisions"][0]["note"] == "is the bag hers?"
    [again] = client.get("/api/next?queue=second_look&tab=t").json()["samples"]
    assert again["verdicts"] == [{"reviewer": "local", "verdict": "skip", "reason": "flag", "note": "is the bag hers?"}]
    assert "is the bag hers?" in client.get("/api/decisions.csv").text
    [card] = gallery_page(session.manifest, session.decisions(), Policy(), GalleryFilter(status="flagged")).cards
    assert card.note == "is the bag hers?"


@pytest.mark.parametrize("note", ["x" * 501, "two\nlines", 7])
def test_a_note_that_is_no_line_is_refused(client: TestClient, note: Any) -> None:
    sample = client.get("/api/next").json()["samples"][0]
    [refused] = decide(client, sample, "reject", note=note)["refused"]
    assert refused["error"].startswith("expected a note of at most 500 characters, found")


def test_reasons_are_apart() -> None:
    assert [reasons_of(text) for text in (None, "", "hair", BOTH)] == [[], [], ["hair"], ["hair", "held object"]]


@pytest.fixture
def server(tmp_path: Path, portraits: Path) -> Iterator[Server]:
    commit_pending(tmp_path, portraits, [0.9, 0.8, 0.7, 0.6, 0.5])
    server = Server(tmp_path)
    yield server
    server.stop()


def test_reasons_are_chosen_and_taken_back_by_keys(page: Page, server: Server) -> None:
    first = open_page(page, server)
    act(page, "x")
    for key in ("5", "4", "1", "1"):
        page.keyboard.press(key)
    expect(page.locator("[data-reason=hair]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-reason='held object']")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-reason='missing part']")).to_have_attribute("aria-pressed", "false")
    saved(page)
    assert server.decided() == [(first, "reject", BOTH)]


def test_with_ask_why_shift_collects_and_a_plain_digit_decides(page: Page, server: Server) -> None:
    first = open_page(page, server)
    page.check("#ask")
    page.keyboard.press("x")
    page.keyboard.press("Shift+Digit5")
    expect(page.locator("[data-reason=hair]")).to_have_attribute("aria-pressed", "true")
    assert on_screen(page) == first
    assert act(page, "4") != first
    saved(page)
    assert server.decided() == [(first, "reject", BOTH)]
    second = on_screen(page)
    page.keyboard.press("x")
    page.keyboard.press("Shift+Digit5")
    assert act(page, "Enter") != second
    saved(page)
    assert server.decided()[0] == (second, "reject", "hair")


def test_a_note_is_typed_without_deciding(page: Page, server: Server) -> None:
    first = open_page(page, server)
    second = act(page, "f")
    expect(page.locator(".why")).to_contain_text("Flagged")
    page.keyboard.press("n")
    expect(page.locator("#note-text")).to_be_focused()
    page.keyboard.type("a xylophone, held?")
    assert on_screen(page) == second
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_contain_text("Note ✓")
    saved(page)
    [decision] = patient_http.get(f"{server.url}/api/history").json()["decisions"]
    assert (decision["sample"]["sample_id"], decision["note"]) == (first, "a xylophone, held?")

    page.keyboard.press("n")
    page.keyboard.type(" or not")
    page.keyboard.press("Escape")
    assert act(page, "a") != second  # keys decide again
    page.click("[data-queue=second_look]")
    expect(page.locator(".caption")).to_contain_text("local: skip (flag) “a xylophone, held?”")
    page.goto(f"{server.url}/masks?status=flagged")
    expect(page.get_by_text("“a xylophone, held?”")).to_be_visible()
