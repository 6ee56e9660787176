"""Several reasons and a note on one decision: API, counts, filters, log."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from portrait_datasets import commit_pending

from manifests.decisions.decision import reasons_of
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.policy import Policy
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from manifests.upkeep.stats import Statistics, reasons_given
from manifests.versions.selection import any_among
from review_ui.gallery.cards import gallery_page
from review_ui.gallery.filters import GalleryFilter
from review_ui.quality.counts import tally
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api

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

    published = session.publish()
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
