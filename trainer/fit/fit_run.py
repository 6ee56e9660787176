"""The parts of a run, built from its configuration: data, network, stages, log."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from manifests import __version__
from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import Metrics
from manifests.store.manifest import Manifest
from trainer.data.cache import cache_directory
from trainer.data.preprocessing import Preprocessing, imagenet
from trainer.data.samples import Samples
from trainer.fit.batch_norms import check_batch_norms
from trainer.fit.configuration import Configuration
from trainer.fit.distillation import distilled
from trainer.fit.distributed import first_then_others
from trainer.fit.heads import check_heads
from trainer.fit.live_teachers import LiveTeachers
from trainer.fit.metrics_log import RunLog
from trainer.fit.run_state import RunProgress, load_model
from trainer.fit.steps import Stage, stages
from trainer.fit.trackers import Trackers
from trainer.fit.training_data import load_train_and_val
from trainer.inference.predictors import Predictor
from trainer.models import create_model
from trainer.models.sync_batch_norm import synchronise_batch_norms
from trainer.weights.checkpoint import CheckpointInfo
from trainer.weights.starting_weights import Initial


@dataclass(frozen=True, slots=True)
class FitRun:
    """The parts of one run. `stages` are those that are left; `compile_network` None compiles only long ones."""

    fabric: Fabric
    manifest: Manifest
    configuration: Configuration
    output: Path
    preprocessing: Preprocessing
    train: Samples
    val: Samples
    model: nn.Module
    stages: Sequence[Stage]
    log: RunLog
    compile_network: bool | None = None
    live_teachers: LiveTeachers | None = None
    seconds: float | None = None  # after which it stops at the end of an epoch, to be resumed

    def checkpoint_info(self, epoch: int, *, loss: float, metrics: Metrics | None) -> CheckpointInfo:
        """What a checkpoint after this epoch records beside its weights."""
        return CheckpointInfo(
            model=self.configuration.model,
            preprocessing=self.preprocessing,
            epoch=epoch,
            loss=loss,
            metrics=metrics,
            manifest_version=self.manifest.version,
            manifest_digest=self.manifest.digest,
            arguments=self.configuration.model_options,
        )

    def facts(self) -> dict[str, Any]:
        """Every choice, the manifest's version and digest, the code's version: plain values, for config.json."""
        return {
            **self.configuration.flat(),
            "manifest": str(self.manifest.path),
            "manifest_version": self.manifest.version,
            "code_version": __version__,
            "preprocessing": dataclasses.asdict(self.preprocessing),
        }


def build_run(
    fabric: Fabric,
    manifest: Manifest,
    configuration: Configuration,
    output: Path,
    progress: RunProgress,
    *,
    compile_network: bool | None = None,
    initial: Initial | None = None,
    teachers: Sequence[Predictor] = (),
    live_teachers: LiveTeachers | None = None,
    seconds: float | None = None,
    trackers: Sequence[str] = (),
) -> FitRun:
    """Load the data and the network of a run in `output`, as far as `progress`.

    `initial` are weights to start from; their preprocessing is kept, but for the size. The probabilities of
    `teachers` are mixed into the masks; `live_teachers` see every augmented crop. It stops at
    the end of the epoch in which `seconds` are over. The log goes to `trackers` too.
    """
    size_px, recipe = configuration.size_px, configuration.recipe
    preprocessing = initial.preprocessing(size_px) if initial else imagenet(size_px)
    train, val = first_then_others(fabric, lambda: load_train_and_val(manifest, preprocessing, configuration.data))
    if teachers:
        share, cache = recipe.distill_share, cache_directory(manifest.data_root)
        blobs = BlobStore(manifest.data_root)
        train = first_then_others(fabric, lambda: distilled(train, blobs, preprocessing, teachers, cache, share=share))
    if live_teachers:
        live_teachers.check(train)
    model = build_model(configuration, fabric)
    check_heads(model, recipe, processes=fabric.world_size)
    if initial:
        initial.load_into(model)
    if progress.epoch:
        load_model(output, model)
    left = stages(model, recipe)[progress.stage :]
    for stage in left:
        check_batch_norms(stage, recipe, rows=len(train), size_px=size_px, device=fabric.device)
    log = RunLog(output, progress, Trackers(trackers, output, configuration.flat()))
    return FitRun(
        fabric, manifest, configuration, output, preprocessing, train, val, model, left, log, compile_network,
        live_teachers, seconds,
    )  # fmt: skip


def build_model(configuration: Configuration, fabric: Fabric) -> nn.Module:
    """The network on the device, with fresh weights from the seed."""
    torch.manual_seed(configuration.seed)
    pretrained = {"encoder_weights": configuration.encoder_weights} if configuration.encoder_weights else {}
    model = create_model(configuration.model, **configuration.model_options, **pretrained)
    model = model.to(fabric.device).to(memory_format=torch.channels_last)
    if fabric.world_size > 1:
        synchronise_batch_norms(model)
    return model
