"""Filters and orders of the queue, with no page running, and over HTTP."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from hostile_files import write_foreign_name
from paired_import import import_ground_truth
from submissions import assign, decide, submission
from two_sources import DOUBTS, commit_two_sources

from manifests.decisions.audit import AuditedPart
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from review_ui.quality.gold import GoldSample
from review_ui.queue.embedding.embedding_files import EmbeddingFiles
from review_ui.queue.embedding.image_embeddings import EmbeddingProgress
from review_ui.queue.embedding.k_center import k_center
from review_ui.queue.gold_mix import GoldMix, Rates
from review_ui.queue.messages import NextRequest
from review_ui.queue.queue_filter import BadFilter, QueueFilter
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD as ME
from review_ui.reviewer import Reviewer
from review_ui.web.api import create_api

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANA, BO = Reviewer("ana", "reviewer"), Reviewer("bo", "reviewer")
WAIT_SECONDS = 60  # for eight images, on a busy machine


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    root = tmp_path_factory.mktemp("filters")
    commit_two_sources(root, portraits)
    return root


@pytest.fixture
def open_session(tmp_path: Path, dataset: Path) -> Iterator[Callable[..., ReviewSession]]:
    shutil.copytree(dataset, tmp_path, dirs_exist_ok=True)
    opened: list[ReviewSession] = []

    def open_session(**options: Any) -> ReviewSession:
        store = ManifestStore(tmp_path / "manifests")
        log = DecisionLog(sqlite_url(tmp_path / "data"))
        opened.append(ReviewSession(store.open(), store, log, **({"now": lambda: NOON} | options)))
        return opened[-1]

    yield open_session
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session: Callable[..., ReviewSession]) -> ReviewSession:
    return open_session()


@pytest.fixture
def client(session: ReviewSession, tmp_path: Path) -> TestClient:
    return TestClient(create_api(session, BlobStore(tmp_path / "data")), base_url="http://127.0.0.1:7860")


def doubts(session: ReviewSession, query: str, *, tab: str = "", reviewer: Reviewer = ME) -> list[float | None]:
    samples = assign(session, reviewer, 100, tab=tab, query=query).samples
    return [None if sample.doubt is None else round(sample.doubt, 1) for sample in samples]


def embedded(session: ReviewSession, query: str) -> Any:
    """The assignment once all images are embedded."""
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        assignment = assign(session, ME, 100, query=query)
        if assignment.embedding.is_complete:
            return assignment
        time.sleep(0.05)
    raise AssertionError(assignment.embedding)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "source=studio": [0.7, 0.5, 0.4],
        "source=studio&source=web": [*DOUBTS[:-1], None],
        "source=studio&teacher=net0@0123456789ab": [0.7, 0.5],
        "doubt=0.6-0.9": [0.9, 0.8, 0.7, 0.6],
        "doubt=0.75-1": [0.9, 0.8],
        "group=*": [0.7, None],
        "source=web&group=*": [None],
        "order=doubt": [*DOUBTS[:-1], None],
    }.items(),
)
def test_what_passes_comes_in_the_order_of_doubt(session, query, expected):
    assert doubts(session, query) == expected


@pytest.mark.parametrize(
    ("query", "error"),
    {
        "source=mars": "expected a source under review in v2 (",
        "teacher=none": "expected a teacher under review in v2 (net0@0123456789ab, net1@0123456789ab), found 'none'",
        "group=1": "expected a group under review in v2",
        "like=" + "0" * 32: "expected a sample under review in v2 as like",
        "doubt=0.9-0.2": "expected a range of doubt in 0 to 1, such as 0.2-0.9, found '0.9-0.2'",
        "doubt=0.5": "expected a range of doubt",
        "doubt=0-2": "expected a range of doubt",
        "doubt=0-1&doubt=0-1": "expected doubt at most 1x, found 2x",
        "order=random": "expected an order out of doubt, diversity, likeness, found 'random'",
        "order=likeness": "expected order=likeness with like=SAMPLE_ID",
        "order=diversity&like=a": "expected order=likeness with like=SAMPLE_ID",
        "reason=hair": "expected a filter by reason with queue=second_look",
        "slice=night": "manifests have no slice columns yet",
        "sauce=web": "expected a filter out of source, teacher, doubt, group, reason, like, order, found 'sauce'",
        "source=": "expected 1 to 200 characters as source",
        "source=%0a": "expected 1 to 200 characters as source",
        "queue=second_look&order=diversity": "expected order=diversity with queue=work",
        "queue=second_look&like=a": "expected order=likeness with queue=work",
    }.items(),
)
def test_a_filter_that_makes_no_sense_is_answered_with_one_line(client, query, error):
    answer = client.get(f"/api/next?{query}")
    assert answer.status_code == 422
    assert error in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_a_bad_filter_fails_alone(session):
    bad, good = session.next_all([
        NextRequest(ANA, 2, "", "work", QueueFilter(sources=("mars",))), NextRequest(BO, 2, "", "work"),
    ])  # fmt: skip
    assert isinstance(bad, BadFilter)
    assert len(good.samples) == 2


def test_remaining_counts_what_passes_and_progress_the_whole_queue(client):
    answer = client.get("/api/next?source=studio&n=1").json()
    assert (answer["remaining"], answer["filtered"]) == (3, {"remaining": 3, "total": 3})
    assert answer["progress"] == {"done": 0, "total": 8, "flagged": 0}
    sample = answer["samples"][0]
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    decision = {"decision_id": "8c5f6c1e-3a54-4a2b-9d1b-2f6a7c9d0e11", "verdict": "accept"} | named
    client.post("/api/decisions", json={"decisions": [decision]})
    answer = client.get("/api/next?source=studio").json()
    assert answer["filtered"] == {"remaining": 2, "total": 3}
    assert "filtered" not in client.get("/api/next").json()


def test_a_tab_gives_back_what_its_new_filter_leaves_out(session):
    assert len(doubts(session, "", tab="one", reviewer=ANA)) == 8
    assert doubts(session, "", tab="two", reviewer=BO) == []
    assert doubts(session, "source=studio", tab="one", reviewer=ANA) == [0.7, 0.5, 0.4]
    assert doubts(session, "", tab="two", reviewer=BO) == [0.9, 0.8, 0.6, 0.3, None]


def test_a_skipped_sample_comes_last_within_its_filter(session):
    first = assign(session, ME, 1, query="source=studio").samples[0]
    decide(session, ME, [submission(first, "skip")])
    assert doubts(session, "source=studio") == [0.5, 0.4, 0.7]


def test_the_second_look_is_filtered_by_reason_and_source(session):
    for query in ("source=web", "source=studio"):
        decide(session, ME, [submission(assign(session, ME, 1, query=query).samples[0], "skip", reason="flag")])
    counts = {"reason=flag": 2, "reason=flag&source=studio": 1, "source=web": 1, "reason=hair": 0}
    for query, count in counts.items():
        assignment = assign(session, ME, 9, queue="second_look", query=query)
        assert (len(assignment.samples), assignment.remaining) == (count, count)


def test_choices_count_what_waits(client):
    choices = client.get("/api/filters").json()
    assert choices["sources"] == [{"name": "studio", "waiting": 3}, {"name": "web", "waiting": 5}]
    assert choices["teachers"] == [{"name": f"net{n}@0123456789ab", "waiting": 4} for n in (0, 1)]
    assert (choices["doubt"], choices["groups"]) == ([0.3, 0.45, 0.6, 0.75, 0.9], 1)
    assert choices["reasons"] == []


def test_an_audit_has_no_filters(open_session):
    audit = open_session(audit=AuditedPart(0.9, 0))
    with pytest.raises(BadFilter, match="expected no filter in an audit"):
        assign(audit, ME, 9, query="source=web")


# By the images -------------------------------------------------------------------------------------------------


def test_k_center_takes_the_farthest_point_first():
    angles = np.radians([0, 10, 90, 180, 10])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert k_center(vectors, 4).tolist() == [0, 3, 2, 1]  # 180 degrees away, then 90, then 10
    assert sorted(k_center(vectors, 9).tolist()) == [0, 1, 2, 3, 4]  # equal ones, too, each once
    assert k_center(vectors[:0], 3).tolist() == []


def test_diversity_puts_a_near_duplicate_behind_all_others(session):
    samples = embedded(session, "order=diversity").samples
    assert len({sample.sample_id for sample in samples}) == 8
    pair = [round(sample.doubt, 1) if sample.doubt else None for sample in samples]
    assert {pair.index(0.7), pair.index(None)} & {7}
    assert min(pair.index(0.7), pair.index(None)) < 6


def test_look_alikes_are_the_sample_itself_and_its_near_duplicate(session):
    [third] = [sample for sample in assign(session, ME, 9).samples if sample.doubt and round(sample.doubt, 1) == 0.7]
    samples = embedded(session, f"like={third.sample_id}").samples
    assert [sample.sample_id for sample in samples][:1] == [third.sample_id]
    assert None in [sample.doubt for sample in samples]
    assert len(samples) < 8


def test_embeddings_are_kept_and_read_again(session, open_session, tmp_path, monkeypatch):
    embedded(session, "order=diversity")
    session.close()
    parts = list((tmp_path / "data/embeddings").glob("*/*.parquet"))
    assert len(parts) == 1
    monkeypatch.setattr(
        "review_ui.queue.embedding.encoder.ImageEncoder.embed", lambda *_: pytest.fail("computed again")
    )
    assert embedded(open_session(), "order=diversity").embedding.done == 8
    parts[0].write_bytes(b"PAR1 damaged")
    again = open_session()
    monkeypatch.undo()
    assert embedded(again, "order=diversity").embedding.done == 8


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_foreign_name(pq.read_table(path), path),
        lambda path: pq.write_table(pa.table({"image_sha256": ["a"]}), path),
    ],
    ids=["a name that is not UTF-8", "other columns"],
)
def test_embeddings_in_other_columns_are_left_out_with_a_warning(tmp_path, write, caplog):
    files = EmbeddingFiles(tmp_path, "encoder", 2)
    for digest in ("a", "b"):
        files.add([digest], np.ones((1, 2)))
    first, _ = sorted((tmp_path / "embeddings/encoder").iterdir())
    write(first)
    assert len(files.load()[0]) == 1
    assert f"expected embeddings in {first}, found a damaged file" in caplog.text


def test_an_image_that_cannot_be_opened_is_left_out_and_counted(session, tmp_path):
    broken = assign(session, ME, 1).samples[0]
    BlobStore(tmp_path / "data").find(broken.image_sha256).write_bytes(b"no image")
    progress = embedded(session, "order=diversity").embedding
    assert (progress.done, progress.failed, progress.total) == (7, 1, 8)
    with pytest.raises(BadFilter, match="can't be opened"):
        assign(session, ME, 1, query=f"like={broken.sample_id}")


def test_the_answer_tells_how_far_the_embedding_is(client):
    answer = client.get("/api/next?order=diversity").json()
    assert answer["embedding"].keys() == {"done", "total", "failed"}
    assert len(answer["samples"]) == 8  # those not embedded yet come by doubt


# Gold ----------------------------------------------------------------------------------------------------------


def with_gold(session: ReviewSession, portraits: Path, tmp_path: Path) -> list[GoldSample]:
    """Three gold samples, of portraits that are trusted rows of the source "truth"."""
    truth = import_ground_truth(
        ManifestStore(tmp_path / "truth"), images=portraits / "images", masks=portraits / "masks", source="truth",
        data_root=tmp_path / "data", limit=12,
    ).manifest  # fmt: skip
    rows = truth.read().to_pylist()[-3:]
    names = ("sample_id", "mask_sha256", "image_sha256", "width", "height")
    gold = [GoldSample(**{name: row[name] for name in names}, right_verdict="accept") for row in rows]
    session.use_gold({sample.key: sample for sample in gold})
    return gold


def test_gold_is_mixed_in_with_a_doubt_that_passes(open_session, portraits, tmp_path):
    session = open_session(rates=Rates(gold=0.5), rng=random.Random(1))
    gold = {sample.sample_id for sample in with_gold(session, portraits, tmp_path)}
    for query, low in (("doubt=0.75-1", 0.74), ("doubt=0-0.35", 0.0)):
        samples = assign(session, ME, 100, query=query).samples
        high = 0.36 if low == 0 else 1
        assert gold & {sample.sample_id for sample in samples}
        assert all(low <= sample.doubt <= high for sample in samples)


def test_among_look_alikes_there_is_no_unrelated_gold_and_no_unrelated_repeat(open_session, portraits, tmp_path):
    clock = [NOON]
    session = open_session(rates=Rates(gold=0.5, repeat=0.5), rng=random.Random(1), now=lambda: clock[0])
    with_gold(session, portraits, tmp_path)
    judged = assign(session, BO, 2, query="source=studio").samples
    decide(session, BO, [submission(sample) for sample in judged])
    clock[0] += timedelta(hours=1)
    samples = assign(session, ANA, 100, query="group=*").samples
    assert {sample.doubt is None or round(sample.doubt, 1) == 0.7 for sample in samples} <= {True}


def test_a_gold_sample_is_among_its_own_look_alikes(open_session, portraits, tmp_path):
    session = open_session(rates=Rates(gold=0.5), rng=random.Random(1))
    gold = with_gold(session, portraits, tmp_path)[0]
    samples = assign(session, ANA, 100, query=f"like={gold.sample_id}").samples
    assert samples[0].key == gold.key
    decide(session, ANA, [submission(samples[0])])
    assert [d.purpose for d in session.decisions()] == ["gold"]
    assert gold.key not in [s.key for s in assign(session, ANA, 100, query=f"like={gold.sample_id}").samples]


def test_gold_of_the_source_comes_first():
    mix = GoldMix(Rates(gold=0.5), random.Random(0))
    mix.gold = {(name, "m"): GoldSample(name, "m", "i", 4, 4, "accept") for name in ("aa", "bb", "cc")}
    assert {mix.choose_gold((), {"bb"}).sample_id for _ in range(20)} == {"bb"}
    assert len({mix.choose_gold((), {"zz"}).sample_id for _ in range(50)}) == 3


def test_an_order_made_of_half_the_images_is_kept_until_twice_as_many_are_embedded(session, monkeypatch):
    embedded(session, "order=diversity")
    selections = session._live.state.selections
    [kept] = selections._kept.values()
    for made_from, done, is_kept in ((3, 5, True), (3, 6, False), (6, 7, True), (6, 8, False)):
        half = replace(kept, embedding=EmbeddingProgress(made_from, 8), embedded=made_from)
        monkeypatch.setattr(selections._embeddings, "progress", lambda done=done: EmbeddingProgress(done, 8))
        now = selections._with_progress(QueueFilter(order="diversity"), half)
        assert (now is not None) == is_kept
        assert now is None or now.embedding.done == done
