"""One epoch of training: stages, steps, batches; loop.py measures and saves between epochs."""

from collections.abc import Generator as Yields
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from manifests.errors import UserError
from trainer.data.augmentation import Augmenter
from trainer.data.augmentation_presets import AUGMENTATIONS
from trainer.data.compositing import Compositor, Negatives
from trainer.data.mixing import Mixer
from trainer.data.preprocessing import Preprocessing
from trainer.data.rank_slice import WHOLE, RankSlice
from trainer.data.samples import Samples, batches, steps_per_epoch
from trainer.fit.batch import Batch
from trainer.fit.consistency import both_views
from trainer.fit.ema import MovingAverage
from trainer.fit.live_teachers import LiveTeachers
from trainer.fit.losses import EVEN, Weights, frequency_weights
from trainer.fit.objective import Objective
from trainer.fit.recipe import Recipe
from trainer.fit.schedule import learning_rate
from trainer.models.sinet import SINet


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a run: its network, its epochs, the size of its labels."""

    number: int
    name: str
    network: nn.Module
    epochs: int
    batch_size: int
    label_stride: int
    kernel_px: int


class Diverged(Exception):
    """A loss was not finite, first at `step` of its epoch, counted from 1."""

    def __init__(self, step: int) -> None:
        super().__init__(f"no finite loss at step {step}")
        self.step = step


@dataclass(frozen=True, slots=True)
class Step:
    """Parts that every step of a stage uses."""

    loss_of: Objective
    optimizer: Optimizer
    average: MovingAverage | None
    preprocessing: Preprocessing
    device: torch.device
    share: RankSlice = WHOLE  # this process's, of every batch
    compositor: Compositor | None = None
    negatives: Negatives | None = None
    side_px: int | None = None  # of the images; None: as in the cache
    mixer: Mixer | None = None
    live_teachers: LiveTeachers | None = None


def stages(model: nn.Module, recipe: Recipe) -> list[Stage]:
    """The two stages; the first fits the encoder alone. UserError for its epochs with another network than SINet."""
    if recipe.encoder_epochs and not isinstance(model, SINet):
        found = f"{recipe.encoder_epochs} for {type(model).__name__}"
        raise UserError(f"expected --encoder-epochs 0 for networks other than sinet, found {found}; set it to 0")
    encoder = getattr(model, "encoder", model)
    return [
        Stage(0, "encoder ", encoder, recipe.encoder_epochs, recipe.encoder_batch_size, 8, recipe.encoder_boundary_px),
        Stage(1, "", model, recipe.epochs, recipe.batch_size, 1, recipe.boundary_px),
    ]


def side_px_of(recipe: Recipe, stage: Stage, epoch: int, size_px: int) -> int:
    """The side of an epoch's images: smaller at first, by the recipe (progressive resizing)."""
    if epoch > recipe.low_res_epochs * stage.epochs:
        return size_px
    return max(32, 32 * round(size_px * recipe.low_res_scale / 32))


def odd_px(length: float) -> int:
    """The nearest odd number: a window needs a middle."""
    return 2 * round((length - 1) / 2) + 1


def train_one_epoch(
    stage: Stage,
    step: Step,
    train: Samples,
    recipe: Recipe,
    generator: Generator,
    *,
    epoch: int,
    source_weights: Mapping[str, float] | None = None,
) -> float:
    """Train one pass over `train`, epochs counted from 1; return the mean loss. Diverged when a loss isn't finite.

    `generator` is the epoch's own; `source_weights` are `batches`'.
    """
    steps = steps_per_epoch(train, stage.batch_size)
    losses = []
    stage.network.train()
    hidden = None if step.share.index == 0 else True  # None: shown on a terminal
    with closing(_epoch_batches(stage, step, train, recipe, generator, source_weights)) as epoch_batches:
        for i, batch in enumerate(tqdm(epoch_batches, f"epoch {epoch}", steps, leave=False, disable=hidden)):
            rate = learning_rate(
                (epoch - 1) * steps + i,
                stage.epochs * steps,
                peak=recipe.learning_rate,
                schedule=recipe.schedule,
                warmup_fraction=recipe.warmup_fraction,
            )
            loss = train_on_batch(
                stage, step, batch.images, batch.labels, rate=rate, clip_norm=recipe.clip_norm, taught=batch.taught
            )
            losses.append(loss)
    epoch_losses = torch.stack(losses).cpu()
    if not epoch_losses.isfinite().all():
        raise Diverged(int(epoch_losses.isfinite().int().argmin()) + 1)
    return epoch_losses.mean().item()


