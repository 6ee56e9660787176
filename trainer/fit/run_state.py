"""The state of a run between two epochs: `resume.safetensors` in its directory.

Model, moving average and optimiser lie in one file, written after the checkpoints of the same epoch: a run
killed anywhere repeats at most the epoch it was in. Random numbers need no state, as each epoch's follow from
(seed, stage, epoch).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from manifests.errors import UserError
from trainer.fit.configuration import Configuration
from trainer.fit.ema import MovingAverage
from trainer.weights.tensor_file import read_tensors, write_tensors

KIND = "resume state"
NAME = "resume.safetensors"
NAMES_SINCE: dict[str, Any] = {  # of the configuration, newer than runs that may be resumed: what those did
    "mixup": 0.0, "cutmix": 0.0, "distill_loss": "ce", "temperature": 1.0, "connectivity": 0.0, "consistency": 0.0,
    "crf": 0.0, "edge_weight": 0.0, "alpha_weight": 0.0, "live_teachers": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunProgress:
    """The stage, the epochs done in it, the best of them, and its score (higher is better)."""

    stage: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("-inf")

    def advanced(self, *, score: float, counts: bool = True) -> "RunProgress":
        """The progress after one more epoch; of two equal scores the earlier one stays the best.

        While epochs do not count yet, the latest is the best.
        """
        epoch = self.epoch + 1
        if not counts:
            return RunProgress(self.stage, epoch, epoch)
        if score > self.best_score:
            return RunProgress(self.stage, epoch, epoch, score)
        return RunProgress(self.stage, epoch, self.best_epoch, self.best_score)


def save_state(
    directory: Path,
    configuration: Configuration,
    progress: RunProgress,
    model: nn.Module,
    optimizer: Optimizer,
    average: MovingAverage | None,
) -> None:
    """Write the state; `optimizer` and `average` may cover a part of `model`."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in entries.items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.network.state_dict().items()}
    header = {
        "configuration": configuration.flat(),
        "progress": dataclasses.asdict(progress),
        "average_steps": average.steps if average else 0,
    }
    write_tensors(directory / NAME, tensors, header, kind=KIND)


def load_progress(directory: Path, configuration: Configuration) -> RunProgress:
    """The progress of the run in `directory`, at its start without one.

    UserError when the run there is of another configuration.
    """
    if not (directory / NAME).exists():
        return RunProgress()
    _, header = read_tensors(directory / NAME, kind=KIND)
    theirs, ours = {**NAMES_SINCE, **header["configuration"]}, configuration.flat()
    differing = [f"{name} {theirs.get(name)} and not {ours[name]}" for name in ours if theirs.get(name) != ours[name]]
    if differing:
        raise UserError(
            f"expected a run of this configuration in {directory}, found one of {', '.join(differing)}; "
            "give another --output"
        )
    return RunProgress(**header["progress"])


def load_model(directory: Path, model: nn.Module) -> None:
    """Load the weights."""
    tensors, _ = read_tensors(directory / NAME, kind=KIND)
    model.load_state_dict(_of("model", tensors))


def load_optimizer(directory: Path, optimizer: Optimizer, average: MovingAverage | None) -> None:
    """Load the state of the optimiser and the average; both must cover the same parameters as before."""
    tensors, header = read_tensors(directory / NAME, kind=KIND)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _of("optimizer", tensors).items():
        index, _, entry = name.partition(".")
        state.setdefault(int(index), {})[entry] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for parameter, entries in optimizer.state.items():
        for name, entry in entries.items():
            if entry.shape == parameter.shape:  # a file has no memory layout; the fused optimiser needs the weights'
                entries[name] = torch.empty_like(parameter).copy_(entry)
    if average is not None:
        average.network.load_state_dict(_of("average", tensors))
        average.steps = header["average_steps"]


def _of(owner: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{owner}."): tensor for name, tensor in tensors.items() if name.startswith(f"{owner}.")}
