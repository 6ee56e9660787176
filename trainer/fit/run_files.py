"""The files that a run writes after every epoch: checkpoints, the encoder of the first stage, config.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from manifests.files.atomic import write_replace
from trainer.fit.steps import Stage
from trainer.models.smp_network import SmpNetwork, save_pretrained
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import BEST, LAST
from trainer.weights.tensor_file import read_tensors, write_tensors

CONFIG = "config.json"
ENCODER = "encoder.safetensors"  # the first stage's best
ENCODER_KIND = "encoder"
PRETRAINED = "pretrained"  # directory of an smp network's best, as its own library and the pipeline read it


def save_epoch(output: Path, stage: Stage, network: nn.Module, info: CheckpointInfo, *, is_best: bool) -> None:
    """Write the last checkpoint, and the best one if this epoch is; of the first stage only the best encoder.

    `network` is the measured one: the stage's own, or its moving average.
    """
    if stage.number == 0:
        if is_best:
            write_tensors(output / ENCODER, network.state_dict(), {}, kind=ENCODER_KIND)
        return
    if is_best:
        save_checkpoint(output / BEST, network, info)
        if isinstance(network, SmpNetwork):
            save_pretrained(network, output / PRETRAINED, input_px=info.preprocessing.size_px)
    save_checkpoint(output / LAST, network, info)


def load_encoder(output: Path, model: nn.Module) -> None:
    """Load the first stage's best encoder into the network."""
    model.get_submodule("encoder").load_state_dict(read_tensors(output / ENCODER, kind=ENCODER_KIND)[0])


def write_config(output: Path, facts: Mapping[str, Any]) -> None:
    """Write config.json."""
    write_replace(output / CONFIG, (json.dumps(facts, indent=2) + "\n").encode())
