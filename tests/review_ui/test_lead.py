"""The lead's page on a real session in a real browser; what its tables count; the log as a file."""

import io
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import uvicorn
from playwright.sync_api import Page, expect
from portrait_datasets import commit_pending, import_portraits
from submissions import assign

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.decisions.policy import Policy
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from manifests.web.address import listen, url_of
from review_ui.lead.html import pace_chart
from review_ui.quality.counts import tally
from review_ui.quality.gold import GoldSamples
from review_ui.quality.gold_generation import prepare_gold
from review_ui.quality.pace import PaceBin
from review_ui.queue.session import ReviewSession
from review_ui.web.log_files import DECISIONS_SCHEMA, as_csv, as_parquet, decisions_table
from review_ui.web.origin_check import OriginCheck

DOUBTS = (0.95, 0.9, 0.7, 0.5, 0.5, 0.3, 0.1, 0.05, None)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TABS = (
    "Progress", "Reasons", "Reviewers", "Teachers", "Second look", "Problems", "Log", "Publish", "Guideline",
)  # fmt: skip
CODE = "${1 + 1} {{name}} <img src=x onerror=document.title='run'>"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with nine real portraits waiting and twelve trusted ones, to be copied."""
    root = tmp_path_factory.mktemp("lead")
    import_portraits(root, portraits, 12)
    commit_pending(root, portraits, DOUBTS, first=12)
    return root


@pytest.fixture
def store(tmp_path: Path, dataset: Path) -> ManifestStore:
    shutil.copytree(dataset, tmp_path, dirs_exist_ok=True)
    return ManifestStore(tmp_path / "manifests")


@pytest.fixture
def waiting(store: ManifestStore) -> list[dict]:
    """The rows under review, the most doubtful first."""
    rows = [row for row in store.open().read().to_pylist() if row["origin"] != "ground_truth"]
    return sorted(rows, key=lambda row: (-(row["doubt"] or 0), row["sample_id"]))


def decision(row: dict, verdict: str = "accept", **changes: object) -> Decision:
    values = {"reviewer": "ada", "decided_at": NOON, "decision_ms": 900} | changes
    return Decision(str(uuid.uuid4()), row["sample_id"], row["mask_sha256"], verdict, **values)


# Counts


def counts(accepted: int = 0, rejected: int = 0, conflict: int = 0, pending: int = 0) -> dict[str, int]:
    return {"accepted": accepted, "rejected": rejected, "conflict": conflict, "pending": pending}


def test_rows_are_counted_by_source_and_doubt_and_trusted_ones_are_not(store, waiting):
    found = tally(store.open(), [decision(waiting[0]), decision(waiting[1], "reject")], Policy())
    assert found.total == counts(1, 1, 0, 7)
    assert found.by_source == {"portraits": counts(1, 1, 0, 7)}
    assert found.by_doubt == {
        "0.8 to 1.0": counts(1, 1),
        "0.6 to 0.8": counts(pending=1),
        "0.4 to 0.6": counts(pending=2),
        "0.2 to 0.4": counts(pending=1),
        "0.0 to 0.2": counts(pending=2),
        "not rated": counts(pending=1),
    }


def test_the_policy_says_what_becomes_of_a_row(store, waiting):
    votes = [decision(waiting[0]), decision(waiting[0], "reject", reviewer="bob"), decision(waiting[1])]
    manifest = store.open()
    assert tally(manifest, votes, Policy()).total == counts(1, 0, 1, 7)
    assert tally(manifest, votes, Policy(conflicts="reject")).total == counts(1, 1, 0, 7)
    two = tally(manifest, votes, Policy(votes=2))
    assert two.total == counts(0, 0, 1, 8)
    assert two.votes_left == 15
    second_look = decision(waiting[0], reviewer="bob", purpose="second_look")
    assert tally(manifest, [*votes, second_look], Policy()).total == counts(2, 0, 0, 7)


def test_what_measures_reviewers_counts_for_no_row(store, waiting):
    log = [decision(waiting[0], purpose="repeat"), decision(waiting[1], purpose="gold"), decision(waiting[2], "skip")]
    assert tally(store.open(), log, Policy()).total == counts(pending=9)


def test_a_verdict_on_an_older_mask_counts_for_its_reason_only(store, waiting):
    old = decision(waiting[0] | {"mask_sha256": "0" * 64}, "reject", reason="hair")
    found = tally(store.open(), [old], Policy())
    assert found.total == counts(pending=9)
    assert found.reasons == {"portraits": {"hair": 1}}


def test_reasons_are_those_that_stand(store, waiting):
    log = [
        decision(waiting[0], "reject"), decision(waiting[0], "reject", reason="hair"),
        decision(waiting[1], "reject"), decision(waiting[2], "reject", reason="other"), decision(waiting[2]),
        decision(waiting[3] | {"sample_id": "f" * 32}, "reject", reason="hair"),
    ]  # fmt: skip
    assert tally(store.open(), log, Policy()).reasons == {"portraits": {"hair": 1, "none given": 1}}


def test_a_published_status_stands_without_the_log(store, waiting, log):
    session = ReviewSession(store.open(), store, log)
    log.append([decision(waiting[0])])
    manifest = session.publisher.publish()
    assert tally(manifest, [], Policy()).total == counts(1, 0, 0, 8)


def test_the_tally_is_what_publishing_makes_of_the_rows(store, waiting, log):
    log.append([decision(row, "accept" if i % 3 else "reject") for i, row in enumerate(waiting[:7])])
    log.append([decision(row, reviewer="bob") for row in waiting[2:5]])
    session = ReviewSession(store.open(), store, log)
    policy = Policy(conflicts="reject")
    expected = tally(session.manifest, session.decisions(), policy).total
    statuses = [
        row["status"] for row in session.publisher.publish(policy).read().to_pylist() if row["origin"] != "ground_truth"
    ]
    assert {status: statuses.count(status) for status in expected} == expected


# The log as a file


def test_the_log_comes_back_from_both_kinds_of_file(waiting):
    decisions = [
        decision(waiting[0], "reject", reason='hair, "left"\nside', decision_ms=None, mode="grid", purpose="gold"),
        decision(waiting[1], reviewer="Åsa"),
    ]
    table = decisions_table(decisions)
    assert table.schema == DECISIONS_SCHEMA
    assert pq.read_table(io.BytesIO(as_parquet(table))).equals(table)
    options = pa_csv.ConvertOptions(column_types=DECISIONS_SCHEMA, strings_can_be_null=True)
    lines = pa_csv.ParseOptions(newlines_in_values=True)
    read = pa_csv.read_csv(io.BytesIO(as_csv(table)), convert_options=options, parse_options=lines)
    assert read.to_pylist() == table.to_pylist()
    assert [Decision(**row) for row in table.to_pylist()] == decisions


def test_an_empty_log_is_a_file_with_columns():
    table = decisions_table([])
    assert pq.read_table(io.BytesIO(as_parquet(table))).schema.names == DECISIONS_SCHEMA.names
    assert as_csv(table).decode().count("\n") == 1


# Charts


@pytest.mark.parametrize(("per_minute", "top"), [(0.5, "2"), (17, "20"), (399, "400"), (1650, "2000")])
def test_the_axis_of_the_pace_ends_at_a_round_number(per_minute, top):
    chart = pace_chart([PaceBin("ada", NOON, timedelta(minutes=5), per_minute)])
    assert re.findall(r'text-anchor="end">([^<]*)<', chart)[-1] == top


def test_lines_break_where_somebody_was_away():
    width = timedelta(minutes=5)
    bins = [PaceBin("ada", NOON + i * width, width, 30) for i in (0, 1, 5, 6, 7)]
    assert pace_chart(bins).count("<polyline") == 2


# The page


@pytest.fixture
def session(store: ManifestStore, log: DecisionLog, waiting: list[dict]) -> ReviewSession:
    """Two reviewers at work, one mask in conflict, gold judged, one photograph missing."""
    manifest = store.open()
    prepare_gold(manifest, BlobStore(manifest.data_root), log, count=6, seed=0)
    gold = GoldSamples.load(log)
    decided = [decision(waiting[0], "reject", reason="hair"), decision(waiting[0], reviewer="bob", mode="grid")]
    decided += [decision(row) for row in waiting[1:4]]
    for key in gold:
        row = dict(zip(("sample_id", "mask_sha256"), key, strict=True))
        decided += [decision(row, purpose="gold"), decision(row, purpose="gold", reviewer="bob", mode="grid")]
    begin = datetime.now(UTC) - timedelta(minutes=1)  # they are at work
    log.append(replace(d, decided_at=begin + timedelta(seconds=2 * i)) for i, d in enumerate(decided))
    session = ReviewSession(manifest, store, log)
    session.use_gold(gold)
    return session


@pytest.fixture
def url(session: ReviewSession) -> Iterator[str]:
    """The lead's page of the session, mounted as the server does it."""
    yield from serve(session)


