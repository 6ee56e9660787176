"""Weights that SINet's authors released: a state dict on disk -> the network.

The file is read as tensors only: a pickle with anything else in it is refused, and nothing in it is run.
"""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from manifests.errors import UserError
from trainer.models.sinet import SINet, load_authors_state_dict, sinet

_DATA_PARALLEL = "module."  # DataParallel's prefix of every name


def authors_sinet(path: Path) -> SINet:
    """The network with the weights of the authors' file; UserError when they don't fit."""
    model = sinet()
    load_authors_state_dict(model, read_state_dict(path))
    return model


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Named tensors of a torch.save file; UserError for files of another kind, and for pickles with code."""
    if not path.is_file():
        raise UserError(f"expected a state dict at {path}, found no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols: unreadable files raise anyway
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(
            f"expected a state dict, tensors and nothing else, in {path}, found a file of another kind or one "
            "that holds code, which was not run; save the model's state_dict()"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"expected a state dict, tensors by name, in {path}, found {type(state).__name__}")
    return {str(name).removeprefix(_DATA_PARALLEL): tensor for name, tensor in state.items()}
