"""Targets mixed with what teachers say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from loaded_samples import load_samples
from portrait_datasets import import_portraits

from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from manifests.store.manifest import Manifest
from manifests.store.training_rows import accepted_rows
from trainer.data.preprocessing import imagenet
from trainer.data.samples import Samples
from trainer.fit import __main__ as fit
from trainer.fit import distillation
from trainer.fit.distillation import SUFFIX, distilled, mirrored_mean

SIZE = imagenet(32)


class LeftIsPerson:
    """Says of every picture that its left half is the person, with one probability."""

    def __init__(self, prob: float = 1.0) -> None:
        self.prob = prob
        self.digest = f"left {prob}"
        self.asked = 0

    def person_prob(self, rgb: Pixels) -> Prob:
        self.asked += 1
        prob = np.zeros(rgb.shape[:2], np.float32)
        prob[:, : rgb.shape[1] // 2] = self.prob
        return prob


@pytest.fixture
def manifest(tmp_path: Path, portraits: Path) -> Manifest:
    """Six real portraits with their masks."""
    return import_portraits(tmp_path, portraits, 6)


def samples_of(manifest: Manifest) -> tuple[Samples, BlobStore]:
    blobs = BlobStore(manifest.data_root)
    rows = [row for split in ("train", "val", "test") for row in accepted_rows(manifest, split)]
    return load_samples(rows, blobs, SIZE), blobs


def test_the_mean_is_over_teachers_and_over_picture_and_mirror():
    rgb = np.zeros((4, 6, 3), np.uint8)
    assert (mirrored_mean([LeftIsPerson()], rgb) == 128).all()  # left of the one half, right of the mirrored one
    assert (mirrored_mean([LeftIsPerson(1.0), LeftIsPerson(0.2)], rgb) == round(255 * 0.3)).all()


def test_the_target_holds_the_wanted_share_of_the_teachers(manifest, tmp_path):
    samples, blobs = samples_of(manifest)
    mixed = distilled(samples, blobs, SIZE, [LeftIsPerson(0.8)], tmp_path / "cache", share=0.25)
    chosen = torch.tensor([4, 1])
    expected = 0.75 * samples.labels[chosen].float() + 0.25 * round(255 * 0.4)
    assert (mixed.targets(chosen).float() - expected).abs().max() <= 0.5
    assert torch.equal(samples.targets(chosen), samples.labels[chosen])
    assert torch.equal(mixed.labels, samples.labels)


def test_teachers_are_asked_once_for_each_set_of_pictures_teachers_and_size(manifest, tmp_path):
    samples, blobs = samples_of(manifest)
    asked = [LeftIsPerson() for _ in range(3)]
    for teacher in asked[:2]:
        distilled(samples, blobs, SIZE, [teacher], tmp_path / "cache", share=0.5)
    assert [teacher.asked for teacher in asked] == [12, 0, 0]
    distilled(samples, blobs, SIZE, [asked[2], LeftIsPerson(0.5)], tmp_path / "cache", share=0.5)
    assert asked[2].asked == 12
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_missing_picture_is_named_and_nothing_half_written_stays(manifest, tmp_path):
    samples, blobs = samples_of(manifest)
    lost = samples.rows[3]
    (manifest.data_root / lost.image).unlink()
    with pytest.raises(BlobError, match=lost.image_sha256[:12]):
        distilled(samples, blobs, SIZE, [LeftIsPerson()], tmp_path / "cache", share=0.5)
    assert not list((tmp_path / "cache").rglob("*"))


def test_an_interrupted_run_goes_on_where_it_was(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "_PART_ROWS", 2)
    samples, blobs = samples_of(manifest)
    lost = manifest.data_root / samples.rows[4].image
    away = lost.rename(tmp_path / "away.jpg")
    first, second, whole = (LeftIsPerson(0.6) for _ in range(3))
    with pytest.raises(BlobError):
        distilled(samples, blobs, SIZE, [first], tmp_path / "cache", share=0.5)
    away.rename(lost)
    mixed = distilled(samples, blobs, SIZE, [second], tmp_path / "cache", share=0.5)
    assert second.asked == 2 * 2  # two images and their mirrors are left of six
    expected = distilled(samples, blobs, SIZE, [whole], tmp_path / "elsewhere", share=0.5)
    assert torch.equal(mixed.teacher_labels, expected.teacher_labels)
    assert [file.name.endswith(SUFFIX) for file in (tmp_path / "cache").iterdir()] == [True]


def test_a_student_is_fitted_with_a_teacher_and_goes_on_with_no_other(manifest, tmp_path, portraits):
    quick = ["--manifest", str(manifest.path), "--size", "32", "--device", "cpu", "--no-compile", "--epochs"]
    for seed in "01":
        fit.main([*quick, "1", "--seed", seed, "--output", str(tmp_path / f"teacher{seed}")])
    student = [*quick, "2", "--output", str(tmp_path / "student"), "--distill", str(tmp_path / "teacher0")]
    fit.main(student)
    assert len(list((manifest.data_root / "cache").glob(f"*{SUFFIX}"))) == 1
    assert json.loads((tmp_path / "student/config.json").read_text())["soft_masks"]
    with pytest.raises(UserError, match="teachers"):
        fit.main([*student[:-1], str(tmp_path / "teacher1")])


def test_hard_targets_and_teachers_exclude_each_other(manifest, tmp_path):
    with pytest.raises(SystemExit):
        fit.main(["--manifest", str(manifest.path), "--distill", "any.onnx", "--no-soft-masks"])
