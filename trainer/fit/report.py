"""The report of a finished run: curves.png, a sheet of validation predictions, and a model card."""

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from manifests.errors import UserError
from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore
from manifests.pixels.contact_sheet import contact_sheet
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import save_image
from manifests.pixels.masks import PERSON, PERSON_PROB
from manifests.pixels.metrics import MetricsAccumulator
from manifests.store.manifest import Manifest
from trainer.data.samples import Samples
from trainer.evaluate.evaluation import accumulate
from trainer.evaluate.slice_tables import slices_markdown
from trainer.evaluate.slices import read_slices, slice_metrics
from trainer.fit.metrics_log import read_log
from trainer.inference.predictors import person_prob
from trainer.weights.checkpoint import Checkpoint
from trainer.weights.checkpoint_files import BEST

CURVES = "curves.png"
PREDICTIONS = "predictions.png"
CARD = "README.md"
PER_ROW = 8  # images of each kind on the sheet: best, median, worst


def write_report(
    output: Path, checkpoint: Checkpoint, val: Samples, configuration: Mapping[str, object], *, manifest: Manifest
) -> None:
    """Write the three files of a finished run, from its best checkpoint. Without a val split there is no sheet.

    `val` are rows of `manifest`.
    """
    accumulator, slices = None, ""
    if len(val):
        preprocessing = checkpoint.info.preprocessing
        accumulator = accumulate(checkpoint.model, val, preprocessing, device=torch.device("cpu"))
        save_image(prediction_sheet(checkpoint, val, accumulator.person_ious), output / PREDICTIONS)
        slices = _slices(manifest, val, accumulator)
    write_replace(output / CURVES, curves(read_log(output)))
    write_replace(output / CARD, model_card(checkpoint, configuration, accumulator, slices).encode())


def chosen(person_ious: Sequence[float], per_row: int = PER_ROW) -> list[tuple[str, int]]:
    """Name of the row and index: the best, those around the median, the worst; at most as many as there are."""
    order = np.argsort(person_ious)[::-1].tolist()
    count = min(per_row, len(order))
    starts = {"best": 0, "median": (len(order) - count) // 2, "worst": len(order) - count}
    return [(row, index) for row, start in starts.items() for index in order[start : start + count]]


def prediction_sheet(checkpoint: Checkpoint, val: Samples, person_ious: Sequence[float]) -> Pixels:
    """Three rows of predictions: best, median, worst person IoU, with captions."""
    rows = chosen(person_ious)
    captions = [f"{row}: {person_ious[index]:.3f}" for row, index in rows]
    images = val.images[[index for _, index in rows]]
    probs = torch.cat([person_prob(checkpoint.model, part, checkpoint.info.preprocessing) for part in images.split(8)])
    masks = (probs >= PERSON_PROB).numpy().astype(np.uint8) * np.uint8(PERSON)
    rgbs = images.permute(0, 2, 3, 1).numpy()
    columns = min(PER_ROW, len(person_ious))
    return contact_sheet(list(zip(rgbs, masks, strict=True)), columns=columns, captions=captions)


def curves(lines: Sequence[Mapping[str, str]]) -> bytes:
    """Lines of metrics.csv -> PNG: loss on the left, the three metrics on the right, over all epochs."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(lines) + 1)
    left.plot(epochs, [float(line["loss"]) for line in lines], color="black", label="training loss")
    for name in MetricsAccumulator.NAMES:
        measured = [(epoch, float(line[name])) for epoch, line in zip(epochs, lines, strict=True) if line[name]]
        if measured:
            right.plot(*zip(*measured, strict=True), label=name)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        if axes.lines:
            axes.legend()
    right.set_title("val split")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def model_card(
    checkpoint: Checkpoint,
    configuration: Mapping[str, object],
    accumulator: MetricsAccumulator | None,
    slices: str,
) -> str:
    """A short Markdown page: the network, its data, its metrics, `slices` as Markdown, its use."""
    info = checkpoint.info
    parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    rows = "\n".join(f"| {name} | {json.dumps(value)} |" for name, value in configuration.items())
    return f"""# {info.model}

Person segmentation, {parameters:,} parameters, class 1 is person. Epoch {info.epoch}, training loss {info.loss:.4f}.

- Fitted on manifest version {info.manifest_version}, digest `{info.manifest_digest}`, by version {info.code_version}.
- Weights: SHA-256 `{checkpoint.weights_sha256}`.
- Input: {json.dumps(dataclasses.asdict(info.preprocessing))}; output: logits of background and person.

{_measured(accumulator, slices)}

Use: `python -m trainer.predict --checkpoint {BEST} --input IMAGES --output MASKS`.
It was fitted on images of people: in an image without people it may still mark a part as person.

| choice | value |
|---|---|
{rows}
"""


def _slices(manifest: Manifest, val: Samples, accumulator: MetricsAccumulator) -> str:
    """Markdown of the metrics by slice; its reason when the images, decoded at the fit's start, are gone by now."""
    try:
        slices = read_slices(manifest, val.rows, BlobStore(manifest.data_root))
    except UserError as error:
        return f"No slices: {error}."
    return slices_markdown(slice_metrics(slices, [accumulator]))


def _measured(accumulator: MetricsAccumulator | None, slices: str) -> str:
    if accumulator is None:
        return "Nothing was measured: the manifest has no accepted row in its val split."
    metrics, intervals = accumulator.result(), accumulator.intervals()
    rows = "\n".join(
        f"| {name} | {getattr(metrics, name):.4f} | {intervals[name][0]:.4f} to {intervals[name][1]:.4f} |"
        for name in accumulator.NAMES
    )
    return f"| on {metrics.n} images of the val split | value | 95 % interval |\n|---|---|---|\n{rows}\n\n{slices}"
