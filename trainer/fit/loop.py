"""`python -m trainer.fit`: fit a network on a manifest's accepted rows -> OUTPUT/best.safetensors.

A run is its output directory: `best` and `last` as .safetensors and .json, `resume.safetensors`, `config.json`,
`metrics.csv` and TensorBoard's files, and at the end curves.png, predictions.png and README.md, a model card. The
same command again resumes an unfinished run and ends with the same weights as one that was never interrupted.
"""

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Adam

from manifests import __version__
from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.metrics import Metrics
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, accepted_rows, require_rows
from trainer.data.backgrounds import backgrounds_in, own_backgrounds
from trainer.data.cache import cache_directory, cached_samples
from trainer.data.compositing import Compositor, Negatives
from trainer.data.preprocessing import Preprocessing, imagenet
from trainer.data.rank_slice import Share, check_shares
from trainer.data.samples import Samples, images_per_epoch, steps_per_epoch
from trainer.evaluate.evaluation import evaluate
from trainer.fit.distillation import distilled
from trainer.fit.distributed import first_then_others, launch, on_first, one_voice, open_fabric
from trainer.fit.ema import MovingAverage
from trainer.fit.gathered_loss import WholeBatch, of_whole_batch
from trainer.fit.malloc import keep_freed_memory
from trainer.fit.metrics_log import Line, RunLog
from trainer.fit.objective import Objective, compiled, objective
from trainer.fit.options import parse, recipe_from
from trainer.fit.recipe import parameter_groups
from trainer.fit.report import CARD, write_report
from trainer.fit.run_state import Configuration, Progress, load_model, load_optimizer, load_progress, save_state
from trainer.fit.steps import Diverged, Stage, Step, class_weights, odd_px, side_px_of, stages, train_one_epoch
from trainer.inference.predictors import Predictor, open_predictor
from trainer.models import create_model
from trainer.models.smp_network import SmpNetwork, save_pretrained
from trainer.models.sync_batch_norm import synchronise_batch_norms
from trainer.weights.checkpoint import BEST, LAST, describe, load_checkpoint, save_checkpoint
from trainer.weights.starting_weights import checkpoint_file, open_initial
from trainer.weights.tensor_file import read_tensors, write_tensors

CONFIG = "config.json"
MIN_STEPS_TO_COMPILE = 200  # compiling takes a minute and saves about 0.4 s a step of SINet on two cores
ENCODER = "encoder.safetensors"  # the first stage's best
ENCODER_KIND = "encoder"
PRETRAINED = "pretrained"  # directory of an smp network's best, as its own library and the pipeline read it


@one_voice()
def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    fabric = open_fabric(options.device, options.devices, options.precision)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    teachers = [open_predictor(path, fabric.device) for path in options.distill]
    output = options.output or Path("runs") / f"{options.model.replace(':', '-')}-{manifest.path.stem}"
    configuration = Configuration(
        model=options.model,
        manifest_digest=manifest.digest,
        seed=options.seed,
        size_px=options.size,
        recipe=recipe_from(options),
        model_options=_given(gate=options.gate, branches=options.branches),
        encoder_weights=None if options.encoder_weights == "none" else options.encoder_weights,
        data={
            "limit": options.limit,
            "source_weights": dict(options.weight),
            "skip_bad": options.skip_bad,
            "backgrounds": str(options.backgrounds) if options.backgrounds else None,
            "teachers": [teacher.digest for teacher in teachers],
        },
        init_sha256=sha256_hex(checkpoint_file(options.init).read_bytes()) if options.init else None,
        precision=options.precision,
    )
    recipe = configuration.recipe
    for batch_size in (recipe.batch_size, *([recipe.encoder_batch_size] if recipe.encoder_epochs else [])):
        check_shares(batch_size, fabric.world_size)
    launch(fabric)
    keep_freed_memory()
    progress = on_first(fabric, lambda: load_progress(output, configuration))
    trained = progress.stage == 1 and progress.epoch == recipe.epochs
    if trained and (output / CARD).exists():  # the card is written last
        print(f"{output} is finished: {progress.epoch} epochs, the best is epoch {progress.best_epoch}")
    else:
        choices = {"compile_network": options.compile, "init": options.init, "teachers": teachers}
        fit(fabric, manifest, configuration, output, progress, **choices)
    print(output / BEST)


