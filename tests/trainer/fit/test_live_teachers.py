"""Live distillation: teachers see the student's crops, ahead of the step, and a run resumes as it was."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from portrait_datasets import import_portraits
from red_network import red_is_person

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow
from trainer.data.samples import Samples
from trainer.fit import __main__ as fit
from trainer.fit import live_teachers, loop, stage_objective, steps
from trainer.fit.batch import Batch
from trainer.fit.live_teachers import AHEAD, LiveTeacher, LiveTeachers, open_live_teachers
from trainer.fit.metrics_log import read_log

CPU = torch.device("cpu")


class Channel:
    """Its probability is one channel of the image, times `scale`."""

    def __init__(self, channel: int, scale: float = 1.0) -> None:
        self.channel, self.scale = channel, scale
        self.digest = f"{channel} {scale}"

    def person_prob(self, rgb: Pixels) -> Prob:
        return rgb[..., self.channel].astype(np.float32) / 255 * np.float32(self.scale)


class Fixed:
    """Its answer is `prob`, whatever it sees."""

    digest = "fixed"

    def __init__(self, prob: Prob) -> None:
        self.prob = prob

    def person_prob(self, rgb: Pixels) -> Prob:
        return self.prob


def teachers(*predictors: Channel | Fixed) -> LiveTeachers:
    return LiveTeachers([LiveTeacher("tried", predictor) for predictor in predictors])


def random_batches(n: int) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    return [Batch(255 * torch.rand(3, 3, 8, 8, generator=generator), torch.zeros(3, 4, 4)) for _ in range(n)]


def samples(*, person_level: int) -> Samples:
    """Five random images of 8 px; the last two have a person's pixel of that level."""
    images = torch.cat([batch.images for batch in random_batches(2)])[:5].byte()
    labels = torch.zeros(5, 8, 8, dtype=torch.uint8)
    labels[3:, 4, 4] = person_level
    return Samples(images, labels, [], [AcceptedRow("", "", "", "")] * 5)


def test_every_batch_gets_the_mean_of_the_teachers_on_its_own_images():
    batches = random_batches(6)
    labelled = list(teachers(Channel(0), Channel(1)).labelled(iter(batches), label_stride=2))
    assert len(labelled) == 6
    for batch, taught in zip(batches, labelled, strict=True):
        expected = batch.images[:, :2].mean(dim=1)[:, ::2, ::2] / 255
        torch.testing.assert_close(taught.taught, expected, atol=0.5 / 255, rtol=0)
        assert taught.images is batch.images


def test_the_queue_of_batches_ahead_is_bounded():
    begun = []

    def source() -> Iterator[Batch]:
        for batch in random_batches(9):
            begun.append(batch)
            yield batch

    labelled = teachers(Channel(0)).labelled(source(), label_stride=1)
    next(labelled)
    assert len(begun) == AHEAD + 1
    next(labelled)
    assert len(begun) == AHEAD + 2
    labelled.close()


def test_seconds_are_counted_per_step_of_the_epoch(monkeypatch: pytest.MonkeyPatch):
    ticks = count()
    monkeypatch.setattr(live_teachers, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    live = teachers(Channel(0))
    for epoch_steps in (3, 2):
        list(live.labelled(iter(random_batches(epoch_steps)), label_stride=1))
        assert live.time.steps == epoch_steps
    teaching, waiting = live.time.per_step()
    assert teaching >= 3  # a tick or more for each image of a batch
    assert waiting >= 1


FROM_TRIED = "from the teacher tried, found"


@pytest.mark.parametrize(
    ("predictor", "message"),
    [
        (Fixed(np.full((8, 8), 0.3, np.float32)), rf"that differ .* {FROM_TRIED} 0\.300 to 0\.300 on all of them"),
        (Fixed(np.full((8, 8), np.nan, np.float32)), f"from 0 to 1 {FROM_TRIED} values from nan"),
        (Fixed(np.zeros((4, 8), np.float32)), rf"of shape \(8, 8\) {FROM_TRIED} \(4, 8\)"),
        (Channel(0, scale=2.0), f"from 0 to 1 {FROM_TRIED} values from .* to [12]"),
    ],
    ids=["constant", "NaN", "another shape", "out of range"],
)
def test_a_useless_teacher_is_refused_by_name(predictor: Channel | Fixed, message: str):
    with pytest.raises(UserError, match=f"expected probabilities {message}"):
        teachers(predictor).check(samples(person_level=255))


def test_a_teacher_is_tried_on_images_with_a_person_only():
    live = teachers(Fixed(np.zeros((8, 8), np.float32)))
    live.check(samples(person_level=0))
    with pytest.raises(UserError, match="that differ between the pixels of 2 training images"):
        live.check(samples(person_level=255))


def test_a_teacher_that_fails_later_stops_the_epoch_at_its_batch():
    levels = [Batch(torch.full((1, 3, 8, 8), level), torch.zeros(1, 8, 8)) for level in (20.0, 250.0, 20.0)]
    labelled = teachers(Channel(0, scale=1.2)).labelled(iter(levels), label_stride=1)
    next(labelled)
    with pytest.raises(UserError, match=f"expected probabilities from 0 to 1 {FROM_TRIED}"):
        next(labelled)


def test_an_openvino_model_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"expected an ONNX file, a checkpoint or a run .*network\.xml"):
        open_live_teachers([tmp_path / "network.xml"], CPU)


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("dataset"), portraits, 12)


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return red_is_person(tmp_path_factory.mktemp("teacher") / "red.onnx")


