"""Differences of two arms and their intervals, with figures made by hand."""

import numpy as np
import pytest

from manifests.pixels.metrics import MetricsAccumulator
from trainer.compare import bootstrap
from trainer.compare.bootstrap import differences, spreads, stretch
from trainer.compare.per_image_metrics import PerImage

N = 60
STEADY = np.linspace(0.5, 0.9, N)
TRUTH = 0.03  # of the simulations


def of_numbers(values: np.ndarray) -> PerImage:
    """Person IoU and boundary F1 are `values`; one hit and one correct background pixel a picture, so miou is 1."""
    return PerImage(np.tile(np.eye(2, dtype=np.int64), (len(values), 1, 1)), values, values)


def test_metrics_of_per_image_figures_are_those_of_the_accumulator():
    rng = np.random.default_rng(0)
    accumulator = MetricsAccumulator()
    for _ in range(5):
        accumulator.add(rng.random((20, 20)) > 0.5, rng.random((20, 20)) > 0.5)
    found, expected = PerImage.of(accumulator).metrics(), accumulator.result()
    assert [found[name][0] for name in accumulator.NAMES] == pytest.approx(
        [getattr(expected, name) for name in accumulator.NAMES]
    )


def test_metrics_of_a_draw_count_a_picture_as_often_as_it_is_drawn():
    confusions = np.array([[[4, 0], [0, 4]], [[0, 2], [2, 0]]])  # all right, all wrong
    figures = PerImage(confusions, np.array([1.0, 0.0]), np.array([0.8, 0.2]))
    found = figures.metrics(np.array([[2, 0], [1, 1], [0, 2]]))
    assert found["miou"].tolist() == pytest.approx([1.0, 4 / 8, 0.0])
    assert found["person_iou_per_image"].tolist() == pytest.approx([1.0, 0.5, 0.0])
    assert found["boundary_f1"].tolist() == pytest.approx([0.8, 0.5, 0.2])


def test_a_class_that_no_drawn_picture_has_counts_as_found():
    nobody = PerImage(np.array([[[4, 0], [0, 0]]]), np.array([1.0]), np.array([1.0]))
    assert nobody.metrics()["miou"].tolist() == [1.0]


def test_spread_is_mean_and_sample_deviation_over_seeds():
    found = spreads([of_numbers(np.full(4, value)) for value in (0.1, 0.2, 0.3)])["boundary_f1"]
    assert (found.mean, found.deviation) == (pytest.approx(0.2), pytest.approx(0.1))


def test_one_seed_has_no_spread():
    assert spreads([of_numbers(STEADY)])["boundary_f1"].deviation is None


def test_a_constant_difference_has_an_interval_of_no_width():
    base = {seed: of_numbers(STEADY + 0.01 * seed) for seed in range(3)}
    arm = {seed: of_numbers(STEADY + 0.01 * seed + 0.05) for seed in range(3)}
    found = differences(arm, base)["person_iou_per_image"]
    assert (found.value, found.low, found.high) == (pytest.approx(0.05),) * 3
    assert found.excludes_zero


def test_an_arm_equal_to_its_base_does_not_differ():
    runs = {seed: of_numbers(STEADY + 0.01 * seed) for seed in range(3)}
    assert not any(found.excludes_zero for found in differences(runs, runs).values())


def test_independent_noise_covers_zero():
    rng = np.random.default_rng(0)
    arm, base = ({seed: of_numbers(STEADY + rng.normal(0, 0.05, N)) for seed in range(3)} for _ in range(2))
    found = differences(arm, base)["boundary_f1"]
    assert found.low < 0 < found.high


def test_variation_between_seeds_alone_widens_the_interval():
    base = {seed: of_numbers(STEADY) for seed in range(3)}
    steady, shaky = ({seed: of_numbers(STEADY + 0.02 + by * (seed - 1)) for seed in range(3)} for by in (0, 0.01))
    same, wide = differences(steady, base)["boundary_f1"], differences(shaky, base)["boundary_f1"]
    assert wide.value == pytest.approx(same.value)
    # Student's interval of -1, 0, 1 is +-4.30 / sqrt(3) = +-2.48; the most that three seeds drawn of these can give
    # is the stretch itself, 4.30 / 1.96 * sqrt(3 / 2) = 2.69.
    assert wide.high - wide.value == pytest.approx(0.0269, abs=1e-4)
    assert not wide.excludes_zero


def test_variation_between_pictures_widens_the_interval_of_one_seed():
    rng = np.random.default_rng(0)
    found = differences({0: of_numbers(STEADY + rng.normal(0.1, 0.05, N))}, {0: of_numbers(STEADY)})["boundary_f1"]
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.05 / np.sqrt(N), rel=0.2)


def test_only_seeds_that_both_arms_have_are_compared():
    base = {0: of_numbers(STEADY), 1: of_numbers(STEADY - 0.3)}
    assert differences({0: of_numbers(STEADY + 0.1)}, base)["boundary_f1"].value == pytest.approx(0.1)
    assert differences({2: of_numbers(STEADY)}, base) == {}


def test_the_same_seed_of_the_draws_gives_the_same_interval():
    rng = np.random.default_rng(0)
    arm, base = ({seed: of_numbers(rng.random(N)) for seed in range(2)} for _ in range(2))
    assert differences(arm, base) == differences(arm, base)
    assert differences(arm, base) != differences(arm, base, seed=1)


def test_seeds_are_stretched_less_the_more_there_are():
    assert [round(stretch(seeds), 2) for seeds in (1, 2, 3, 5, 11)] == [1.0, 9.17, 2.69, 1.58, 1.19]
    assert 1.0 < stretch(1000) < 1.01


@pytest.mark.parametrize("seed_deviation", [0.0, 0.01])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_hold_the_truth_about_as_often_as_they_say(seeds: int, seed_deviation: float):
    assert coverage(seeds, seed_deviation) >= 0.91


def test_seeds_that_are_not_stretched_would_promise_too_much(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bootstrap, "stretch", lambda _seeds: 1.0)
    assert coverage(3, 0.01) < 0.85


def coverage(seeds: int, seed_deviation: float, simulations: int = 200) -> float:
    """How often the interval holds TRUTH: pictures differ, seeds differ, and so does each picture of each seed."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(simulations):
        base = {seed: of_numbers(STEADY) for seed in range(seeds)}
        pictures = TRUTH + rng.normal(0, 0.01, N)
        arm = {
            seed: of_numbers(STEADY + pictures + rng.normal(0, seed_deviation) + rng.normal(0, 0.01, N))
            for seed in range(seeds)
        }
        found = differences(arm, base, resamples=400)["boundary_f1"]
        held += found.low <= TRUTH <= found.high
    return held / simulations
