"""`python -m trainer.fit`: fit a network on a manifest's accepted rows -> OUTPUT/best.safetensors.

A run is its output directory: `best` and `last` as .safetensors and .json, and `resume.safetensors`. The same
command again resumes an unfinished run and ends with the same weights as one that was never interrupted.
"""

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer
from tqdm import tqdm

from manifests.blobs import BlobStore, sha256_hex
from manifests.command import run_command
from manifests.errors import UserError
from manifests.store import Manifest
from trainer.augmentation import AUGMENTATIONS, Augmenter
from trainer.cache import cached_samples
from trainer.checkpoint import BEST, LAST, describe, save_checkpoint
from trainer.data import Samples, accepted_rows, batches, images_per_epoch, require_rows, steps_per_epoch
from trainer.device import pick_device
from trainer.ema import MovingAverage
from trainer.evaluate import evaluate
from trainer.initial import checkpoint_file, open_initial
from trainer.losses import EVEN, LOSSES, Weights, frequency_weights
from trainer.metrics import Metrics
from trainer.models import MODELS, create_model
from trainer.models.sinet import BRANCHES, GATES
from trainer.models.smp_network import SmpNetwork, save_pretrained
from trainer.objective import Objective, compiled, objective
from trainer.preprocessing import Preprocessing, imagenet
from trainer.recipe import DECAY_RULES, PRESETS, Recipe, parameter_groups
from trainer.resume import Configuration, Progress, load_model, load_optimizer, load_progress, save_state
from trainer.schedule import SCHEDULES, learning_rate
from trainer.tensorfile import read_tensors, write_tensors

