"""The files that a run writes after every epoch: checkpoints, the encoder of the first stage, config.json."""

import dataclasses
import json
from pathlib import Path

from torch import nn

from manifests import __version__
from manifests.files.atomic import write_replace
from manifests.pixels.metrics import Metrics
from manifests.store.manifest import Manifest
from trainer.data.preprocessing import Preprocessing
from trainer.fit.configuration import Configuration
from trainer.fit.run_state import RunProgress
from trainer.fit.steps import Stage
from trainer.models.smp_network import SmpNetwork, save_pretrained
from trainer.weights.checkpoint import CheckpointInfo, save_checkpoint
from trainer.weights.checkpoint_files import BEST, LAST
from trainer.weights.tensor_file import read_tensors, write_tensors

CONFIG = "config.json"
ENCODER = "encoder.safetensors"  # the first stage's best
ENCODER_KIND = "encoder"
PRETRAINED = "pretrained"  # directory of an smp network's best, as its own library and the pipeline read it


def save_epoch(
    output: Path,
    stage: Stage,
    network: nn.Module,
    configuration: Configuration,
    preprocessing: Preprocessing,
    manifest: Manifest,
    progress: RunProgress,
    *,
    loss: float,
    metrics: Metrics | None,
) -> None:
    """Write the last checkpoint, and the best one if this epoch is; of the first stage only the best encoder.

    `network` is the measured one: the stage's own, or its moving average.
    """
    is_best = progress.best_epoch == progress.epoch
    if stage.number == 0:
        if is_best:
            write_tensors(output / ENCODER, network.state_dict(), {}, kind=ENCODER_KIND)
        return
    info = CheckpointInfo(
        model=configuration.model,
        preprocessing=preprocessing,
        epoch=progress.epoch,
        loss=loss,
        metrics=metrics,
        manifest_version=manifest.version,
        manifest_digest=manifest.digest,
        arguments=configuration.model_options,
    )
    if is_best:
        save_checkpoint(output / BEST, network, info)
        if isinstance(network, SmpNetwork):
            save_pretrained(network, output / PRETRAINED, input_px=preprocessing.size_px)
    save_checkpoint(output / LAST, network, info)


def load_encoder(output: Path, model: nn.Module) -> None:
    """Load the first stage's best encoder into the network."""
    model.get_submodule("encoder").load_state_dict(read_tensors(output / ENCODER, kind=ENCODER_KIND)[0])


def write_config(output: Path, configuration: Configuration, manifest: Manifest, preprocessing: Preprocessing) -> None:
    """Write config.json: every choice, the manifest's version and digest, the code's version."""
    facts = {
        **configuration.flat(),
        "manifest": str(manifest.path),
        "manifest_version": manifest.version,
        "code_version": __version__,
        "preprocessing": dataclasses.asdict(preprocessing),
    }
    write_replace(output / CONFIG, (json.dumps(facts, indent=2) + "\n").encode())
