"""`python -m manifests.bench.acceptance`: does the bound of `manifests accept` hold, and how many looks does it save?

Simulates queues whose wrong masks are known. In each the audit is judged in its random order and looked at after every
CHECK looks, as a lead who stops as soon as the bound holds; after MOST_LOOKS it takes what holds. Printed per scenario:
in how many queues the bound was reached, in how many the masks accepted without a look then hold it, and the looks.

With --masks and --truth the pairs (doubt, wrong) of real masks are resampled into the queues: --masks is a version with
pseudo-labels, --truth one with ground truth of the same source images, and wrong is a person IoU below --bad-iou.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from manifests.cli.arguments import run_command
from manifests.cli.converters import not_negative, positive, share
from manifests.decisions.acceptance import Queue, bounds, forecasts, largest_that_holds, next_part
from manifests.decisions.audit import Verdicts
from manifests.decisions.error_bound import GoldCounts
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, decode_mask
from manifests.pixels.metrics import confusion_matrix, iou
from manifests.store.manifest import Manifest

QUEUES, ROWS = 200, 10_000
CHECK, MOST_LOOKS = 25, 2_500
MAX_ERRORS = (0.01, 0.02)
BAD_IOU = 0.9  # as the oracle of pipeline.fit_doubt
GOLD_VERDICTS = 400

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Draw = Callable[[np.random.Generator, int, float], tuple[Floats, Flags]]  # rows, max_error -> doubts, wrong


@dataclass(frozen=True, slots=True)
class Scenario:
    """How masks and their doubt come about, and how often reviewers accept a wrong mask."""

    draw: Draw
    false_accept: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One queue: looks of the audit; masks accepted without a look, and how many of them are wrong."""

    looks: int
    accepted: int
    wrong: int


def simulate(scenario: Scenario, rng: np.random.Generator, *, rows: int, max_error: float) -> Outcome:
    """Audit one queue, CHECK looks at a time in the part that likely saves most, until that part holds."""
    doubts, wrong = scenario.draw(rng, rows, max_error)
    rejected = wrong & (rng.random(rows) >= scenario.false_accept)  # a reviewer's verdict on each mask
    gold = _gold(scenario, rng)
    queue = Queue([(f"{place:032x}", "") for place in range(rows)], doubts.astype(np.float32), 0)
    order, judged = rng.permutation(rows), np.zeros(rows, bool)
    while True:
        found = bounds(queue, Verdicts(judged, judged & rejected, {}), order, gold=gold)
        part = next_part(forecasts(queue, found, max_error=max_error, gold=gold)).part
        best = largest_that_holds(found, max_error)
        waiting = order[(queue.doubts[order] <= part.max_doubt) & ~judged[order]]
        if (best and best.part.rows >= part.rows) or judged.sum() >= MOST_LOOKS or not len(waiting):
            break
        judged[waiting[:CHECK]] = True
    accepted = best.rest if best else np.empty(0, np.int64)
    return Outcome(int(judged.sum()), len(accepted), int(wrong[accepted].sum()))


def calibrated(rng: np.random.Generator, rows: int, _max_error: float) -> tuple[Floats, Flags]:
    """Doubt that means what it says, mostly small: its mean is 9 %, and half of it lies below 2 %."""
    doubts = rng.beta(0.25, 2.5, rows)
    return doubts, rng.random(rows) < doubts


def too_sure(rng: np.random.Generator, rows: int, max_error: float) -> tuple[Floats, Flags]:
    """As `calibrated`, but masks are wrong three times as often as doubt says."""
    doubts, _wrong = calibrated(rng, rows, max_error)
    return doubts, rng.random(rows) < np.minimum(1.0, 3.0 * doubts)


def just_above(rng: np.random.Generator, rows: int, max_error: float) -> tuple[Floats, Flags]:
    """Doubt that says nothing, and 1.1 times as many wrong masks everywhere as allowed: nothing may be accepted."""
    doubts, _wrong = calibrated(rng, rows, max_error)
    return doubts, rng.random(rows) < 1.1 * max_error


SCENARIOS = {
    "doubt calibrated": Scenario(calibrated),
    "reviewers accept 5 % of wrong masks": Scenario(calibrated, false_accept=0.05),
    "wrong 3 times as often as doubt says": Scenario(too_sure),
    "doubt says nothing, 1.1 times too many": Scenario(just_above),
}


def resampled(doubts: Floats, wrong: Flags) -> Draw:
    """Draw pairs (doubt, wrong) of real masks with replacement."""

    def draw(rng: np.random.Generator, rows: int, _max_error: float) -> tuple[Floats, Flags]:
        places = rng.integers(0, len(doubts), rows)
        return doubts[places], wrong[places]

    return draw


