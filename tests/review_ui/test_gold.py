"""Gold samples: damage that a careful reviewer sees, and a table that any number of servers agree on."""

import threading
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from paired_import import import_ground_truth
from portrait_datasets import commit_pending, import_portraits

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import decode_mask
from manifests.store.manifest import Manifest, ManifestStore
from review_ui.quality.gold import GoldSamples
from review_ui.quality.gold_generation import prepare_gold
from review_ui.quality.mask_corruption import DAMAGES, IOU_RANGE, PERSON_FRACTIONS, damaged_copy, softened

SEED = 7


@pytest.fixture(scope="module")
def masks(portraits: Path) -> list[np.ndarray]:
    """Twenty real masks with room for damage."""
    paths = sorted(portraits.glob("masks/train_*.png"))[:40]
    found = [read_mask_values(path) for path in paths]
    return [mask for mask in found if PERSON_FRACTIONS[0] < (mask >= 128).mean() < PERSON_FRACTIONS[1]][:20]


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Manifest:
    """Forty real portraits as ground truth."""
    return import_portraits(tmp_path_factory.mktemp("forty"), portraits, 40)


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    log = DecisionLog(sqlite_url(tmp_path))
    yield log
    log.close()


def prepare(manifest: Manifest, log: DecisionLog, count: int = 12, **options: float) -> int:
    return prepare_gold(manifest, BlobStore(manifest.data_root), log, count=count, **({"seed": SEED} | options))


