"""Batches of one image: refused in one line where batch norm can't train on them, and trained on where it can."""

import dataclasses
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from portrait_datasets import import_portraits
from torch import nn

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.store.manifest import Manifest
from trainer.fit import __main__ as fit
from trainer.fit.batch_norms import check_batch_norms
from trainer.fit.recipe import Recipe, paper
from trainer.fit.steps import Stage
from trainer.models import MODELS, create_model

CPU = torch.device("cpu")
DEEPLAB = ["--model", "deeplabv3plus_mobilenetv2_050"]


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("dataset"), portraits, 12)


@pytest.fixture
def recipe() -> Recipe:
    return paper()


def stage_of(network: nn.Module, batch_size: int, *, number: int = 1, epochs: int = 1) -> Stage:
    return Stage(number, "", network, epochs, batch_size, 1, 15)


def fails_to_train(network: nn.Module, size_px: int) -> bool:
    """On one image."""
    try:
        network(torch.zeros(1, 3, size_px, size_px))
    except ValueError as error:
        return "more than 1 value per channel" in str(error)
    return False


@pytest.mark.parametrize("size_px", [32, 64])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_refused_is_what_fails(name: str, size_px: int, recipe: Recipe) -> None:
    network = create_model(name).train()
    refusal = pytest.raises(UserError, match="expected batches of 2 images or more")
    with refusal if fails_to_train(network, size_px) else nullcontext():
        check_batch_norms(stage_of(network, 1), recipe, rows=9, size_px=size_px, device=CPU)
    check_batch_norms(stage_of(network, 2), recipe, rows=9, size_px=size_px, device=CPU)


@pytest.mark.parametrize(
    ("batch_size", "number", "rows", "said"),
    [
        (1, 1, 9, "found --batch-size 1; give --batch-size 2 or more"),
        (1, 0, 9, "found --encoder-batch-size 1; give --encoder-batch-size 2 or more"),
        (24, 1, 1, "found 1 row to train on; accept more images"),
    ],
)
def test_the_refusal_names_its_cause(batch_size: int, number: int, rows: int, said: str, recipe: Recipe) -> None:
    pooled = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    with pytest.raises(UserError, match=rf"batch norm 2 sees one value of each channel .*{said}"):
        check_batch_norms(stage_of(pooled, batch_size, number=number), recipe, rows=rows, size_px=64, device=CPU)
    check_batch_norms(stage_of(pooled, batch_size, number=number, epochs=0), recipe, rows=rows, size_px=64, device=CPU)


def test_the_check_leaves_the_network_as_it_was(recipe: Recipe) -> None:
    network = create_model("sinet").train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random = torch.random.get_rng_state()
    check_batch_norms(stage_of(network, 1), recipe, rows=9, size_px=64, device=CPU)
    assert network.training
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_the_smaller_images_of_the_first_epochs_are_checked_too(recipe: Recipe) -> None:
    small_first = dataclasses.replace(recipe, low_res_epochs=0.5, low_res_scale=0.5)
    stage = stage_of(create_model("sinet"), 1, epochs=4)
    with pytest.raises(UserError, match="an image of 32 px"):
        check_batch_norms(stage, small_first, rows=9, size_px=64, device=CPU)


@pytest.mark.parametrize("more", [["--batch-size", "1"], ["--limit", "1"]])
def test_a_run_that_batch_norm_can_not_train_is_one_line(
    more: list[str],
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    quick = ["--epochs", "1", "--size", "64", "--device", "cpu", "--no-compile", *DEEPLAB, *more]
    monkeypatch.setattr(sys, "argv", ["", "--manifest", str(manifest.path), "--output", str(tmp_path / "run"), *quick])
    with pytest.raises(SystemExit, match="1"):
        run_command(fit.main)
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "expected batches of 2 images or more" in errors[0]


def test_sinet_trains_on_batches_of_one(manifest: Manifest, tmp_path: Path) -> None:
    fit.main([
        *("--manifest", str(manifest.path), "--output", str(tmp_path / "run"), "--epochs", "1", "--size", "64"),
        *("--batch-size", "1", "--encoder-batch-size", "1", "--limit", "3", "--device", "cpu", "--no-compile"),
    ])  # fmt: skip
    assert (tmp_path / "run/best.safetensors").exists()