def fit(
    fabric: Fabric,
    manifest: Manifest,
    configuration: Configuration,
    output: Path,
    progress: Progress,
    *,
    compile_network: bool | None = None,
    init: Path | None = None,
    teachers: Sequence[Predictor] = (),
) -> None:
    """Run the epochs after `progress`, leaving checkpoints and the state to resume from in `output`.

    `init` is a checkpoint or a file of SINet's authors to start from; its preprocessing is kept. `compile_network`
    None means: in stages of at least MIN_STEPS_TO_COMPILE steps. What `teachers` say is mixed into the masks.
    """
    initial = open_initial(init) if init else None
    preprocessing = initial.preprocessing(configuration.size_px) if initial else imagenet(configuration.size_px)
    train, val = first_then_others(fabric, lambda: load_train_and_val(manifest, preprocessing, configuration.data))
    if teachers:
        share, cache = configuration.recipe.distill_share, cache_directory(manifest.data_root)
        blobs = BlobStore(manifest.data_root)
        train = first_then_others(fabric, lambda: distilled(train, blobs, preprocessing, teachers, cache, share=share))
    torch.manual_seed(configuration.seed)  # the fresh weights
    pretrained = _given(encoder_weights=configuration.encoder_weights)
    model = create_model(configuration.model, **configuration.model_options, **pretrained)
    model = model.to(fabric.device).to(memory_format=torch.channels_last)
    if fabric.world_size > 1:
        synchronise_batch_norms(model)
    if initial:
        initial.load_into(model)
    if progress.epoch:
        print(f"resuming {output} after epoch {progress.epoch}")
        load_model(output, model)
    log = RunLog(output, progress)
    run = Run(fabric, manifest, configuration, output, model, preprocessing, train, val, compile_network, log)
    for stage in stages(model, configuration.recipe)[progress.stage :]:
        if stage.number > progress.stage:
            progress = Progress(stage.number)
        progress = run.stage(stage, progress)
    log.close()
    on_first(fabric, lambda: write_report(output, load_checkpoint(output), val, configuration.flat()))


