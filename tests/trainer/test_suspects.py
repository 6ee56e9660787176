"""`trainer.suspects`: accepted masks ranked by networks that never saw them, and their way back to the second look."""

import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from portrait_datasets import commit_pending
from submissions import assign, decide, submission

from manifests import __main__ as manifests
from manifests.decisions.decision import LABEL_QUALITY, Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.publish import publish
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON, decode_mask, encode_mask
from manifests.samples.sample import Row
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.store.training_rows import accepted_rows
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD, Reviewer
from trainer.data.preprocessing import imagenet
from trainer.models import create_model
from trainer.suspects.__main__ import main
from trainer.suspects.label_quality import SCORES, iou_score, softmin_score
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import BEST, STARTER

COUNT = 16
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BO = Reviewer("bo", "reviewer")


@dataclass(frozen=True)
class Dataset:
    """Real portraits, all of them accepted by ann in v3; the mask of `wrong` is inverted."""

    root: Path
    wrong: str

    @property
    def store(self) -> ManifestStore:
        return ManifestStore(self.root / "manifests")

    def log(self) -> DecisionLog:
        return DecisionLog(sqlite_url(self.root / "data"))

    def suspects(self, *options: str) -> pd.DataFrame:
        """Run the command on the latest version; every score, ranked."""
        output = self.root / "suspects.csv"
        main(["--manifest", str(self.store.open().path), "--output", str(output), "--device", "cpu", *options])
        return pd.read_csv(output)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Dataset:
    """The dataset, to be copied."""
    root = tmp_path_factory.mktemp("dataset")
    store = commit_pending(root, portraits, [0.5] * COUNT)
    rows = store.open().read().to_pylist()
    invert_mask(store, rows[3])
    dataset = Dataset(root, rows[3]["sample_id"])
    log = dataset.log()
    log.append(
        Decision(f"d{at}", row["sample_id"], row["mask_sha256"], "accept", "ann", NOW)
        for at, row in enumerate(store.open().read(["sample_id", "mask_sha256"]).to_pylist())
    )
    publish(store, log)
    log.close()
    return dataset


@pytest.fixture
def dataset(original: Dataset, tmp_path: Path) -> Dataset:
    return Dataset(Path(shutil.copytree(original.root, tmp_path / "dataset")), original.wrong)


def invert_mask(store: ManifestStore, wrong: Row) -> None:
    blobs = BlobStore(store.data_root())
    inverted = blobs.put(encode_mask(PERSON - decode_mask(blobs.read(wrong["mask"], wrong["mask_sha256"]))), ".png")

    def change(table: pa.Table | None, _version: int) -> pa.Table:
        rows = table.to_pylist()
        for row in rows:
            if row["sample_id"] == wrong["sample_id"]:
                row |= {"mask": inverted.path, "mask_sha256": inverted.sha256}
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    store.update(change, operation="relabel", parameters={}, data_root=store.data_root())


def fitted_on(manifest: Manifest, directory: Path) -> Path:
    """A checkpoint that says it was fitted on `manifest`; its weights are fresh."""
    info = CheckpointInfo("sinet", imagenet(224), 1, 0.0, None, manifest.version, manifest.digest)
    save_checkpoint(directory / BEST, create_model("sinet"), info)
    return directory


# Scores


def test_a_mask_that_the_network_agrees_with_scores_best() -> None:
    mask = np.zeros((40, 30), bool)
    mask[10:30, 5:25] = True
    sure = np.where(mask, 0.99, 0.01).astype(np.float32)
    for score in SCORES.values():
        assert score(sure, mask) > score(sure, np.roll(mask, 6, axis=1)) > score(sure, ~mask)
    assert iou_score(sure, mask) == 1.0


def test_softmin_is_the_weighted_mean_of_what_the_network_gives_the_labels() -> None:
    given = np.array([[0.9, 0.2], [0.6, 1.0]])  # probability of each pixel's label
    weights = np.exp((1 - given) / 0.1)
    mask = np.array([[True, False], [False, True]])
    prob = np.where(mask, given, 1 - given).astype(np.float32)
    assert softmin_score(prob, mask) == pytest.approx((given * weights).sum() / weights.sum(), rel=1e-5)


def test_without_cleanlab_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.segmentation.rank", None)
    with pytest.raises(UserError, match=r"use --score iou, or pip install 'maskfoundry\[label-quality\]'"):
        softmin_score(np.zeros((2, 2), np.float32), np.zeros((2, 2), bool))


# Out of sample


def test_the_planted_mask_is_the_first_suspect(dataset: Dataset, capsys: pytest.CaptureFixture) -> None:
    ranked = dataset.suspects("--checkpoint", STARTER, "--unseen", "--top", "2")
    assert ranked["sample_id"][0] == dataset.wrong
    assert ranked["softmin"].is_monotonic_increasing
    assert len(ranked) == COUNT
    out = capsys.readouterr().out.splitlines()
    assert f"{COUNT} accepted rows, {COUNT} scored, 0 without a checkpoint that was not fitted on them" in out[0]
    assert out[-1] == str(dataset.root / "suspects.csv")


