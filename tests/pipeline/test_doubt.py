"""Doubt: which way each sign moves it, and what is in doubt by rule."""

import math
from dataclasses import replace

import pytest

from manifests.samples.sample import Scores
from pipeline.doubt import MODELS, WITH_PROBABILITIES, WITHOUT, Model, doubt, face_left_out, features, odd_size

SURE = Scores(0.999, 0.1, 0.5, 1, 0, 0.1)
HARD = Scores(None, None, 0.5, 1, 0, 0.1)


def changed(scores: Scores, **values: float) -> Scores:
    return replace(scores, **values)  # type: ignore[arg-type]


def test_a_sure_mask_is_in_little_doubt_and_an_unsure_one_in_much() -> None:
    assert doubt(SURE, face_fraction=1.0) < 0.05
    assert doubt(changed(SURE, confidence=0.9), face_fraction=1.0) > 0.5


@pytest.mark.parametrize(
    ("scores", "worse"),
    [
        (SURE, {"confidence": 0.98}),
        (SURE, {"border_fraction": 0.6}),
        (SURE, {"holes": 3}),
        (HARD, {"border_fraction": 0.6}),
        (HARD, {"person_fraction": 0.2}),
    ],
)
def test_each_sign_moves_it_up(scores: Scores, worse: dict[str, float]) -> None:
    assert doubt(changed(scores, **worse), face_fraction=1.0) > doubt(scores, face_fraction=1.0)


def test_uncertain_pixels_count_by_the_size_of_the_person() -> None:
    large, small = changed(SURE, confidence=0.98), changed(SURE, confidence=0.98, person_fraction=0.1)
    assert doubt(small, face_fraction=1.0) > doubt(large, face_fraction=1.0)


def test_averaged_probabilities_are_taken_for_surer_than_they_look() -> None:
    unsure = changed(SURE, confidence=0.98)
    assert doubt(unsure, face_fraction=1.0, disagreement=0.02) < doubt(unsure, face_fraction=1.0)


def test_features_by_hand() -> None:
    assert features(Scores(0.95, 0.3, 0.5, 1, 1, 0.2), 0.1) == {
        "unsure": pytest.approx(math.log(0.1)),
        "averaged": 1.0,
        "holes": pytest.approx(math.log(2)),
        "border": 0.2,
    }
    assert features(Scores(None, None, 0.75, 1, 1, 0.2), None) == {"person": pytest.approx(math.log(3)), "border": 0.2}


def test_a_model_is_the_logistic_of_its_sum() -> None:
    assert Model(1.0, {"a": 2.0}).prob({"a": -0.5, "b": 9.0}) == 0.5
    assert Model(0.0, {"a": 1.0}).prob({"a": math.log(3)}) == pytest.approx(0.75)
    assert Model(0.0, {"a": 1.0}).prob({"a": 1e9}) == pytest.approx(1.0)  # and no overflow


def test_every_weight_is_of_a_feature_that_its_kind_of_mask_has() -> None:
    assert MODELS[WITH_PROBABILITIES].weights.keys() == features(SURE, None).keys()
    assert MODELS[WITHOUT].weights.keys() == features(HARD, None).keys()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nobody_and_everything_are_in_full_doubt(share: float) -> None:
    assert doubt(changed(HARD, person_fraction=share), face_fraction=None) == 1.0
    assert odd_size(0.5) == odd_size(0.05) == 0.0
    assert odd_size(0.975) == pytest.approx(0.5)


def test_a_face_outside_the_mask_is_in_full_doubt() -> None:
    assert doubt(SURE, face_fraction=0.0) == 1.0
    assert [face_left_out(fraction) for fraction in (0.2, 0.4, 1.0, None)] == [0.5, 0.0, 0.0, 0.0]