@dataclass(frozen=True, slots=True)
class Run:
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

    def stage(self, stage: Stage, progress: Progress) -> Progress:
        """Run what is left of one stage."""
        if progress.epoch == stage.epochs:
            return progress
        recipe = self.configuration.recipe
        if stage.number == 1 and not progress.epoch and recipe.encoder_epochs:
            self.model.get_submodule("encoder").load_state_dict(
                read_tensors(self.output / ENCODER, kind=ENCODER_KIND)[0]
            )
        optimizer = Adam(parameter_groups(stage.network, recipe), lr=recipe.learning_rate, fused=True)
        average = MovingAverage(stage.network, recipe.ema_decay) if recipe.ema_decay else None
        if progress.epoch:
            load_optimizer(self.output, optimizer, average)
        share = Share(self.fabric.global_rank, self.fabric.world_size)
        check_shares(min(stage.batch_size, len(self.train)), share.count)
        device, (compositor, negatives) = self.fabric.device, self.without_people()
        network = self.parallel(stage.network)
        step = None
        for epoch in range(progress.epoch + 1, stage.epochs + 1):
            side_px = side_px_of(recipe, stage, epoch, self.configuration.size_px)
            if step is None or step.side_px != side_px:
                loss_of = self.objective(stage, network, side_px)
                step = Step(
                    loss_of, optimizer, average, self.preprocessing, device, share, compositor, negatives, side_px
                )
            progress = self.epoch(stage, step, epoch, progress)
        return progress

    def epoch(self, stage: Stage, step: Step, epoch: int, progress: Progress) -> Progress:
        """Train in all processes; measure, save and say so in the first."""
        started = time.perf_counter()
        try:
            loss = train_one_epoch(stage, step, self.train, self.configuration, epoch=epoch)
        except Diverged as diverged:
            _stop_diverged(f"another loss at step {diverged.step}", self.output, epoch=epoch)
        if not all(bool(tensor.isfinite().all()) for tensor in stage.network.state_dict().values()):
            _stop_diverged("other weights", self.output, epoch=epoch)
        seconds = time.perf_counter() - started
        return on_first(self.fabric, lambda: self.conclude(stage, step, progress, loss, seconds))

    def conclude(self, stage: Stage, step: Step, progress: Progress, loss: float, train_seconds: float) -> Progress:
        """Measure, save, say so: what follows on an epoch's training."""
        started = time.perf_counter()
        recipe, epoch = self.configuration.recipe, progress.epoch + 1
        network = step.average.network if step.average else stage.network
        metrics = evaluate(network, self.val, self.preprocessing, device=step.device) if len(self.val) else None
        progress = progress.advanced(
            score=metrics.miou if metrics else -loss, counts=epoch > recipe.select_after * stage.epochs
        )
        self.save(stage, network, progress, loss, metrics)
        images_per_second = images_per_epoch(self.train, stage.batch_size) / train_seconds
        self.log.add(Line(stage.number, epoch, loss, metrics, images_per_second))
        write_replace(self.output / CONFIG, self.described().encode())
        save_state(self.output, self.configuration, progress, self.model, step.optimizer, step.average)
        left = _duration((train_seconds + time.perf_counter() - started) * (stage.epochs - epoch))
        pace = f"{images_per_second:.1f} images/s, {left} left"
        print(f"{stage.name}epoch {epoch}/{stage.epochs}  loss {loss:.4f}  {_listed(metrics)}{pace}", flush=True)
        return progress

    def save(self, stage: Stage, network: nn.Module, progress: Progress, loss: float, metrics: Metrics | None) -> None:
        """`network` is what was measured: the stage's own, or its moving average."""
        is_best = progress.best_epoch == progress.epoch
        if stage.number == 0:
            if is_best:
                write_tensors(self.output / ENCODER, network.state_dict(), {}, kind=ENCODER_KIND)
            return
        info = describe(
            self.configuration.model,
            self.preprocessing,
            self.manifest,
            epoch=progress.epoch,
            loss=loss,
            metrics=metrics,
            arguments=self.configuration.model_options,
        )
        if is_best:
            save_checkpoint(self.output / BEST, network, info)
            if isinstance(network, SmpNetwork):
                save_pretrained(network, self.output / PRETRAINED, input_px=self.preprocessing.size_px)
        save_checkpoint(self.output / LAST, network, info)

    def described(self) -> str:
        """What this run is, as JSON: every choice, the manifest's version and digest, the code's version."""
        facts = {
            **self.configuration.flat(),
            "manifest": str(self.manifest.path),
            "manifest_version": self.manifest.version,
            "code_version": __version__,
            "preprocessing": dataclasses.asdict(self.preprocessing),
        }
        return json.dumps(facts, indent=2) + "\n"

    def parallel(self, network: nn.Module) -> nn.Module:
        """`network`, and where there are several processes its forward over the rows of all of them."""
        if self.fabric.world_size == 1:
            return network
        # Not fabric.setup_module: its wrapper brings an autocast of its own and wants fabric.backward.
        return WholeBatch(self.fabric.strategy.setup_module(network))

    def objective(self, stage: Stage, network: nn.Module, side_px: int) -> Objective:
        """The loss of pictures of that side; `network` is the stage's, or what stands for it in several processes."""
        recipe = self.configuration.recipe
        stage.network.train()
        loss_of = objective(
            network,
            recipe,
            weights=class_weights(self.train, recipe),
            kernel_px=odd_px(stage.kernel_px * side_px / self.configuration.size_px),
            autocast=self.fabric.autocast,
        )
        if self.fabric.world_size > 1:
            if self._compiles(stage):  # the exchanges of DDP and of every batch norm would cut the graph to pieces
                print("torch.compile is for one process; going on without it", flush=True)
            return of_whole_batch(loss_of)
        if not self._compiles(stage):
            return loss_of
        n, device = min(images_per_epoch(self.train, stage.batch_size), stage.batch_size), self.fabric.device
        images = torch.zeros(n, 3, side_px, side_px, device=device).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(n, side_px // stage.label_stride, side_px // stage.label_stride, device=device)
        return compiled(loss_of, stage.network, images, labels)

    def without_people(self) -> tuple[Compositor | None, Negatives | None]:
        """What is done with pictures that show nobody."""
        recipe, directory = self.configuration.recipe, self.configuration.data.get("backgrounds")
        if not recipe.composite_prob and not recipe.negatives:
            return None, None
        found = backgrounds_in(Path(directory), self.preprocessing) if directory else own_backgrounds(self.train)
        print(f"{len(found)} pictures without people", flush=True)
        compositor = Compositor(found, recipe.composite_prob) if recipe.composite_prob else None
        return compositor, Negatives(found, recipe.negatives) if recipe.negatives else None

    def _compiles(self, stage: Stage) -> bool:
        """Decided from the whole stage and not what is left of it: a resumed run computes as it did before."""
        if self.compile_network is not None:
            return self.compile_network
        return stage.epochs * steps_per_epoch(self.train, stage.batch_size) >= MIN_STEPS_TO_COMPILE


def load_train_and_val(
    manifest: Manifest, preprocessing: Preprocessing, choices: Mapping[str, Any]
) -> tuple[Samples, Samples]:
    """Decode both splits; UserError when nothing is accepted for training. An empty val is said in one line."""
    train_rows, val_rows = require_rows(manifest, "train")[: choices.get("limit")], accepted_rows(manifest, "val")
    _check_sources(train_rows, choices.get("source_weights", {}))
    print(f"{manifest.path}: {len(train_rows)} accepted rows to train on, {len(val_rows)} to validate on", flush=True)
    if not val_rows:
        print("nothing to validate on: no metric is measured, the best epoch is the one of least training loss")
    blobs, cache, skip_bad = (
        BlobStore(manifest.data_root),
        cache_directory(manifest.data_root),
        choices.get("skip_bad", False),
    )
    train, val = (
        cached_samples(rows, blobs, preprocessing, cache, skip_bad=skip_bad) for rows in (train_rows, val_rows)
    )
    return train, val


def _check_sources(rows: Sequence[AcceptedRow], weights: Mapping[str, float]) -> None:
    known = sorted({row.source for row in rows})
    unknown = sorted(weights.keys() - set(known))
    if unknown:
        raise UserError(f"expected --weight for sources out of {', '.join(known)}, found {', '.join(unknown)}")
    if not any(weights.get(source, 1.0) for source in known):
        raise UserError(f"expected a --weight above 0 for one of {', '.join(known)}, found 0 for all")


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


def _given(**options: str | None) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in options.items() if value is not None}
