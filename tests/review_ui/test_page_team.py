"""The review page in a real browser, for people who sign in at a real `python -m review_ui --users`."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import patient_http
import pytest
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import HOSTS, Server, by_keyboard, on_screen, saved

from manifests.decisions.log import DecisionLog, sqlite_url
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users
from review_ui.reviewer import Role

ROLES: dict[str, Role] = {"ana": "reviewer", "bo": "reviewer", "zoe": "lead"}
PASSWORDS = {name: f"{name}'s password" for name in ROLES}
WORK_ALONE = ("--gold-rate", "0", "--repeat-rate", "0")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    """Each of 120 real portraits waits for two votes: more than the tabs of all tests reserve."""
    root = tmp_path_factory.mktemp("team")
    commit_pending(root, portraits, [0.5] * 120)
    users = root / "users.toml"
    write_users(users, {name: User(name, ROLES[name], hash_password(PASSWORDS[name], log2_n=15)) for name in ROLES})
    server = Server(root, 0, "--users", str(users), "--votes", "2", *WORK_ALONE)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def log(server: Server) -> Iterator[DecisionLog]:
    """What the server has on disk."""
    log = DecisionLog(sqlite_url(server.root / "data"))
    yield log
    log.close()


def open_as(page: Page, server: Server, name: str, host: str = "/") -> str:
    """Sign in; the sample on screen."""
    page.goto(server.url)
    by_keyboard(page, name, PASSWORDS[name])
    if host != "/":
        expect(page.locator("#who")).to_have_text(name)
        page.goto(f"{server.url}{host}")
    expect(page.locator("#who")).to_have_text(name, timeout=90_000)  # Gradio's import takes seconds of a core
    return on_screen(page)


def in_another_tab(page: Page, server: Server, name: str) -> None:
    """Sign in there, and close it."""
    tab = page.context.new_page()
    open_as(tab, server, name)
    tab.close()


def accept_while_signed_out(page: Page) -> None:
    page.context.clear_cookies()
    page.keyboard.press("a")  # the next picture, if it isn't loaded yet, comes after the sign-in
    expect(page.locator("#message")).to_contain_text("Signed out: sign in again, your decisions are kept")
    expect(page.locator("#message a")).to_have_attribute(
        "href", f"{urlsplit(page.url).scheme}://{urlsplit(page.url).netloc}/"
    )
    expect(page.locator("#unsaved")).to_have_text("1 unsaved")


def verdicts_on(sample_id: str, log: DecisionLog) -> list[tuple[str, str]]:
    return [(said.reviewer, said.verdict) for said in log.standing() if said.sample_id == sample_id]


@pytest.mark.parametrize("host", HOSTS)
def test_decisions_made_while_signed_out_are_kept_and_sent_after_the_next_sign_in(page, server, log, host):
    sample = open_as(page, server, "ana", host)
    accept_while_signed_out(page)
    assert verdicts_on(sample, log) == []
    in_another_tab(page, server, "ana")
    saved(page)
    expect(page.locator("#message")).to_be_hidden()
    assert verdicts_on(sample, log) == [("ana", "accept")]


def test_somebody_else_who_signs_in_does_not_get_the_decisions_of_the_one_before(page, server, log):
    sample = open_as(page, server, "ana")
    expect(page.locator("#publish")).to_be_hidden()
    expect(page.locator("#lead")).to_be_hidden()
    accept_while_signed_out(page)
    in_another_tab(page, server, "bo")
    expect(page.locator("#who")).to_have_text("bo")  # the page began anew
    on_screen(page)
    expect(page.locator("#unsaved")).to_be_hidden()
    assert verdicts_on(sample, log) == []
    expect(page.locator(".strip button")).to_have_count(0)
    page.click("#sign-out")
    by_keyboard(page, "ana", PASSWORDS["ana"])
    expect(page.locator("#who")).to_have_text("ana")
    saved(page)
    assert verdicts_on(sample, log) == [("ana", "accept")]


def test_a_tab_left_open_decides_nothing_in_the_name_of_who_has_signed_in_since(page, server, log):
    sample = open_as(page, server, "ana")
    form = {"name": "bo", "password": PASSWORDS["bo"]}
    page.context.request.post(f"{server.url}/sign-in", form=form)  # without a moment in which nobody is signed in
    page.keyboard.press("a")
    expect(page.locator("#who")).to_have_text("bo")
    assert verdicts_on(sample, log) == []


@contextmanager
def signed_in(server: Server, name: str) -> Iterator[httpx.Client]:
    with patient_http.Client(base_url=server.url) as client:
        assert client.post("/sign-in", data={"name": name, "password": PASSWORDS[name]}).status_code == 303
        yield client


def judge(client: httpx.Client, sample: dict[str, Any], verdict: str, reason: str | None = None) -> None:
    mask = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    decision = {"decision_id": str(uuid.uuid4()), "verdict": verdict, "reason": reason, "decision_ms": 900} | mask
    receipt = client.post("/api/decisions", json={"decisions": [decision]}).raise_for_status().json()
    assert receipt == {"stored": [decision["decision_id"]], "refused": []}


def test_a_lead_sees_the_others_verdicts_in_the_second_look(page, server):
    with signed_in(server, "ana") as ana, signed_in(server, "bo") as bo:
        [sample] = ana.get("/api/next?n=1").raise_for_status().json()["samples"]
        judge(ana, sample, "accept")
        judge(bo, sample, "reject", "hair")
    open_as(page, server, "zoe")
    expect(page.locator(".caption")).to_be_hidden()
    page.click("[data-queue=second_look]")
    expect(page.locator(".caption")).to_have_text(re.compile("ana: accept · bo: reject \\(hair\\)"))
    assert on_screen(page) == sample["sample_id"]
    expect(page.locator("#lead")).to_have_attribute("href", f"{server.url}/lead/")
    expect(page.locator("#grid")).to_be_disabled()
    page.click("[data-queue=work]")
    on_screen(page)
    expect(page.locator(".caption")).to_be_hidden()