def test_a_checkpoint_scores_only_rows_that_it_was_not_fitted_on(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    manifest = dataset.store.open()
    ranked = dataset.suspects("--checkpoint", str(fitted_on(manifest, tmp_path / "run")), "--score", "iou")
    held_out = COUNT - len(accepted_rows(manifest, "train"))
    assert 0 < len(ranked) == held_out < COUNT
    assert set(ranked["split"]) <= {"val", "test"}
    assert f"{COUNT - held_out} without a checkpoint" in capsys.readouterr().out


def test_with_folds_every_row_is_scored_by_those_that_left_it_out(dataset: Dataset, tmp_path: Path) -> None:
    folds = []
    for number in (1, 2):
        policy = tmp_path / f"fold{number}.toml"
        policy.write_text(f'leave_out_fold = "{number}/2"\n')
        manifests.main(["select", str(policy), "--manifests", str(dataset.store.root)])
        line = ManifestStore(dataset.store.root / f"selections/fold{number}")
        folds.append(str(fitted_on(line.open(), tmp_path / f"run{number}")))
    assert len(dataset.suspects("--checkpoint", folds[0], "--score", "iou")) < COUNT
    assert len(dataset.suspects("--checkpoint", *folds, "--score", "iou")) == COUNT


def test_a_checkpoint_of_an_unknown_manifest_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected the manifest that .* was fitted on .* --fitted-on, or say --unseen"):
        dataset.suspects("--checkpoint", STARTER)
    run = fitted_on(dataset.store.open(), tmp_path / "run")
    elsewhere = tmp_path / "elsewhere.parquet"
    elsewhere.write_bytes(dataset.store.open().path.read_bytes())
    dataset.store.open().path.unlink()
    with pytest.raises(UserError, match="say --unseen"):
        dataset.suspects("--checkpoint", str(run))


def test_another_file_can_be_named_as_what_a_checkpoint_was_fitted_on(dataset: Dataset, tmp_path: Path) -> None:
    first = dataset.store.open(1)
    elsewhere = tmp_path / "elsewhere/old.parquet"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(first.path.read_bytes())
    run = fitted_on(first, tmp_path / "run")
    first.path.unlink()
    ranked = dataset.suspects("--checkpoint", str(run), "--fitted-on", str(elsewhere), "--score", "iou")
    assert len(ranked) == COUNT  # nothing was accepted in v1, so nothing was fitted on


# The second look


def test_suspects_wait_for_a_second_look_and_stay_accepted_meanwhile(
    dataset: Dataset, capsys: pytest.CaptureFixture
) -> None:
    dataset.suspects("--checkpoint", STARTER, "--unseen", "--top", "3", "--second-look")
    assert "3 sent to the second look, 0 were there before" in capsys.readouterr().out
    log = dataset.log()
    session = ReviewSession(dataset.store.open(), dataset.store, log)
    assert assign(session, BO, 16).samples == []
    assignment = assign(session, LOCAL_LEAD, 16, queue="second_look")
    assert assignment.samples[0].sample_id == dataset.wrong
    assert len(assignment.samples) == session.second_look() == 3
    said = assignment.verdicts[assignment.samples[0].key]
    assert [(d.reviewer, d.verdict) for d in said] == [("ann", "accept"), (LABEL_QUALITY, "skip")]
    log.close()
    assert dataset.store.open().counts == {"rows": COUNT, "accepted": COUNT}


def test_the_second_look_settles_a_suspect_for_good(dataset: Dataset, capsys: pytest.CaptureFixture) -> None:
    options = ["--checkpoint", STARTER, "--unseen", "--top", "2", "--second-look"]
    dataset.suspects(*options)
    log = dataset.log()
    session = ReviewSession(dataset.store.open(), dataset.store, log)
    wrong, other = assign(session, LOCAL_LEAD, 16, queue="second_look").samples
    decide(session, LOCAL_LEAD, [submission(wrong, "reject"), submission(other)])
    assert session.second_look() == 0
    assert session.publisher.publish().counts == {"rows": COUNT, "accepted": COUNT - 1, "rejected": 1}
    capsys.readouterr()
    dataset.suspects(*options)
    assert "1 sent to the second look, 1 were there before" in capsys.readouterr().out
    assert ReviewSession(dataset.store.open(), dataset.store, log).second_look() == 1
    log.close()


def test_trusted_masks_are_listed_and_nobody_is_asked(dataset: Dataset, capsys: pytest.CaptureFixture) -> None:
    def trust(table: pa.Table | None, _version: int) -> pa.Table:
        rows = [row | {"origin": "ground_truth"} for row in table.to_pylist()]
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    dataset.store.update(trust, operation="edit", parameters={}, data_root=dataset.root / "data")
    dataset.suspects("--checkpoint", STARTER, "--unseen", "--top", "2", "--second-look")
    said = capsys.readouterr()
    assert "0 sent to the second look" in said.out
    assert "2 are ground truth, which is not reviewed" in said.err
