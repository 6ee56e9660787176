"""`--init`: weights to start from, of a checkpoint or of a file of SINet's authors, with their preprocessing."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from manifests.errors import UserError
from trainer.data.preprocessing import Preprocessing, sinet_authors
from trainer.weights.authors_weights import authors_sinet
from trainer.weights.checkpoint import load_checkpoint
from trainer.weights.checkpoint_files import BEST

AUTHORS_SUFFIXES = {".pth", ".pt"}


@dataclass(frozen=True, slots=True)
class Initial:
    """Weights and the preprocessing they were fitted with."""

    path: Path
    weights: dict[str, Tensor]
    fitted_with: Preprocessing

    def preprocessing(self, size_px: int) -> Preprocessing:
        return dataclasses.replace(self.fitted_with, size_px=size_px)

    def load_into(self, model: nn.Module) -> None:
        """Load the weights; UserError when they are another network's."""
        ours = {name: tensor.shape for name, tensor in model.state_dict().items()}
        if ours != {name: tensor.shape for name, tensor in self.weights.items()}:
            raise UserError(f"expected --init weights of the same network, found another's in {self.path}")
        model.load_state_dict(self.weights)


def open_initial(path: Path) -> Initial:
    if path.suffix in AUTHORS_SUFFIXES:
        return Initial(path, authors_sinet(path).state_dict(), sinet_authors())
    checkpoint = load_checkpoint(path)
    return Initial(path, checkpoint.model.state_dict(), checkpoint.info.preprocessing)


def checkpoint_file(path: Path) -> Path:
    """The file of `--init`; UserError when it is missing."""
    file = path / BEST if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"expected weights at {file}, found no file")
    return file
