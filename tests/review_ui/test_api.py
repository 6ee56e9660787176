"""The API over HTTP, on the real app without its Gradio page."""

import shutil
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from live_run import live_run

from manifests.decisions.log import DecisionLog
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.store.manifest import ManifestStore
from review_ui.queue.session import ReviewSession
from review_ui.web.api import MEDIA_HEADERS, create_api
from review_ui.web.origin_check import OriginCheck

DECISION_ID = "8c5f6c1e-3a54-4a2b-9d1b-2f6a7c9d0e11"
MALFORMED = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'{"decisions": 5, "decision_id": 5}',
    b'{"decisions": {}, "decision_id": "\\ud800"}',
    b"\xff\xfe",
    b"[" * 100_000,
]


@pytest.fixture
def log(tmp_path: Path, six_waiting: Path, log: DecisionLog) -> DecisionLog:
    shutil.copytree(six_waiting, tmp_path, dirs_exist_ok=True)
    return log


@pytest.fixture
def client(tmp_path: Path, log: DecisionLog) -> TestClient:
    store = ManifestStore(tmp_path / "manifests")
    session = ReviewSession(store.open(), store, log)
    app = OriginCheck(create_api(session, BlobStore(tmp_path / "data")), host_names={"reviews.example"})
    return TestClient(app, base_url="http://127.0.0.1:7860")


def decision(client: TestClient, **changes: object) -> dict[str, object]:
    sample = client.get("/api/next?n=1").json()["samples"][0]
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    return {"decision_id": DECISION_ID, "verdict": "accept", "decision_ms": 700} | named | changes


def test_next_gives_the_fields_of_the_contract(client):
    answer = client.get("/api/next", params={"n": 2}).json()
    assert answer.keys() == {"samples", "remaining", "progress", "manifest"}
    assert answer["remaining"] == 6
    assert answer["progress"] == {"done": 0, "total": 6, "flagged": 0}
    sample = answer["samples"][0]
    assert sample.keys() == {
        "sample_id", "mask_sha256", "image_url", "mask_url", "width", "height", "doubt", "name", "lease_expires_at",
    }  # fmt: skip
    assert sample["lease_expires_at"].endswith("+00:00")
    assert len(client.get("/api/next").json()["samples"]) == 6


def test_next_tells_how_far_a_run_is_that_makes_more(client, tmp_path):
    """Counts alone: the run's file names its process and machine."""
    with live_run(tmp_path / "manifests", 120, 900):
        labelling = client.get("/api/next?n=1").json()["labelling"]
    assert labelling == {"labelled": 120, "total": 900, "seconds_left": None}


@pytest.mark.parametrize("n", ["0", "-1", "x", "100000", ""])
def test_a_senseless_count_is_answered_with_one_line(client, n):
    answer = client.get("/api/next", params={"n": n})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("query.n: ")


def test_a_decision_is_stored_undone_and_published(client):
    first = decision(client)
    assert client.post("/api/decisions", json={"decisions": [first]}).json() == {
        "stored": [DECISION_ID],
        "refused": [],
    }
    history = client.get("/api/history").json()["decisions"]
    assert [(entry["decision_id"], entry["sample"]["sample_id"]) for entry in history] == [
        (DECISION_ID, first["sample_id"])
    ]
    undone = client.post("/api/undo", json={"decision_id": DECISION_ID}).json()
    assert undone["sample"]["sample_id"] == first["sample_id"]
    client.post("/api/decisions", json={"decisions": [decision(client, decision_id=DECISION_ID.replace("8", "9"))]})
    published = client.post("/api/publish").json()
    assert (published["version"], Path(published["manifest"]).name) == (2, "v2.parquet")
    assert client.get("/healthz").json() == {"status": "ok", "version": 2}


def test_refusals_name_the_decision_and_the_reason(client):
    bad = decision(client, verdict="maybe")
    answer = client.post("/api/decisions", json={"decisions": [bad, "nonsense"]}).json()
    assert [refusal["decision_id"] for refusal in answer["refused"]] == [DECISION_ID, None]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("route", ["/api/decisions", "/api/undo"])
