"""The viewer in Gradio pages, in a real browser: /app for leads and reviewers, and anybody's own Blocks."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import patient_http
import pytest
from free_port import free_port
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, by_keyboard, on_screen, open_page, saved

from manifests.errors import UserError
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users

PASSWORD = "a long password"

OWN_BLOCKS = """
import sys

import gradio as gr
import uvicorn
from fastapi import FastAPI

from review_ui.app import review_app
from review_ui.gradio_app import MaskReview

with gr.Blocks() as blocks:
    gr.Markdown("# Portraits of the week")
    gr.Textbox(label="Remark")
    MaskReview("/review/", height="560px")
app = FastAPI()
app.mount("/review", review_app(sys.argv[1]))
uvicorn.run(gr.mount_gradio_app(app, blocks, path="/"), port=int(sys.argv[2]), log_level="warning")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("gradio")
    commit_pending(root, portraits, [0.5] * 60)
    server = Server(root)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("team")
    commit_pending(root, portraits, [0.5] * 20)
    password = hash_password(PASSWORD, log2_n=15)
    write_users(root / "users.toml", {"ana": User("ana", "reviewer", password), "zoe": User("zoe", "lead", password)})
    server = Server(root, 0, "--users", str(root / "users.toml"), "--gold-rate", "0", "--repeat-rate", "0")
    yield server
    server.stop()


def test_decisions_go_through_the_api_and_never_through_gradios_queue(page: Page, server: Server) -> None:
    posted = []
    open_page(page, server, "/app/")
    page.wait_for_timeout(500)  # what Gradio sends when a page opens is over
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    for key in ("a", "x", "a"):
        act(page, key)
    saved(page)
    assert posted
    assert {url.removeprefix(server.url) for url in posted} == {"/api/decisions"}
    painted = page.evaluate("performance.getEntriesByName('key-to-paint').length")
    assert painted == 3


def test_keys_belong_to_the_tab_that_is_shown(page: Page, server: Server) -> None:
    sample_id = open_page(page, server, "/app/")
    before = server.decided()
    page.get_by_role("tab", name="Lead", exact=True).click()
    expect(page.get_by_text("masks have a verdict")).to_be_visible(timeout=30_000)
    page.keyboard.press("a")
    page.get_by_role("tab", name="Guideline").click()
    page.locator("#guideline textarea").click()
    page.keyboard.type("axe")
    expect(page.locator("#guideline textarea")).to_have_value(re.compile("axe"))
    page.get_by_role("tab", name="Review", exact=True).click()
    assert on_screen(page) == sample_id
    assert server.decided() == before
    assert act(page, "a") != sample_id


def test_reviewers_have_no_lead_tab_and_reach_none_of_its_functions(page: Page, team: Server) -> None:
    page.goto(f"{team.url}/app/")
    by_keyboard(page, "ana", PASSWORD)
    on_screen(page)
    page.goto(f"{team.url}/app/")
    sample_id = on_screen(page)
    expect(page.get_by_role("tab")).to_have_count(0)
    assert act(page, "a") != sample_id
    saved(page)
    with page.expect_response(f"{team.url}/app/config") as answer:
        page.evaluate("fetch('config')")
    config = answer.value.json()
    assert [component["type"] for component in config["components"] if component["type"] == "html"] == ["html"]
    assert config["dependencies"] == []


def test_leads_who_sign_in_have_both_tabs(page: Page, team: Server) -> None:
    page.goto(f"{team.url}/app/")
    by_keyboard(page, "zoe", PASSWORD)
    on_screen(page)
    page.goto(f"{team.url}/app/")
    on_screen(page)
    expect(page.get_by_role("tab", name="Lead", exact=True)).to_be_visible()
    expect(page.locator("#who")).to_have_text("zoe")


def test_without_a_sign_in_there_is_no_markup(team: Server) -> None:
    for path in ("/app/", "/app/config", "/viewer/markup.html", "/viewer/mask_review.js"):
        assert patient_http.get(f"{team.url}{path}").status_code == 401


@pytest.mark.slow
def test_the_viewer_stands_in_anybodys_own_blocks(page: Page, tmp_path: Path, portraits: Path) -> None:
    commit_pending(tmp_path, portraits, [0.5] * 20)
    port = free_port()
    script = tmp_path / "app.py"
    script.write_text(OWN_BLOCKS)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "manifests"), str(port)])
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/review/healthz", process)
        page.goto(address)
        sample_id = on_screen(page)
        expect(page.get_by_role("heading", name="Portraits of the week")).to_be_visible()
        page.get_by_label("Remark").fill("")
        page.get_by_label("Remark").press_sequentially("ax")
        assert on_screen(page) == sample_id
        page.locator("#sample").click(position={"x": 5, "y": 5})
        assert act(page, "x") != sample_id
        saved(page)
        [decision] = patient_http.get(f"{address}/review/api/history").json()["decisions"]
        assert (decision["sample"]["sample_id"], decision["verdict"]) == (sample_id, "reject")
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        try:
            patient_http.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError(f"{url} answers nothing after a minute")


@pytest.mark.parametrize("site", ["/review", "", "${alert(1)}/", '"><script>/', "/a b/"])
def test_a_site_that_is_no_path_is_refused(site: str) -> None:
    from review_ui.gradio_app import MaskReview  # here: it imports gradio

    with pytest.raises(UserError, match="expected the path of a review server such as /review/"):
        MaskReview(site)
