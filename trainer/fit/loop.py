"""The loop of a run: for each stage, for each epoch: train, validate, save.

A run is its output directory: `best` and `last` as .safetensors and .json, `resume.safetensors`, `config.json`,
`metrics.csv` and TensorBoard's files, and at the end curves.png, predictions.png and README.md, a model card. The
same command again resumes an unfinished run and ends with the same weights as one that was never interrupted.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Adam

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import Metrics
from manifests.store.manifest import Manifest
from trainer.data.cache import cache_directory
from trainer.data.preprocessing import Preprocessing, imagenet
from trainer.data.rank_slice import RankSlice, check_shares
from trainer.data.samples import Samples, images_per_epoch
from trainer.evaluate.evaluation import evaluate
from trainer.fit.batch_norms import check_batch_norms
from trainer.fit.configuration import Configuration
from trainer.fit.distillation import distilled
from trainer.fit.distributed import first_then_others, on_first
from trainer.fit.ema import MovingAverage
from trainer.fit.gathered_loss import parallel
from trainer.fit.metrics_log import EpochMetrics, RunLog
from trainer.fit.recipe import parameter_groups
from trainer.fit.report import write_report
from trainer.fit.run_files import load_encoder, save_epoch, write_config
from trainer.fit.run_state import RunProgress, load_model, load_optimizer, save_state
from trainer.fit.stage_objective import stage_objective
from trainer.fit.steps import Diverged, Stage, Step, side_px_of, stages, train_one_epoch
from trainer.fit.training_data import load_train_and_val, open_backgrounds
from trainer.inference.predictors import Predictor
from trainer.models import create_model
from trainer.models.sync_batch_norm import synchronise_batch_norms
from trainer.weights.checkpoint import load_checkpoint
from trainer.weights.starting_weights import Initial


@dataclass(frozen=True, slots=True)
class FitRun:
    """The parts of one run."""

    fabric: Fabric
    manifest: Manifest
    configuration: Configuration
    output: Path
    model: nn.Module
    preprocessing: Preprocessing
    train: Samples
    val: Samples
    compile_network: bool | None
    log: RunLog


def fit(
    fabric: Fabric,
    manifest: Manifest,
    configuration: Configuration,
    output: Path,
    progress: RunProgress,
    *,
    compile_network: bool | None = None,
    initial: Initial | None = None,
    teachers: Sequence[Predictor] = (),
) -> None:
    """Run the epochs after `progress`, leaving checkpoints and the state to resume from in `output`.

    `initial` are weights to start from; their preprocessing is kept, but for the size. `compile_network`
    None compiles only long stages. The probabilities of `teachers` are mixed into the masks.
    """
    preprocessing = initial.preprocessing(configuration.size_px) if initial else imagenet(configuration.size_px)
    train, val = first_then_others(fabric, lambda: load_train_and_val(manifest, preprocessing, configuration.data))
    if teachers:
        share, cache = configuration.recipe.distill_share, cache_directory(manifest.data_root)
        blobs = BlobStore(manifest.data_root)
        train = first_then_others(fabric, lambda: distilled(train, blobs, preprocessing, teachers, cache, share=share))
    model = build_model(configuration, fabric)
    if initial:
        initial.load_into(model)
    if progress.epoch:
        print(f"resuming {output} after epoch {progress.epoch}")
        load_model(output, model)
    remaining = stages(model, configuration.recipe)[progress.stage :]
    for stage in remaining:
        check_batch_norms(
            stage, configuration.recipe, rows=len(train), size_px=configuration.size_px, device=fabric.device
        )
    log = RunLog(output, progress)
    run = FitRun(fabric, manifest, configuration, output, model, preprocessing, train, val, compile_network, log)
    for stage in remaining:
        if stage.number > progress.stage:
            progress = RunProgress(stage.number)
        if progress.epoch < stage.epochs:
            progress = fit_stage(run, stage, progress)
    log.close()
    on_first(fabric, lambda: write_report(output, load_checkpoint(output), val, configuration.flat()))


def build_model(configuration: Configuration, fabric: Fabric) -> nn.Module:
    """The network on the device, with fresh weights from the seed."""
    torch.manual_seed(configuration.seed)
    pretrained = {"encoder_weights": configuration.encoder_weights} if configuration.encoder_weights else {}
    model = create_model(configuration.model, **configuration.model_options, **pretrained)
    model = model.to(fabric.device).to(memory_format=torch.channels_last)
    if fabric.world_size > 1:
        synchronise_batch_norms(model)
    return model


def fit_stage(run: FitRun, stage: Stage, progress: RunProgress) -> RunProgress:
    """Run the remaining epochs of one stage: all processes train, the first one validates and saves."""
    recipe, size_px = run.configuration.recipe, run.configuration.size_px
    if stage.number == 1 and not progress.epoch and recipe.encoder_epochs:
        load_encoder(run.output, run.model)
    optimizer = Adam(parameter_groups(stage.network, recipe), lr=recipe.learning_rate, fused=True)
    average = MovingAverage(stage.network, recipe.ema_decay) if recipe.ema_decay else None
    if progress.epoch:
        load_optimizer(run.output, optimizer, average)
    share = RankSlice(run.fabric.global_rank, run.fabric.world_size)
    check_shares(min(stage.batch_size, len(run.train)), share.count)
    backgrounds = open_backgrounds(run.configuration.data.backgrounds, run.train, run.preprocessing, recipe)
    network = parallel(stage.network, run.fabric)
    step = None
    for epoch in range(progress.epoch + 1, stage.epochs + 1):
        side_px = side_px_of(recipe, stage, epoch, size_px)
        if step is None or step.side_px != side_px:
            loss_of = stage_objective(
                stage, network, run.train, recipe, run.fabric,
                side_px=side_px, size_px=size_px, compile_network=run.compile_network,
            )  # fmt: skip
            step = Step(loss_of, optimizer, average, run.preprocessing, run.fabric.device, share, *backgrounds, side_px)
        loss, seconds = train(run, stage, step, epoch)
        progress = on_first(run.fabric, partial(validate_and_save, run, stage, step, progress, loss, seconds))
    return progress


def train(run: FitRun, stage: Stage, step: Step, epoch: int) -> tuple[float, float]:
    """Run one epoch; return its mean loss and seconds. UserError when loss or weights are no longer finite."""
    started = time.perf_counter()
    try:
        loss = train_one_epoch(stage, step, run.train, run.configuration, epoch=epoch)
    except Diverged as diverged:
        _stop_diverged(f"another loss at step {diverged.step}", run.output, epoch=epoch)
    if not all(bool(tensor.isfinite().all()) for tensor in stage.network.state_dict().values()):
        _stop_diverged("other weights", run.output, epoch=epoch)
    return loss, time.perf_counter() - started


def validate_and_save(
    run: FitRun, stage: Stage, step: Step, progress: RunProgress, loss: float, train_seconds: float
) -> RunProgress:
    """Measure the network, or its moving average if there is one; save checkpoint, log and state; print a line."""
    started = time.perf_counter()
    recipe, epoch = run.configuration.recipe, progress.epoch + 1
    network = step.average.network if step.average else stage.network
    metrics = evaluate(network, run.val, run.preprocessing, device=step.device) if len(run.val) else None
    progress = progress.advanced(
        score=metrics.miou if metrics else -loss, counts=epoch > recipe.select_after * stage.epochs
    )
    save_epoch(
        run.output, stage, network, run.configuration, run.preprocessing, run.manifest, progress,
        loss=loss, metrics=metrics,
    )  # fmt: skip
    images_per_second = images_per_epoch(run.train, stage.batch_size) / train_seconds
    run.log.add(EpochMetrics(stage.number, epoch, loss, metrics, images_per_second))
    write_config(run.output, run.configuration, run.manifest, run.preprocessing)
    save_state(run.output, run.configuration, progress, run.model, step.optimizer, step.average)
    remaining = _duration((train_seconds + time.perf_counter() - started) * (stage.epochs - epoch))
    pace = f"{images_per_second:.1f} images/s, {remaining} left"
    print(f"{stage.name}epoch {epoch}/{stage.epochs}  loss {loss:.4f}  {_listed(metrics)}{pace}", flush=True)
    return progress


def _stop_diverged(where: str, output: Path, *, epoch: int) -> NoReturn:
    kept = f"{output} keeps the checkpoints of epoch {epoch - 1}" if epoch > 1 else "nothing was written"
    raise UserError(
        f"expected a finite loss and finite weights, found {where} in epoch {epoch}; {kept}; "
        "start another --output with a lower --learning-rate"
    )


def _listed(metrics: Metrics | None) -> str:
    if metrics is None:
        return ""
    return (
        f"miou {metrics.miou:.4f}  person_iou_per_image {metrics.person_iou_per_image:.4f}  "
        f"boundary_f1 {metrics.boundary_f1:.4f}  "
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