def test_malformed_json_is_answered_with_one_line(client, route, body):
    answer = client.post(route, content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert "\n" not in answer.json()["error"]


def test_text_that_is_no_unicode_is_refused_and_not_a_server_error(client):
    bad = decision(client)
    body = f'{{"decisions": [{{"decision_id": "\\ud800", "sample_id": "\\ud800", "verdict": "{bad["verdict"]}"}}]}}'
    answer = client.post("/api/decisions", content=body, headers={"Content-Type": "application/json"})
    assert len(answer.json()["refused"]) == 1


def test_an_endless_batch_is_refused(client):
    assert client.post("/api/decisions", json={"decisions": [{}] * 1001}).status_code == 422


def test_undo_of_an_unknown_decision_is_404(client):
    answer = client.post("/api/undo", json={"decision_id": DECISION_ID})
    assert answer.status_code == 404
    assert "found none" in answer.json()["error"]


def test_another_verdict_under_a_known_id_is_409_and_the_other_decisions_are_stored(client):
    first = decision(client)
    assert client.post("/api/decisions", json={"decisions": [first]}).status_code == 200
    other = decision(client, decision_id=str(uuid.uuid4()))
    answer = client.post("/api/decisions", json={"decisions": [first | {"verdict": "reject"}, other]})
    assert answer.status_code == 409
    assert answer.json()["stored"] == [other["decision_id"]]
    [refusal] = answer.json()["refused"]
    assert refusal == {"decision_id": DECISION_ID, "error": answer.json()["error"]}
    assert "\n" not in refusal["error"]
    assert "make a new UUID" in refusal["error"]
    again = client.post("/api/decisions", json={"decisions": [first, other]})
    assert (again.status_code, again.json()["refused"]) == (200, [])
    history = client.get("/api/history").json()["decisions"]
    assert {entry["decision_id"]: entry["verdict"] for entry in history} == {
        DECISION_ID: "accept", other["decision_id"]: "accept",
    }  # fmt: skip


def test_publish_with_nothing_new_is_409(client):
    answer = client.post("/api/publish")
    assert answer.status_code == 409
    assert "review some masks first" in answer.json()["error"]


def test_a_full_disk_stores_nothing_and_says_so(client, log):
    batch = [decision(client, decision_id=str(uuid.uuid4()), reason="x" * 200) for _ in range(200)]
    sa.event.listen(log.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA max_page_count = 1"))
    answer = client.post("/api/decisions", json={"decisions": batch})
    assert answer.status_code == 503
    assert "disk is full" in answer.json()["error"]
    assert client.get("/api/next").json()["remaining"] == 6
    assert client.get("/api/history").json()["decisions"] == []


def test_media_serves_the_blob_for_ever_to_one_browser(client, tmp_path):
    sample = client.get("/api/next?n=1").json()["samples"][0]
    for url, kind in ((sample["image_url"], "image/jpeg"), (sample["mask_url"], "image/png")):
        answer = client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["cache-control"] == MEDIA_HEADERS["Cache-Control"]
        assert sha256_hex(answer.content) == url.removeprefix("/media/")


@pytest.mark.parametrize(
    "path",
    [
        "0" * 64,
        "f" * 63,
        "F" * 64,
        "..%2f..%2fdecisions.sqlite3",
        "%2e%2e/%2e%2e/decisions.sqlite3",
        "%2fetc%2fpasswd",
        "..",
        "",
        "%00",
    ],
)
def test_media_serves_nothing_but_blobs(client, path):
    assert client.get(f"/media/{path}").status_code == 404


def test_an_unknown_route_is_404(client):
    assert client.get("/api/nothing").json() == {"error": "expected a route of this server, found '/api/nothing'"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "evil.example:7860", "Origin": "http://evil.example:7860"},
        {"Host": "[::"},
        {"Host": ""},
    ],
    ids=str,
)
def test_a_request_that_another_site_made_is_forbidden(client, headers):
    first = decision(client)
    for route, body in (("/api/decisions", {"decisions": [first]}), ("/api/publish", {})):
        answer = client.post(route, json=body, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"].startswith("expected")
    assert client.get("/api/next").json()["remaining"] == 6


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_reads_nothing_and_leases_nothing(client, site):
    picture = client.get("/api/next?n=1&tab=mine").json()["samples"][0]["image_url"]
    foreign = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    for path in ("/api/next?n=200&tab=other", picture):
        assert client.get(path, headers=foreign).status_code == 403
    assert len(client.get("/api/next?n=200&tab=mine").json()["samples"]) == 6
    assert client.get("/healthz", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert client.get(picture).headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_pictures_are_not_shown_to_a_rebound_name(client):
    assert client.get("/api/next", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "192.168.1.4", "reviews.example"])
def test_our_own_page_may_do_everything_under_each_of_our_names(client, host):
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    answer = client.post("/api/decisions", json={"decisions": [decision(client)]}, headers=headers)
    assert answer.json()["stored"] == [DECISION_ID]