def iou(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first >= 128, second >= 128
    return (first & second).sum() / (first | second).sum()


def regions(mask: np.ndarray) -> int:
    return cv2.connectedComponents((mask >= 128).astype(np.uint8))[0] - 1


def copies(masks: list[np.ndarray], kind: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(good, damaged) of each mask that has room for this damage."""
    made = [(softened(m >= 128), damaged_copy(m, kind, np.random.default_rng(i))) for i, m in enumerate(masks)]
    return [(good, damaged) for good, damaged in made if damaged is not None]


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_can_be_seen_and_is_not_absurd(masks, kind):
    made = copies(masks, kind)
    assert len(made) >= len(masks) // 2
    for good, damaged in made:
        assert damaged.dtype == np.uint8
        assert damaged.shape == good.shape
        assert IOU_RANGE[0] <= iou(good, damaged) <= IOU_RANGE[1]


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_a_function_of_mask_and_seed(masks, kind):
    first, second = (damaged_copy(masks[0], kind, np.random.default_rng(SEED)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("level", [0, 255])
def test_a_mask_of_nobody_or_of_nothing_else_is_left_alone(kind, level):
    assert damaged_copy(np.full((64, 48), level, np.uint8), kind, np.random.default_rng(0)) is None


@pytest.mark.parametrize("kind", ["missing part", "straight cut", "eroded"])
def test_what_takes_away_adds_nothing(masks, kind):
    for good, damaged in copies(masks, kind):
        assert not ((damaged >= 128) & (good < 64)).any()  # 64: where an edge went, blurring rounds the corners


@pytest.mark.parametrize("kind", ["background included", "second region", "box edge", "dilated"])
def test_what_adds_takes_nothing_away(masks, kind):
    for good, damaged in copies(masks, kind):
        assert not ((damaged < 128) & (good >= 128)).any()


def test_a_second_region_lies_apart(masks):
    assert all(regions(damaged) > regions(good) for good, damaged in copies(masks, "second region"))


@pytest.mark.parametrize("kind", ["shifted", "eroded"])
def test_a_person_cut_by_the_lower_border_stays_cut_by_it(masks, kind):
    for good, damaged in copies(masks, kind):
        if (good[-1] >= 128).sum() > 100:
            assert (damaged[-1] >= 128).any()


def test_an_unknown_damage_is_refused(masks):
    with pytest.raises(KeyError):
        damaged_copy(masks[0], "burnt", np.random.default_rng(0))


def test_half_of_the_gold_is_damaged_and_the_rest_is_good(forty, log):
    assert prepare(forty, log) == 12
    gold = GoldSamples.load(log)
    assert Counter(sample.right_verdict for sample in gold.values()) == {"accept": 6, "reject": 6}
    rows = {row["sample_id"]: row for row in forty.read().to_pylist()}
    blobs = BlobStore(forty.data_root)
    for key, sample in gold.items():
        row = rows[sample.sample_id]
        original = decode_mask(blobs.read(row["mask"], row["mask_sha256"]))
        shown = decode_mask(blobs.find(sample.mask_sha256).read_bytes())
        assert key == sample.key
        assert sample.image_sha256 == row["image_sha256"]
        assert (sample.height, sample.width) == shown.shape
        assert (sample.damage in DAMAGES) == (sample.right_verdict == "reject")
        assert (iou(original, shown) > 0.98) == (sample.right_verdict == "accept")


def test_no_kind_of_damage_is_left_out(forty, log):
    prepare(forty, log, count=32, damaged_fraction=1)
    damages = Counter(sample.damage for sample in GoldSamples.load(log).values())
    assert damages.keys() == DAMAGES.keys()
    assert max(damages.values()) <= 6


def test_no_edge_tells_gold_by_its_hardness(forty, log):
    prepare(forty, log)
    blobs = BlobStore(forty.data_root)
    for sample in GoldSamples.load(log).values():
        mask = decode_mask(blobs.find(sample.mask_sha256).read_bytes()).astype(int)
        steps = np.maximum(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max())
        assert steps < 128


def test_a_restart_adds_nothing(forty, log):
    prepare(forty, log)
    before = dict(GoldSamples.load(log))
    assert prepare(forty, log) == 0
    assert prepare(forty, log, seed=SEED + 1) == 0
    assert prepare(forty, log, count=3) == 0
    assert dict(GoldSamples.load(log)) == before


def test_asking_for_more_keeps_what_is_there(forty, log):
    prepare(forty, log, count=5)
    before = dict(GoldSamples.load(log))
    assert prepare(forty, log, count=16) == 11
    after = GoldSamples.load(log)
    assert before.items() <= dict(after).items()
    assert Counter(sample.right_verdict for sample in after.values()) == {"accept": 8, "reject": 8}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_servers_that_start_together_make_one_set_of_gold(forty, tmp_path, request, database):
    url = sqlite_url(tmp_path) if database == "sqlite" else request.getfixturevalue("postgres_url")
    logs = [DecisionLog(url) for _ in range(4)]
    added: list[int] = []
    threads = [threading.Thread(target=lambda log=log: added.append(prepare(forty, log))) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(added) == [0, 0, 0, 12]
    assert len(GoldSamples.load(logs[0])) == 12
    for log in logs:
        log.close()


def test_every_sample_is_of_another_photograph(forty, log):
    prepare(forty, log, count=30)
    gold = GoldSamples.load(log)
    assert len({sample.sample_id for sample in gold.values()}) == len(gold) == 30


def test_gold_is_spread_over_the_sources(tmp_path, portraits, shared, log):
    import_portraits(tmp_path, portraits, 20)
    store, photos = ManifestStore(tmp_path / "manifests"), shared / "data/idphotos"
    import_ground_truth(
        store,
        images=photos / "images",
        masks=photos / "masks",
        source="idphotos",
        data_root=tmp_path / "data",
        limit=6,
    )
    manifest = store.open()
    prepare(manifest, log, count=10)
    source_of = {row["sample_id"]: row["source"] for row in manifest.read(["sample_id", "source"]).to_pylist()}
    sources = Counter(source_of[sample.sample_id] for sample in GoldSamples.load(log).values())
    assert min(sources["portraits"], sources["idphotos"]) >= 4


def test_a_row_whose_files_are_gone_is_passed_over(tmp_path, portraits, log):
    manifest = import_portraits(tmp_path, portraits, 12)
    rows = manifest.read().to_pylist()
    for row in rows[:4]:
        (manifest.data_root / row["mask"]).unlink()
    for row in rows[4:8]:
        (manifest.data_root / row["image"]).unlink()
    (manifest.data_root / rows[8]["mask"]).write_bytes(b"damaged")
    assert 0 < prepare(manifest, log, count=12) <= 3
    assert {sample.sample_id for sample in GoldSamples.load(log).values()} <= {row["sample_id"] for row in rows[9:]}


def test_without_ground_truth_there_is_no_gold(tmp_path, portraits, log):
    manifest = commit_pending(tmp_path, portraits, (0.5, 0.6)).open()
    assert len(GoldSamples.load(log)) == 0
    assert prepare(manifest, log) == 0
    assert len(GoldSamples.load(log)) == 0
