"""Stored cross-site scripting: texts that are code, in every place that a stranger or a reviewer can write to, on every
page of the server and in the dataset report, in a real Chromium. None may run, become an element or load anything.
"""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pyarrow as pa
import pytest
from playwright.sync_api import Page, Request, expect
from portrait_datasets import commit_pending
from review_browser import Server, on_screen

from manifests.__main__ import main as manifests_command
from manifests.decisions.activity import ActivityLog, Actor
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.store.manifest import ManifestStore
from manifests.store.schema import SCHEMA

MARK = "data-planted"  # on each element that the texts would make
CODE = (
    f"\"'><img {MARK} src=//planted.invalid/x onerror=canary()><svg {MARK} onload=canary()></svg>"
    f"<script {MARK}>canary()</script>${{canary()}}{{{{canary()}}}}"
)
FILE_NAME = f"\"'><img {MARK} src=x onerror=canary()>.jpg"
GUIDELINE = (
    f"{CODE}\n\n[link](javascript:canary()) ![image](//planted.invalid/y)\n\n<iframe {MARK} srcdoc='x'></iframe>"
)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLANTED = f"""() => {{
  const roots = [document];
  for (const root of roots) {{
    for (const element of root.querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
  }}
  return roots.flatMap((root) => [...root.querySelectorAll('[{MARK}], iframe[srcdoc], a[href^="javascript:"]')]).length;
}}"""


def hostile(table: pa.Table | None, _version: int) -> pa.Table:
    """The rows with code in every text that comes from outside."""
    assert table is not None
    texts = {
        "source": CODE,
        "source_uri": f"/photos/{FILE_NAME}",
        "license": CODE,
        "attribution": CODE,
        "teacher": CODE,
    }
    texts |= {"teacher": CODE, "origin": "teacher"}
    changed = [row | texts for row in table.to_pylist()]
    changed[-2]["source"] = "studio"  # the panel offers sources where there are several
    changed[-1] |= {"status": "rejected", "reason": CODE, "reviewers": [CODE], "decided_at": NOON, "votes_reject": 1}
    return pa.Table.from_pylist(changed, schema=SCHEMA)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Iterator[Server]:
    """A queue whose rows, log, guideline and activity are full of code; two reviewers disagree on one sample."""
    root = tmp_path_factory.mktemp("xss")
    store = commit_pending(root, portraits, (0.9, 0.8, 0.7, 0.6, 0.5, 0.4))
    store.update(hostile, operation="generate", parameters={}, data_root=root / "data")
    (root / "data/guideline.md").write_text(GUIDELINE)
    rows = store.open().read().to_pylist()
    with closing(DecisionLog(sqlite_url(root / "data"))) as log:
        first = Decision(str(uuid.uuid4()), rows[0]["sample_id"], rows[0]["mask_sha256"], "reject", CODE, NOON)
        first = replace(first, reason=CODE, note=CODE, decision_ms=900)
        second = replace(first, decision_id=str(uuid.uuid4()), reviewer="bo", verdict="accept", reason=None)
        log.append([first, second])
        ActivityLog(log).record(Actor(CODE, CODE), "download", CODE)
    (root / "data" / rows[1]["image"]).unlink()
    server = Server(root)
    yield server
    server.stop()


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page on which the canary must not run, and which must get nothing from another host."""
    ran: list[str] = []
    asked: list[Request] = []
    page.expose_function("canary", lambda: ran.append(page.url))
    page.on("request", lambda request: asked.append(request))  # Playwright takes no built-in method
    page.on("dialog", lambda dialog: ran.append(dialog.message))
    yield page
    assert ran == []
    elsewhere = [request for request in asked if urlsplit(request.url).hostname not in ("127.0.0.1", None)]
    assert all(request.failure == "csp" for request in elsewhere), elsewhere  # the policy kept them here


def no_element_was_planted(page: Page) -> None:
    assert page.evaluate(PLANTED) == 0


def test_the_canary_runs_where_a_text_is_not_escaped(page: Page) -> None:
    """The other tests can fail: such a text runs the canary and leaves marked elements."""
    ran: list[str] = []
    page.expose_function("canary", lambda: ran.append("ran"))
    page.route("**/*", lambda route: route.abort())
    page.set_content(f"<main title='{CODE}</main>")
    expect(page.locator(f"img[{MARK}]")).to_have_count(1)
    page.wait_for_function("() => true")
    assert ran
    assert page.evaluate(PLANTED) == 3


def test_the_review_page_with_its_panels_runs_no_text(watched: Page, server: Server) -> None:
    watched.goto(server.url)
    on_screen(watched)
    expect(watched.locator("mask-review")).to_contain_text(FILE_NAME)
    watched.keyboard.press("/")
    expect(watched.locator("#filters")).to_contain_text(CODE)
    no_element_was_planted(watched)
    watched.keyboard.press("Escape")
    watched.keyboard.press("?")
    expect(watched.locator("mask-review")).to_contain_text("<iframe")
    no_element_was_planted(watched)
    watched.keyboard.press("Escape")
    watched.click("[data-queue=second_look]")
    expect(watched.locator(".caption")).to_contain_text(CODE)
    no_element_was_planted(watched)


def test_a_filter_in_the_address_runs_no_text(watched: Page, server: Server) -> None:
    address = str(httpx.URL(server.url, params={"source": CODE}))
    watched.goto(address)
    on_screen(watched)
    expect(watched.locator(".chip")).to_contain_text(CODE)
    watched.goto(str(httpx.URL(server.url, params={"source": f"{CODE}!"})))
    expect(watched.locator("mask-review")).to_contain_text("expected a source under review")
    no_element_was_planted(watched)


def test_the_gallery_runs_no_text(watched: Page, server: Server) -> None:
    for query in ("", "?status=conflict", "?status=pending", f"?reviewer={CODE.replace('&', '%26')}"):
        watched.goto(f"{server.url}/masks{query}")
        no_element_was_planted(watched)
    watched.goto(f"{server.url}/masks?status=decided")
    expect(watched.locator("body")).to_contain_text(CODE)


@pytest.mark.parametrize("path", ["/lead/", "/app/"])
def test_the_leads_pages_run_no_text(watched: Page, server: Server, path: str) -> None:
    watched.goto(f"{server.url}{path}")
    if path == "/app/":
        watched.get_by_role("tab", name="Lead").click(timeout=90_000)
    for tab in ("Progress", "Reasons", "Reviewers", "Teachers", "Second look", "Problems", "Log", "Guideline"):
        watched.get_by_role("tab", name=tab, exact=True).click(timeout=90_000)
        if tab in ("Progress", "Reasons", "Reviewers", "Log"):
            expect(watched.get_by_text(CODE).locator("visible=true").first).to_be_visible(timeout=60_000)
        no_element_was_planted(watched)


def test_the_dataset_report_runs_no_text(watched: Page, server: Server) -> None:
    path = server.root / "report.html"
    manifests = ["--manifests", str(server.root / "manifests")]
    version = ManifestStore(server.root / "manifests").open().version
    manifests_command(["stats", f"v{version}", "--report", str(path), "--portraits", "2", *manifests])
    watched.goto(path.as_uri())
    expect(watched.locator("body")).to_contain_text(CODE)
    no_element_was_planted(watched)