def serve(session: ReviewSession) -> Iterator[str]:
    from review_ui.lead.page import lead_blocks  # here: it imports gradio, which takes seconds
    from review_ui.web.gradio_mount import gradio_app

    app = gradio_app(lead_blocks(session), "/lead")
    app.add_api_route("/favicon.ico", lambda: None)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(OriginCheck(app), log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    yield f"{url_of(listener)}/lead/"
    server.should_exit = True
    thread.join(20)
    listener.close()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def shown(page: Page, text: str) -> None:
    expect(page.get_by_text(text).locator("visible=true").first).to_be_visible()


def test_every_tab_shows_its_figures_and_nothing_comes_from_elsewhere(page, url, session, waiting):
    complaints, hosts = [], set()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.goto(url)
    shown(page, "4 of 9")
    shown(page, "2 reviewers are at work")
    open_tab(page, "Reasons")
    shown(page, "hair")
    open_tab(page, "Reviewers")
    shown(page, "29.2 to 100.0; 3 of 3")  # false accepts
    shown(page, "ada and bob")
    open_tab(page, "Second look")
    expect(page.get_by_role("link", name="Open the second look")).to_have_attribute("href", "../?queue=second_look")
    open_tab(page, "Problems")
    shown(page, "No sample was set aside.")
    expect(page.get_by_role("link", name="photograph")).to_have_count(3)  # of damaged gold that both accepted
    open_tab(page, "Log")
    expect(page.get_by_role("link", name="decisions.csv")).to_have_attribute("href", "../api/decisions.csv")
    assert complaints == []
    assert hosts == {"127.0.0.1"}


def test_the_activity_names_who_published_and_from_where(page, url, session):
    page.goto(url)
    open_tab(page, "Log")
    shown(page, "Nothing was recorded yet.")
    open_tab(page, "Publish")
    page.get_by_role("button", name="Publish").click()
    shown(page, "Published ")
    open_tab(page, "Log")
    row = page.get_by_role("row").filter(has_text="publish").locator("visible=true")
    expect(row.locator("td").nth(1)).to_have_text("local")
    expect(row.locator("td").nth(2)).to_have_text("127.0.0.1")
    expect(row.locator("td").nth(4)).to_have_text("v3")
    open_tab(page, "Guideline")
    page.get_by_role("button", name="Save").click()
    shown(page, "Saved to ")
    assert [entry.event for entry in session.activity.newest()] == ["guideline", "publish"]


def test_publishing_follows_the_policy_chosen(page, url, store):
    page.goto(url)
    open_tab(page, "Publish")
    shown(page, "1 conflict")
    page.get_by_label("reject the mask").check()
    shown(page, "0 conflict")
    shown(page, "1 rejected")
    page.get_by_role("button", name="Publish").click()
    shown(page, f"Published {store.path(3)}.")
    shown(page, f"{store.path(3)} at ")  # the heading
    assert store.open().parameters["conflicts"] == "reject"
    assert store.open().counts == {"rows": 21, "accepted": 15, "rejected": 1, "pending": 5}
    page.get_by_role("button", name="Publish").click()
    shown(page, "expected decisions that v3 doesn't hold, found none")


def test_more_verdicts_than_given_leave_masks_pending(page, url):
    page.goto(url)
    open_tab(page, "Publish")
    shown(page, "5 pending")
    page.get_by_label("Verdicts a mask needs").fill("2")
    page.keyboard.press("Tab")
    shown(page, "8 pending")


def test_no_number_of_verdicts_is_said_in_one_line(page, url):
    page.goto(url)
    open_tab(page, "Publish")
    shown(page, "5 pending")
    page.get_by_label("Verdicts a mask needs").fill("")
    page.keyboard.press("Tab")
    shown(page, "expected at least 1 vote per mask, found 0")


def test_refresh_shows_what_was_decided_since(page, url, log, waiting):
    page.goto(url)
    shown(page, "4 of 9")
    log.append([decision(waiting[5])])
    page.get_by_role("button", name="Refresh").click()
    shown(page, "5 of 9")


def test_a_database_that_is_away_is_said_and_the_figures_stay(page, url, log):
    page.goto(url)
    shown(page, "4 of 9")
    with log.writing() as connection:
        connection.execute(sa.text("ALTER TABLE decision_events RENAME TO elsewhere"))
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("alert").locator("visible=true").first).to_contain_text(
        "expected to read from the database"
    )
    shown(page, "4 of 9")