SIZE_PX = 224  # SINet, section 4
CACHE = "cache"  # directory of decoded samples under the data root
ENCODER = "encoder.safetensors"  # the first stage's best
ENCODER_KIND = "encoder"
PRETRAINED = "pretrained"  # directory of an smp network's best, as its own library and the pipeline read it


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run: what is fitted, for how long, against labels of which size."""

    number: int
    name: str
    network: nn.Module
    epochs: int
    batch_size: int
    label_stride: int
    kernel_px: int


class Diverged(Exception):
    """A loss was no finite number, first at `step` of its epoch, counted from 1."""

    def __init__(self, step: int) -> None:
        super().__init__(f"no finite loss at step {step}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Step:
    """What every step of a stage uses."""

    loss_of: Objective
    optimizer: Optimizer
    average: MovingAverage | None
    preprocessing: Preprocessing
    device: torch.device


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    device = pick_device(options.device)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    output = options.output or Path("runs") / f"{options.model.replace(':', '-')}-{manifest.path.stem}"
    configuration = Configuration(
        model=options.model,
        manifest_digest=manifest.digest,
        seed=options.seed,
        size_px=options.size,
        recipe=_recipe(options),
        model_options=_given(gate=options.gate, branches=options.branches),
        encoder_weights=None if options.encoder_weights == "none" else options.encoder_weights,
        init_sha256=sha256_hex(checkpoint_file(options.init).read_bytes()) if options.init else None,
        precision=options.precision,
    )
    progress = load_progress(output, configuration)
    if progress.stage == 1 and progress.epoch == configuration.recipe.epochs:
        print(f"{output} is finished: {progress.epoch} epochs, the best is epoch {progress.best_epoch}")
    else:
        fit(
            manifest, configuration, output, progress, device=device, compile_network=options.compile, init=options.init
        )
    print(output / BEST)


def fit(
    manifest: Manifest,
    configuration: Configuration,
    output: Path,
    progress: Progress,
    *,
    device: torch.device,
    compile_network: bool = True,
    init: Path | None = None,
) -> None:
    """Run the epochs after `progress`, leaving checkpoints and the state to resume from in `output`.

    `init` is a checkpoint or a file of SINet's authors to start from; its preprocessing is kept.
    """
    initial = open_initial(init) if init else None
    preprocessing = initial.preprocessing(configuration.size_px) if initial else imagenet(configuration.size_px)
    train, val = load_train_and_val(manifest, preprocessing)
    torch.manual_seed(configuration.seed)  # the fresh weights
    pretrained = _given(encoder_weights=configuration.encoder_weights)
    model = create_model(configuration.model, **configuration.model_options, **pretrained)
    model = model.to(device).to(memory_format=torch.channels_last)
    if initial:
        initial.load_into(model)
    if progress.epoch:
        print(f"resuming {output} after epoch {progress.epoch}")
        load_model(output, model)
    run = Run(manifest, configuration, output, model, preprocessing, train, val, device, compile_network)
    for stage in stages(model, configuration.recipe)[progress.stage :]:
        if stage.number > progress.stage:
            progress = Progress(stage.number)
        progress = run.stage(stage, progress)


def stages(model: nn.Module, recipe: Recipe) -> list[Stage]:
    """Two of them; the first has no epochs where the recipe says so or the network has no encoder to fit alone."""
    encoder = getattr(model, "encoder", model)
    return [
        Stage(0, "encoder ", encoder, recipe.encoder_epochs, recipe.encoder_batch_size, 8, recipe.encoder_boundary_px),
        Stage(1, "", model, recipe.epochs, recipe.batch_size, 1, recipe.boundary_px),
    ]


@dataclass(frozen=True, slots=True)
class Run:
    """The parts of one run."""

    manifest: Manifest
    configuration: Configuration
    output: Path
    model: nn.Module
    preprocessing: Preprocessing
    train: Samples
    val: Samples
    device: torch.device
    compile_network: bool

    def stage(self, stage: Stage, progress: Progress) -> Progress:
        """Run what is left of one stage."""
        if progress.epoch == stage.epochs:
            return progress
        recipe = self.configuration.recipe
        if stage.number == 1 and not progress.epoch and recipe.encoder_epochs:
            self.model.get_submodule("encoder").load_state_dict(
                read_tensors(self.output / ENCODER, kind=ENCODER_KIND)[0]
            )
        optimizer = Adam(parameter_groups(stage.network, recipe), lr=recipe.learning_rate)
        average = MovingAverage(stage.network, recipe.ema_decay) if recipe.ema_decay else None
        if progress.epoch:
            load_optimizer(self.output, optimizer, average)
        step = Step(self.objective(stage), optimizer, average, self.preprocessing, self.device)
        for epoch in range(progress.epoch + 1, stage.epochs + 1):
            progress = self.epoch(stage, step, epoch, progress)
        return progress

    def epoch(self, stage: Stage, step: Step, epoch: int, progress: Progress) -> Progress:
        """Train, measure, save, say so."""
        recipe = self.configuration.recipe
        started = time.perf_counter()
        try:
            loss = train_one_epoch(stage, step, self.train, self.configuration, epoch=epoch)
        except Diverged as diverged:
            _stop_diverged(f"another loss at step {diverged.step}", self.output, epoch=epoch)
        if not all(bool(tensor.isfinite().all()) for tensor in stage.network.state_dict().values()):
            _stop_diverged("other weights", self.output, epoch=epoch)
        trained = time.perf_counter()
        network = step.average.network if step.average else stage.network
        metrics = evaluate(network, self.val, self.preprocessing, device=self.device) if len(self.val) else None
        progress = progress.advanced(
            score=metrics.miou if metrics else -loss, counts=epoch > recipe.select_after * stage.epochs
        )
        self.save(stage, network, progress, loss, metrics)
        save_state(self.output, self.configuration, progress, self.model, step.optimizer, step.average)
        images_per_second = images_per_epoch(self.train, stage.batch_size) / (trained - started)
        left = _duration((time.perf_counter() - started) * (stage.epochs - epoch))
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
                save_pretrained(network, self.output / PRETRAINED)
        save_checkpoint(self.output / LAST, network, info)

    def objective(self, stage: Stage) -> Objective:
        recipe = self.configuration.recipe
        stage.network.train()
        loss_of = objective(
            stage.network,
            recipe,
            weights=class_weights(self.train, recipe),
            kernel_px=stage.kernel_px,
            precision=self.configuration.precision,
        )
        if not self.compile_network:
            return loss_of
        side, n = self.configuration.size_px, images_per_epoch(self.train, stage.batch_size)
        n = min(n, stage.batch_size)
        images = torch.zeros(n, 3, side, side, device=self.device).contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(n, side // stage.label_stride, side // stage.label_stride, device=self.device)
        return compiled(loss_of, stage.network, images, labels)


def train_one_epoch(stage: Stage, step: Step, train: Samples, configuration: Configuration, *, epoch: int) -> float:
    """One pass over `train`, epochs counted from 1; the mean loss. UserError names the first step without one."""
    recipe = configuration.recipe
    generator = epoch_generator(configuration.seed, stage.number, epoch)
    augmenter = Augmenter(AUGMENTATIONS[recipe.augmentation](), generator, step.device)
    steps = steps_per_epoch(train, stage.batch_size)
    losses = []
    stage.network.train()
    dealt = batches(train, stage.batch_size, generator)
    for i, (images, labels) in enumerate(tqdm(dealt, f"epoch {epoch}", steps, leave=False, disable=None)):
        rate = learning_rate(
            (epoch - 1) * steps + i,
            stage.epochs * steps,
            peak=recipe.learning_rate,
            schedule=recipe.schedule,
            warmup_fraction=recipe.warmup_fraction,
        )
        changed, shares = augmenter(images.to(step.device), labels.to(step.device))
        losses.append(train_on_batch(stage, step, changed, shares, rate=rate, clip_norm=recipe.clip_norm))
    found = torch.stack(losses).cpu()
    if not found.isfinite().all():
        raise Diverged(int(found.isfinite().int().argmin()) + 1)
    return found.mean().item()


def train_on_batch(
    stage: Stage, step: Step, images: Tensor, shares: Tensor, *, rate: float, clip_norm: float
) -> Tensor:
    """RGB float (N, 3, S, S) in 0..255, person shares (N, S, S) -> the loss before this step, on the device."""
    for group in step.optimizer.param_groups:
        group["lr"] = rate
    inputs = step.preprocessing.normalise(images).contiguous(memory_format=torch.channels_last)
    loss = step.loss_of(inputs, targets(shares, stage.label_stride))
    step.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm:
        nn.utils.clip_grad_norm_(stage.network.parameters(), clip_norm)
    step.optimizer.step()
    if step.average is not None:
        step.average.update(stage.network)
    return loss.detach()


def targets(shares: Tensor, stride: int) -> Tensor:
    """Person shares (N, S, S) -> 0 and 1, float (N, S/stride, S/stride): the top left pixel of each cell."""
    return (shares[:, ::stride, ::stride] >= 0.5).float()


def class_weights(train: Samples, recipe: Recipe) -> Weights:
    """Of background and person, from their share of the training pixels."""
    return frequency_weights(float(train.labels.numpy().mean()) / 255) if recipe.class_weights else EVEN


def epoch_generator(seed: int, stage: int, epoch: int) -> Generator:
    """The random numbers of one epoch, order and augmentation, from (seed, stage, epoch) alone.

    It is torch's default generator, so that a network's dropout follows it too.
    """
    return torch.manual_seed(int(np.random.SeedSequence([seed, stage, epoch]).generate_state(1)[0]))


def load_train_and_val(manifest: Manifest, preprocessing: Preprocessing) -> tuple[Samples, Samples]:
    """Decode both splits; UserError when nothing is accepted for training. An empty val is said in one line."""
    train_rows, val_rows = require_rows(manifest, "train"), accepted_rows(manifest, "val")
    print(f"{manifest.path}: {len(train_rows)} accepted rows to train on, {len(val_rows)} to validate on", flush=True)
    if not val_rows:
        print("nothing to validate on: no metric is measured, the best epoch is the one of least training loss")
    blobs, cache = BlobStore(manifest.data_root), manifest.data_root / CACHE
    return cached_samples(train_rows, blobs, preprocessing, cache), cached_samples(
        val_rows, blobs, preprocessing, cache
    )


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


def _number(kind: Callable[[str], float], minimum: float, expected: str) -> Callable[[str], float]:
    """An argparse type: a number of at least `minimum`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not value >= minimum:
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}")
        return value

    return parse