def words(manifest: Manifest, output: Path, *options: str) -> list[str]:
    quick = ["--size", "32", "--batch-size", "4", "--device", "cpu", "--no-compile", "--low-res-epochs", "0"]
    return ["--manifest", str(manifest.path), "--output", str(output), *quick, *options]


def digest_of(output: Path) -> str:
    return json.loads((output / "last.json").read_text())["weights_sha256"]


def test_the_teacher_sees_the_augmented_crop_of_the_student(
    manifest: Manifest, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen, train_on_batch = [], steps.train_on_batch

    def recorded(stage, step, images, labels, *, taught, **choices):
        seen.append((images.clone(), taught))
        return train_on_batch(stage, step, images, labels, taught=taught, **choices)

    monkeypatch.setattr(steps, "train_on_batch", recorded)
    fit.main(words(manifest, tmp_path / "run", "--distill-live", str(red), "--epochs", "1"))
    teacher = open_live_teachers([red], CPU).teachers[0]
    assert len(seen) > 1
    for images, taught in seen:
        expected = [teacher.person_prob(rgb) for rgb in images.round().byte().permute(0, 2, 3, 1).numpy()]
        assert np.array_equal(taught.numpy(), np.stack(expected))


def test_the_loss_is_compiled_for_both_views_and_their_teachers(
    manifest: Manifest, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def compiled(loss_of, network, *batch):
        asked.append([tuple(tensor.shape) for tensor in batch])
        return loss_of

    monkeypatch.setattr(stage_objective, "compiled", compiled)
    options = ["--distill-live", str(red), "--consistency", "2", "--epochs", "1", "--compile"]
    fit.main(words(manifest, tmp_path / "run", *options))
    assert asked == [[(8, 3, 32, 32), (8, 32, 32), (8, 32, 32)]]


def test_an_interrupted_run_resumes_to_the_same_weights(
    manifest: Manifest, red: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    options = ["--distill-live", str(red), "--distill-loss", "bpkd", "--temperature", "2", "--epochs", "2"]
    fit.main(words(manifest, tmp_path / "whole", *options))
    with monkeypatch.context() as patched:
        patched.setattr(loop, "print", _interrupt, raising=False)  # after the first epoch is saved
        with pytest.raises(KeyboardInterrupt):
            fit.main(words(manifest, tmp_path / "killed", *options))
    capsys.readouterr()
    fit.main(words(manifest, tmp_path / "killed", *options))
    assert "resuming" in capsys.readouterr().out
    assert digest_of(tmp_path / "killed") == digest_of(tmp_path / "whole")
    log = read_log(tmp_path / "killed")
    assert len(log) == 2
    assert all(line["teacher_seconds_per_step"] and line["waiting_seconds_per_step"] for line in log)
    with pytest.raises(UserError, match="found one of live_teachers "):
        fit.main(words(manifest, tmp_path / "killed", *options[2:], "--distill-live", str(red), str(red)))


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        "--mixup 0.4 --distill-share 1",
        "--cutmix 1 --distill-loss cwd",
        "--consistency 2 --connectivity 0.1",
        "--encoder-epochs 1 --encoder-batch-size 4 --distill-loss bpkd",
    ],
)
def test_every_choice_is_fitted_with_a_live_teacher(manifest: Manifest, red: Path, tmp_path: Path, options: str):
    fit.main(words(manifest, tmp_path / "run", "--distill-live", str(red), "--epochs", "1", *options.split()))
    assert all(float(line["loss"]) > 0 for line in read_log(tmp_path / "run"))
