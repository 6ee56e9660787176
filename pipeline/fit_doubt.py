"""`python -m pipeline.fit_doubt`: the numbers of pipeline/doubt.py, fitted on masks whose verdict an oracle knows.

Every teacher labels the portraits of trusted rows, those whose mask no teacher made. The oracle rejects a mask of a
person IoU below BAD_IOU. A logistic regression from the features of doubt to its verdict is fitted on --manifest's
train split and measured on rows it never saw: those of --on, or the test split. OUTPUT/doubt.png shows both curves.
With --second-opinion the network named there looks at the same portraits, and what it adds is fitted and measured too;
it must not have been fitted on any of these pictures, as it isn't on those that wait for review.
"""

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, SplitOrAll, require_rows
from pipeline.doubt import (
    MODELS,
    SECOND_OPINION,
    WITH_PROBABILITIES,
    WITHOUT,
    Model,
    features,
    kind_of,
    second_features,
)
from pipeline.evaluate import Outcome, Signs, measure
from pipeline.faces.mtcnn import default_detector
from pipeline.ordered_map import one_thread_an_item
from pipeline.teachers import Teacher, TeacherOptions, load_teacher
from pipeline.teachers.options import add_teacher_options, teacher_options

PLOT = "doubt.png"
BINS = 10  # of the calibration curve, with as many masks in each
REGULARISATION = 1.0  # the inverse of its strength, on standardised features
FALSE_ACCEPTS = 0.01  # of the masks that nobody looks at, so many may be bad

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Judged:
    """Masks of several teachers: what is known of each, the oracle's verdict on it, and whose it is."""

    signs: list[Signs]
    bad: Flags
    teachers: list[str]

    @classmethod
    def of(cls, outcomes: Mapping[str, Outcome]) -> "Judged":
        bad = np.concatenate([outcome.bad() for outcome in outcomes.values()])
        names = [name for name, outcome in outcomes.items() for _ in outcome.signs]
        return cls([signs for outcome in outcomes.values() for signs in outcome.signs], bad, names)

    def of_kind(self, kind: str) -> "Judged":
        """Those of masks with probabilities, or those without."""
        return self._some([kind_of(signs.scores) == kind for signs in self.signs])

    def without_second_opinion(self) -> "Judged":
        return replace(self, signs=[replace(signs, second_iou=None) for signs in self.signs])

    def by(self, teacher: str) -> "Judged":
        return self._some([name == teacher for name in self.teachers])

    def _some(self, chosen: Sequence[bool]) -> "Judged":
        places = np.flatnonzero(chosen)
        signs, teachers = [self.signs[place] for place in places], [self.teachers[place] for place in places]
        return Judged(signs, self.bad[places], teachers)


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    look = teacher_options(options)
    teachers = {spec: load_teacher(spec, look) for spec in options.teacher}
    second = load_teacher(options.second_opinion, TeacherOptions()) if options.second_opinion else None
    fit_rows = _trusted_rows(options.manifest, "train", options.limit)
    on = options.on or options.manifest
    unseen_rows = _trusted_rows(on, "all" if options.on else "test", options.limit)
    seen = {row.image_sha256 for row in fit_rows[1]} & {row.image_sha256 for row in unseen_rows[1]}
    if seen:
        raise UserError(f"expected pictures in {on} that the model isn't fitted on, found {len(seen)} that it is")
    fitted_on, unseen = (_judge_all(teachers, second, *rows) for rows in (fit_rows, unseen_rows))
    models = dict(MODELS)
    for kind in (WITH_PROBABILITIES, WITHOUT):
        some = fitted_on.of_kind(kind)
        if _has_both(some):
            models[kind] = fit(some)
            print(f"{kind} = {models[kind]}\n")
    print(report(unseen.without_second_opinion(), models))
    if second is not None and _has_both(fitted_on):
        models[SECOND_OPINION] = fit_second(fitted_on, models)
        print(f"\n{SECOND_OPINION} = {models[SECOND_OPINION]}: {second.name}\n")
        print(report(unseen, models))
    options.output.mkdir(parents=True, exist_ok=True)
    write_replace(options.output / PLOT, plot(unseen, models))
    print(options.output / PLOT)


def fit(judged: Judged) -> Model:
    """The logistic regression from features to "the oracle rejects it"."""
    return _regression([features(signs.scores, signs.disagreement) for signs in judged.signs], judged.bad)


def fit_second(judged: Judged, models: Mapping[str, Model]) -> Model:
    """The same from what `models` say without a second opinion, and from that opinion."""

    def known(signs: Signs) -> dict[str, float]:
        assert signs.second_iou is not None, "every mask was shown to the second network"
        first = models[kind_of(signs.scores)].prob(features(signs.scores, signs.disagreement))
        return second_features(first, signs.second_iou)

    return _regression([known(signs) for signs in judged.signs], judged.bad)


