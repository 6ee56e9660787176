"""Samples with two masks over HTTP: both shown, one chosen, published, undone; wrong choices refused in one line."""

import random
import shutil
import uuid
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from portrait_datasets import commit_pending
from two_masks import RIVAL_TEACHER, add_rivals, moved

from manifests.decisions.audit import AuditedPart
from manifests.decisions.log import DecisionLog
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, decode_mask, encode_mask
from manifests.pixels.metrics import mask_iou
from manifests.samples.sample import Row
from manifests.store.manifest import ManifestStore
from review_ui.quality.gold import GoldSample
from review_ui.queue.gold_mix import Rates
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api

Json = dict[str, Any]
DOUBTS = (0.9, 0.8, 0.1, 0.3)


@pytest.fixture(scope="module")
def four_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with four real portraits waiting; the third and the fourth have two masks. To be copied."""
    root = tmp_path_factory.mktemp("four")
    commit_pending(root, portraits, DOUBTS)
    add_rivals(root, [0, 0, 3, 20])
    return root


@pytest.fixture
def store(tmp_path: Path, four_waiting: Path) -> ManifestStore:
    shutil.copytree(four_waiting, tmp_path, dirs_exist_ok=True)
    return ManifestStore(tmp_path / "manifests")


@pytest.fixture
def client(store: ManifestStore, log: DecisionLog) -> TestClient:
    return TestClient(create_api(ReviewSession(store.open(), store, log), BlobStore(store.data_root())))


@pytest.fixture
def pair(client: TestClient) -> Json:
    """The first sample that waits."""
    return samples(client)[0]


def samples(client: TestClient) -> list[Json]:
    found: list[Json] = client.get("/api/next?n=16").json()["samples"]
    return found


def decide(client: TestClient, sample: Json, **changes: object) -> Json:
    named = {name: sample[name] for name in ("sample_id", "mask_sha256", "rival_mask_sha256") if name in sample}
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "accept", "decision_ms": 900}
    answer: Json = client.post("/api/decisions", json={"decisions": [decision | named | changes]}).json()
    return answer | {"decision_id": decision["decision_id"]}


def gold_of(row: Row) -> GoldSample:
    """A gold sample of the row's pixels, under an id of its own."""
    return GoldSample("f" * 32, row["mask_sha256"], row["image_sha256"], row["width"], row["height"], "accept")


def row_of(store: ManifestStore, sample: Json) -> Row:
    rows = store.open().read(only={"sample_id": sample["sample_id"]}).to_pylist()
    return dict(rows[0])


def test_samples_with_two_masks_come_first_by_disagreement(client: TestClient, store: ManifestStore) -> None:
    found = samples(client)
    rows = {row["sample_id"]: row for row in store.open().read().to_pylist()}
    assert ["rival_mask_sha256" in sample for sample in found] == [True, True, False, False]
    assert found[0]["rival_iou"] < found[1]["rival_iou"] < 1
    assert [rows[sample["sample_id"]]["doubt"] for sample in found] == pytest.approx([0.3, 0.1, 0.9, 0.8])


def test_both_masks_can_be_fetched_and_no_teacher_is_named(client: TestClient, pair: Json) -> None:
    masks = [decode_mask(client.get(pair[name]).content) for name in ("mask_url", "rival_url")]
    assert (masks[1] == moved(masks[0], 20)).all()
    assert not any("teacher" in name for name in pair)


@pytest.mark.parametrize("chosen", ["mask_sha256", "rival_mask_sha256"])
def test_the_chosen_mask_is_published(client: TestClient, store: ManifestStore, pair: Json, chosen: str) -> None:
    assert decide(client, pair, chosen_mask_sha256=pair[chosen])["refused"] == []
    (entry,) = client.get("/api/history").json()["decisions"]
    assert entry["chosen_mask_sha256"] == pair[chosen]
    client.post("/api/publish")
    row = row_of(store, pair)
    assert (row["status"], row["mask_sha256"]) == ("accepted", pair[chosen])
    assert (row["teacher"] == RIVAL_TEACHER) == (chosen == "rival_mask_sha256")
    assert pair["sample_id"] not in [sample["sample_id"] for sample in samples(client)]


def test_the_log_keeps_both_masks(client: TestClient, log: DecisionLog, pair: Json) -> None:
    decide(client, pair, chosen_mask_sha256=pair["rival_mask_sha256"])
    (decision,) = log.standing()
    assert decision.mask_sha256 == pair["mask_sha256"]
    assert decision.rival_mask_sha256 == decision.chosen_mask_sha256 == pair["rival_mask_sha256"]


def test_an_undo_shows_both_again(client: TestClient, store: ManifestStore, pair: Json) -> None:
    decision_id = decide(client, pair, chosen_mask_sha256=pair["rival_mask_sha256"])["decision_id"]
    client.post("/api/publish")
    client.post("/api/undo", json={"decision_id": decision_id})
    client.post("/api/publish")
    again = {sample["sample_id"]: sample for sample in samples(client)}[pair["sample_id"]]
    assert (again["mask_sha256"], again["rival_url"]) == (pair["mask_sha256"], pair["rival_url"])
    assert row_of(store, pair)["chosen_by"] is None