def real_pairs(masks: Manifest, truth: Manifest, bad_iou: float) -> tuple[Floats, Flags]:
    """Doubt of each mask of `masks` whose source image has ground truth in `truth`, and whether it is wrong."""
    columns = ["source_sha256", "mask", "mask_sha256", "roi_x", "roi_y", "roi_w", "roi_h", "doubt"]
    true_rows = {row["source_sha256"]: row for row in truth.read(columns).to_pylist()}
    rows = [row for row in masks.read(columns).to_pylist() if row["doubt"] is not None]
    known = [row for row in rows if row["source_sha256"] in true_rows]
    if not known:
        raise UserError(f"expected masks with doubt in {masks.path} of source images that {truth.path} has, found none")
    pairs = [(row["doubt"], _person_iou(masks, row, truth, true_rows[row["source_sha256"]]) < bad_iou) for row in known]
    return np.array([doubt for doubt, _ in pairs]), np.array([bad for _, bad in pairs], bool)


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    scenarios = dict(SCENARIOS)
    if options.masks:
        scenarios = dict(_real_scenarios(options))
    print(f"{options.queues} queues of {options.rows:,} masks, seed {options.seed}")
    print(f"{'scenario':<40}{'max error':>10}{'accepted in':>12}{'bound holds in':>15}{'wrong share':>12}"
          f"{'looks':>7}{'looks saved':>13}")  # fmt: skip
    for name, scenario in scenarios.items():
        for max_error in options.max_error:
            rng = np.random.default_rng(options.seed)
            outcomes = [simulate(scenario, rng, rows=options.rows, max_error=max_error) for _ in range(options.queues)]
            print(_line(name, max_error, outcomes, options.rows), flush=True)


def _gold(scenario: Scenario, rng: np.random.Generator) -> GoldCounts | None:
    if not scenario.false_accept:
        return None
    return GoldCounts(int(rng.binomial(GOLD_VERDICTS, scenario.false_accept)), GOLD_VERDICTS)


def _line(name: str, max_error: float, outcomes: Sequence[Outcome], rows: int) -> str:
    some = [outcome for outcome in outcomes if outcome.accepted]
    held = sum(outcome.wrong <= max_error * outcome.accepted for outcome in outcomes)
    wrong = np.mean([outcome.wrong / outcome.accepted for outcome in some]) if some else 0.0
    saved = np.mean([outcome.accepted / rows for outcome in outcomes])
    looks = np.median([outcome.looks for outcome in outcomes])
    return f"{name:<40}{max_error:>10.1%}{len(some):>12}{held:>15}{wrong:>12.2%}{looks:>7.0f}{saved:>13.0%}"


def _real_scenarios(options: argparse.Namespace) -> Iterator[tuple[str, Scenario]]:
    if len(options.masks) != len(options.truth):
        raise UserError(f"expected a --truth for each of {len(options.masks)} --masks, found {len(options.truth)}")
    pairs = [
        real_pairs(Manifest.open(masks), Manifest.open(truth), options.bad_iou)
        for masks, truth in zip(options.masks, options.truth, strict=True)
    ]
    doubts, wrong = (np.concatenate(column) for column in zip(*pairs, strict=True))
    print(f"{len(doubts):,} real masks, {wrong.mean():.1%} of a person IoU below {options.bad_iou:g}; "
          f"mean doubt {doubts.mean():.1%}")  # fmt: skip
    yield "resampled real masks", Scenario(resampled(doubts, wrong))
    yield "the same, 5 % false accepts", Scenario(resampled(doubts, wrong), false_accept=0.05)


def _person_iou(masks: Manifest, row: dict[str, object], truth: Manifest, true_row: dict[str, object]) -> float:
    """Person IoU inside the mask's ROI; the true mask is in source pixels of its own ROI, which starts at 0, 0."""
    mask = decode_mask(BlobStore(masks.data_root).read(str(row["mask"]), str(row["mask_sha256"])))
    whole = decode_mask(BlobStore(truth.data_root).read(str(true_row["mask"]), str(true_row["mask_sha256"])))
    x, y, w, h = (int(str(row[f"roi_{name}"])) for name in "xywh")
    person, true_person = mask >= PERSON_LEVEL, whole[y : y + h, x : x + w] >= PERSON_LEVEL
    return float(iou(confusion_matrix(person, true_person), 1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m manifests.bench.acceptance", description="Simulate audits of queues whose wrong masks are known."
    )
    parser.add_argument("--queues", type=positive, default=QUEUES, help="(default: %(default)s)")
    parser.add_argument("--rows", type=positive, default=ROWS, help="masks of a queue (default: %(default)s)")
    parser.add_argument("--max-error", type=share, nargs="+", default=list(MAX_ERRORS), help="(default: 0.01 0.02)")
    parser.add_argument("--masks", type=Path, nargs="+", metavar="V", help="versions with masks whose doubt is known")
    parser.add_argument("--truth", type=Path, nargs="+", default=[], metavar="V", help="their ground truth, one each")
    parser.add_argument(
        "--bad-iou", type=share, default=BAD_IOU, help="below it a mask is wrong (default: %(default)s)"
    )
    parser.add_argument("--seed", type=not_negative, default=0, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    run_command(main)
