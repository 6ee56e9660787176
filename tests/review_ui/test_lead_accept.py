"""Accepting masks without a look from the lead's page: what the audit shows, and the version that follows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from audited_queue import audit_masks, queue_in_halves
from playwright.sync_api import Page, expect
from review_browser import Server

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.store.manifest import ManifestStore
from review_ui.queue.session import ReviewSession

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> ManifestStore:
    store = queue_in_halves(tmp_path)
    (tmp_path / "data").mkdir(exist_ok=True)
    return store


def audit(store: ManifestStore, log: DecisionLog, count: int) -> None:
    """Accept the first `count` masks of the audit of the less doubtful half."""
    log.append(Decision(f"ana:{mask[0]}", *mask, "accept", "ana", NOON) for mask in audit_masks(store, count))


def test_the_plan_marks_the_part_to_audit_and_what_it_saves(store: ManifestStore, log: DecisionLog) -> None:
    from review_ui.lead.accept_tab import plan_html  # here: it imports gradio

    session = ReviewSession(store.open(), store, log)
    html = plan_html(session, 5.0)
    assert "1,200 masks with doubt wait" in html
    assert html.count("audit this part") == 1
    assert f"python -m review_ui --manifest {store.path(1)} --audit 0.003" in html
    assert "no gold" in html
    assert "expected a share of wrong masks above 0 and below 50 %, found None" in plan_html(session, None)


def test_too_small_an_audit_accepts_nothing_and_says_so(store: ManifestStore, log: DecisionLog) -> None:
    from review_ui.lead.accept_tab import accept_html

    session = ReviewSession(store.open(), store, log)
    audit(store, log, 20)
    html = accept_html(session, 5.0)
    assert 'role="alert"' in html
    assert "expected" in html
    assert store.latest() == 1


def test_a_lead_accepts_in_the_browser(page: Page, store: ManifestStore, log: DecisionLog, tmp_path: Path) -> None:
    audit(store, log, 200)
    server = Server(tmp_path)
    try:
        page.goto(f"{server.url}/lead/")
        page.get_by_role("tab", name="Accept").click(timeout=60_000)
        page.locator("#max-error input").fill("5")
        page.keyboard.press("Tab")
        expect(page.get_by_text("audit this part")).to_be_visible(timeout=30_000)
        page.click("#accept-policy")
        expect(page.get_by_text("400 masks accepted without a look")).to_be_visible(timeout=30_000)
        manifest = store.open()
        assert (manifest.version, manifest.parameters["max_error"], manifest.counts["accepted"]) == (2, 0.05, 400)
        expect(page.get_by_text(f"{store.path(2)}: ").first).to_be_visible(timeout=30_000)  # the plan of what is left
    finally:
        server.stop()