def _side(text: str) -> int:
    """An argparse type: an image side every network here can take."""
    value = _count(text)
    if value % 32:
        raise argparse.ArgumentTypeError(f"expected a multiple of 32, found {text!r}")
    return int(value)


_count = _number(int, 1, "a whole number of at least 1")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m trainer.fit",
        description="Fit a network on the accepted rows of a manifest. The same command resumes a broken run.",
    )
    parser.add_argument("--manifest", type=Path, required=True, help="manifests/v<N>.parquet")
    parser.add_argument(
        "--model", default="sinet", help=f"{', '.join(MODELS)} or smp:ARCHITECTURE:ENCODER (default: %(default)s)"
    )
    parser.add_argument("--gate", choices=GATES, help="of sinet: what passes to the decoder (default: ib)")
    parser.add_argument("--branches", choices=BRANCHES, help="of sinet: its modules' branches (default: paper)")
    parser.add_argument("--encoder-weights", choices=("none", "imagenet"), default="none", help="of smp networks")
    parser.add_argument("--output", type=Path, help="the run's directory (default: runs/MODEL-v<N>)")
    parser.add_argument("--init", type=Path, help="start from a checkpoint, or from SINet.pth, and not afresh")
    parser.add_argument("--preset", choices=PRESETS, default="default", help="the recipe (default: %(default)s)")
    _add_recipe_options(parser)
    parser.add_argument("--size", type=_side, default=SIZE_PX, help="image side in pixels (default: %(default)s)")
    parser.add_argument("--seed", type=_number(int, 0, "a whole number"), default=0, help="(default: %(default)s)")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="(default: %(default)s)")
    parser.add_argument(
        "--compile", action=argparse.BooleanOptionalAction, default=True, help="torch.compile (default: yes)"
    )
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """One option for each choice of a recipe; what isn't given is the preset's."""
    group = parser.add_argument_group("recipe", "each overrides the preset")
    for entry in dataclasses.fields(Recipe):
        option = "--" + entry.name.replace("_", "-")
        if entry.name in _CHOICES:
            group.add_argument(option, choices=_CHOICES[entry.name])
        elif entry.type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction)
        else:
            group.add_argument(option, type=_RECIPE_NUMBERS.get(entry.name, _not_negative))


def _given(**options: str | None) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def _recipe(options: argparse.Namespace) -> Recipe:
    given = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(Recipe)}
    changed = {name: value for name, value in given.items() if value is not None}
    return dataclasses.replace(PRESETS[options.preset](), **changed)


_CHOICES: dict[str, Iterable[str]] = {
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "decay_rule": DECAY_RULES,
    "augmentation": AUGMENTATIONS,
}
_not_negative = _number(float, 0, "a number of at least 0")
_RECIPE_NUMBERS: dict[str, Callable[[str], float]] = {
    "epochs": _count,
    "encoder_epochs": _number(int, 0, "a whole number of at least 0"),
    "batch_size": _count,
    "encoder_batch_size": _count,
    "boundary_px": _count,
    "encoder_boundary_px": _count,
    "learning_rate": _number(float, 1e-12, "a number above 0"),
}


if __name__ == "__main__":
    run_command(main)