def test_a_name_that_is_code_is_shown_as_text(page, url, log, waiting):
    log.append([decision(waiting[5], "reject", reviewer=CODE, reason=CODE)])
    page.goto(url)
    for tab in ("Reasons", "Reviewers"):
        open_tab(page, tab)
        shown(page, CODE)
    assert page.title() == "Review board"


def test_a_sample_that_was_set_aside_is_named(page, session, store, waiting):
    (store.open().data_root / waiting[6]["image"]).unlink()
    from review_ui.reviewer import LOCAL_LEAD

    assign(session, LOCAL_LEAD, 9)
    for url in serve(session):
        page.goto(url)
        open_tab(page, "Problems")
        shown(page, waiting[6]["sample_id"])


def test_a_review_that_nobody_has_begun_says_so(page, store, log):
    for url in serve(ReviewSession(store.open(), store, log)):
        page.goto(url)
        shown(page, "0 of 9")
        shown(page, "no reviewers are at work")
        open_tab(page, "Reviewers")
        shown(page, "Nobody has judged a mask yet.")
        open_tab(page, "Publish")
        page.get_by_role("button", name="Publish").click()
        shown(page, "review some masks first")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_tab_is_wider_than_the_window(page, url, theme):
    page.goto(f"{url}?__theme={theme}")
    shown(page, "4 of 9")
    for width in (1280, 1024):
        page.set_viewport_size({"width": width, "height": 720})
        for tab in TABS:
            open_tab(page, tab)
            wider = "[document.documentElement, ...document.querySelectorAll('.scroll')]"
            assert page.evaluate(f"{wider}.filter((e) => e.scrollWidth > e.clientWidth).length") == 0, (tab, width)


def test_the_first_figures_come_before_gradio(page, session):
    from review_ui.lead.first_figures import first_figures

    page.set_content(first_figures(session))
    shown(page, "4 of 9")
    shown(page, "By the teacher's doubt")
    shown(page, "The other figures are being prepared")
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(1)
