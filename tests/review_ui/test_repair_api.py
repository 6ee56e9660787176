"""Repaired masks over HTTP: refined on request, stored with an accept, published, undone, refused in one line."""

import io
import shutil
import uuid
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, PngImagePlugin
from portrait_datasets import commit_pending

from manifests.decisions.log import DecisionLog
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.samples.pair import read_mask
from manifests.store.manifest import ManifestStore
from manifests.upkeep.garbage import find_garbage
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api
from review_ui.web.repaired_masks import MAX_MASK_CHARACTERS

Json = dict[str, object]
LATER = 4e9  # seconds since the epoch: every blob is old by then


@pytest.fixture(scope="module")
def two_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with two real portraits waiting, to be copied."""
    root = tmp_path_factory.mktemp("two")
    commit_pending(root, portraits, (0.9, 0.8))
    return root


@pytest.fixture
def log(tmp_path: Path, two_waiting: Path, log: DecisionLog) -> DecisionLog:
    shutil.copytree(two_waiting, tmp_path, dirs_exist_ok=True)
    return log


@pytest.fixture
def client(tmp_path: Path, log: DecisionLog) -> TestClient:
    store = ManifestStore(tmp_path / "manifests")
    return TestClient(create_api(ReviewSession(store.open(), store, log), BlobStore(tmp_path / "data")))


@pytest.fixture
def sample(client: TestClient) -> Json:
    """The first sample that waits."""
    return client.get("/api/next?n=1").json()["samples"][0]


@pytest.fixture
def shown(client: TestClient, sample: Json) -> np.ndarray:
    """Its mask, uint8 (H, W)."""
    return decode_mask(client.get(str(sample["mask_url"])).content)


def png(levels: np.ndarray, **options: object) -> str:
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", **options)
    return b64encode(buffer.getvalue()).decode()


def accept(client: TestClient, sample: Json, mask: object, **changes: object) -> Json:
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "accept", "decision_ms": 4000, "mask": mask}
    answer = client.post("/api/decisions", json={"decisions": [decision | named | changes]})
    return answer.json() | {"status": answer.status_code}


def with_a_block(shown: np.ndarray) -> np.ndarray:
    repaired = shown.copy()
    repaired[:20, :30] = 255
    return repaired


def test_an_accept_with_a_mask_is_published_as_an_edited_row(client, sample, shown, tmp_path):
    repaired = with_a_block(shown)
    assert len(accept(client, sample, png(repaired))["stored"]) == 1
    client.post("/api/publish")
    rows = {row["sample_id"]: row for row in ManifestStore(tmp_path / "manifests").open().read().to_pylist()}
    row = rows[sample["sample_id"]]
    assert (row["origin"], row["status"], row["edited_from"]) == ("edited", "accepted", sample["mask_sha256"])
    assert (read_mask(BlobStore(tmp_path / "data"), row) == repaired).all()


def test_the_log_holds_the_iou_with_the_mask_shown(client, sample, shown, log):
    repaired = with_a_block(shown)
    accept(client, sample, png(repaired))
    (decision,) = log.standing()
    person, before = repaired >= 128, shown >= 128
    assert decision.edit_iou == pytest.approx((person & before).sum() / (person | before).sum())
    assert decision.verdict_as_shown == "reject"


def test_history_shows_the_repaired_mask_and_an_undo_the_first_one(client, sample, shown):
    stored = accept(client, sample, png(with_a_block(shown)))["stored"][0]
    (entry,) = client.get("/api/history").json()["decisions"]
    assert (decode_mask(client.get(entry["edited_mask_url"]).content) == with_a_block(shown)).all()
    assert entry["sample"]["mask_url"] == sample["mask_url"]
    undone = client.post("/api/undo", json={"decision_id": stored}).json()["sample"]
    assert undone["mask_url"] == sample["mask_url"]
    assert client.get("/api/history").json()["decisions"] == []


def test_repeating_a_repair_is_harmless_and_another_mask_under_its_id_is_a_clash(client, sample, shown):
    name = str(uuid.uuid4())
    for _ in range(2):
        assert accept(client, sample, png(with_a_block(shown)), decision_id=name)["stored"] == [name]
    assert accept(client, sample, png(shown), decision_id=name)["status"] == 409


def test_what_a_browser_writes_beside_the_pixels_is_not_kept(client, sample, shown, tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody at home")
    accept(client, sample, png(with_a_block(shown), pnginfo=text))
    blob = BlobStore(tmp_path / "data").find(sha256_hex(encode_mask(with_a_block(shown))))
    assert blob is not None
    assert b"somebody" not in blob.read_bytes()


def test_gc_keeps_repaired_masks_that_no_version_names_yet(client, sample, shown, tmp_path, log):
    accept(client, sample, png(with_a_block(shown)))
    garbage = find_garbage(tmp_path / "manifests", tmp_path / "data", log=log, now=LATER)
    assert garbage.deletable == ()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda shown: png(shown[:-1]), "expected a repaired mask of "),
        (lambda shown: png(np.zeros_like(shown)), "with a person in it, found none"),
        (lambda shown: png(np.stack([shown] * 3, axis=-1)), "expected an 8-bit single-channel mask PNG"),
        (lambda shown: png(shown.astype(np.uint16) * 257), "expected an 8-bit single-channel mask PNG"),
        (lambda shown: png(shown >= 128), "expected an 8-bit single-channel mask PNG"),
        (lambda shown: png(shown)[:-40], "expected a mask"),
        (lambda _: "not base64!", "expected a mask as base64 of a PNG"),
        (lambda _: b64encode(b"GIF89a").decode(), "expected a mask as base64 of a PNG"),
        (lambda _: "A" * (MAX_MASK_CHARACTERS + 1), "characters"),
        (lambda _: 5, "expected a mask as base64"),
        (lambda _: {"sha256": "0" * 64}, "expected a mask as base64"),
    ],
)
def test_a_mask_that_is_none_is_refused_in_one_line(client, sample, shown, log, make, complaint):
    answer = accept(client, sample, make(shown))
    assert answer["stored"] == []
    (refusal,) = answer["refused"]
    assert complaint in refusal["error"]
    assert "\n" not in refusal["error"]
    assert len(refusal["error"]) < 300
    assert log.standing() == []


def test_a_huge_picture_is_refused_before_it_is_decoded(client, sample):
    bomb = io.BytesIO()
    Image.new("L", (12_000, 10_000)).save(bomb, "PNG")
    (refusal,) = accept(client, sample, b64encode(bomb.getvalue()).decode())["refused"]
    assert "at most 100 megapixels" in refusal["error"]


@pytest.mark.parametrize("verdict", ["reject", "skip"])
def test_a_repair_comes_with_an_accept_only(client, sample, shown, verdict):
    (refusal,) = accept(client, sample, png(shown), verdict=verdict)["refused"]
    assert refusal["error"] == f"expected a repaired mask with an accept only, found it with {verdict}"


def test_a_repair_of_a_mask_that_changed_meanwhile_is_refused(client, sample, shown):
    other = client.get("/api/next?n=2").json()["samples"][1]
    (refusal,) = accept(client, sample, png(shown), mask_sha256=other["mask_sha256"])["refused"]
    assert "look at the new mask" in refusal["error"]


def test_one_bad_mask_leaves_the_rest_of_the_batch(client, shown):
    samples = client.get("/api/next?n=2").json()["samples"]
    decisions = [
        {
            "decision_id": str(uuid.uuid4()),
            "verdict": "accept",
            "mask": mask,
            **{k: each[k] for k in ("sample_id", "mask_sha256")},
        }
        for each, mask in zip(samples, ["nonsense", None], strict=True)
    ]
    answer = client.post("/api/decisions", json={"decisions": decisions}).json()
    assert answer["stored"] == [decisions[1]["decision_id"]]
    assert [refusal["decision_id"] for refusal in answer["refused"]] == [decisions[0]["decision_id"]]


def refined(client: TestClient, sample: Json, levels: np.ndarray, action: str, **stroke: object) -> np.ndarray:
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    answer = client.post("/api/refine", json={**named, "mask": png(levels), "action": action, **stroke})
    assert answer.status_code == 200, answer.text
    return decode_mask(b64decode(answer.json()["mask"]))


def test_actions_refine_the_mask_as_the_page_has_it(client, sample, shown):
    holed = shown.copy()
    holed[200:210, 100:110] = 0
    holed[:10, :10] = 255
    assert (refined(client, sample, holed, "largest")[:10, :10] == 0).all()
    assert (refined(client, sample, holed, "fill")[200:210, 100:110] == 255).all()
    assert refined(client, sample, holed, "smooth").shape == shown.shape


def test_a_smart_stroke_grows_around_its_points(client, sample, shown):
    cut = shown.copy()
    cut[280:] = 0
    stroke = {"points": [[100, 300], [140, 300]], "radius": 6}
    assert np.count_nonzero(refined(client, sample, cut, "person", **stroke)[280:] >= 128) > 12 * 40
    assert not (refined(client, sample, shown, "background", **stroke)[297:303, 100:140] >= 128).any()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"action": "person"}, 409),  # without a stroke
        ({"action": "paint"}, 422),
        ({"action": "person", "points": [[1, 1]], "radius": 0}, 422),
        ({"action": "person", "points": [[1, 1]] * 10_001}, 422),
        ({"action": "person", "points": [["a", 1]]}, 422),
        ({"mask": "nonsense"}, 409),
        ({"sample_id": "0" * 32}, 409),
    ],
)
def test_what_can_not_be_refined_is_answered_with_one_line(client, sample, shown, changes, status):
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    answer = client.post("/api/refine", json={**named, "mask": png(shown), "action": "fill", **changes})
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]


def test_a_mask_of_another_size_is_not_refined(client, sample, shown):
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    answer = client.post("/api/refine", json={**named, "mask": png(shown[1:]), "action": "fill"})
    assert answer.status_code == 409
    assert "expected a mask of" in answer.json()["error"]
