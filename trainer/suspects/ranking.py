"""Accepted masks that a network doubts, ranked, and flagged for the second look on request.

Each row is scored by the checkpoints that were not fitted on it, by the mean of their probabilities. With one
checkpoint these are the rows of val and test; with one for each fold (docs/versions.md) they are all.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import torch

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.decisions.second_look import ask_for_second_look
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, Mask
from manifests.pixels.onnx_segmenter import Prob
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.samples.sample import Row
from manifests.store.manifest import Manifest
from trainer.device import pick_device
from trainer.inference.predictors import Predictor, open_predictor
from trainer.suspects.label_quality import SCORES
from trainer.suspects.seen_rows import candidate_files, find_manifest, not_fitted_on, unknown_manifest
from trainer.weights.checkpoint import load_checkpoint

SHOWN = 20
ONNX = ".onnx"

_COLUMNS = (
    "sample_id", "source", "source_sha256", "group_id", "split", "origin", "status", "image", "image_sha256", "mask",
    "mask_sha256",
)  # fmt: skip
_REPORTED = ["sample_id", "mask_sha256", "source", "origin", "split", "image", "mask"]


@dataclass(frozen=True, slots=True)
class Judge:
    """A network, and which rows it may score: those it was not fitted on."""

    predictor: Predictor
    may_score: np.ndarray


@dataclass(frozen=True, slots=True)
class Ranking:
    """`score` ranks the rows; suspects are the `top` worst, or those below `below` if it is given."""

    score: str
    top: int
    below: float | None = None

    @property
    def scores(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.score, "iou"]))

    def suspects(self, ranked: pd.DataFrame) -> pd.DataFrame:
        return ranked[ranked[self.score] < self.below] if self.below is not None else ranked[: self.top]


def rank_suspects(
    manifest: Manifest,
    checkpoints: Sequence[Path],
    device_name: str,
    ranking: Ranking,
    output: Path,
    *,
    fitted_on: Sequence[Path],
    unseen: bool,
    second_look: bool,
    database_url: str | None,
) -> None:
    """Print the suspects and write every score, ranked, to `output`; with `second_look` flag them for review.

    UserError when no row can be scored, or a checkpoint's training rows are unknown and not `unseen`.
    """
    table = manifest.read(_COLUMNS)
    table = table.filter(pc.equal(table["status"], "accepted")).sort_by("sample_id")
    device = pick_device(device_name)
    judges = [_open_judge(path, table, manifest, device, fitted_on, unseen=unseen) for path in checkpoints]
    scored = score_rows(table, judges, BlobStore(manifest.data_root), ranking.scores)
    unscored = table.num_rows - len(scored)
    print(f"{manifest.path}: {table.num_rows:,} accepted rows, {len(scored):,} scored, {unscored:,} without a "
          "checkpoint that was not fitted on them")  # fmt: skip
    if scored.empty:
        raise UserError(
            f"expected accepted rows of {manifest.path} that a checkpoint was not fitted on, found none; give one that "
            "was fitted without them, see docs/versions.md"
        )
    ranked = scored.sort_values([ranking.score, "sample_id"], ignore_index=True)
    suspects = ranking.suspects(ranked)
    shown = [*ranking.scores, "split", "source", "origin", "sample_id"]
    print(suspects[:SHOWN][shown].to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    if len(suspects) > SHOWN:
        print(f"... and {len(suspects) - SHOWN:,} more")
    if second_look:
        _send(suspects, database_url or sqlite_url(manifest.data_root))
    write_replace(output, ranked.to_csv(index_label="rank").encode())
    print(output)


def score_rows(table: pa.Table, judges: Sequence[Judge], blobs: BlobStore, names: Sequence[str]) -> pd.DataFrame:
    """One line per row of `table` that a judge may score: _REPORTED, and the named scores.

    BlobError when an image or a mask is missing or altered, or when the two differ in size.
    """
    may_score = [np.flatnonzero([judge.may_score[at] for judge in judges]).tolist() for at in range(table.num_rows)]
    chosen = [at for at, allowed in enumerate(may_score) if allowed]
    lines = []
    for at in progress(chosen, "scoring"):
        row: Row = table.slice(at, 1).to_pylist()[0]
        prob, mask = _opinions(row, [judges[number] for number in may_score[at]], blobs)
        lines.append({name: row[name] for name in _REPORTED} | {name: SCORES[name](prob, mask) for name in names})
    return pd.DataFrame(lines, columns=[*_REPORTED, *names])


def _opinions(row: Row, judges: Sequence[Judge], blobs: BlobStore) -> tuple[Prob, Mask]:
    """The judges' mean person probability (H, W), and the mask bool (H, W)."""
    rgb, mask = read_pair(blobs, row)
    prob: Prob = np.mean([judge.predictor.person_prob(rgb) for judge in judges], axis=0)
    return prob, mask >= PERSON_LEVEL


def _open_judge(
    path: Path, table: pa.Table, manifest: Manifest, device: torch.device, fitted_on: Sequence[Path], *, unseen: bool
) -> Judge:
    predictor = open_predictor(path, device)
    if path.suffix == ONNX:
        if not unseen:
            raise UserError(
                f"expected a checkpoint, which records what it was fitted on, found {path}; say --unseen if it has "
                "seen none of these images"
            )
        return Judge(predictor, np.ones(table.num_rows, bool))
    info = load_checkpoint(path).info
    directory = Path(manifest.path).parent
    fitted = find_manifest(info, candidate_files(info, directory, fitted_on))
    if fitted is None and not unseen:
        raise unknown_manifest(path, info, directory)
    return Judge(predictor, np.ones(table.num_rows, bool) if fitted is None else not_fitted_on(table, fitted))


def _send(suspects: pd.DataFrame, database_url: str) -> None:
    """Flag the suspects that people review, and report the others."""
    reviewed = suspects[suspects["origin"] != "ground_truth"]
    log = DecisionLog(database_url)
    try:
        result = ask_for_second_look(
            log, list(zip(reviewed["sample_id"], reviewed["mask_sha256"], strict=True)), now=datetime.now(UTC)
        )
    finally:
        log.close()
    print(f"{result.flagged:,} sent to the second look, {result.known:,} were there before")
    if trusted := len(suspects) - len(reviewed):
        print(
            f"{trusted:,} are ground truth, which is not reviewed: look at them and import better masks",
            file=sys.stderr,
        )
