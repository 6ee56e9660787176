"""The numbers of doubt: the regression, what is measured of it, and the command on real portraits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from portrait_datasets import import_portraits
from red_network import red_is_person

from manifests.errors import UserError
from manifests.samples.sample import Scores
from pipeline.doubt import MODELS
from pipeline.evaluate.teacher_score import Signs
from pipeline.fit_doubt.__main__ import main
from pipeline.fit_doubt.judged_masks import JudgedMasks
from pipeline.fit_doubt.looks_saved import looks_saved
from pipeline.fit_doubt.regression import fit
from pipeline.fit_doubt.report import report


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ([False, False, False, False], 1.0),
        ([False, False, True, False], 0.5),  # the third is the first that must be looked at
        ([True, False, False, False], 0.0),  # the least doubtful is bad: nothing can be trusted unseen
    ],
)
def test_looks_saved_by_hand(bad: list[bool], expected: float) -> None:
    assert looks_saved(np.array([0.1, 0.2, 0.3, 0.4]), np.array(bad)) == expected


def test_a_few_bad_ones_may_slip_through() -> None:
    bad = np.zeros(200, dtype=bool)
    bad[[150, 170, 180]] = True
    assert looks_saved(np.arange(200.0), bad) == 0.85  # one of the first 170 is bad, two of 171


def judged(confidences: list[float], bad: list[bool]) -> JudgedMasks:
    signs = [Signs(Scores(value, 0.1, 0.5, 1, 0, 0.1), 1.0, None) for value in confidences]
    return JudgedMasks(signs, np.array(bad), ["t"] * len(bad))


def test_the_fitted_numbers_are_probabilities_of_a_rejection() -> None:
    generator = np.random.default_rng(0)
    confidences = generator.uniform(0.9, 0.999, 2000)
    unsure = np.log((1 - confidences) / 0.5)
    bad = generator.random(2000) < 1 / (1 + np.exp(-(4 + 2 * unsure)))  # the truth is such a model
    some = judged(confidences.tolist(), bad.tolist())
    models = MODELS | {"with probabilities": fit(some)}
    doubts = some.doubts(models)
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 1.0)):
        among = (doubts >= low) & (doubts < high)
        assert bad[among].mean() == pytest.approx(doubts[among].mean(), abs=0.04)


def test_the_report_has_a_line_for_each_teacher_and_one_for_all() -> None:
    lines = report(judged([0.9, 0.99, 0.999], [True, False, False]), MODELS).splitlines()
    assert [line.split()[0] for line in lines] == ["teacher", "t", "all"]
    assert lines[1].split()[1:3] == ["3", "33.3%"]


@pytest.mark.slow
def test_the_command_prints_the_numbers_and_draws_both_curves(
    tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = import_portraits(tmp_path, portraits, 24)
    red = red_is_person(tmp_path / "red.onnx")
    words = ["--manifest", str(manifest.path), "--limit", "6", "--teacher", "starter", f"onnx:{red}", "grabcut"]
    main([*words, "--output", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "with probabilities = Model(intercept=" in said
    assert said.splitlines()[-1] == str(tmp_path / "out/doubt.png")
    with Image.open(tmp_path / "out/doubt.png") as drawn:
        assert drawn.size == (1200, 552)
    with pytest.raises(UserError, match="outside the rows fitted on, found"):
        main([*words, "--on", str(manifest.path)])
