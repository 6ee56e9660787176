"""Versions that a run commits while people review: their samples join the queue, and nobody loses what is on screen."""

import random
import signal
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import patient_http
import pytest
from live_run import live_run
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import HOSTS, Server, act, on_screen, open_page, saved
from small_lineages import Lineage
from submissions import assign, decide, submission

from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users
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
    store, looks = Lineage(tmp_path).store, []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            Lineage(tmp_path).generate(1)

    wait_for_version(store, sleep=sleep)
    assert len(looks) == 2
    wait_for_version(store, sleep=lambda _: pytest.fail("there is a version"))


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


@pytest.mark.parametrize("host", HOSTS)
def test_the_page_shows_a_run_that_makes_more_masks(page: Page, tmp_path: Path, portraits: Path, host: str) -> None:
    commit_pending(tmp_path, portraits, (0.9, 0.8))
    server = Server(tmp_path)
    try:
        with live_run(tmp_path / "manifests", 120, 900):
            open_page(page, server, host)
            expect(page.locator("#labelling")).to_have_text("labelling 120 of 900")
            act(page, "a")
            page.keyboard.press("x")
            expect(page.locator(".notice h2")).to_have_text("More masks are being made")
            text = "120 of 900 photographs are labelled. 2 of 2 masks have a verdict. New masks come up here by"
            expect(page.locator(".notice p")).to_have_text(f"{text} themselves.")
            expect(page.locator(".notice [data-action=publish]")).to_be_hidden()
            commit_pending(tmp_path, portraits, (0.7,), first=2)
            expect(page.locator("#progress")).to_contain_text("2 / 3")
            on_screen(page)
            page.keyboard.press("a")
            expect(page.locator(".notice h2")).to_have_text("More masks are being made")
        expect(page.locator(".notice h2")).to_have_text("All reviewed")
        expect(page.locator("#labelling")).to_be_hidden()
        saved(page)
    finally:
        server.stop()


def test_the_time_left_in_words(page: Page, tmp_path: Path, portraits: Path) -> None:
    commit_pending(tmp_path, portraits, (0.9,))
    server = Server(tmp_path)
    try:
        open_page(page, server)
        words = page.evaluate(
            """async () => {
                const { labellingInShort } = await import("/viewer/show/labelling.js");
                const seconds = [null, 0, 29, 31, 179, 5990, 6100];
                return seconds.map((seconds_left) => labellingInShort({ labelled: 1, total: 9, seconds_left }));
            }"""
        )
        assert [text.removeprefix("labelling 1 of 9").removeprefix(", ") for text in words] == [
            "", "under a minute left", "under a minute left", "about 1 min left", "about 3 min left",
            "about 2 h left", "about 2 h left",
        ]  # fmt: skip
    finally:
        server.stop()


def test_before_the_first_version_the_page_shows_the_progress_and_opens_by_itself(
    page: Page, tmp_path: Path, portraits: Path
) -> None:
    server = Server(tmp_path, 0, "--wait")
    try:
        assert server.announcement.startswith("no masks yet: the page opens with the first ones at http://127.0.0.1:")
        page.goto(server.url)
        expect(page.get_by_role("status")).to_have_text("There are no masks yet. This page opens with the first ones.")
        answer = patient_http.get(f"{server.url}/api/next")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("expected a version to review, found none yet")
        refused = patient_http.get(server.url, headers={"host": "rebound.example", "accept": "text/html"})
        assert refused.status_code == 403
        with live_run(tmp_path / "manifests", 3, 900):
            expect(page.get_by_role("status")).to_have_text(
                "The first masks are being made: 3 of 900 photographs are labelled. This page opens with them."
            )
            commit_pending(tmp_path, portraits, (0.9, 0.8))
            on_screen(page)
        assert page.locator("#progress").inner_text().startswith("0 / 2")
    finally:
        server.stop()


def test_who_has_not_signed_in_sees_no_progress(tmp_path: Path) -> None:
    write_users(tmp_path / "users.toml", {"zoe": User("zoe", "lead", hash_password("correct horse", log2_n=15))})
    server = Server(tmp_path, 0, "--wait", "--users", str(tmp_path / "users.toml"))
    try:
        with live_run(tmp_path / "manifests", 3, 900):
            page = patient_http.get(server.url, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["retry-after"]) == (503, "2")
        assert "There are no masks yet." in page.text
        assert "900" not in page.text
    finally:
        server.stop(signal.SIGINT)


def test_ctrl_c_stops_a_server_that_waits(tmp_path: Path) -> None:
    server = Server(tmp_path, 0, "--wait", errors=tmp_path / "errors.txt")
    server.stop(signal.SIGINT)
    assert (tmp_path / "errors.txt").read_text() == "interrupted\n"
