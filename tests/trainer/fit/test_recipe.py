"""Recipes, schedules, weight decay, moving average, compilation."""

import dataclasses

import pytest
import torch
from torch import nn

from manifests.errors import UserError
from trainer.data.augmentation_presets import AUGMENTATIONS
from trainer.fit.ema import MovingAverage
from trainer.fit.losses import LOSSES
from trainer.fit.objective import compiled
from trainer.fit.options import parse, recipe_from
from trainer.fit.recipe import DECAY_RULES, PRESETS, authors_code, paper, parameter_groups
from trainer.fit.schedule import SCHEDULES, learning_rate
from trainer.fit.steps import stages
from trainer.models import create_model


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_things_that_exist(name: str):
    recipe = PRESETS[name]()
    assert recipe.schedule in SCHEDULES
    assert recipe.loss in LOSSES
    assert recipe.decay_rule in DECAY_RULES
    assert recipe.augmentation in AUGMENTATIONS


@pytest.mark.parametrize("name", ["sinet_cityscapes", "smp:unet:resnet18"])
def test_only_sinets_encoder_can_be_fitted_alone(name: str):
    with pytest.raises(UserError, match="expected --encoder-epochs 0 for networks other than sinet, found 300 for "):
        stages(create_model(name), paper())


@pytest.mark.parametrize(
    ("options", "preset"),
    [([], "default"), (["--init", "starter"], "fine_tune"), (["--init", "starter", "--preset", "default"], "default")],
)
def test_a_fitted_start_has_a_preset_of_its_own(options: list[str], preset: str):
    assert recipe_from(parse(["--manifest", "v1.parquet", *options])) == PRESETS[preset]()
    assert recipe_from(parse(["--manifest", "v1.parquet", *options, "--learning-rate", "0.25"])).learning_rate == 0.25


def test_the_papers_numbers():
    found = paper()
    assert (found.encoder_epochs, found.encoder_batch_size, found.epochs, found.batch_size) == (300, 36, 300, 24)
    assert (found.learning_rate, found.weight_decay, found.boundary_px) == (7.5e-3, 2e-4, 15)


def test_where_the_authors_code_departs_from_the_paper():
    changed = {
        name: value
        for name, value in dataclasses.asdict(authors_code()).items()
        if dataclasses.asdict(paper())[name] != value
    }
    assert changed == {
        "learning_rate": 5e-4,
        "class_weights": True,
        "encoder_boundary_px": 5,
        "decay_rule": "authors",
        "select_after": 0.6,
    }


def rates(schedule: str, warmup_fraction: float = 0.0) -> list[float]:
    return [
        learning_rate(step, 100, peak=1.0, schedule=schedule, warmup_fraction=warmup_fraction) for step in range(100)
    ]


def test_the_learning_rate_rises_and_falls_to_0():
    found = rates("cosine", warmup_fraction=0.05)
    assert found[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[5:] == sorted(found[5:], reverse=True)
    assert found[-1] < 0.001


def test_multistep_halves_at_a_half_and_at_five_sixths():
    found = rates("multistep")
    assert (found[49], found[50], found[83], found[84]) == (1.0, 0.5, 0.5, 0.25)


def test_poly_has_the_power_0_9():
    assert rates("poly")[50] == pytest.approx(0.5**0.9)


def test_a_single_step_has_the_peak_rate():
    assert learning_rate(0, 1, peak=2.0, schedule="cosine", warmup_fraction=0.05) == 2.0


def decays(recipe_name: str) -> dict[float, int]:
    """Weight decay -> how many tensors of SINet have it."""
    groups = parameter_groups(create_model("sinet"), PRESETS[recipe_name]())
    return {round(float(group["weight_decay"]), 12): len(group["params"]) for group in groups}


def test_the_paper_decays_everything():
    assert decays("paper") == {2e-4: 219}


def test_the_authors_spare_depthwise_convolutions_and_decay_the_rest_little():
    # 58 convolutions, 22 of them depthwise; norms, PReLU and squeeze-and-excite get a hundredth
    assert decays("authors_code") == {2e-4: 58 - 22, 0.0: 22, 2e-6: 219 - 58}


def test_ours_decays_only_what_mixes_channels():
    assert decays("default") == {2e-4: 58 - 22 + 3, 0.0: 219 - 39}


def test_the_moving_average_follows_slowly_and_copies_counters():
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9)
    with torch.no_grad():
        network.weight.fill_(2.0)
    network.num_batches_tracked += 5
    average.update(network)  # the first decay is 2 / 11, not 0.9
    assert average.network.weight.item() == pytest.approx(1 * 2 / 11 + 2 * 9 / 11)
    for _ in range(500):
        average.update(network)
    assert average.network.weight.item() == pytest.approx(2.0)
    assert average.network.num_batches_tracked == 5
    assert network.weight.item() == 2.0


def test_where_nothing_compiles_the_plain_function_is_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def no_compiler(function: object, **options: object) -> object:
        raise RuntimeError("no C++ compiler\nand more")

    monkeypatch.setattr(torch, "compile", no_compiler)
    network = nn.Linear(1, 1)
    before = network.weight.clone()
    plain = lambda images, labels: (network(images) - labels).square().mean()  # noqa: E731
    assert compiled(plain, network, torch.ones(1, 1), torch.ones(1, 1)) is plain
    assert caplog.messages == [
        "torch.compile does not work here (RuntimeError: no C++ compiler); continuing without it"
    ]
    assert torch.equal(network.weight, before)


@pytest.mark.slow
def test_compiling_leaves_the_network_as_it_was_and_gives_the_same_loss():
    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.BatchNorm2d(2))
    images, labels = torch.rand(2, 3, 8, 8), torch.ones(2, 8, 8)
    plain = lambda images, labels: (network(images)[:, 1] - labels).square().mean()  # noqa: E731
    fast = compiled(plain, network, images, labels)
    assert network[1].num_batches_tracked == 0
    assert fast is not plain
    torch.testing.assert_close(fast(images, labels), plain(images, labels))
