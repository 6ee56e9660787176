"""Logistic regressions from the features of doubt to the oracle's verdicts."""

from collections.abc import Mapping, Sequence

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.doubt import Model, features, kind_of, second_features
from pipeline.evaluate.teacher_score import Signs
from pipeline.fit_doubt.judged_masks import Flags, JudgedMasks

REGULARISATION = 1.0  # the inverse of its strength, on standardised features


def fit(masks: JudgedMasks) -> Model:
    """Fit "the oracle rejects it" to the features of masks of one kind."""
    return _regression([features(signs.scores, signs.disagreement) for signs in masks.signs], masks.bad)


def fit_second(masks: JudgedMasks, models: Mapping[str, Model]) -> Model:
    """Fit the same to the first `models`' probability and the second opinion."""

    def both(signs: Signs) -> dict[str, float]:
        assert signs.second_iou is not None, "every mask was shown to the second network"
        first = models[kind_of(signs.scores)].prob(features(signs.scores, signs.disagreement))
        return second_features(first, signs.second_iou)

    return _regression([both(signs) for signs in masks.signs], masks.bad)


def _regression(samples: Sequence[Mapping[str, float]], bad: Flags) -> Model:
    names = list(samples[0])
    scale, regression = StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=1000)
    make_pipeline(scale, regression).fit([[sample[name] for name in names] for sample in samples], bad)
    weights = regression.coef_[0] / scale.scale_
    intercept = float(regression.intercept_[0] - weights @ scale.mean_)
    return Model(round(intercept, 3), {name: round(float(w), 3) for name, w in zip(names, weights, strict=True)})
