"""`python -m trainer.fit`: fit a network on a manifest's accepted rows -> OUTPUT/best.safetensors.

A run is its output directory: `best` and `last` as .safetensors and .json, and `resume.safetensors`. The same
command again resumes an unfinished run and ends with the same weights as one that was never interrupted.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Generator, nn
from torch.optim import Adam, Optimizer
from tqdm import tqdm

from manifests.blobs import BlobStore
from manifests.command import run_command
from manifests.errors import UserError
from manifests.store import Manifest
from trainer.augmentation import augment
from trainer.checkpoint import BEST, LAST, describe, save_checkpoint
from trainer.data import Samples, accepted_rows, batches, images_per_epoch, load_samples, require_rows, steps_per_epoch
from trainer.device import pick_device
from trainer.evaluate import evaluate
from trainer.losses import segmentation_loss
from trainer.metrics import Metrics
from trainer.models import MODELS, create_model
from trainer.preprocessing import Preprocessing, imagenet
from trainer.resume import Configuration, Progress, load_progress, load_state, save_state

BATCH_SIZE = 24  # SINet, section 4, second stage
PEAK_LEARNING_RATE = 7.5e-3  # SINet, section 4
WEIGHT_DECAY = 2e-4  # SINet, section 4
WARMUP_FRACTION = 0.05  # of all steps
EPOCHS = 60
SIZE_PX = 224  # SINet, section 4


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    device = pick_device(options.device)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    output = options.output or Path("runs") / f"{options.model}-{manifest.path.stem}"
    configuration = Configuration(
        model=options.model,
        manifest_digest=manifest.digest,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        size_px=options.size,
    )
    progress = load_progress(output, configuration)
    if progress.epoch == configuration.epochs:
        print(f"{output} is finished: {progress.epoch} epochs, the best is epoch {progress.best_epoch}")
    else:
        fit(manifest, configuration, output, progress, device=device)
    print(output / BEST)


def fit(
    manifest: Manifest, configuration: Configuration, output: Path, progress: Progress, *, device: torch.device
) -> None:
    """Run the epochs after `progress.epoch`, leaving checkpoints and the state to resume from in `output`."""
    preprocessing = imagenet(configuration.size_px)
    train, val = load_train_and_val(manifest, preprocessing)
    torch.manual_seed(configuration.seed)  # the fresh weights
    model = create_model(configuration.model).to(device).to(memory_format=torch.channels_last)
    optimizer = Adam(parameter_groups(model), lr=configuration.learning_rate)
    if progress.epoch:
        print(f"resuming {output} after epoch {progress.epoch}")
        load_state(output, model, optimizer)
    for epoch in range(progress.epoch + 1, configuration.epochs + 1):
        started = time.perf_counter()
        loss = train_one_epoch(
            model, optimizer, train, preprocessing, configuration=configuration, epoch=epoch, device=device
        )
        trained = time.perf_counter()
        _check_finite(loss, model, output, epoch=epoch)
        metrics = evaluate(model, val, preprocessing, device=device) if len(val) else None
        progress = progress.advanced(epoch, score=metrics.miou if metrics else -loss)
        info = describe(configuration.model, preprocessing, manifest, epoch=epoch, loss=loss, metrics=metrics)
        if progress.best_epoch == epoch:
            save_checkpoint(output / BEST, model, info)
        save_checkpoint(output / LAST, model, info)
        save_state(output, configuration, progress, model, optimizer)
        images_per_second = images_per_epoch(train, configuration.batch_size) / (trained - started)
        left = _duration((time.perf_counter() - started) * (configuration.epochs - epoch))
        pace = f"{images_per_second:.1f} images/s, {left} left"
        print(f"epoch {epoch}/{configuration.epochs}  loss {loss:.4f}  {_listed(metrics)}{pace}", flush=True)


def train_one_epoch(
    model: nn.Module,
    optimizer: Optimizer,
    train: Samples,
    preprocessing: Preprocessing,
    *,
    configuration: Configuration,
    epoch: int,
    device: torch.device,
) -> float:
    """One pass over `train`, epochs counted from 1; the mean loss, which is NaN if any step's was."""
    generator = epoch_generator(configuration.seed, epoch)
    steps = steps_per_epoch(train, configuration.batch_size)
    losses = torch.zeros((), device=device)
    model.train()
    dealt = batches(train, configuration.batch_size, generator)
    for step, (images, labels) in enumerate(tqdm(dealt, f"epoch {epoch}", steps, leave=False, disable=None)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(
                (epoch - 1) * steps + step, configuration.epochs * steps, peak=configuration.learning_rate
            )
        augmented, labels = augment(images.to(device), labels.to(device), generator)
        inputs = preprocessing.normalise(augmented).contiguous(memory_format=torch.channels_last)
        loss = segmentation_loss(model(inputs), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses += loss.detach()
    return losses.item() / steps


def learning_rate(step: int, total_steps: int, *, peak: float) -> float:
    """Rises linearly over the first WARMUP_FRACTION of the steps, then falls to 0 along a cosine."""
    warmup_steps = max(1, round(total_steps * WARMUP_FRACTION))
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done_fraction = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done_fraction))


