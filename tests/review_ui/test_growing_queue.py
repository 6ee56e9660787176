"""Versions that a run commits while people review: their samples join the queue, and nobody loses what is on screen."""

import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, open_page, saved
from small_lineages import Lineage
from submissions import assign, decide, submission

from review_ui.queue.live_state import LOOK_SECONDS
from review_ui.queue.session import ReviewSession
from review_ui.queue.version import wait_for_version
from review_ui.reviewer import LOCAL_LEAD, Reviewer

BO = Reviewer("bo", "reviewer")


def test_a_newer_version_adds_samples_and_ends_no_lease(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2, 3)
    now = datetime.now(UTC)
    with closing(lineage.log()) as log:
        session = ReviewSession(lineage.store.open(), lineage.store, log, now=lambda: now, rng=random.Random(0))
        mine = assign(session, LOCAL_LEAD, 2, tab="mine").samples
        lineage.generate(4, 5)
        now += timedelta(seconds=LOOK_SECONDS)
        theirs = assign(session, BO, 9, tab="theirs")
        assert session.manifest.version == 2
        assert theirs.progress.total == 5
        assert len(theirs.samples) == 3
        assert not {sample.key for sample in mine} & {sample.key for sample in theirs.samples}
        kept = assign(session, LOCAL_LEAD, 2, tab="mine")
        assert [sample.key for sample in kept.samples] == [sample.key for sample in mine]
        assert len(decide(session, LOCAL_LEAD, [submission(sample) for sample in mine]).stored) == 2
        session.close()


def test_the_server_waits_for_the_first_version(tmp_path: Path) -> None:
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            Lineage(tmp_path).generate(1)

    wait_for_version(tmp_path / "manifests", sleep=sleep)
    assert len(looks) == 2
    wait_for_version(tmp_path / "manifests", sleep=lambda _: pytest.fail("there is a version"))


def test_an_open_page_shows_what_a_run_adds_without_a_reload(page: Page, tmp_path: Path, portraits: Path) -> None:
    commit_pending(tmp_path, portraits, (0.9, 0.8))
    server = Server(tmp_path)
    try:
        open_page(page, server)
        act(page, "a")
        page.keyboard.press("a")
        expect(page.locator(".notice h2")).to_have_text("All reviewed")
        expect(page.locator(".notice")).to_contain_text("New masks come up here by themselves")
        saved(page)
        commit_pending(tmp_path, portraits, (0.7, 0.6, 0.5), first=2)
        expect(page.locator("#sample")).to_have_attribute("data-painted", "true")
        expect(page.locator("#progress")).to_contain_text("2 / 5")
        act(page, "x")
        saved(page)
        assert [verdict for _, verdict, _ in server.decided()] == ["reject", "accept", "accept"]
    finally:
        server.stop()
