"""A checkpoint rebuilds its own model: NAME.safetensors holds the weights and, as its header, everything else.

NAME.json beside it repeats the header for people and other tools, with the file's SHA-256; nothing here reads
it. Both are written whole or not at all, so a killed run leaves the previous checkpoint usable.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

from torch import Tensor, nn

from manifests import __version__
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import sha256_hex
from manifests.pixels.metrics import Metrics
from trainer.data.preprocessing import Preprocessing
from trainer.models import create_model
from trainer.weights.checkpoint_files import BEST
from trainer.weights.tensor_file import digest_of, read_tensors, write_tensors

KIND = "checkpoint"
_NAMES_LISTED = 5
_REASON_LETTERS = 200
_TYPES: dict[str, type | UnionType] = {  # of the header's entries
    "model": str,
    "preprocessing": dict,
    "epoch": int,
    "loss": int | float,
    "metrics": dict | None,
    "manifest_version": int,
    "manifest_digest": str,
    "arguments": dict,
    "code_version": str,
}


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """A checkpoint's metadata. `metrics` are None when there was nothing to measure on."""

    model: str
    preprocessing: Preprocessing
    epoch: int
    loss: float
    metrics: Metrics | None
    manifest_version: int
    manifest_digest: str
    arguments: dict[str, Any] = field(default_factory=dict)
    code_version: str = __version__


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model in evaluation mode on the CPU, its metadata, and the digest of its weights."""

    model: nn.Module
    info: CheckpointInfo
    weights_sha256: str


def save_checkpoint(path: Path, model: nn.Module, info: CheckpointInfo) -> None:
    """Write `path`, NAME.safetensors, and NAME.json beside it."""
    weights = model.state_dict()
    header = {**dataclasses.asdict(info), "weights_sha256": digest_of(weights)}
    data = write_tensors(path, weights, header, kind=KIND)
    readable = {**header, "file": path.name, "file_sha256": sha256_hex(data)}
    write_replace(path.with_suffix(".json"), (json.dumps(readable, indent=2) + "\n").encode())


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Open NAME.safetensors, or the best one of a run's directory.

    Raises UserError when there is none, when it is no checkpoint or a newer one, when its weights were altered,
    and when tensors are missing, unexpected or of another shape.
    """
    path = Path(path)
    path = path / BEST if path.is_dir() else path
    weights, header = read_tensors(path, kind=KIND)
    try:
        info = _info_from(header)
        model = create_model(info.model, **_without_fetching(info.arguments))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"expected the header of a checkpoint in {path}, found a damaged one ({str(error)[:_REASON_LETTERS]}); "
            "restore it or fit again"
        ) from error
    check_tensors(weights, model.state_dict(), path)
    if digest_of(weights) != header.get("weights_sha256"):
        raise UserError(f"expected the weights {path} was written with, found altered ones; restore it or fit again")
    model.load_state_dict(weights)
    return Checkpoint(model.eval(), info, header["weights_sha256"])


def check_tensors(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Raise UserError when tensors of `path` are missing, unexpected, or of another shape."""
    shared = weights.keys() & expected.keys()
    problems = {
        "missing": expected.keys() - weights.keys(),
        "unexpected": weights.keys() - expected.keys(),
        "of another shape": {name for name in shared if weights[name].shape != expected[name].shape},
    }
    listed = [f"{problem}: {_list(names)}" for problem, names in problems.items() if names]
    if listed:
        raise UserError(f"expected the tensors of its model in {path}, found some {'; '.join(listed)}")


def _info_from(header: Mapping[str, Any]) -> CheckpointInfo:
    """KeyError, TypeError or ValueError for a header that `save_checkpoint` doesn't write."""
    fields = {entry.name: header[entry.name] for entry in dataclasses.fields(CheckpointInfo)}
    wrong = [name for name, kinds in _TYPES.items() if not isinstance(fields[name], kinds)]
    if wrong:
        raise ValueError(f"unusable {', '.join(wrong)}")
    fields["preprocessing"] = Preprocessing.from_json(fields["preprocessing"])
    fields["metrics"] = _metrics_from(fields["metrics"]) if fields["metrics"] else None
    return CheckpointInfo(**fields)


def _metrics_from(fields: Mapping[str, Any]) -> Metrics:
    metrics = Metrics(**fields)
    if not all(isinstance(value, int | float) for value in fields.values()):
        raise ValueError("metrics that are no numbers")
    return metrics


def _without_fetching(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The network's arguments without pretrained weights, which its own replace: a header makes nothing fetch."""
    return {name: None if name == "encoder_weights" else value for name, value in arguments.items()}


def _list(names: set[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMES_LISTED} more" if len(ordered) > _NAMES_LISTED else ""
    return ", ".join(ordered[:_NAMES_LISTED]) + more