def _regression(known: Sequence[Mapping[str, float]], bad: Flags) -> Model:
    names = list(known[0])
    scale, regression = StandardScaler(), LogisticRegression(C=REGULARISATION, max_iter=1000)
    make_pipeline(scale, regression).fit([[each[name] for name in names] for each in known], bad)
    weights = regression.coef_[0] / scale.scale_
    intercept = float(regression.intercept_[0] - weights @ scale.mean_)
    return Model(round(intercept, 3), {name: round(float(w), 3) for name, w in zip(names, weights, strict=True)})


def looks_saved(doubts: Floats, bad: Flags, false_accepts: float = FALSE_ACCEPTS) -> float:
    """The greatest share of masks, the least doubtful ones, of which at most `false_accepts` are bad."""
    order = np.argsort(doubts, kind="stable")
    share_bad = np.cumsum(bad[order]) / np.arange(1, len(bad) + 1)
    enough = np.flatnonzero(share_bad <= false_accepts)
    return float((enough[-1] + 1) / len(bad)) if len(enough) else 0.0


def report(judged: Judged, models: Mapping[str, Model]) -> str:
    """A line for each teacher and one for all: how many masks, how many bad, AUC, looks saved, expected bad ones."""
    lines = [f"{'teacher':<44}{'masks':>7}{'bad':>8}{'mean doubt':>12}{'AUC':>8}{'looks saved':>13}"]
    for name in [*dict.fromkeys(judged.teachers), ""]:
        some = judged.by(name) if name else judged
        doubts = doubts_of(some, models)
        auc = f"{roc_auc_score(some.bad, doubts):.3f}" if _has_both(some) else "-"
        saved = f"{looks_saved(doubts, some.bad):.0%}"
        facts = f"{len(doubts):>7}{some.bad.mean():>8.1%}{doubts.mean():>12.1%}{auc:>8}{saved:>13}"
        lines.append(f"{name[-43:] or 'all':<44}{facts}")
    return "\n".join(lines)


def doubts_of(judged: Judged, models: Mapping[str, Model]) -> Floats:
    return np.array([signs.doubt(models) for signs in judged.signs])


def plot(judged: Judged, models: Mapping[str, Model]) -> bytes:
    """PNG: the ROC curve on the left, on the right how often masks of a doubt are rejected."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, style in {WITH_PROBABILITIES: "-", WITHOUT: "--"}.items():
        some = judged.of_kind(kind)
        if not _has_both(some):
            continue
        doubts, label = doubts_of(some, models), f"masks {kind}"
        good_taken, bad_taken, _ = roc_curve(some.bad, doubts)
        auc = roc_auc_score(some.bad, doubts)
        left.plot(good_taken, bad_taken, style, color="black", label=f"{label}: AUC {auc:.3f}")
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


def _has_both(judged: Judged) -> bool:
    """Verdicts of both kinds: without them there is nothing to fit or to rank."""
    return bool(0 < judged.bad.sum() < len(judged.bad))


def _trusted_rows(path: Path, split: SplitOrAll, limit: int | None) -> tuple[Manifest, Sequence[AcceptedRow]]:
    manifest = Manifest.open(path)
    return manifest, require_rows(manifest, split, trusted=True)[:limit]


def _judge_all(
    teachers: Mapping[str, Teacher], second: Teacher | None, manifest: Manifest, rows: Sequence[AcceptedRow]
) -> Judged:
    one_thread_an_item()
    blobs = BlobStore(manifest.data_root)
    outcomes = measure(list(teachers.values()), default_detector(), rows, blobs, second=second)
    return Judged.of(dict(zip(teachers, outcomes, strict=True)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m pipeline.fit_doubt",
        description="Fit the numbers of doubt on trusted masks: print them, and how good they are on pictures that "
        f"they were not fitted on. Looks saved: the share of masks that need no look if {FALSE_ACCEPTS:.0%} of those "
        "may be bad.",
    )
    parser.add_argument("--manifest", type=Path, required=True, help="its train split is fitted on")
    parser.add_argument("--on", type=Path, metavar="MANIFEST", help="measured on; default: the same, split test")
    parser.add_argument("--teacher", required=True, nargs="+", help="as in pipeline.generate, several")
    parser.add_argument(
        "--second-opinion", metavar="NETWORK", help="named as a teacher is: what it adds is fitted and measured too"
    )
    add_teacher_options(parser)
    parser.add_argument("--limit", type=int, help="the first N rows of each alone")
    parser.add_argument("--output", type=Path, default=Path("doubt"), help=f"for {PLOT} (default: %(default)s)")
    return parser


if __name__ == "__main__":
    run_command(main)