def _epoch_batches(
    stage: Stage,
    step: Step,
    train: Samples,
    recipe: Recipe,
    generator: Generator,
    source_weights: Mapping[str, float] | None,
) -> Yields[Batch, None, None]:
    """One pass over `train`; with live teachers their probabilities come along, computed ahead of the step."""
    changed = _changed_batches(stage, step, train, recipe, generator, source_weights)
    if step.live_teachers is None:
        return changed
    return step.live_teachers.labelled(changed, label_stride=stage.label_stride)


def _changed_batches(
    stage: Stage,
    step: Step,
    train: Samples,
    recipe: Recipe,
    generator: Generator,
    source_weights: Mapping[str, float] | None,
) -> Yields[Batch, None, None]:
    """Composited, augmented and mixed; with the recipe's `consistency` both views of each image, see `both_views`."""
    augmenter = Augmenter(AUGMENTATIONS[recipe.augmentation](), generator, step.device)
    share, stride, soft = step.share, stage.label_stride, recipe.soft_masks
    for images, labels in batches(train, stage.batch_size, generator, source_weights=source_weights, share=share):
        images, labels = images.to(step.device), labels.to(step.device)
        if step.compositor:
            images = step.compositor(images, labels, generator, share=share)
        if step.negatives:
            images, labels = step.negatives(images, labels, generator, share=share)
        plain, changed, shares = augmenter.views(images, labels, share=share, side_px=step.side_px)
        if step.mixer:
            changed, mixed = step.mixer(changed, targets(shares, 1, soft=soft), generator)
            yield Batch(changed, targets(mixed, stride, soft=True))
        elif recipe.consistency:
            cells = targets(shares, stride, soft=soft)
            yield Batch(both_views(plain, changed), both_views(cells, cells))
        else:
            yield Batch(changed, targets(shares, stride, soft=soft))


def train_on_batch(
    stage: Stage,
    step: Step,
    images: Tensor,
    labels: Tensor,
    *,
    rate: float,
    clip_norm: float,
    taught: Tensor | None = None,
) -> Tensor:
    """RGB float (N, 3, S, S) in 0..255, labels float (N, s, s) -> the loss before this step, on the device.

    `taught`, float (N, s, s), are the live teachers' probabilities.
    """
    for group in step.optimizer.param_groups:
        group["lr"] = rate
    inputs = step.preprocessing.normalise(images).contiguous(memory_format=torch.channels_last)
    loss = step.loss_of(inputs, labels) if taught is None else step.loss_of(inputs, labels, taught)
    step.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip_norm:
        nn.utils.clip_grad_norm_(stage.network.parameters(), clip_norm)
    step.optimizer.step()
    if step.average is not None:
        step.average.update(stage.network)
    return loss.detach()


def targets(shares: Tensor, stride: int, *, soft: bool = False) -> Tensor:
    """Person shares (N, S, S) -> labels float (N, S/stride, S/stride): the top left pixel of each cell.

    They are 0 and 1, or with `soft` the shares themselves: a teacher's probabilities.
    """
    cells = shares[:, ::stride, ::stride].contiguous()
    return cells if soft else (cells >= 0.5).float()


def class_weights(train: Samples, recipe: Recipe) -> Weights:
    """Weights of background and person, from their share of the training pixels."""
    return frequency_weights(float(train.labels.numpy().mean()) / 255) if recipe.class_weights else EVEN


def epoch_generator(seed: int, stage: int, epoch: int) -> Generator:
    """The random numbers of one epoch, order and augmentation, only from (seed, stage, epoch).

    It is torch's default generator, so that it seeds a network's dropout too.
    """
    return torch.manual_seed(int(np.random.SeedSequence([seed, stage, epoch]).generate_state(1)[0]))
