"""The loop of a run: for each stage, for each epoch: train, validate, save.

A run is its output directory: `best` and `last` as .safetensors and .json, `resume.safetensors`, `config.json`,
`metrics.csv` and TensorBoard's files, and at the end curves.png, predictions.png and README.md, a model card. The
same command again resumes an unfinished run and ends with the same weights as one that was never interrupted.
"""

import time
from functools import partial
from pathlib import Path
from typing import NoReturn

from torch.optim import Adam

from manifests.errors import UserError
from manifests.pixels.metrics import Metrics
from trainer.data.mixing import Mixer
from trainer.data.rank_slice import RankSlice, check_shares
from trainer.data.samples import images_per_epoch
from trainer.evaluate.evaluation import evaluate
from trainer.fit.distributed import on_first
from trainer.fit.ema import MovingAverage
from trainer.fit.fit_run import FitRun
from trainer.fit.gathered_loss import parallel
from trainer.fit.metrics_log import EpochMetrics
from trainer.fit.recipe import Recipe, parameter_groups
from trainer.fit.report import write_report
from trainer.fit.run_files import load_encoder, save_epoch, write_config
from trainer.fit.run_state import RunProgress, load_optimizer, save_state
from trainer.fit.stage_objective import stage_objective
from trainer.fit.steps import Diverged, Stage, Step, epoch_generator, side_px_of, train_one_epoch
from trainer.fit.training_data import open_backgrounds
from trainer.weights.checkpoint import load_checkpoint


def fit(run: FitRun, progress: RunProgress) -> bool:
    """Run the epochs after `progress`, leaving checkpoints and the state to resume from in the run's directory.

    Return whether it is finished: not when the run's seconds are over before.
    """
    status = "failed"
    try:
        unfinished = fit_stages(run, progress)
        status = "stopped" if unfinished else "success"
    except KeyboardInterrupt:
        status = "stopped"
        raise
    finally:
        run.log.close(status)
    if unfinished:
        print(f"stopped after {unfinished}; the same command resumes")
        return False
    facts = run.configuration.flat()
    on_first(
        run.fabric,
        lambda: write_report(run.output, load_checkpoint(run.output), run.val, facts, manifest=run.manifest),
    )
    return True


def fit_stages(run: FitRun, progress: RunProgress) -> str:
    """Run the remaining epochs of all stages; return where the run stopped as its seconds were over, "" at its end."""
    started = time.perf_counter()
    for stage in run.stages:
        if stage.number > progress.stage:
            progress = RunProgress(stage.number)
        if progress.epoch < stage.epochs:
            progress = fit_stage(run, stage, progress, started=started)
        if progress.epoch < stage.epochs:
            return f"{stage.name}epoch {progress.epoch} of {stage.epochs}"
    return ""


def fit_stage(run: FitRun, stage: Stage, progress: RunProgress, *, started: float) -> RunProgress:
    """Run the remaining epochs of one stage: all processes train, the first one validates and saves.

    It stops early when the run's seconds are over, counted from `started`, of time.perf_counter.
    """
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
                stage, network, run.train, recipe, run.fabric, run.preprocessing,
                side_px=side_px, size_px=size_px, compile_network=run.compile_network,
                live_teachers=run.live_teachers is not None,
            )  # fmt: skip
            step = Step(
                loss_of, optimizer, average, run.preprocessing, run.fabric.device, share, *backgrounds, side_px,
                _mixer(recipe), run.live_teachers,
            )  # fmt: skip
        loss, seconds = train(run, stage, step, epoch)
        progress = on_first(run.fabric, partial(validate_and_save, run, stage, step, progress, loss, seconds))
        if run.seconds is not None and on_first(run.fabric, partial(_is_over, started, run.seconds)):
            break
    return progress


def train(run: FitRun, stage: Stage, step: Step, epoch: int) -> tuple[float, float]:
    """Run one epoch; return its mean loss and seconds. UserError when loss or weights are no longer finite."""
    started, configuration = time.perf_counter(), run.configuration
    try:
        generator = epoch_generator(configuration.seed, stage.number, epoch)
        weights = configuration.data.source_weights
        loss = train_one_epoch(
            stage, step, run.train, configuration.recipe, generator, epoch=epoch, source_weights=weights
        )
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
    info = run.checkpoint_info(epoch, loss=loss, metrics=metrics)
    save_epoch(run.output, stage, network, info, is_best=progress.best_epoch == epoch)
    images_per_second = images_per_epoch(run.train, stage.batch_size) / train_seconds
    teaching = step.live_teachers.time.per_step() if step.live_teachers else None
    run.log.add(EpochMetrics(stage.number, epoch, loss, metrics, images_per_second, teaching))
    write_config(run.output, run.facts())
    save_state(run.output, run.configuration, progress, run.model, step.optimizer, step.average)
    remaining = _duration((train_seconds + time.perf_counter() - started) * (stage.epochs - epoch))
    pace = f"{images_per_second:.1f} images/s, {_taught(teaching)}{remaining} left"
    print(f"{stage.name}epoch {epoch}/{stage.epochs}  loss {loss:.4f}  {_listed(metrics)}{pace}", flush=True)
    return progress


def _is_over(started: float, seconds: float) -> bool:
    return time.perf_counter() - started >= seconds


def _mixer(recipe: Recipe) -> Mixer | None:
    if recipe.mixup:
        return Mixer("mixup", recipe.mixup)
    return Mixer("cutmix", recipe.cutmix) if recipe.cutmix else None


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


def _taught(teaching: tuple[float, float] | None) -> str:
    return "" if teaching is None else f"teachers {teaching[0]:.2f} s a step, waited {teaching[1]:.2f} s, "


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