def epoch_generator(seed: int, epoch: int) -> Generator:
    """The random numbers of one epoch, order and augmentation, from (seed, epoch) alone.

    It is torch's default generator, so that a network's dropout follows it too.
    """
    return torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))


def parameter_groups(model: nn.Module) -> list[dict[str, object]]:
    """Weight decay for convolutions that mix channels and none for depthwise ones, norms, PReLU and biases.

    The paper gives the number alone. The authors' code spares the same ones (2e-6 where this has 0), and
    squeeze-and-excite as well, which decays here.
    """
    parameters = list(model.parameters())
    mixing = [weight for weight in parameters if weight.ndim == 4 and weight.shape[1] > 1]
    rest = [weight for weight in parameters if not (weight.ndim == 4 and weight.shape[1] > 1)]
    return [{"params": mixing, "weight_decay": WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}]


def load_train_and_val(manifest: Manifest, preprocessing: Preprocessing) -> tuple[Samples, Samples]:
    """Decode both splits; UserError when nothing is accepted for training. An empty val is said in one line."""
    train_rows, val_rows = require_rows(manifest, "train"), accepted_rows(manifest, "val")
    print(f"{manifest.path}: {len(train_rows)} accepted rows to train on, {len(val_rows)} to validate on")
    if not val_rows:
        print("nothing to validate on: no metric is measured, the best epoch is the one of least training loss")
    blobs = BlobStore(manifest.data_root)
    return load_samples(train_rows, blobs, preprocessing), load_samples(val_rows, blobs, preprocessing)


def _check_finite(loss: float, model: nn.Module, output: Path, *, epoch: int) -> None:
    """UserError when the epoch spoilt the weights; its state is not written then."""
    if math.isfinite(loss) and all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values()):
        return
    kept = f"{output} keeps the checkpoints of epoch {epoch - 1}" if epoch > 1 else "nothing was written"
    raise UserError(
        f"expected a finite loss and finite weights, found loss {loss:.4g} in epoch {epoch}; {kept}; "
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
    parser.add_argument("--model", choices=MODELS, default="sinet", help="network (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="the run's directory (default: runs/MODEL-v<N>)")
    parser.add_argument("--epochs", type=_count, default=EPOCHS, help="passes over the data (default: %(default)s)")
    parser.add_argument("--batch-size", type=_count, default=BATCH_SIZE, help="(default: %(default)s)")
    parser.add_argument(
        "--learning-rate",
        type=_number(float, 1e-12, "a number above 0"),
        default=PEAK_LEARNING_RATE,
        help="at its peak (default: %(default)s)",
    )
    parser.add_argument("--size", type=_side, default=SIZE_PX, help="image side in pixels (default: %(default)s)")
    parser.add_argument("--seed", type=_number(int, 0, "a whole number"), default=0, help="(default: %(default)s)")
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
