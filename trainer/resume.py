"""The state of a run between two epochs: `resume.safetensors` in its directory.

Model and optimiser lie in one file, written after the checkpoints of the same epoch: a run killed anywhere
repeats at most the epoch it was in. Random numbers need no state, as each epoch's follow from (seed, epoch).
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from manifests.errors import UserError
from trainer.tensorfile import read_tensors, write_tensors

KIND = "resume state"
NAME = "resume.safetensors"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that decides a run's weights. Only a run of the same configuration is resumed."""

    model: str
    manifest_digest: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    size_px: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Epochs done, the best of them, and its score (higher is better)."""

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("-inf")

    def advanced(self, epoch: int, *, score: float) -> "Progress":
        """After one more epoch; of two equal scores the earlier one stays the best."""
        if score > self.best_score:
            return Progress(epoch, epoch, score)
        return Progress(epoch, self.best_epoch, self.best_score)


def save_state(
    directory: Path, configuration: Configuration, progress: Progress, model: nn.Module, optimizer: Optimizer
) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in entries.items()}
    header = {"configuration": dataclasses.asdict(configuration), "progress": dataclasses.asdict(progress)}
    write_tensors(directory / NAME, tensors, header, kind=KIND)


def load_progress(directory: Path, configuration: Configuration) -> Progress:
    """How far the run in `directory` is, at its start when there is none.

    UserError when the run there is of another configuration.
    """
    if not (directory / NAME).exists():
        return Progress()
    _, header = read_tensors(directory / NAME, kind=KIND)
    theirs, ours = header["configuration"], dataclasses.asdict(configuration)
    differing = [f"{name} {theirs.get(name)} and not {ours[name]}" for name in ours if theirs.get(name) != ours[name]]
    if differing:
        raise UserError(
            f"expected a run of this configuration in {directory}, found one of {', '.join(differing)}; "
            "give another --output"
        )
    return Progress(**header["progress"])


def load_state(directory: Path, model: nn.Module, optimizer: Optimizer) -> None:
    """Put the weights and the optimiser's state back; `optimizer` must be over `model`'s parameters."""
    tensors, _ = read_tensors(directory / NAME, kind=KIND)
    state: dict[int, dict[str, Tensor]] = {}
    weights = {}
    for name, tensor in tensors.items():
        owner, _, rest = name.partition(".")
        if owner == "model":
            weights[rest] = tensor
        else:
            index, _, entry = rest.partition(".")
            state.setdefault(int(index), {})[entry] = tensor
    model.load_state_dict(weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
