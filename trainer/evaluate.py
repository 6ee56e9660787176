"""`python -m trainer.evaluate`: a checkpoint's three metrics on the accepted rows of a manifest.

The network sees the picture as a square; its person probability is resized to the mask's own size, and pixels
of at least one half are person.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from manifests.blobs import BlobStore
from manifests.command import run_command
from manifests.store import Manifest
from trainer.checkpoint import load_checkpoint
from trainer.data import SPLITS, Samples, load_samples, require_rows
from trainer.device import pick_device
from trainer.metrics import Metrics, MetricsAccumulator
from trainer.preprocessing import Preprocessing

BATCH_SIZE = 16
SHARD_SIZE = 512  # samples decoded at a time; 100 MB at 224 px
PERSON_PROB = 0.5  # rounds to 128 of 255, DESIGN's threshold


def evaluate(
    model: nn.Module,
    samples: Samples,
    preprocessing: Preprocessing,
    *,
    device: torch.device,
    into: MetricsAccumulator | None = None,
) -> Metrics:
    """Metrics of `model`, which is on `device`, over `samples`, and over what `into` has taken before."""
    accumulator = into if into is not None else MetricsAccumulator()
    model.eval()
    for start in range(0, len(samples), BATCH_SIZE):
        images = samples.images[start : start + BATCH_SIZE].to(device)
        true_masks = samples.true_masks[start : start + BATCH_SIZE]
        for prob, true_mask in zip(person_prob(model, images, preprocessing), true_masks, strict=True):
            resized = resize_prob(prob, true_mask.height, true_mask.width)
            accumulator.add((resized >= PERSON_PROB).cpu().numpy(), true_mask.unpack())
    return accumulator.result()


@torch.inference_mode()
def person_prob(model: nn.Module, images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """RGB uint8 (N, 3, S, S) -> person probability float (N, S, S)."""
    logits = model(preprocessing.normalise(images))  # (N, 2, S, S)
    return logits.softmax(dim=1)[:, 1]


def resize_prob(prob: Tensor, height: int, width: int) -> Tensor:
    """Float (S, S) -> (height, width), bilinear."""
    return F.interpolate(prob[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    device = pick_device(options.device)
    checkpoint = load_checkpoint(options.checkpoint)
    manifest = Manifest.open(options.manifest, data_root=options.data)
    rows = require_rows(manifest, options.split)
    model = checkpoint.model.to(device)
    accumulator = MetricsAccumulator()
    for start in range(0, len(rows), SHARD_SIZE):
        shard = rows[start : start + SHARD_SIZE]
        samples = load_samples(shard, BlobStore(manifest.data_root), checkpoint.info.preprocessing)
        evaluate(model, samples, checkpoint.info.preprocessing, device=device, into=accumulator)
    metrics = accumulator.result()
    print(f"{options.checkpoint} on {manifest.path}, split {options.split}, {metrics.n} images")
    for name, value in dataclasses.asdict(metrics).items():
        print(f"{name:<22}{value:>10.4f}" if name != "n" else f"{name:<22}{value:>10}")
    if options.json:
        print(json.dumps(dataclasses.asdict(metrics)))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m trainer.evaluate",
        description="Measure a checkpoint on the accepted rows of a manifest, at each mask's own size.",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="a .safetensors file or a run's directory")
    parser.add_argument("--manifest", type=Path, required=True, help="manifests/v<N>.parquet")
    parser.add_argument("--split", choices=SPLITS, default="val", help="which rows (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