def test_a_reject_rejects_both(client: TestClient, store: ManifestStore, pair: Json) -> None:
    assert decide(client, pair, verdict="reject", reason="hair")["refused"] == []
    client.post("/api/publish")
    assert row_of(store, pair)["status"] == "rejected"


def test_a_repair_is_compared_with_the_mask_it_began_with(client: TestClient, log: DecisionLog, pair: Json) -> None:
    rival = decode_mask(client.get(pair["rival_url"]).content)
    repaired = rival.copy()
    repaired[:20, :30] = 255
    mask = b64encode(encode_mask(repaired)).decode()
    decide(client, pair, chosen_mask_sha256=pair["rival_mask_sha256"], mask=mask)
    (decision,) = log.standing()
    assert decision.edit_iou == pytest.approx(mask_iou(repaired >= PERSON_LEVEL, rival >= PERSON_LEVEL))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"chosen_mask_sha256": "0" * 64}, "expected one of the sample's two masks as the chosen one"),
        ({}, "expected chosen_mask_sha256 with an accept of two masks"),
        ({"verdict": "reject", "chosen_mask_sha256": "0" * 64}, "expected chosen_mask_sha256 with an accept"),
        ({"rival_mask_sha256": "0" * 64, "chosen_mask_sha256": "0" * 64}, "look at the sample again"),
        ({"rival_mask_sha256": None, "chosen_mask_sha256": "0" * 64}, "expected rival_mask_sha256 as text, found None"),
        ({"rival_mask_sha256": 5, "chosen_mask_sha256": "0" * 64}, "expected rival_mask_sha256 as text, found 5"),
    ],
)
def test_a_wrong_choice_is_refused_in_one_line(client: TestClient, pair: Json, changes: Json, error: str) -> None:
    (refused,) = decide(client, pair, **changes)["refused"]
    assert error in refused["error"]
    assert "\n" not in refused["error"]


def test_a_rival_for_a_sample_with_one_mask_is_refused(client: TestClient) -> None:
    single = samples(client)[-1]
    digest = "1" * 64
    (refused,) = decide(client, single, rival_mask_sha256=digest, chosen_mask_sha256=digest)["refused"]
    assert "expected no mask beside mask" in refused["error"]


def test_a_client_that_shows_one_mask_can_still_accept_it(client: TestClient, log: DecisionLog, pair: Json) -> None:
    assert decide(client, pair, rival_mask_sha256=None)["refused"] == []
    (decision,) = log.standing()
    assert decision.chosen_mask_sha256 is None


def test_repeating_a_choice_is_harmless_and_another_one_clashes(client: TestClient, pair: Json) -> None:
    decision_id = str(uuid.uuid4())
    for _ in range(2):
        again = decide(client, pair, decision_id=decision_id, chosen_mask_sha256=pair["mask_sha256"])
        assert again["stored"] == [decision_id]
    other = decide(client, pair, decision_id=decision_id, chosen_mask_sha256=pair["rival_mask_sha256"])
    assert "expected a unique decision_id" in other["error"]


def test_two_reviewers_who_choose_different_masks_ask_for_a_second_look(store: ManifestStore, log: DecisionLog) -> None:
    session = ReviewSession(store.open(), store, log, votes=2)
    client = TestClient(create_api(session, BlobStore(store.data_root())))
    pair = samples(client)[0]
    decide(client, pair, chosen_mask_sha256=pair["mask_sha256"])
    (mine,) = log.standing()
    other = replace(mine, decision_id=str(uuid.uuid4()), reviewer="bob", chosen_mask_sha256=pair["rival_mask_sha256"])
    log.append([other])
    (waiting,) = client.get("/api/next?queue=second_look").json()["samples"]
    assert waiting["rival_url"] == pair["rival_url"]


def test_what_measures_reviewers_never_comes_among_pairs(store: ManifestStore, log: DecisionLog) -> None:
    add_rivals(store.root.parent, [5, 6, 3, 20])
    rng = random.Random(0)
    session = ReviewSession(store.open(), store, log, rates=Rates(gold=0.5, repeat=0.5), rng=rng)
    gold = gold_of(store.open().read().to_pylist()[0])
    session.use_gold({gold.key: gold})
    client = TestClient(create_api(session, BlobStore(store.data_root())))
    first = samples(client)
    assert len(first) == 4
    for sample in first:
        decide(client, sample, chosen_mask_sha256=sample["mask_sha256"])
    assert samples(client) == []


def test_an_audit_leaves_pairs_out(store: ManifestStore, log: DecisionLog) -> None:
    session = ReviewSession(store.open(), store, log, audit=AuditedPart(1.0))
    client = TestClient(create_api(session, BlobStore(store.data_root())))
    assert ["rival_url" in sample for sample in samples(client)] == [False, False]


def test_a_sample_without_its_rivals_file_is_set_aside(store: ManifestStore, log: DecisionLog) -> None:
    row = store.open().read().to_pylist()[3]
    path = BlobStore(store.data_root()).find(row["rival_mask_sha256"])
    assert path is not None
    path.unlink()
    session = ReviewSession(store.open(), store, log)
    client = TestClient(create_api(session, BlobStore(store.data_root())))
    assert row["sample_id"] not in [sample["sample_id"] for sample in samples(client)]
    (problem,) = session.problems()
    assert f"expected its rival {row['rival_mask_sha256'][:12]}" in problem
