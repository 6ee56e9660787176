"""The curves of models of doubt: ROC and calibration."""

import io
from collections.abc import Mapping

from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from pipeline.doubt import WITH_PROBABILITIES, WITHOUT, Model
from pipeline.fit_doubt.judged_masks import JudgedMasks

BINS = 10  # of the calibration curve, with equal numbers of masks


def plot(masks: JudgedMasks, models: Mapping[str, Model]) -> bytes:
    """Draw the ROC curve (left) and how often masks of a doubt are rejected (right); return a PNG."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, style in {WITH_PROBABILITIES: "-", WITHOUT: "--"}.items():
        some = masks.of_kind(kind)
        if not some.has_both_verdicts():
            continue
        doubts, label = some.doubts(models), f"masks {kind}"
        good_rejected, bad_rejected, _ = roc_curve(some.bad, doubts)
        auc = roc_auc_score(some.bad, doubts)
        left.plot(good_rejected, bad_rejected, style, color="black", label=f"{label}: AUC {auc:.3f}")
        observed, predicted = calibration_curve(some.bad, doubts, n_bins=BINS, strategy="quantile")
        right.plot(predicted, observed, style, color="black", marker="o", label=label)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.legend()
    left.set(xlabel="share of the good masks that are as doubtful", ylabel="share of the bad masks", title="ROC")
    right.set(xlabel="doubt", ylabel="share of masks that the oracle rejects", title="calibration")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
